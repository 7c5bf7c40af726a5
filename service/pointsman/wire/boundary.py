"""What every call goes through: bytes to a message, the request id, the deadline, errors to statuses, one log line.

Handlers are wrapped here rather than by interceptors of grpc, which cost as much again as a whole Route. Messages arrive as bytes: they
are parsed when it is known who calls, since 8 MB of nothing can be 200 MB of message, and a parser of grpc's that fails would answer
INTERNAL with a Python text.

The request id leaves with the trailing metadata of every call. Initial metadata is one more round through grpc's core, 140 us of CPU, so it
is sent only to a caller who gave an id, and with the first that answers him: a client that has seen it tries the call nowhere else.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message
from grpc_status import rpc_status

from pointsman.call import Call
from pointsman.core.errors import Ending, MalformedMessage, Overloaded, PointsmanError, Violation
from pointsman.core.tenants import Tenant, TenantRole
from pointsman.gate import Gate
from pointsman.identity import Identity, Shown, require
from pointsman.ports import TRACE, Clock
from pointsman.telemetry import Log, Parent, Story
from pointsman.wire.metadata import REQUEST_ID, CallMetadata, metadata_of, new_id, own_key_of, passed_on
from pointsman.wire.status import INTERNAL, reason_of, status_of
from pointsman.wire.tls import names_of

M = TypeVar("M", bound=Message)
R = TypeVar("R", bound=Message)

REVISION = "pointsman-ruleset-revision"

NO_PARENT = Parent()

PUSHBACK = (("grpc-retry-pushback-ms", "1000"),)
"""Tells clients that try again by themselves when to: else a fleet of them would come back at once."""

NEVER_S = 1e12

Handle = Callable[[M, Call], Awaitable[R]]
HandleStream = Callable[[M, Call], AsyncGenerator[R, None]]
Serve = Callable[[AsyncIterator[M], "Context"], AsyncIterator[R]]
Context = grpc.aio.ServicerContext[Any, Any]


class Boundary:
    """Makes handlers of grpc out of functions that know only messages, the call and its record."""

    def __init__(
        self,
        *,
        log: Log,
        clock: Clock,
        revision: Callable[[], str],
        identity: Identity,
        certificates: bool = False,
        most_calls: int = 1000,
        reads_context: bool = False,
        captures: bool = False,
        pushes_back: bool = True,
    ) -> None:
        """`revision` returns that of the ruleset in use; `certificates` says whether clients show some; `most_calls` may be under way.

        `reads_context` says whether anybody wants to know of which trace a call is part, `captures` whether of what is asked and answered,
        `pushes_back` whether metadata can say when to try again.
        """
        self._log = log
        self._clock = clock
        self._revision = revision
        self._identity = identity
        self._certificates = certificates
        self._gate = Gate(most_calls, clock)
        self._reads_context = reads_context
        self._captures = captures
        self._pushback = PUSHBACK if pushes_back else ()
        self._under_way = 0
        self.begun = 0
        """How many calls there were so far."""
        self._left_one = asyncio.Event()
        self._ending = False
        self._is_cut = False

    def unary(self, method: str, kind: type[M], handle: Handle[M, R], role: TenantRole = TenantRole.CALLER) -> grpc.RpcMethodHandler[M, R]:
        """Return the handler of a method with one request and one response, for callers of that role."""

        async def serve(data: bytes, context: Context) -> R | None:
            story, shown = self._begin(method, context)
            inside = None
            try:
                call = self._call(story, shown, role, context)
                inside = self._admitted(call.tenant)
                response = await handle(_parsed(kind, data), call)
                await _echo(shown, context)
            except BaseException as error:  # each is either told to the caller or was the caller's leaving
                await self._failed(error, story, context)
                raise  # not reached where the call was aborted
            else:
                self._succeeded(story, context)
                return response
            finally:
                self._left(inside)

        return grpc.unary_unary_rpc_method_handler(serve, None, _serialized)

    def stream(self, method: str, kind: type[M], handle: HandleStream[M, R]) -> grpc.RpcMethodHandler[M, R]:
        """Return the handler of a method with one request and a stream of responses, for callers."""

        async def serve(data: bytes, context: Context) -> AsyncGenerator[R, None]:
            story, shown = self._begin(method, context, is_stream=True)
            inside = None
            try:
                call = self._call(story, shown, TenantRole.CALLER, context)
                inside = self._admitted(call.tenant)
                async with aclosing(handle(_parsed(kind, data), call)) as responses:
                    async for response in responses:
                        await _echo(shown, context)
                        yield response
                self._succeeded(story, context)
            except BaseException as error:  # as above
                await self._failed(error, story, context)
                raise
            finally:
                self._left(inside)

        return grpc.unary_stream_rpc_method_handler(serve, None, _serialized)

    def guarded(self, method: str, serve: Serve[M, R], role: TenantRole) -> Serve[M, R]:
        """Return a method of somebody else's servicer that serves only callers of the role. It is under way until they are let in."""

        async def admit(messages: AsyncIterator[M], context: Context) -> AsyncGenerator[R, None]:
            story, shown = self._begin(method, context)
            try:
                self._call(story, shown, role, context)
                await _echo(shown, context)
                self._succeeded(story, context)
            except BaseException as error:  # as above
                await self._failed(error, story, context)
                raise
            finally:
                self._left()
            async for response in serve(messages, context):
                yield response

        return admit

    def _admitted(self, tenant: Tenant) -> Tenant:
        """Return the tenant of a call that may go on, who then is inside. Raises Ending, Overloaded and RateLimited."""
        if self._ending:
            raise Ending("this server is about to end; call another one, or again in a moment")
        return self._gate.enter(tenant)

    def refuse_new_calls(self) -> None:
        """Answer calls that begin from now on with UNAVAILABLE, which callers try elsewhere; those under way go on."""
        self._ending = True

    def cut(self) -> None:
        """Take what is cancelled from now on as cut by this server, whose callers are told UNAVAILABLE."""
        self._is_cut = True

    async def idle(self) -> None:
        """Wait until no call is under way."""
        while self._under_way:
            self._left_one.clear()
            await self._left_one.wait()

    def _begin(self, method: str, context: Context, *, is_stream: bool = False) -> tuple[Story, CallMetadata]:
        """Count a call that begins, and return its story so far, and what came with it."""
        self._under_way += 1
        self.begun += 1
        shown = metadata_of(context)
        now_s, now_ns = self._clock.monotonic(), time.time_ns()
        parent = Parent(shown.traceparent, ",".join(shown.tracestate)) if self._reads_context else NO_PARENT
        if self._reads_context:
            TRACE.set(passed_on(parent.traceparent, parent.tracestate))
        story = Story(method=method, id=shown.request_id, began_s=now_s, began_ns=now_ns, is_stream=is_stream, parent=parent)
        return story, shown

    def _call(self, story: Story, shown: CallMetadata, role: TenantRole, context: Context) -> Call:
        """Return what is known of the call. Raises Unauthenticated and RoleMissing.

        Nothing is awaited between the revision's noting and the router's taking of the ruleset, so a call that fails names the right one.
        """
        story.id = story.id or new_id()
        story.revision = self._revision()
        spiffe, subject = names_of(context) if self._certificates else ((), "")
        caller = self._identity.caller(Shown(authorization=shown.authorization, spiffe=spiffe, subject=subject))
        story.tenant, story.credential = caller.tenant.id, caller.credential
        if role is not TenantRole.CALLER:
            story.role = role.value
        require(caller, role)
        return Call(
            id=story.id,
            tenant=caller.tenant,
            time_left_s=_time_left_s(context),
            tried_before=shown.tried_before,
            own_key=own_key_of(shown.idempotency_keys),
            captures=self._captures,
            hear=story.hear,
        )

    def _left(self, inside: Tenant | None = None) -> None:
        """Count a call that has ended, and was inside if it was let in."""
        self._under_way -= 1
        self._gate.leave(inside)
        if self._ending:
            self._left_one.set()

    def _succeeded(self, story: Story, context: Context) -> None:
        story.code = "OK"
        context.set_trailing_metadata(self._write(story))

    async def _failed(self, error: BaseException, story: Story, context: Context) -> None:
        """Turn an error into a status. Raises what grpc raises to end a call, unless nobody listens any more."""
        failure = self._failure(story, error, time_left_s=_time_left_s(context))
        trailing = self._write(story)
        if failure is not None:
            status = rpc_status.to_status(status_of(failure, story.id))
            pushback = self._pushback if isinstance(failure, Overloaded) else ()
            await context.abort(status.code, status.details, (*status.trailing_metadata, *trailing, *pushback))

    def _write(self, story: Story) -> tuple[tuple[str, str], ...]:
        """Tell of a call that ends, and return what its trailing metadata say."""
        story.ended_s = self._clock.monotonic()
        story.revision = story.revision or self._revision()
        self._log.call(story)
        return ((REQUEST_ID, story.id), (REVISION, story.revision))

    @property
    def under_way(self) -> int:
        """How many calls have begun and not ended."""
        return self._under_way

    def _failure(self, story: Story, error: BaseException, *, time_left_s: float | None) -> PointsmanError | None:
        """Take down how a call failed and return what to tell the caller; None where nobody listens any more."""
        if isinstance(error, asyncio.CancelledError | GeneratorExit):
            story.code = (
                "DEADLINE_EXCEEDED" if time_left_s is not None and time_left_s <= 0 else "UNAVAILABLE" if self._is_cut else "CANCELLED"
            )
            return None
        known = error if isinstance(error, PointsmanError) else INTERNAL
        story.code, story.reason = reason_of(known)
        if known is INTERNAL:
            self._log.unexpected(story, error)
        return known


def _time_left_s(context: Context) -> float | None:
    """Return the seconds until the caller's deadline; None where he sets none, for which native has a number past all time."""
    left_s: float | None = context.time_remaining()  # its types do not know of none
    return None if left_s is None or left_s > NEVER_S else left_s


async def _echo(shown: CallMetadata, context: Context) -> None:
    """Send the caller's id back, once, if he gave one."""
    if shown.request_id:
        await context.send_initial_metadata(((REQUEST_ID, shown.request_id),))
        shown.request_id = ""


def _parsed(kind: type[M], data: bytes) -> M:
    try:
        return kind.FromString(data)
    except (DecodeError, UnicodeDecodeError):
        name = kind.DESCRIPTOR.full_name
    raise MalformedMessage(Violation(field="", message=f"the bytes are no valid {name}; strings must be UTF-8"))


def _serialized(message: Message) -> bytes:
    return message.SerializeToString()
