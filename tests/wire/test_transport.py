"""What must hold whatever speaks HTTP/2, and what the one in Rust leaves to others. Its soak is the suite itself: `make foreign` runs much of it again."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import pytest
from google.rpc import error_details_pb2 as details

from asked import detail, failure, reason, reflected
from fakes import ScriptedProvider
from pointsman.client import Client
from pointsman.core.completion import TextDelta
from pointsman.ports import ModelCall, Piece
from pointsman.settings import TRANSPORTS, Settings
from pointsman.v1 import admin_service_pb2 as admin_pb
from pointsman.v1 import router_service_pb2 as router_pb
from pointsman.v1 import routing_pb2 as pb
from pointsman.wire.transport import LARGEST_MESSAGE, CannotListen, add, bind, server_of
from pointsman.wire.transport import start as start_server

if TYPE_CHECKING:
    from conftest import Hanging, Running, Start

pytestmark = pytest.mark.timeout(30)

MANY = 30
"""More than asyncio has threads by default (two cores: 6), and fewer than a model bears calls."""


@pytest.fixture(params=TRANSPORTS)
async def running(request: pytest.FixtureRequest, start: Start) -> Running:
    """Return a server over each transport."""
    return await start(transport=request.param, reflection=True)


def asked(text: str = "hi") -> pb.Request:
    return pb.Request(prompt=pb.Prompt(text=text))


async def test_every_kind_of_call_is_answered_and_leaves_its_line(running: Running) -> None:
    decision = (await running.router.Route(router_pb.RouteRequest(request=asked()))).decision
    answered = await running.router.Complete(router_pb.CompleteRequest(request=asked("What is 17 * 23?")))
    events = [event async for event in running.router.StreamComplete(router_pb.StreamCompleteRequest(request=asked()))]
    models = (await running.admin.ListModels(admin_pb.ListModelsRequest())).models

    assert decision.chosen.model == "builtin"
    assert "391" in answered.completion.message.text
    assert [event.WhichOneof("event") for event in (events[0], events[-1])] == ["decision", "completion"]
    assert len(models) == 2
    assert [line["code"] for line in running.calls()] == ["OK"] * 4


async def test_metadata_come_and_go(running: Running) -> None:
    call = running.router.Route(router_pb.RouteRequest(request=asked()), metadata=(("x-request-id", "mine-1"),))

    initial = await call.initial_metadata()
    trailing = await call.trailing_metadata()

    assert dict(initial or ())["x-request-id"] == "mine-1"
    assert dict(trailing or ())["x-request-id"] == "mine-1"
    assert "pointsman-ruleset-revision" in dict(trailing or ())


async def test_a_refusal_comes_with_its_details(running: Running) -> None:
    request = asked()
    request.requirements.max_total_tokens = 3

    error = await failure(running.router.Route(router_pb.RouteRequest(request=request)))

    assert (error.code(), reason(error)) == (grpc.StatusCode.FAILED_PRECONDITION, "NO_ELIGIBLE_MODEL")
    assert detail(error, details.RequestInfo).request_id == running.calls()[0]["id"]


async def test_reflection_lists_the_services(running: Running) -> None:
    listed = await reflected(running.channel)

    assert "pointsman.v1.RouterService" in {service.name for service in listed.list_services_response.service}


async def test_methods_that_are_not_there_are_said_not_to_be(running: Running) -> None:
    nothing: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = running.channel.unary_unary("/pointsman.v1.RouterService/Nothing")

    assert (await failure(nothing(b""))).code() == grpc.StatusCode.UNIMPLEMENTED


async def test_what_is_too_long_is_refused(running: Running) -> None:
    error = await failure(running.router.Route(router_pb.RouteRequest(request=asked("a" * (LARGEST_MESSAGE + 1)))))

    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_caller_who_leaves_ends_the_call_of_the_model(start: Start, hanging: Hanging, transport: str) -> None:
    running = await start(hanging, transport=transport)
    call = running.router.Complete(router_pb.CompleteRequest(request=asked()))
    await hanging.begun.wait()

    left_at = time.monotonic()
    call.cancel()
    await hanging.ended.wait()

    assert time.monotonic() - left_at < 0.1
    await told(running, "CANCELLED")


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_deadline_ends_the_call_of_the_model(start: Start, hanging: Hanging, transport: str) -> None:
    running = await start(hanging, transport=transport)

    error = await failure(running.router.Complete(router_pb.CompleteRequest(request=asked()), timeout=0.3))

    assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    await hanging.ended.wait()
    await told(running, "DEADLINE_EXCEEDED", "CANCELLED")  # the caller's reset may come before the server's own timer


async def told(running: Running, *codes: str) -> None:
    """Wait for the line of a call, which is written after its caller has gone."""
    while not any([line["code"] for line in running.calls()] == [code] for code in codes):  # noqa: ASYNC110  # the log tells nobody
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_where_places_are_taken_callers_hear_to_come_again(start: Start, hanging: Hanging, transport: str) -> None:
    """In details of the status. grpc's own metadata say so to clients that try again by themselves, and native cannot send those."""
    running = await start(hanging, transport=transport, most_calls=1)
    first = running.router.Complete(router_pb.CompleteRequest(request=asked()))
    await hanging.begun.wait()

    error = await failure(running.router.Route(router_pb.RouteRequest(request=asked())))
    first.cancel()

    assert reason(error) == "OVERLOADED"
    assert detail(error, details.RetryInfo).retry_delay.seconds == 1
    assert ("grpc-retry-pushback-ms" in dict(error.trailing_metadata())) == (transport == "grpcio")


