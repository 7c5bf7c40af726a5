"""Fixtures of the shell: the shipped rules, a router over them, and real servers on loopback."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import grpc
import pytest
from grpc_health.v1 import health_pb2

from pointsman import server
from pointsman.core.ruleset import Ruleset
from pointsman.offline import build_router, usable_rules
from pointsman.router import Router
from pointsman.settings import Settings
from pointsman.telemetry import Log
from pointsman.v1.admin_service_pb2_grpc import AdminServiceStub
from pointsman.v1.router_service_pb2_grpc import RouterServiceStub

RULES = Path(__file__).parent.parent / "rules"
SETTINGS = Settings(listen="127.0.0.1:0", rules=RULES)


@dataclass(kw_only=True)
class Running:
    """A server that listens, a channel to it, and what it wrote to its log."""

    address: str
    channel: grpc.aio.Channel
    log: io.BytesIO = field(repr=False)

    def __post_init__(self) -> None:
        self.router = RouterServiceStub(self.channel)
        self.admin = AdminServiceStub(self.channel)

    def lines(self) -> list[dict[str, Any]]:
        """Return the lines of the log so far."""
        return [json.loads(line) for line in self.log.getvalue().splitlines()]

    def calls(self) -> list[dict[str, Any]]:
        """Return those lines that tell of calls."""
        return [line for line in self.lines() if line["event"] == "call"]


Start: TypeAlias = Callable[..., Coroutine[Any, Any, Running]]
"""`await start(router=..., **settings)`: both may be left out."""


@pytest.fixture(scope="session")
def rules_dir() -> Path:
    """Return the shipped rule directory."""
    return RULES


@pytest.fixture(scope="session")
def ruleset() -> Ruleset:
    """Return the shipped rules."""
    return usable_rules(RULES)


@pytest.fixture(scope="session")
def router(ruleset: Ruleset) -> Router:
    """Return the router that the server has. One for all tests: it takes 0.4 s and keeps nothing between calls."""
    return build_router(ruleset, SETTINGS)


@pytest.fixture
async def start(router: Router) -> AsyncIterator[Start]:
    """Return a function that starts servers, which end with the test."""
    async with AsyncExitStack() as stack:

        async def start(*, router: Router = router, **settings: Any) -> Running:
            wanted = replace(SETTINGS, **settings)
            log = io.BytesIO()
            built, checks = server._server(router, Log(log), wanted)
            address = server._bind(built, wanted.listen)
            await built.start()
            stack.push_async_callback(built.stop, None)
            for name in (*server.READINESS, "startup", "liveness"):
                await checks.set(name, health_pb2.HealthCheckResponse.SERVING)
            # The tests decide what is too large for the server, not the library on the way to it.
            channel = grpc.aio.insecure_channel(address, options=[("grpc.max_send_message_length", 32 << 20)])
            return Running(address=address, channel=await stack.enter_async_context(channel), log=log)

        yield start


@pytest.fixture
async def running(start: Start) -> Running:
    """Return a server as it is shipped."""
    return await start()
