"""Streams over real gRPC: events in order, an honest end, and nothing left over when a client goes away."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_status import rpc_status

from conftest import Start
from fakes import ScriptedProvider, StreamingProvider, catalog_yaml, failed, model_yaml
from pointsman.client import Client
from pointsman.core.completion import Completion, TextDelta, Usage
from pointsman.core.decision import Decision
from pointsman.core.errors import StreamInterrupted
from pointsman.core.vocabulary import FinishReason
from pointsman.ports import Finished, ModelCall, Piece
from pointsman.v1 import routing_pb2 as pb
from pointsman.v1.router_service_pb2 import StreamCompleteRequest, StreamCompleteResponse
from pointsman.v1.router_service_pb2_grpc import RouterServiceStub
from processes import serving
from upstream import SSE, Exchange, Upstream, event

SOAK = bool(os.environ.get("POINTSMAN_TEST_SOAK"))
CANCELLED = 1000 if SOAK else 40
END = Finished(finish_reason=FinishReason.STOP, usage=Usage(input_tokens=5, output_tokens=3))


class Endless(ScriptedProvider):
    """Streams for ever, a word each half millisecond, and counts the streams that are open."""

    def __init__(self, word: str = "word ") -> None:
        super().__init__()
        self._word = word
        self.open = 0
        self.yielded = 0

    async def stream(self, call: ModelCall) -> AsyncGenerator[Piece, None]:
        self.calls.append(call)
        self.open += 1
        try:
            while True:
                await asyncio.sleep(0.0005)
                self.yielded += 1
                yield TextDelta(self._word)
        finally:
            self.open -= 1


def request(text: str = "Hello") -> StreamCompleteRequest:
    """Return a request of a single text."""
    return StreamCompleteRequest(request=pb.Request(prompt=pb.Prompt(text=text)))


async def test_events_come_in_order(start: Start) -> None:
    running = await start(StreamingProvider(["Good ", "day", END]))

    events: list[StreamCompleteResponse] = [event async for event in running.router.StreamComplete(request())]

    assert [event.WhichOneof("event") for event in events] == ["decision", "delta", "delta", "completion"]
    assert [event.delta.text for event in events[1:3]] == ["Good ", "day"]
    assert not events[3].completion.HasField("message")
    assert events[3].completion.usage.output_tokens == 3


async def test_a_stream_that_breaks_sends_what_was_used_and_then_its_error(start: Start) -> None:
    running = await start(StreamingProvider(["one ", "two ", failed("connection")]))
    events: list[StreamCompleteResponse] = []

    with pytest.raises(grpc.aio.AioRpcError) as broken:  # noqa: PT012  # the events before the error count, too
        async for event in running.router.StreamComplete(request()):
            events.append(event)  # noqa: PERF401

    info = ErrorInfo()
    status = rpc_status.from_call(broken.value)
    assert status is not None
    assert status.details[0].Unpack(info)
    assert (broken.value.code(), info.reason, dict(info.metadata)) == (
        grpc.StatusCode.UNAVAILABLE, "STREAM_INTERRUPTED", {"emittedTokens": "2"},
    )  # fmt: skip
    assert events[-1].completion.finish_reason == pb.FINISH_REASON_ERROR
    assert events[-1].completion.usage.estimated
    assert running.calls()[-1]["reason"] == "STREAM_INTERRUPTED"


async def test_the_client_yields_values_and_raises_the_same_error(start: Start) -> None:
    running = await start(StreamingProvider(["one ", failed("connection")]))
    events: list[object] = []

    async with Client(running.address) as client:
        with pytest.raises(StreamInterrupted) as broken:  # noqa: PT012  # as above
            async for event in client.stream("Hello"):
                events.append(event)  # noqa: PERF401

    assert [type(event) for event in events] == [Decision, TextDelta, Completion]
    assert broken.value.emitted_tokens == 1


async def test_cancellation_reaches_the_model_within_a_tenth_of_a_second(start: Start) -> None:
    provider = Endless()
    running = await start(provider)
    call = running.router.StreamComplete(request())
    for _ in range(5):
        await call.read()

    began = time.perf_counter()
    call.cancel()
    await until(lambda: not provider.open)

    assert time.perf_counter() - began < 0.1


async def test_streams_that_are_cancelled_anywhere_leave_nothing(start: Start) -> None:
    """1,000 of them in the soak. The library itself keeps some 63 bytes of each (grpc#43360)."""
    provider = Endless()
    running = await start(provider)
    chance = random.Random(7)  # noqa: S311  # not for secrets

    async def one() -> None:
        call = running.router.StreamComplete(request())
        for _ in range(chance.randrange(6)):
            await call.read()
        await asyncio.sleep(chance.random() / 200)
        call.cancel()

    await asyncio.gather(*(one() for _ in range(20)))
    tasks, before = len(asyncio.all_tasks()), rss_mib()
    for _ in range(CANCELLED // 20):
        await asyncio.gather(*(one() for _ in range(20)))
    await until(lambda: not provider.open and len(asyncio.all_tasks()) <= tasks)

    assert rss_mib() - before < 5


async def test_a_client_that_stops_reading_stops_the_model(start: Start) -> None:
    """What gRPC's windows hold is sent ahead, and no more; the client here does not widen them."""
    provider = Endless(word="x" * 8_000)
    running = await start(provider)
    options = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 65_536)]
    async with grpc.aio.insecure_channel(running.address, options=options) as channel:
        call = RouterServiceStub(channel).StreamComplete(request())
        await call.read()
        await asyncio.sleep(0.3)
        ahead = provider.yielded
        await asyncio.sleep(0.2)

        assert provider.yielded == ahead
        assert ahead * 8_000 < 300_000
        call.cancel()


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds that nobody tells of, 5 s at most."""
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110  # there is no event for it
            await asyncio.sleep(0.001)


def rss_mib() -> float:
    """Return the resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


async def test_each_piece_is_passed_on_as_it_comes(tmp_path: Path) -> None:
    """From when the upstream sends a piece to when the client has it, through a server that is a process of its own."""
    sent: list[float] = []

    async def paced(exchange: Exchange) -> None:
        await exchange.head(kind=SSE, Transfer_Encoding="chunked")
        for _ in range(50):
            await asyncio.sleep(0.01)
            sent.append(time.monotonic())
            await exchange.chunk(event('{"choices": [{"delta": {"content": "x"}}]}'))
        await exchange.chunk(event('{"choices": [{"delta": {}, "finish_reason": "stop"}]}'))
        await exchange.chunk(event("[DONE]"))
        await exchange.send(b"0\r\n\r\n")

    async with Upstream(script=[paced]) as upstream:
        provider = f"{{api: openai, base_url: '{upstream.url}', internal: true}}"
        (tmp_path / "models.yaml").write_text(catalog_yaml({"m": model_yaml()}).replace("{api: builtin}", provider))
        (tmp_path / "routing.yaml").write_text("version: 1\nroutes: [{id: default, why: w, use: {candidates: [m]}}]\n")
        with serving("--rules", str(tmp_path)) as address:
            async with Client(address) as client:
                came = [time.monotonic() async for found in client.stream("hi") if isinstance(found, TextDelta)]

    lags = sorted((there - here) * 1000 for here, there in zip(sent, came, strict=True))
    print(f"a piece took {lags[25]:.2f} ms (median), {lags[-1]:.2f} ms (worst)")
    assert lags[25] < 10  # none waited for the next one, which comes 10 ms later
