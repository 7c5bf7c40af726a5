"""What goes wrong between us and upstreams, row by row of the table of faults, with the parts that serve and upstreams that misbehave.

Times are printed (`pytest -rP`), counts are asserted: a shared machine says little about milliseconds.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

import pytest
from msgspec import structs

from fakes import catalog_yaml, model_yaml, ruleset_of
from pointsman.call import Call
from pointsman.client import Client
from pointsman.core.completion import Completion, TextDelta
from pointsman.core.errors import AllUnavailable, DeadlinePassed, PointsmanError, StreamInterrupted, UpstreamUnavailable
from pointsman.core.request import Context, Request
from pointsman.core.ruleset import Ruleset
from pointsman.offline import open_router
from pointsman.ports import unheard
from pointsman.router import Router
from pointsman.settings import Settings
from pointsman.wire.local import LocalClient
from processes import serving
from upstream import Behaviour, Exchange, Upstream, drips, event, hangs, replies, resets, streams, truncates

SOAK = bool(os.environ.get("POINTSMAN_TEST_SOAK"))
CANARY = "sk-canary-7391"

ANSWER = replies(
    b'{"choices": [{"message": {"content": "well"}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 5, "completion_tokens": 1}}'
)
PIECES = streams(
    event('{"choices": [{"delta": {"content": "well"}}]}'),
    event('{"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 5, "completion_tokens": 1}}'),
    event("[DONE]"),
)


def refuses(status: str, body: bytes = b"{}", **headers: Any) -> Behaviour:
    return replies(body, status=status, **headers)


def rules(sick: str, well: str = "", limits: str = "") -> Ruleset:
    """Return rules by which the model `sick` is asked first, and then `well`, if there is one; `limits` are those of the providers."""
    names = ["sick", "well"] if well else ["sick"]
    prices = {"sick": 1, "well": 1000}  # so far apart that no length of answers puts the second before the first
    models = {
        name: model_yaml(ttft_ms=1, tokens_per_s=100_000, price=prices[name]).replace("provider: p", f"provider: {name}") for name in names
    }
    urls = {"sick": sick, "well": well}
    providers = ", ".join(
        f"{name}: {{api: openai, base_url: '{urls[name]}', internal: true, {limits}key: {{env: X_API_KEY}}}}" for name in names
    )
    catalog = catalog_yaml(models).replace("{p: {api: builtin}}", f"{{{providers}}}")
    return ruleset_of(catalog, f"version: 1\nroutes: [{{id: all, why: w, use: {{candidates: [{', '.join(names)}]}}}}]\n")


@dataclass
class World:
    """A router over two upstreams, of which the first misbehaves."""

    router: Router
    sick: Upstream
    well: Upstream

    def __post_init__(self) -> None:
        self.client = LocalClient(self.router)

    async def ask(self, within_s: float = 10.0) -> Completion:
        return (await self.client.complete(Request.of("hi"), timeout_s=within_s))[1]

    async def stream(self, within_s: float = 10.0) -> tuple[list[str], Completion | None, PointsmanError | None]:
        """Return the texts, the completion and the error of a stream."""
        texts: list[str] = []
        completion = None
        try:
            async for found in self.client.stream(Request.of("hi"), timeout_s=within_s):
                if isinstance(found, TextDelta):
                    texts.append(found.text)
                elif isinstance(found, Completion):
                    completion = found
        except PointsmanError as error:
            return texts, completion, error
        return texts, completion, None


@asynccontextmanager
async def world(*sick: Behaviour, well: Behaviour | None = ANSWER, url: str = "", limits: str = "") -> AsyncIterator[World]:
    """Open a world; `url` stands for the sick upstream where none is to listen."""
    base = len(asyncio.all_tasks())
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(Upstream(script=sick or [ANSWER]))
        second = await stack.enter_async_context(Upstream(script=[well or ANSWER]))
        ruleset = rules(url or first.url, second.url if well else "", limits)
        settings = Settings(environment={"X_API_KEY": CANARY})
        router, _ = await stack.enter_async_context(open_router(ruleset, settings, say=unheard, embedded=False))
        yield World(router, first, second)
    for _ in range(20):
        if len(asyncio.all_tasks()) == base:
            break
        await asyncio.sleep(0.01)
    assert len(asyncio.all_tasks()) == base  # whatever happened, nothing of it goes on


def told(completion: Completion) -> list[tuple[str, str]]:
    return [(attempt.model, attempt.error_type) for attempt in completion.attempts]


async def test_row_1_an_upstream_that_never_answers_leaves_time_for_the_next() -> None:
    async with world(hangs) as here:
        began = time.monotonic()
        completion = await here.ask(within_s=0.6)
        print(f"row 1: answered by the second after {time.monotonic() - began:.3f} s, half of 0.6 s was the first's")

    assert told(completion) == [("sick", "timeout"), ("well", "")]


async def test_row_1_alone_it_ends_at_the_deadline() -> None:
    async with world(hangs, well=None) as here:
        began = time.monotonic()
        with pytest.raises(PointsmanError, match="the deadline passed after sick: timeout"):
            await here.ask(within_s=0.3)
        print(f"row 1: ended {(time.monotonic() - began - 0.3) * 1000:.1f} ms after the deadline")


async def test_row_2_an_upstream_that_refuses_is_left_alone_after_five() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    async with world(url=f"http://127.0.0.1:{port}/v1") as here:
        completions, took = [], []
        for _ in range(40):
            began = time.monotonic()
            completions.append(await here.ask())
            took.append((time.monotonic() - began) * 1000)
        names = await here.client.models()

    assert [told(completion)[0][0] for completion in completions] == ["sick"] * 5 + ["well"] * 35
    assert [model.unavailable.name for model in names if model.unavailable] == ["UNHEALTHY"]
    print(f"row 2: median {median(took[:5]):.2f} ms while it was tried, {median(took[5:]):.2f} ms since")


async def test_row_2_a_name_that_does_not_resolve_moves_on() -> None:
    async with world(url="http://nowhere.invalid/v1") as here:
        assert told(await here.ask()) == [("sick", "connection"), ("well", "")]


async def test_row_3_a_reset_before_the_first_token_is_made_up_for() -> None:
    async with world(resets) as here:
        outcomes = Counter([(await here.ask()).model for _ in range(100)])

    assert outcomes == {"well": 100}


async def test_row_4_a_reset_after_some_tokens_is_told_and_nothing_comes_twice() -> None:
    piece = event('{"choices": [{"delta": {"content": "word "}}]}')
    async with world(streams(piece, piece, piece, then="reset"), well=PIECES) as here:
        texts, completion, error = await here.stream()

    assert texts == ["word "] * 3
    assert isinstance(error, StreamInterrupted)
    assert completion is not None
    assert (completion.usage.estimated, completion.usage.output_tokens > 0, completion.usage.cost > 0) == (True, True, True)
    assert (len(here.sick.requests), len(here.well.requests)) == (1, 0)


async def test_row_5_a_line_that_never_ends_is_no_beginning() -> None:
    async with world(drips, well=PIECES) as here:
        texts, completion, error = await here.stream(within_s=0.8)

    assert (texts, error) == (["well"], None)
    assert completion is not None
    assert told(completion) == [("sick", "timeout"), ("well", "")]


async def test_row_5_a_line_that_is_too_long_ends_the_call() -> None:
    async with world(streams(b"data: " + b"x" * (2 << 20)), well=PIECES) as here:
        _, completion, _ = await here.stream()

    assert completion is not None
    assert told(completion) == [("sick", "too_large"), ("well", "")]


async def test_row_6_who_asks_for_a_pause_gets_it() -> None:
    async with world(refuses("429 Too Many Requests", Retry_After="0.4"), ANSWER) as here:
        first = [told(await here.ask()) for _ in range(5)]
        await asyncio.sleep(0.45)
        later = await here.ask()

    assert first == [[("sick", "429"), ("well", "")], *[[("well", "")]] * 4]
    assert told(later) == [("sick", "")]


REFUSED_KEYS = [
    refuses("401 Unauthorized"),
    refuses("403 Forbidden"),
    refuses("429 Too Many Requests", b'{"error": {"code": "insufficient_quota"}}', Retry_After=0),
]


@pytest.mark.parametrize("behaviour", REFUSED_KEYS, ids=["401", "403", "quota"])
async def test_row_7_a_key_that_does_not_count_is_tried_once(behaviour: Behaviour) -> None:
    async with world(behaviour) as here:
        models = Counter([(await here.ask()).model for _ in range(20)])

    assert (models, len(here.sick.requests)) == ({"well": 20}, 1)


async def test_row_8_when_everything_fails_upstreams_are_spared() -> None:
    errors: Counter[str] = Counter()
    async with world(refuses("503 Service Unavailable"), well=refuses("529 Overloaded")) as here:
        began = time.monotonic()
        for _ in range(1000):
            with pytest.raises((UpstreamUnavailable, AllUnavailable)) as failed:
                await here.ask()
            errors[type(failed.value).__name__] += 1
        calls = len(here.sick.requests) + len(here.well.requests)

    print(f"row 8: 1000 calls in {time.monotonic() - began:.1f} s, {calls} upstream calls, {dict(errors)}")
    assert calls <= 1200


BAD = {
    "no JSON": replies(b"<html>", kind="text/html"),
    "wrong type": replies(b'{"choices": 7}'),
    "nothing": replies(b""),
    "gzip": replies(b"\x1f\x8b\x08\x00garbage", Content_Encoding="gzip"),
    "not UTF-8": replies(b'{"choices": [{"message": {"content": "\xff"}}]}'),
    "nested": replies(b'{"choices":' + b"[" * 100_000),
    "cut": truncates,
}


@pytest.mark.parametrize("kind", BAD)
async def test_row_9_a_reply_that_is_none_moves_on(kind: str) -> None:
    async with world(BAD[kind]) as here:
        completion = await here.ask()

    assert [model for model, _ in told(completion)] == ["sick", "well"]
    assert told(completion)[0][1] in ("bad_response", "connection")


async def test_row_9_usage_that_is_missing_is_counted_and_marked() -> None:
    async with world(replies(b'{"choices": [{"message": {"content": "four words of it"}, "finish_reason": "stop"}]}')) as here:
        usage = (await here.ask()).usage

    assert (usage.estimated, usage.output_tokens, usage.cost > 0) == (True, 4, True)


async def test_row_18_a_caller_who_leaves_ends_the_call_upstream() -> None:
    piece, random, took = event('{"choices": [{"delta": {"content": "x"}}]}'), Random(18), []  # noqa: S311  # draws cases
    pieces: list[bytes | float] = [piece, 0.002] * 500
    async with world(streams(*pieces, then="hang")) as here:
        for number in range(200 if SOAK else 30):
            await _left_after(here, random.randrange(4))
            gone = here.sick.exchanges[number].gone
            began = time.monotonic()
            async with asyncio.timeout(2):
                await gone.wait()
            took.append((time.monotonic() - began) * 1000)

    print(f"row 18: upstream saw the end after {median(took):.1f} ms (median), {max(took):.1f} ms (worst)")


async def _left_after(here: World, pieces: int) -> None:
    """Take the decision and some pieces of a stream, and leave."""
    async with aclosing(here.client.stream(Request.of("hi"))) as events:
        for _ in range(pieces + 2):
            await anext(events)


async def test_row_19_a_caller_who_stops_reading_stops_the_upstream() -> None:
    piece = event('{"choices": [{"delta": {"content": "' + "x" * 1000 + '"}}]}')
    async with world(streams(piece, then="repeat")) as here, aclosing(here.client.stream(Request.of("hi"))) as events:
        for _ in range(5):
            await anext(events)
        await asyncio.sleep(0.3)
        before = here.sick.exchanges[0].taken
        await asyncio.sleep(0.3)
        print(f"row 19: {before / 1024:.0f} KiB left the upstream, 128 of them in its own buffer, for 4 KiB that were read")

    assert here.sick.exchanges[0].taken - before < 128 << 10
    assert before < 512 << 10


async def test_row_22_nobody_is_called_but_who_the_catalog_names() -> None:
    async with (
        Upstream(script=[ANSWER]) as inside,
        world(refuses("302 Found", Location=inside.url), refuses("307 Temporary Redirect", Location=inside.url)) as here,
    ):
        request = structs.replace(
            Request.of("hi"), context=Context(labels={"api_base": "http://169.254.169.254", "base_url": "http://evil"})
        )
        completions = [(await here.client.complete(request))[1] for _ in range(2)]

    assert [told(completion)[0] for completion in completions] == [("sick", "302"), ("sick", "307")]
    assert inside.requests == []


async def test_row_23_no_key_is_in_what_is_said() -> None:
    echo = refuses("400 Bad Request", f'{{"error": {{"message": "bad key {CANARY}", "code": "{CANARY}"}}}}'.encode())
    async with world(echo, well=echo) as here:
        with pytest.raises(UpstreamUnavailable) as failed:
            await here.ask()
        _, _, error = await here.stream()
        said = repr(failed.value) + str(failed.value) + repr(error) + repr(failed.value.__context__) + repr(here.router)

    assert f"bearer {CANARY}" in here.sick.requests[0].headers["authorization"].lower()
    assert CANARY not in said


async def test_row_30_a_call_that_was_tried_before_is_tried_once() -> None:
    async with world(refuses("500 Internal Server Error"), well=None) as here:
        with pytest.raises(UpstreamUnavailable):
            await here.router.complete(Request.of("hi"), Call(id="x", tried_before=2))
        assert len(here.sick.requests) == 1
        with pytest.raises(UpstreamUnavailable):
            await here.router.complete(Request.of("hi"), Call(id="x"))

    assert len(here.sick.requests) == 3  # this one, and once again


async def test_row_28_a_server_without_file_descriptors_comes_back() -> None:
    """A hundred are enough to serve, and less than the connections that come."""
    with serving("--rules", str(Path(__file__).parent / "data" / "rules"), prefix=("prlimit", "--nofile=100")) as address:
        host, _, port = address.rpartition(":")
        crowd = []
        for _ in range(200):
            one = socket.socket()
            one.settimeout(0.2)
            crowd.append(one)
            try:
                one.connect((host, int(port)))
            except OSError:
                break
        for one in crowd:
            one.close()
        began = time.monotonic()
        async with Client(address) as client:
            assert (await client.route("hi", timeout_s=5)).chosen.model
        print(f"row 28: {len(crowd)} connections; served again {time.monotonic() - began:.2f} s after they had gone")


RATE, SECONDS = (100, 60) if SOAK else (60, 4)


@pytest.mark.timeout(180)
async def test_a_third_of_one_upstream_failing_is_hardly_seen() -> None:
    """Of one of two upstreams 30 % of the calls fail: by errors, by resets, and by never answering."""
    random, faults = Random(6), (refuses("500 Internal Server Error"), resets, hangs)  # noqa: S311  # draws cases

    async def shaky(exchange: Exchange) -> None:
        await (random.choice(faults) if random.random() < 0.3 else ANSWER)(exchange)

    within_s, late, outcomes = 2.0, [], Counter[str]()
    async with world(shaky) as here:

        async def one() -> None:
            began = time.monotonic()
            try:
                await here.ask(within_s=within_s)
                outcomes["answered"] += 1
            except PointsmanError as error:
                outcomes[type(error).__name__] += 1
            late.append(time.monotonic() - began - within_s)

        calls = []
        for _ in range(RATE * SECONDS):
            calls.append(asyncio.create_task(one()))
            await asyncio.sleep(1 / RATE)
        await asyncio.gather(*calls)
        upstream = len(here.sick.requests) + len(here.well.requests)

    total = RATE * SECONDS
    print(
        f"{total} calls: {dict(outcomes)}, {upstream / total:.2f} upstream calls each, latest {max(late) * 1000:.0f} ms after its deadline"
    )
    assert outcomes["answered"] >= 0.999 * total
    assert upstream <= 1.35 * total
    assert max(late) < 0.05


async def test_a_reader_who_stalls_holds_no_upstream_past_the_deadline() -> None:
    piece = event('{"choices": [{"delta": {"content": "x"}}]}')
    async with world(streams(piece, then="repeat")) as here, aclosing(here.client.stream(Request.of("hi"), timeout_s=0.3)) as events:
        for _ in range(3):
            await anext(events)
        async with asyncio.timeout(2):
            await here.sick.exchanges[0].gone.wait()
        with pytest.raises(DeadlinePassed):
            async for _ in events:
                pass


async def test_a_stream_that_its_caller_gave_too_little_time_is_not_held_against_the_model() -> None:
    pieces: list[bytes | float] = [event('{"choices": [{"delta": {"content": "x"}}]}'), 0.01] * 500
    async with world(streams(*pieces), well=None) as here:
        errors = [(await here.stream(within_s=0.1))[2] for _ in range(6)]

    assert [type(error) for error in errors] == [DeadlinePassed] * 6
    assert len(here.sick.requests) == 6


async def test_connections_are_kept_from_one_stream_to_the_next() -> None:
    """Also where the upstream ends its reply a moment after it has said all."""
    said = event('{"choices": [{"delta": {"content": "x"}, "finish_reason": "stop"}]}')
    async with world(streams(said, event("[DONE]"), 0.005), well=None) as here:
        for _ in range(5):
            assert (await here.stream())[2] is None

    assert {seen.connection for seen in here.sick.requests} == {1}


async def test_calls_of_tools_are_counted_where_the_provider_does_not() -> None:
    call = (
        '{"choices": [{"delta": {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "add", "arguments": "{\\"a\\": 12345}"}}]}}]}'
    )
    async with world(streams(event(call), then="reset"), well=None) as here:
        _, completion, error = await here.stream()

    assert completion is not None
    assert completion.usage.output_tokens > 3
    assert isinstance(error, StreamInterrupted)
    assert error.emitted_tokens == completion.usage.output_tokens


async def test_what_was_asked_of_a_model_that_took_too_long_is_counted_as_spent() -> None:
    async with world(hangs) as here:
        completion = await here.ask(within_s=0.4)

    timed_out, answered = completion.attempts
    assert timed_out.usage is not None
    assert answered.usage is not None
    assert (timed_out.usage.estimated, timed_out.usage.cost > 0) == (True, True)
    assert completion.usage.cost == timed_out.usage.cost + answered.usage.cost


async def test_streams_that_are_more_than_a_provider_takes_wait_for_each_other() -> None:
    async with world(PIECES, well=None, limits="max_in_flight: 1, ") as here:
        found = await asyncio.gather(*(here.stream() for _ in range(4)))

    assert [(texts, error) for texts, _, error in found] == [(["well"], None)] * 4
