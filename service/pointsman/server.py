"""Composition root of serving: builds everything top to bottom, listens, and drains when asked to end.

SIGTERM or SIGINT: readiness goes, new calls are served until callers have noticed, and then no more; calls under way are given the grace
period, then the process ends. A second one ends it at once.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_address

import grpc
from grpc_health.v1.health import SERVICE_NAME as HEALTH_SERVICE

from pointsman.adapters.clock import SystemClock
from pointsman.adapters.last_good import LastGood
from pointsman.adapters.rulefiles import RuleDirectory
from pointsman.adapters.tokens import JwtTokens
from pointsman.core.tenants import NOBODY_TOLD_APART, anonymous
from pointsman.identity import Identity
from pointsman.live import Follower, Live, begin, look
from pointsman.observing import observing, watching
from pointsman.offline import open_live_router
from pointsman.ports import Say
from pointsman.router import Router
from pointsman.settings import Settings, unknown
from pointsman.telemetry import LibraryLog, Log
from pointsman.wire.boundary import Boundary
from pointsman.wire.health import NOT_SERVING, SERVING, Health
from pointsman.wire.servicer import ADMIN_SERVICE, ROUTER_SERVICE, handlers, reflection_handlers
from pointsman.wire.tls import BadCertificate, Certificates
from pointsman.wire.transport import OPTIONS, CannotListen, add, bind, leave, server_of, start

SERVICES = (ROUTER_SERVICE, ADMIN_SERVICE)
HEALTH_PORT = 50052
LONGEST_QUESTION = 4096
READINESS = ("", *SERVICES, "readiness")
"""The names under which health is asked for that say: send calls here."""


YOUNG = 10_000
"""Objects between two looks of the garbage collector, in place of 700: nearly all that a call makes goes with its last reference, so each
look finds next to nothing, and took 2 % of a call's time; now a fifth of that, half a millisecond at once."""

SWITCH_S = 0.001
"""After so long a thread that reads a long prompt gives way to the event loop. By Python's default it may keep it for 5 ms at a time."""

LOOK_EACH_S = 5.0
"""At the files of TLS, where nobody connects."""

TWICE_S = 0.1
"""A signal that comes again sooner is the same one, sent to the process and to its group."""

CUT_S = 0.05
"""Before the grace period ends, calls count as cut by it: grpc says nothing of its own when it cancels them."""

LAST_WORDS_S = 0.2
"""For answers to leave, and for those who watch the health to hear that it ends."""


