"""Fixtures of the shell: the shipped rules, a router over them, and real servers on loopback."""

from __future__ import annotations

import asyncio
import io
import json
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import grpc
import pytest

from fakes import ESTIMATE, AllWell, ScriptedProvider, WordCounter, recall_of
from pointsman import server
from pointsman.adapters.cache import MemoryCache
from pointsman.adapters.clock import SystemClock
from pointsman.affinity import Affinity
from pointsman.core.rulefile import UNBOUND
from pointsman.core.ruleset import Ruleset
from pointsman.core.tenants import Tenants
from pointsman.execute import Executor
from pointsman.live import Live, Snapshot
from pointsman.offline import load_rules, open_router
from pointsman.ports import Answer, ModelCall, Provider, unheard
from pointsman.reader import Reader
from pointsman.router import Router
from pointsman.settings import Settings
from pointsman.telemetry import Log
from pointsman.upstreams import Upstreams
from pointsman.v1.admin_service_pb2_grpc import AdminServiceStub
from pointsman.v1.router_service_pb2_grpc import RouterServiceStub
from pointsman.wire import transport
from pointsman.wire.health import SERVING
from processes import TRANSPORT
from valkeys import CannotRun, ValkeyServer

RULES = Path(__file__).parent / "data" / "rules"
SETTINGS = Settings(listen="127.0.0.1:0", rules=RULES)


@dataclass(kw_only=True)
class Running:
    """A server that listens, a channel to it, and what it wrote to its log."""

    address: str
    channel: grpc.aio.Channel
    log: Log = field(repr=False)
    out: io.BytesIO = field(repr=False)
    """What the log wrote."""
    live: Live = field(repr=False)
    """The rules and tenants in use."""

    def __post_init__(self) -> None:
        self.router = RouterServiceStub(self.channel)
        self.admin = AdminServiceStub(self.channel)

    def lines(self) -> list[dict[str, Any]]:
        """Return the lines of the log so far."""
        self.log.flush()
        return [json.loads(line) for line in self.out.getvalue().splitlines()]

    def calls(self) -> list[dict[str, Any]]:
        """Return those lines that tell of calls."""
        return [line for line in self.lines() if line["event"] == "call"]


Start: TypeAlias = Callable[..., Coroutine[Any, Any, Running]]
"""`await start(provider, tenants, **settings)`: all may be left out. With a provider, every model of the rules is called through that."""


class Hanging(ScriptedProvider):
    """A model that answers when everyone has gone. The events say when it was asked, and when the asking ended."""

    def __init__(self) -> None:
        super().__init__("too late")
        self.begun = asyncio.Event()
        self.ended = asyncio.Event()

    async def answer(self, call: ModelCall) -> Answer:
        self.begun.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.ended.set()
        return await super().answer(call)


def _router_over(ruleset: Ruleset, provider: Provider) -> Router:
    clock, counter = SystemClock(), WordCounter()
    upstreams = Upstreams(AllWell(), clock)
    executor = Executor({"builtin": provider}, counter, clock, upstreams)
    return Router(
        rules=lambda: ruleset,
        reader=Reader(counter, ESTIMATE),
        recall=recall_of(executor, clock),
        affinity=Affinity(MemoryCache(clock), clock),
        upstreams=upstreams,
        clock=clock,
        longest_s=60,
    )


@pytest.fixture
async def hanging() -> Hanging:
    """Return a model that never answers."""
    return Hanging()


@pytest.fixture(scope="session")
def _one_valkey() -> Iterator[ValkeyServer]:
    server = ValkeyServer()
    try:
        _start_or_skip(server)
        yield server
    finally:
        server.close()


@pytest.fixture
def valkey(_one_valkey: ValkeyServer) -> ValkeyServer:
    """Return a Valkey that is empty, for tests that do it no harm."""
    with socket.create_connection(("127.0.0.1", _one_valkey.port)) as connection:
        connection.sendall(b"FLUSHALL\r\n")
        assert connection.recv(16) == b"+OK\r\n"
    return _one_valkey


@pytest.fixture
def own_valkey() -> Iterator[ValkeyServer]:
    """Return a Valkey that the test may kill and hang."""
    server = ValkeyServer()
    try:
        _start_or_skip(server)
        yield server
    finally:
        server.close()


def _start_or_skip(server: ValkeyServer) -> None:
    try:
        server.start()
    except CannotRun as error:
        pytest.skip(f"no Valkey runs on this machine: {error}")


@pytest.fixture(scope="session")
def rules_dir() -> Path:
    """Return a rule directory with two models that both run in process."""
    return RULES


@pytest.fixture(scope="session")
def ruleset() -> Ruleset:
    """Return the rules of that directory."""
    loaded, _ = load_rules(RULES, UNBOUND)
    assert loaded.ruleset is not None
    return loaded.ruleset


@pytest.fixture
async def router(ruleset: Ruleset) -> AsyncIterator[Router]:
    """Return the router that the server has."""
    async with open_router(ruleset, SETTINGS, say=unheard, embedded=False) as (opened, _):
        yield opened


@pytest.fixture
async def start(router: Router, ruleset: Ruleset) -> AsyncIterator[Start]:
    """Return a function that starts servers, which end with the test."""
    async with AsyncExitStack() as stack:

        async def start(provider: Provider | None = None, tenants: Tenants | None = None, **settings: Any) -> Running:
            wanted = replace(SETTINGS, **{"transport": TRANSPORT} | settings)
            log = Log(out := io.BytesIO())
            serving = router if provider is None else _router_over(ruleset, provider)
            sources = load_rules(RULES, UNBOUND)[1]
            live = Live(Snapshot(ruleset=ruleset, tenants=tenants, loaded_at=SystemClock().now(), sources=sources), trust=wanted.trust)
            built, checks, _ = server._server(serving, live, server._identity(live, wanted, log), log, wanted)
            address = transport.bind(built, wanted.listen, server._certificates(wanted, log.note))
            await built.start()
            stack.push_async_callback(built.stop, None)
            checks.set(SERVING, *server.READINESS, "startup", "liveness")
            # The tests decide what is too large for the server, not the library on the way to it.
            channel = grpc.aio.insecure_channel(address, options=[("grpc.max_send_message_length", 32 << 20)])
            return Running(address=address, channel=await stack.enter_async_context(channel), log=log, out=out, live=live)

        yield start


@pytest.fixture
async def running(start: Start) -> Running:
    """Return a server as it is shipped."""
    return await start()
