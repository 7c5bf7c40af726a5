"""Composition root of serving: builds everything top to bottom, listens, and drains when asked to end.

SIGTERM or SIGINT: readiness goes, new calls are refused, calls under way are given the grace period, then the process ends. A second one
ends it at once.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from pointsman.adapters.clock import SystemClock
from pointsman.adapters.last_good import LastGood
from pointsman.adapters.rulefiles import RuleDirectory
from pointsman.live import Follower, Live, begin, look
from pointsman.offline import open_live_router
from pointsman.router import Router
from pointsman.settings import Settings
from pointsman.telemetry import LibraryLog, Log
from pointsman.wire.boundary import Boundary
from pointsman.wire.servicer import ADMIN_SERVICE, ROUTER_SERVICE, handlers

LARGEST_MESSAGE = 8 * 1024 * 1024
LARGEST_METADATA = 16 * 1024

OPTIONS: list[tuple[str, int]] = [
    ("grpc.max_receive_message_length", LARGEST_MESSAGE),
    ("grpc.max_send_message_length", LARGEST_MESSAGE),
    ("grpc.max_metadata_size", LARGEST_METADATA),
    ("grpc.absolute_max_metadata_size", LARGEST_METADATA),  # between the two limits grpc would refuse at random
    ("grpc.so_reuseport", 0),  # else a second server on the same port starts, and swallows half of the connections
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 20_000),  # clients that ping each 30 s are welcome
]

SERVICES = (ROUTER_SERVICE, ADMIN_SERVICE)
READINESS = ("", *SERVICES, "readiness")
"""The names under which health is asked for that say: send calls here."""


LAST_WORDS_S = 0.2
"""For answers to leave, and for those who watch the health to hear that it ends."""


class CannotListen(Exception):
    """The address is taken, or is none of this machine's."""


async def serve(settings: Settings, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT. `ready` is called with HOST:PORT once calls are accepted. Raises BadRules and CannotListen."""
    log = Log()
    logging.basicConfig(handlers=[LibraryLog(log)], level=logging.WARNING)
    async with _open(settings, log) as (router, live):
        server, checks, boundary = _server(router, live, log, settings)
        address = _bind(server, settings.listen)
        stop = _on_signals(log)
        gc.collect()
        gc.freeze()  # what was built so far stays: going through it again would hold up all calls, 30 ms each time
        await server.start()
        for name in (*READINESS, "startup", "liveness"):
            await checks.set(name, health_pb2.HealthCheckResponse.SERVING)
        log.note(f"ready on {address}, ruleset {live.ruleset().revision}")
        ready(address)
        await stop.wait()
        await _drain(server, checks, boundary, stop, settings.grace_s)
    log.note("ended")


@asynccontextmanager
async def _open(settings: Settings, log: Log) -> AsyncIterator[tuple[Router, Live]]:
    """Open a router over the rules of the directory, and follow the directory while it is open. Raises BadRules."""
    clock, source = SystemClock(), RuleDirectory(settings.rules)
    kept = LastGood(settings.state_dir, settings.rules) if settings.state_dir else None
    seen = look(source)
    live = Live(begin(seen, kept, clock=clock, say=log.note))
    async with open_live_router(live.ruleset, settings, log.note) as (router, fleet):
        follower = Follower(live, source, seen, clock=clock, say=log.note, kept=kept, swapped=lambda ruleset: fleet.follow(ruleset.catalog))
        following = asyncio.create_task(follower.run(), name="rules")
        try:
            yield router, live
        finally:
            following.cancel()
            await asyncio.wait((following,))


def _server(router: Router, live: Live, log: Log, settings: Settings) -> tuple[grpc.aio.Server, health.aio.HealthServicer, Boundary]:
    server = grpc.aio.server(options=OPTIONS)
    boundary = Boundary(log=log, clock=SystemClock(), revision=lambda: live.ruleset().revision)
    server.add_generic_rpc_handlers(handlers(router, live, boundary))
    checks = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    if settings.reflection:
        names = (*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, server)
    return server, checks, boundary


def _bind(server: grpc.aio.Server, listen: str) -> str:
    """Return HOST:PORT with the port that was given."""
    try:
        port = server.add_insecure_port(listen)
    except RuntimeError as error:
        raise CannotListen(f"cannot listen on {listen}: the address is in use, or not of this machine") from error
    return f"{listen.rpartition(':')[0]}:{port}"


class _Stop:
    """Counts the signals that ask the process to end."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._first, self._second = asyncio.Event(), asyncio.Event()
        self.wait, self.wait_again = self._first.wait, self._second.wait

    def __call__(self) -> None:
        self._log.note("asked to end at once" if self._first.is_set() else "asked to end: draining")
        (self._second if self._first.is_set() else self._first).set()


def _on_signals(log: Log) -> _Stop:
    stop = _Stop(log)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    return stop


async def _drain(server: grpc.aio.Server, checks: health.aio.HealthServicer, boundary: Boundary, stop: _Stop, grace_s: float) -> None:
    """Finish the calls under way, for as long as the grace period; those who only watch the health are not waited for.

    For a moment new calls are still answered, with UNAVAILABLE: what arrives once grpc stops is cancelled, which callers do not try again.
    """
    boundary.refuse_new_calls()
    for name in READINESS:
        await checks.set(name, health_pb2.HealthCheckResponse.NOT_SERVING)
    await asyncio.sleep(LAST_WORDS_S)
    stopping = asyncio.create_task(server.stop(grace_s))
    ends = (stopping, asyncio.create_task(_all_answered(boundary)), asyncio.create_task(stop.wait_again()))
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    await server.stop(None)
    for end in ends[1:]:
        end.cancel()
    await stopping


async def _all_answered(boundary: Boundary) -> None:
    """Wait until no call is under way, and the last answers have left."""
    await boundary.idle()
    await asyncio.sleep(LAST_WORDS_S)
