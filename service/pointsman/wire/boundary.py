"""What every call goes through: bytes to a message, the request id, the deadline, errors to statuses, one log line.

Handlers are wrapped here rather than by interceptors of grpc, which cost as much again as a whole Route. A message that cannot be parsed
reaches this code, too (grpc would answer INTERNAL with a Python text), so a parser never raises.

The request id leaves with the trailing metadata of every call. Initial metadata is one more round through grpc's core, 140 us of CPU, so it
is sent only to a caller who gave an id and may wait for its echo.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from random import Random
from typing import Any, Generic, Self, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message
from grpc_status import rpc_status

from pointsman.core.errors import Ending, MalformedMessage, PointsmanError, Violation
from pointsman.ports import Clock
from pointsman.router import Call
from pointsman.telemetry import CallRecord, Log
from pointsman.wire.status import INTERNAL, reason_of, status_of

M = TypeVar("M", bound=Message)
R = TypeVar("R", bound=Message)

REQUEST_ID = "x-request-id"
REVISION = "pointsman-ruleset-revision"

_RANDOM = Random(secrets.randbits(256))  # noqa: S311  # ids need to be different, not secret, and asking the system costs a call of it

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")

Handle = Callable[[M, Call, CallRecord], Awaitable[R]]
HandleStream = Callable[[M, Call, CallRecord], AsyncGenerator[R, None]]
Context = grpc.aio.ServicerContext[Any, Any]


class _Unparsed(Generic[M]):
    """Stands for bytes that are no message of the type."""

    def __init__(self, kind: type[M]) -> None:
        self.kind = kind


class Boundary:
    """Makes handlers of grpc out of functions that know only messages, the call and its record."""

    def __init__(self, *, log: Log, clock: Clock, revision: Callable[[], str]) -> None:
        """`revision` returns that of the ruleset in use, for calls that end before one was looked at."""
        self._log = log
        self._clock = clock
        self._revision = revision
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._ending = False

    def unary(self, method: str, kind: type[M], handle: Handle[M, R]) -> grpc.RpcMethodHandler[M, R]:
        """Return the handler of a method with one request and one response."""

        async def serve(message: M | _Unparsed[M], context: Context) -> R | None:
            async with _Served(self, method, context) as served:
                return await handle(self._admitted(message), served.call, served.record)
            return None  # not reached: a call that failed has been aborted

        return grpc.unary_unary_rpc_method_handler(serve, _parser(kind), _serialized)  # type: ignore[arg-type]  # stubs of the sync API

    def stream(self, method: str, kind: type[M], handle: HandleStream[M, R]) -> grpc.RpcMethodHandler[M, R]:
        """Return the handler of a method with one request and a stream of responses."""

        async def serve(message: M | _Unparsed[M], context: Context) -> AsyncGenerator[R, None]:
            async with _Served(self, method, context) as served, aclosing(self._opened(handle, message, served)) as responses:
                async for response in responses:
                    yield response

        return grpc.unary_stream_rpc_method_handler(serve, _parser(kind), _serialized)  # type: ignore[arg-type]  # stubs of the sync API

    def _opened(self, handle: HandleStream[M, R], message: M | _Unparsed[M], served: _Served) -> AsyncGenerator[R, None]:
        return handle(self._admitted(message), served.call, served.record)

    def _admitted(self, message: M | _Unparsed[M]) -> M:
        """Return the message of a call that may go on. Raises Ending, and MalformedMessage for bytes that are none."""
        if self._ending:
            raise Ending("this server is about to end; call another one, or again in a moment")
        return _parsed(message)

    def refuse_new_calls(self) -> None:
        """Answer calls that begin from now on with UNAVAILABLE, which callers try elsewhere; those under way go on."""
        self._ending = True

    async def idle(self) -> None:
        """Wait until no call is under way."""
        await self._idle.wait()

    def began(self) -> None:
        """Count a call that begins."""
        self._under_way += 1
        self._idle.clear()

    def left(self) -> None:
        """Count a call that has ended."""
        self._under_way -= 1
        if not self._under_way:
            self._idle.set()

    async def ended(self, served: _Served, error: BaseException | None) -> None:
        """Write the log line, and turn an error into a status. Raises what grpc raises to end a call."""
        record, context = served.record, served.context
        record.ms = round((self._clock.monotonic() - served.started) * 1000, 3)
        record.revision = record.revision or self._revision()
        failure = self._failure(record, error, time_left_s=context.time_remaining())
        self._log.call(record)
        trailing = ((REQUEST_ID, record.id), (REVISION, record.revision))
        if failure is None:
            context.set_trailing_metadata(trailing)
            return
        status = rpc_status.to_status(status_of(failure, record.id))
        await context.abort(status.code, status.details, (*status.trailing_metadata, *trailing))

    def _failure(self, record: CallRecord, error: BaseException | None, *, time_left_s: float | None) -> PointsmanError | None:
        """Take down how a call failed and return what to tell the caller; None where it did not fail, or nobody listens any more."""
        if error is None:
            record.code = "OK"
            return None
        if isinstance(error, asyncio.CancelledError | GeneratorExit):
            record.code = "CANCELLED" if time_left_s is None or time_left_s > 0 else "DEADLINE_EXCEEDED"
            return None
        known = error if isinstance(error, PointsmanError) else INTERNAL
        record.code, record.reason = reason_of(known)
        if known is INTERNAL:
            self._log.unexpected(record, error)
        return known

    @property
    def clock(self) -> Clock:
        return self._clock


class _Served:
    """One call from its beginning to its end."""

    def __init__(self, boundary: Boundary, method: str, context: Context) -> None:
        self._boundary = boundary
        self.context = context
        self.started = boundary.clock.monotonic()
        given = _request_id(context)
        self._id_is_callers = given is not None
        self.call = Call(id=given or _new_id(), time_left_s=context.time_remaining())
        self.record = CallRecord(method=method, id=self.call.id)

    async def __aenter__(self) -> Self:
        self._boundary.began()
        if self._id_is_callers:
            await self.context.send_initial_metadata(((REQUEST_ID, self.call.id),))
        return self

    async def __aexit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        try:
            await self._boundary.ended(self, error)
        finally:
            self._boundary.left()


def _parser(kind: type[M]) -> Callable[[bytes], M | _Unparsed[M]]:
    unparsed = _Unparsed(kind)

    def parse(data: bytes) -> M | _Unparsed[M]:
        try:
            return kind.FromString(data)
        except (DecodeError, UnicodeDecodeError):
            return unparsed

    return parse


def _parsed(message: M | _Unparsed[M]) -> M:
    if isinstance(message, _Unparsed):
        name = message.kind.DESCRIPTOR.full_name
        raise MalformedMessage(Violation(field="", message=f"the bytes are no valid {name}; strings must be UTF-8"))
    return message


def _serialized(message: Message) -> bytes:
    return message.SerializeToString()


def is_request_id(text: str) -> bool:
    """Return whether a text can be the id of a request."""
    return _ID.fullmatch(text) is not None


def _request_id(context: Context) -> str | None:
    """Return the caller's id of the request, or None where there is none that can be used."""
    for key, value in context.invocation_metadata() or ():
        if key == REQUEST_ID and is_request_id(str(value)):
            return str(value)
    return None


def _new_id() -> str:
    """Return a new id that sorts by time: version 7 of RFC 9562, without dashes."""
    milliseconds = time.time_ns() // 1_000_000
    random = _RANDOM.getrandbits(74)
    return f"{milliseconds << 80 | 7 << 76 | (random >> 62) << 64 | 2 << 62 | random & (1 << 62) - 1:032x}"
