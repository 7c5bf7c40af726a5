"""Jaeger v2 with the shipped configuration, where there is one on the path: it keeps what is worth reading, and answers what `pointsman trace` reads."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

from monitored import JAEGER
from pointsman.cli import main
from pointsman.core.request import Request
from tracing import ANSWER, REFUSAL, traced

PROGRAM = shutil.which("jaeger")
PORTS = {
    "receivers.otlp.protocols.grpc": 0,
    "receivers.otlp.protocols.http": 0,
    "extensions.jaeger_query.http": 0,
    "extensions.jaeger_query.grpc": 0,
    "extensions.healthcheckv2.http": 0,
}
WELL = 40
"""Calls that are fast and well, of which one in ten is kept."""

pytestmark = [
    pytest.mark.foreign,
    pytest.mark.timeout(120),
    pytest.mark.skipif(PROGRAM is None, reason="no `jaeger` on the path"),
]


@contextmanager
def jaeger(ports: dict[str, int], folder: Path, _to: str) -> Iterator[str]:
    """Run it on free ports, and yield where it takes spans."""
    with ExitStack() as stack:
        ports |= {name: stack.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1] for name in PORTS}
    moved = [f"--set={name}.endpoint=127.0.0.1:{port}" for name, port in ports.items()]
    quiet = "--set=service.telemetry.metrics.level=none"
    own = {"OTEL_TRACES_SAMPLER": "always_off", "JAEGER_LISTEN_HOST": "127.0.0.1", "JAEGER_UI_CONFIG": str(JAEGER / "config-ui.json")}
    command = [str(PROGRAM), "--config", str(JAEGER / "config.yaml"), *moved, quiet]
    with (folder / "jaeger.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | own) as process:
        try:
            _asked(ports, "/")  # ready when it answers
            yield f"http://127.0.0.1:{ports['receivers.otlp.protocols.grpc']}"
        finally:
            process.terminate()
            process.wait(timeout=20)


def _asked(ports: dict[str, int], path: str, patience_s: float = 30) -> bytes:
    """Return an answer of its API, once there is one."""
    end = time.monotonic() + patience_s
    while True:
        try:
            with urlopen(f"http://127.0.0.1:{ports['extensions.jaeger_query.http']}{path}", timeout=5) as answer:  # our own
                found: bytes = answer.read()
                return found
        except (HTTPError, URLError, ConnectionError):
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


async def test_what_fell_back_is_kept_and_shown_and_of_what_is_well_a_part(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ports: dict[str, int] = {}
    async with traced(tmp_path, REFUSAL, ANSWER, through=partial(jaeger, ports, tmp_path)) as here:
        await here.client.complete(Request.of("x", accuracy=0.3), timeout_s=10, request_id="fell-back")
        for number in range(WELL):
            await here.client.route(Request.of("x", accuracy=0.3), timeout_s=10, request_id=f"well-{number}")
        now = datetime.now(UTC)
        spans = {
            f"query.start_time_{end}": (now + off).isoformat() for end, off in (("min", timedelta(hours=-1)), ("max", timedelta(hours=1)))
        }
        asked = urlencode({"query.service_name": "pointsman", "query.num_traces": "100", **spans})
        answer = _asked(ports, f"/api/v3/traces?{asked}")  # nothing is found for five seconds, which it waits for the rest of a trace
        page = _asked(ports, "/")

    (tmp_path / "answer.json").write_bytes(answer)
    assert main(["trace", str(tmp_path / "answer.json"), "--id", "fell-back"]) == 0
    shown = capsys.readouterr().out
    assert "chat sick  ✗ 429" in shown
    assert "chat well  fallback" in shown
    kept = {
        span["traceId"]
        for found in json.loads(answer)["result"]["resourceSpans"]
        for scope in found["scopeSpans"]
        for span in scope["spans"]
    }
    assert 1 <= len(kept) < WELL
    assert b"pointsman.rule.id" in page  # the links