async def serve(settings: Settings, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT. `ready` is called with HOST:PORT once calls are accepted.

    Raises BadRules, CannotListen and CannotObserve.
    """
    log = Log()
    stop = _on_signals(log)  # first of all: where this is process 1, a signal that nobody handles is lost
    logging.basicConfig(handlers=[LibraryLog(log)], level=logging.WARNING)
    async with _open(settings, log) as (router, live), observing(settings, log, router.feedback) as observers:
        identity = _identity(live, settings, log)
        server, checks, boundary = _server(
            router, live, identity, log, settings, reads_context=observers.traces is not None, captures=observers.captures
        )
        log.observe = observers.observe
        for name, meant in unknown(settings.environment).items():
            log.note(f"{name} is no setting, and is ignored; {meant}", level="warning")
        if settings.is_native:
            log.note(
                "HTTP/2 is spoken by pygrpc-native: TLS, the age of connections and a bound on what is sent are left to a proxy before it"
            )
        certificates = _certificates(settings, log.note)
        address = bind(server, settings.listen, certificates)
        beside = await _health_beside(checks, settings, log)
        gc.collect()
        gc.freeze()  # what was built so far stays: going through it again would hold up all calls, 30 ms each time
        gc.set_threshold(YOUNG)
        sys.setswitchinterval(SWITCH_S)
        await start(server)
        checks.set(SERVING, *READINESS, "startup", "liveness")
        log.note(f"ready on {address}, ruleset {live.ruleset().revision}; {_who_may_call(identity, live)}")
        following = asyncio.create_task(_follow(certificates)) if certificates else None
        async with watching(observers, router, live, SystemClock(), lambda: boundary.under_way, certificates=certificates):
            ready(address)
            await stop.wait()
            await _drain(server, checks, boundary, stop, settings)
        if following is not None:
            following.cancel()
        await beside.stop(None)
    log.note("ended")


@asynccontextmanager
async def _open(settings: Settings, log: Log) -> AsyncIterator[tuple[Router, Live]]:
    """Open a router over the rules of the directory, and follow the directory while it is open. Raises BadRules."""
    clock, source = SystemClock(), RuleDirectory(settings.rules)
    kept = LastGood(settings.state_dir, settings.rules) if settings.state_dir else None
    seen = look(source)
    live = Live(begin(seen, kept, trust=settings.trust, clock=clock, say=log.note), trust=settings.trust)
    async with open_live_router(live.ruleset, settings, log.note) as (router, fleet):
        follower = Follower(live, source, seen, clock=clock, say=log.note, kept=kept, swapped=lambda ruleset: fleet.follow(ruleset.catalog))
        following = asyncio.create_task(follower.run(), name="rules")
        try:
            yield router, live
        finally:
            following.cancel()
            await asyncio.wait((following,))


def _server(
    router: Router, live: Live, identity: Identity, log: Log, settings: Settings, *, reads_context: bool = False, captures: bool = False
) -> tuple[grpc.aio.Server, Health, Boundary]:
    clock, server = SystemClock(), server_of(settings)
    boundary = Boundary(
        log=log,
        clock=clock,
        revision=lambda: live.ruleset().revision,
        identity=identity,
        certificates=settings.tls_client_ca is not None,
        most_calls=settings.most_calls,
        reads_context=reads_context,
        captures=captures,
        pushes_back=not settings.is_native,
    )
    checks = Health()
    add(server, handlers(router, live, identity, boundary) | checks.handlers())
    if settings.reflection:
        add(server, reflection_handlers((*SERVICES, HEALTH_SERVICE), boundary))
    return server, checks, boundary


def _identity(live: Live, settings: Settings, log: Log) -> Identity:
    """Return what tells who calls. Raises CannotListen where whoever reaches the address could call, and nobody said that this is meant."""
    if live.tenants() is None and settings.anonymous_tenant is None and not _is_loopback(settings.listen):
        raise CannotListen(
            f"there is no tenants.yaml, so whoever reaches {settings.listen} could call. Write one ('pointsman keys new' makes a key),"
            " or listen on 127.0.0.1, or say that this is meant with POINTSMAN_ANONYMOUS_TENANT=NAME"
        )
    anyone = anonymous(settings.anonymous_tenant) if settings.anonymous_tenant else NOBODY_TOLD_APART
    return Identity(live.tenants, anyone, SystemClock(), _tokens(settings, log))


def _is_loopback(listen: str) -> bool:
    host = listen.rpartition(":")[0].strip("[]")
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _who_may_call(identity: Identity, live: Live) -> str:
    if (tenants := live.tenants()) is not None:
        return f"{len(tenants.by_id)} tenants of {tenants.revision} may call"
    return f"no tenants.yaml: whoever reaches the address may call, as tenant '{identity.everybody()}'"


def _tokens(settings: Settings, log: Log) -> JwtTokens | None:
    jwks, issuer, audience = settings.jwt_jwks, settings.jwt_issuer, settings.jwt_audience
    if jwks is None:
        return None
    try:
        return JwtTokens(jwks, issuer=issuer, audience=audience, algorithms=settings.jwt_algorithms, say=log.note)
    except (OSError, ValueError) as error:
        raise CannotListen(f"POINTSMAN_JWT_JWKS: {error}") from None


def _certificates(settings: Settings, say: Say) -> Certificates | None:
    """Return what the server shows of itself, None where it serves in the clear. Raises CannotListen."""
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    try:
        return Certificates(settings.tls_cert, settings.tls_key, settings.tls_client_ca, say)
    except BadCertificate as error:
        raise CannotListen(str(error)) from None


async def _follow(certificates: Certificates) -> None:
    """Look at the files of TLS again and again, so that what is wrong is said though nobody connects."""
    while True:
        await asyncio.sleep(LOOK_EACH_S)
        await asyncio.to_thread(certificates.look)


async def _health_beside(checks: Health, settings: Settings, log: Log) -> grpc.aio.Server:
    """Serve health in the clear on an address of its own, where the settings want it: Kubernetes' probes speak no TLS."""
    server = grpc.aio.server(options=[*OPTIONS, ("grpc.max_receive_message_length", LONGEST_QUESTION)])
    host = settings.listen.rpartition(":")[0]
    if listen := settings.health_listen or (f"{host}:{HEALTH_PORT}" if settings.tls_cert else ""):
        add(server, checks.handlers())
        log.note(f"health on {bind(server, listen)}")
        await server.start()
    return server


class _Stop:
    """Counts the signals that ask the process to end."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._since = 0.0
        self._first, self._second = asyncio.Event(), asyncio.Event()
        self.wait, self.wait_again = self._first.wait, self._second.wait

    def __call__(self) -> None:
        if self._first.is_set() and time.monotonic() < self._since + TWICE_S:
            return
        is_second = self._first.is_set()
        (self._second if is_second else self._first).set()
        self._since = time.monotonic()
        self._log.note("asked to end at once" if is_second else "asked to end: draining")


def _on_signals(log: Log) -> _Stop:
    stop = _Stop(log)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    return stop


async def _drain(server: grpc.aio.Server, checks: Health, boundary: Boundary, stop: _Stop, settings: Settings) -> None:
    """Finish the calls under way, for as long as the grace period; those who only watch the health are not waited for.

    First callers hear that there is nothing to be had here, while they still have it. Those who do not listen go on until grpc tells them
    to connect elsewhere: to refuse them before would fail calls that it sends on. Only what arrives in that very moment fails.
    """
    checks.set(NOT_SERVING, *READINESS)
    again = asyncio.create_task(stop.wait_again())
    await asyncio.wait((asyncio.create_task(_callers_gone(boundary, settings.leave_s)), again), return_when=asyncio.FIRST_COMPLETED)
    boundary.refuse_new_calls()
    leaving = asyncio.create_task(leave(server, settings))
    cutting = asyncio.get_running_loop().call_later(max(0.0, settings.grace_s - CUT_S), boundary.cut)
    ends = (leaving, asyncio.create_task(_all_answered(boundary)), again)
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    cutting.cancel()
    boundary.cut()
    await server.stop(None)
    for end in ends:
        end.cancel()
    await asyncio.wait(ends)


async def _callers_gone(boundary: Boundary, within_s: float) -> None:
    """Wait until no call has begun for a moment, or the time is up."""
    until = time.monotonic() + within_s
    begun = -1
    while begun != boundary.begun and time.monotonic() < until:
        begun = boundary.begun
        await asyncio.sleep(min(LAST_WORDS_S, within_s))


async def _all_answered(boundary: Boundary) -> None:
    """Wait until no call is under way, and the last answers have left."""
    await boundary.idle()
    await asyncio.sleep(LAST_WORDS_S)
