"""rotel, a collector of OpenTelemetry that nobody here wrote, takes the spans and passes on what it understood: the questions are answered all the same."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.proto.trace.v1.trace_pb2 import Status as SpanStatus

from collector import attributes
from pointsman.cli import main
from pointsman.core.errors import NoEligibleModel, StreamInterrupted
from pointsman.core.request import CachePolicy, Generation, Request
from pointsman.core.vocabulary import CacheMode
from tracing import ANSWER, CANARY, CUT, Traced, traced
from upstream import hangs, replies

pytestmark = [pytest.mark.foreign, pytest.mark.timeout(120)]

BROKEN = replies(b"{}", status="500 Internal Server Error")
ASKED = {
    "decided": "Route",
    "fell-back": "Complete",
    "first": "Complete",
    "again": "Complete",
    "cut": "StreamComplete",
    "refused": "Route",
    "left": "Complete",
}


@contextmanager
def rotel(folder: Path, to: str) -> Iterator[str]:
    """Run the collector, which passes on what it is sent, and yield where it takes it."""
    program = shutil.which("rotel-agent")
    assert program, "rotel-agent is not on the path; `make foreign` brings it"
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        grpc, http = (f"127.0.0.1:{taken.getsockname()[1]}" for taken in (one, two))
    options = ["--otlp-grpc-endpoint", grpc, "--otlp-http-endpoint", http, "--pid-file", f"{folder}/pid", "--log-file", f"{folder}/log"]
    exporter = ["--exporter", "otlp", "--otlp-exporter-endpoint", to, "--otlp-exporter-retry-initial-backoff", "100ms"]
    with (
        (folder / "rotel.out").open("wb") as log,
        subprocess.Popen([program, "start", *options, *exporter], stdout=log, stderr=log) as process,
    ):
        try:
            yield f"http://{grpc}"
        finally:
            process.terminate()
            process.wait(timeout=10)


@dataclass
class Told:
    """What the collector passed on of each call: its own span and those below it."""

    calls: dict[str, tuple[dict[str, object], list[Span]]]
    revision: str
    text: str
    """All of it, in JSON."""


async def _called(folder: Path) -> Told:
    async with traced(folder, BROKEN, ANSWER, CUT, hangs, through=partial(rotel, folder)) as here:
        decision = await here.client.route(Request.of(CANARY, accuracy=0.3), timeout_s=10, request_id="decided")
        await here.client.complete(Request.of(CANARY, accuracy=0.3), timeout_s=10, request_id="fell-back")
        kept = Request.of("once", generation=Generation(temperature=0))
        for name in ("first", "again"):
            await here.client.complete(kept, timeout_s=10, request_id=name, cache=CachePolicy(mode=CacheMode.USE))
        with pytest.raises(StreamInterrupted):
            async for _ in here.client.stream(CANARY, timeout_s=10, request_id="cut"):
                pass
        with pytest.raises(NoEligibleModel):
            await here.client.route(Request.of(CANARY, accuracy=0.99), timeout_s=10, request_id="refused")
        await _leave(here)
        calls = {name: here.trace_of(name, method) for name, method in ASKED.items()}
        return Told(calls, decision.revision, here.collector.as_json())


async def _leave(here: Traced) -> None:
    task = asyncio.create_task(here.client.complete(Request.of(CANARY), timeout_s=10, request_id="left"))
    await asyncio.sleep(0.5)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """Return what came of a call of every kind."""
    return asyncio.run(_called(tmp_path_factory.mktemp("rotel")))


@pytest.mark.parametrize("name", [name for name in ASKED if name != "refused"])
def test_which_rule_of_which_version_of_which_file_decided(told: Told, name: str) -> None:
    _, (decide, *_) = told.calls[name]

    why = attributes(decide.attributes)
    assert decide.name == "pointsman.decide"
    assert (why["pointsman.rule.id"], why["pointsman.rule.file_line"]) == ("all", "routing.yaml:3")
    assert (why["pointsman.ruleset.revision"], why["pointsman.rule.why"]) == (told.revision, "Good enough.")


def test_which_models_lost_and_why(told: Told) -> None:
    _, (decide, *_) = told.calls["decided"]
    _, (refusal,) = told.calls["refused"]

    assert [str(each).partition(" (")[0] for each in attributes(decide.attributes)["pointsman.candidates"]] == [  # type: ignore[attr-defined]  # a list of texts
        "sick: chosen",
        "well: kept",
        "weak: dropped QUALITY",
    ]
    lost = attributes(refusal.attributes)["pointsman.candidates"]
    assert [str(each).rpartition(" < ")[2] for each in lost] == ["0.99)"] * 3  # type: ignore[attr-defined]  # a list of texts


def test_what_each_attempt_cost_and_how_it_failed(told: Told) -> None:
    server, (_, failed, answered) = told.calls["fell-back"]

    assert (failed.name, failed.status.code, failed.status.message) == ("chat sick", SpanStatus.STATUS_CODE_ERROR, "500")
    assert "pointsman.cost_nano_usd" not in attributes(failed.attributes)
    used = attributes(answered.attributes)
    assert (answered.name, used["pointsman.attempt.reason"], used["pointsman.cost_nano_usd"]) == ("chat well", "fallback", 12_000_000)
    assert (used["gen_ai.usage.input_tokens"], used["gen_ai.usage.output_tokens"]) == (5, 7)
    assert (server["rpc.status_code"], server["gen_ai.response.model"]) == ("OK", "well")


def test_a_kept_answer_shows_that_nobody_was_asked(told: Told) -> None:
    first, (_, _, attempt) = told.calls["first"]
    again, below = told.calls["again"]

    assert (first["pointsman.cache.status"], attempt.name) == ("miss", "chat sick")
    assert (again["pointsman.cache.status"], again["pointsman.cost_usd"]) == ("hit", 0.0)
    assert [span.name for span in below] == ["pointsman.decide", "pointsman.cache.lookup"]


def test_a_stream_that_broke_off_shows_where(told: Told) -> None:
    server, (_, attempt) = told.calls["cut"]

    assert (server["rpc.status_code"], server["pointsman.error.reason"]) == ("UNAVAILABLE", "STREAM_INTERRUPTED")
    assert [each.name for each in attempt.events] == ["gen_ai.first_token"]
    assert attempt.status.code == SpanStatus.STATUS_CODE_ERROR


def test_a_refusal_and_a_caller_who_left_are_no_faults(told: Told) -> None:
    refused, _ = told.calls["refused"]
    left, (decide, cut) = told.calls["left"]

    assert (refused["rpc.status_code"], refused["pointsman.error.reason"]) == ("FAILED_PRECONDITION", "NO_ELIGIBLE_MODEL")
    assert left["rpc.status_code"] == "CANCELLED"
    assert attributes(decide.attributes)["gen_ai.request.model"] == "sick"
    assert (cut.name, cut.status.message) == ("chat sick", "cancelled")


def test_the_same_is_to_be_read_on_a_terminal(told: Told, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "spans.json"
    path.write_text(told.text)

    assert main(["trace", str(path)]) == 0
    shown = capsys.readouterr().out
    assert shown.count("decision ") == len(ASKED)
    assert "sick from the cache (hit), $0.00 instead of" in shown