class Endless(ScriptedProvider):
    """A model that answers for as long as anybody reads."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces = 0

    async def stream(self, call: ModelCall) -> AsyncGenerator[Piece, None]:
        while True:
            self.pieces += 1
            yield TextDelta("word " * 20_000)
            await asyncio.sleep(0)


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_callers_that_do_not_read_hold_their_streams_back_and_no_others(start: Start, transport: str) -> None:
    running = await start(model := Endless(), transport=transport)
    streams = [running.router.StreamComplete(router_pb.StreamCompleteRequest(request=asked(f"{at}"))) for at in range(MANY)]
    for stream in streams:
        await stream.read()
    while True:  # until each has filled the windows on its way
        before = model.pieces
        await asyncio.sleep(0.3)
        if model.pieces == before:
            break

    assert await asyncio.wait_for(asyncio.to_thread(lambda: "a thread is left"), 1) == "a thread is left"
    assert (await running.router.Route(router_pb.RouteRequest(request=asked()))).decision.chosen.model
    for stream in streams:
        stream.cancel()


async def test_a_client_of_several_addresses_names_one_of_them_as_the_host(start: Start) -> None:
    """The Rust in it refuses what is no host; grpcio does not look."""
    running = await start(transport="native")

    async with Client(f"ipv4:{running.address},{running.address}") as client:
        assert (await client.route("hi", timeout_s=5)).chosen.model == "builtin"


async def test_native_that_cannot_serve_reflection_says_what_it_needs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    server = server_of(Settings(transport="native"))
    bind(server, "127.0.0.1:0")
    add(server, {"a.Service": {"Both": grpc.stream_stream_rpc_method_handler(lambda _messages, _context: None)}})

    with pytest.raises(
        CannotListen, match=r"temporary files to serve reflection: .*nowhere.*; set TMPDIR, or leave out POINTSMAN_REFLECTION"
    ):
        await start_server(server)


async def test_native_that_is_not_installed_is_said_to_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pygrpc_native.aio", None)

    with pytest.raises(CannotListen, match=r"pygrpc-native is not installed; pip install 'pointsman\[native\]'"):
        server_of(Settings(transport="native"))
