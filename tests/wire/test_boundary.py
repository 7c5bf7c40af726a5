"""What every call goes through, with a context that takes down what it is told."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import uuid
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2 as details
from google.rpc.status_pb2 import Status
from hypothesis import given
from hypothesis import strategies as st

from fakes import FakeClock
from pointsman.call import Call
from pointsman.core.errors import InvalidRequest, MalformedMessage, NotYet, PointsmanError, Violation
from pointsman.core.tenants import NOBODY_TOLD_APART
from pointsman.gate import Gate
from pointsman.identity import Identity
from pointsman.telemetry import Log
from pointsman.v1 import router_service_pb2 as router_pb
from pointsman.wire.boundary import REVISION, Boundary, _parsed
from pointsman.wire.metadata import REQUEST_ID

CANARY = "canary-7391"


class Context:
    """Stands for grpc's context of one call. As with grpc, what an abort sends replaces the trailing metadata that was set."""

    def __init__(self, *metadata: tuple[str, str | bytes], time_left_s: float | None = None) -> None:
        self._metadata = metadata
        self._time_left_s = time_left_s
        self.initial: dict[str, str] = {}
        self.trailing: dict[str, Any] = {}
        self.status: Status | None = None

    def invocation_metadata(self) -> tuple[tuple[str, str | bytes], ...]:
        return self._metadata

    def time_remaining(self) -> float | None:
        return self._time_left_s

    async def send_initial_metadata(self, metadata: tuple[tuple[str, str], ...]) -> None:
        self.initial = dict(metadata)

    def set_trailing_metadata(self, metadata: tuple[tuple[str, str], ...]) -> None:
        self.trailing = dict(metadata)

    async def abort(self, code: grpc.StatusCode, details: str, trailing_metadata: tuple[tuple[str, Any], ...]) -> None:
        del code, details
        self.trailing = dict(trailing_metadata)
        self.status = Status.FromString(self.trailing["grpc-status-details-bin"])
        raise grpc.aio.AbortError

    @property
    def reason(self) -> str:
        """The reason of the status with which the call was aborted."""
        assert self.status is not None
        info = details.ErrorInfo()
        assert self.status.details[0].Unpack(info)
        return str(info.reason)


def anybody() -> Identity:
    """Return an identity by which callers are not told apart."""
    return Identity(lambda: None, NOBODY_TOLD_APART, FakeClock())


class Door:
    """A boundary with one method behind it, which does what the test says."""

    def __init__(self, outcome: BaseException | None = None, *, clock: FakeClock | None = None, takes_s: float = 0.0) -> None:
        self._outcome = outcome
        self._clock = clock or FakeClock()
        self._takes_s = takes_s
        self._out = io.BytesIO()
        self.calls: list[Call] = []
        self._log = Log(self._out, now=self._clock.now)
        self.revision = "0123456789ab"
        self.boundary = Boundary(log=self._log, clock=self._clock, revision=lambda: self.revision, identity=anybody())
        self.handler: Any = self.boundary.unary("Route", router_pb.RouteRequest, self._answer)

    async def _answer(self, _message: router_pb.RouteRequest, call: Call) -> router_pb.RouteResponse:
        self.calls.append(call)
        self.revision = "swapped meanwhile"
        self._clock.advance(self._takes_s)
        if self._outcome is not None:
            raise self._outcome
        return router_pb.RouteResponse()

    async def call(self, context: Context, data: bytes = b"") -> bytes:
        """Return the bytes of the response to bytes. Raises what grpc raises to end a call."""
        response = await self.handler.unary_unary(data, context)
        found: bytes = self.handler.response_serializer(response)
        return found

    async def failed(self, context: Context, data: bytes = b"") -> Status:
        """Return the status with which the call was aborted."""
        with pytest.raises(grpc.aio.AbortError):
            await self.call(context, data)
        assert context.status is not None
        return context.status

    def lines(self) -> list[dict[str, Any]]:
        """Return the lines of the log."""
        self._log.flush()
        return [json.loads(line) for line in self._out.getvalue().splitlines()]

    def line(self) -> dict[str, Any]:
        """Return the only line of the log."""
        (line,) = self.lines()
        return line


@pytest.mark.parametrize("given_id", ["a", "9f2c-41", "Order_17", "x" * 64, "be0068db-8d94-4cb8-b2b0-1b4caade5594"])
async def test_the_callers_id_names_the_call_everywhere(given_id: str) -> None:
    door, context = Door(), Context((REQUEST_ID, given_id))

    await door.call(context)

    assert context.initial == {REQUEST_ID: given_id}
    assert context.trailing[REQUEST_ID] == given_id
    assert door.calls[0].id == door.line()["id"] == given_id


@pytest.mark.parametrize("refused", ["", "x" * 65, "two words", "dots.too", "a/b", "línea", "line\n", 'quote"', b"bytes"])
async def test_an_id_that_does_not_look_like_one_is_replaced(refused: str | bytes) -> None:
    """It would go into logs, spans and headers as it is."""
    door, context = Door(), Context((REQUEST_ID, refused))

    await door.call(context)

    minted = door.calls[0].id
    assert uuid.UUID(hex=minted).version == 7
    assert context.trailing[REQUEST_ID] == door.line()["id"] == minted


async def test_of_two_ids_the_first_that_can_be_used_counts() -> None:
    door = Door()

    await door.call(Context((REQUEST_ID, "no good"), (REQUEST_ID, "first"), (REQUEST_ID, "second")))

    assert door.calls[0].id == "first"


async def test_minted_ids_are_thirty_two_hex_digits_that_sort_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    door, times = Door(), [1, 1_700_000_000_000, 1_800_000_000_000, 1_800_000_000_001, 2**47]
    for milliseconds in times:
        monkeypatch.setattr("pointsman.wire.boundary.time.time_ns", lambda milliseconds=milliseconds: milliseconds * 1_000_000)
        await door.call(Context())

    ids = [call.id for call in door.calls]
    assert ids == sorted(ids)
    assert [int(minted[:12], 16) for minted in ids] == times
    assert all(len(minted) == 32 and uuid.UUID(hex=minted).variant == uuid.RFC_4122 for minted in ids)


async def test_minted_ids_differ() -> None:
    door = Door()
    for _ in range(1000):
        await door.call(Context())

    assert len({call.id for call in door.calls}) == 1000


async def test_the_deadline_of_the_call_is_handed_on() -> None:
    door = Door()
    await door.call(Context(time_left_s=2.5))
    await door.call(Context())

    assert [call.time_left_s for call in door.calls] == [2.5, None]


@pytest.mark.parametrize(("told", "tries"), [("2", 2), ("0", 0), ("-1", 1), ("many", 1), ("9999", 1)])
async def test_how_often_a_call_was_tried_before_is_known(told: str, tries: int) -> None:
    door = Door()

    await door.call(Context(("grpc-previous-rpc-attempts", told)))

    assert [call.tried_before for call in door.calls] == [tries]


async def test_more_calls_than_are_borne_are_sent_elsewhere_and_told_when_to_come_back() -> None:
    door = Door()
    door.boundary._gate = Gate(0, FakeClock())
    context = Context()

    with pytest.raises(grpc.aio.AbortError):
        await door.call(context)

    assert context.reason == "OVERLOADED"
    assert context.trailing["grpc-retry-pushback-ms"] == "1000"
    assert door.calls == []


async def test_a_server_that_ends_sends_new_calls_elsewhere() -> None:
    door, context = Door(), Context()
    door.boundary.refuse_new_calls()

    status = await door.failed(context)

    assert (status.code, context.reason) == (grpc.StatusCode.UNAVAILABLE.value[0], "ENDING")
    assert door.calls == []
    await door.boundary.idle()


async def test_a_call_leaves_one_line_in_the_log() -> None:
    door, context = Door(clock=FakeClock(), takes_s=0.25), Context((REQUEST_ID, "id-1"))

    await door.call(context)

    assert door.line() == {
        "event": "call",
        "method": "Route",
        "id": "id-1",
        "time": "2026-11-23T12:00:00.250000Z",
        "code": "OK",
        "ms": 250.0,
        "tenant": "default",
        "credential": "none",
        "revision": "0123456789ab",
    }
    assert context.trailing == {REQUEST_ID: "id-1", REVISION: "0123456789ab"}


async def test_a_known_error_leaves_with_its_reason() -> None:
    door, context = Door(NotYet("later")), Context((REQUEST_ID, "id-1"))

    status = await door.failed(context)

    assert (status.code, status.message, context.reason) == (grpc.StatusCode.UNIMPLEMENTED.value[0], "later", "NOT_YET")
    assert {"code": "UNIMPLEMENTED", "reason": "NOT_YET", "id": "id-1"}.items() <= door.line().items()


async def test_the_message_of_an_error_is_not_in_the_log() -> None:
    """It is for the caller, and may repeat a name that he gave."""
    door = Door(InvalidRequest(Violation(field="request.requirements.capabilities[0]", message=CANARY)))

    await door.failed(Context())

    assert CANARY not in json.dumps(door.lines())


@pytest.mark.parametrize("error", [ValueError(CANARY), KeyError(CANARY), AssertionError(CANARY), TimeoutError(CANARY)])
async def test_an_error_that_nobody_foresaw_keeps_its_text_to_itself(error: Exception) -> None:
    door, context = Door(error), Context((REQUEST_ID, "id-1"))

    status = await door.failed(context)

    note, call = door.lines()
    assert status.code == grpc.StatusCode.INTERNAL.value[0]
    assert (call["event"], call["code"], call["reason"]) == ("call", "INTERNAL", "INTERNAL")
    assert (note["event"], note["level"]) == ("note", "error")
    assert f"Route id-1: {type(error).__name__} raised in _answer (test_boundary.py:" in note["message"]
    assert CANARY not in str(status) + json.dumps(door.lines())


@pytest.mark.parametrize(
    ("time_left_s", "code"), [(None, "CANCELLED"), (3.0, "CANCELLED"), (0.0, "DEADLINE_EXCEEDED"), (-0.1, "DEADLINE_EXCEEDED")]
)
async def test_a_call_that_nobody_waits_for_is_told_by_the_time_it_had_left(time_left_s: float | None, code: str) -> None:
    """grpc cancels the handler both when the caller hangs up and when his deadline passes. The cancellation must go on, or grpc leaks."""
    door, context = Door(asyncio.CancelledError()), Context(time_left_s=time_left_s)

    with pytest.raises(asyncio.CancelledError):
        await door.call(context)

    assert door.line()["code"] == code
    assert context.status is None


def with_label(value: bytes) -> bytes:
    """Return a RouteRequest with a label of these bytes, which need not be text."""
    message = router_pb.RouteRequest()
    message.request.context.labels["key"] = "?" * len(value)
    return message.SerializeToString().replace(b"?" * len(value), value)


@pytest.mark.parametrize("data", [b"\xff", b"\x0a", b"\x0a\x05ab", with_label(b"\xff\xfe")], ids=["tag", "cut", "short", "no UTF-8"])
async def test_bytes_that_are_no_message_are_told_so(data: bytes) -> None:
    door, context = Door(), Context()

    status = await door.failed(context, data)

    assert (status.code, context.reason) == (grpc.StatusCode.INVALID_ARGUMENT.value[0], "MESSAGE_MALFORMED")
    assert "the bytes are no valid pointsman.v1.RouteRequest; strings must be UTF-8" in status.message
    assert door.calls == []
    assert door.line()["reason"] == "MESSAGE_MALFORMED"


async def test_what_is_wrong_with_no_field_in_particular_is_said_without_one() -> None:
    """The path is empty, so nothing stands before the sentence."""
    assert (await Door().failed(Context(), b"\xff")).message.startswith("the bytes are")


@given(st.binary(max_size=64))
def test_no_bytes_make_the_parser_raise(data: bytes) -> None:
    """grpc would answer INTERNAL, with a Python text, and log the exception with the bytes. So it is not told to parse."""
    assert Door().handler.request_deserializer is None
    with contextlib.suppress(MalformedMessage):
        _parsed(router_pb.RouteRequest, data)


class Stream:
    """A boundary with one streaming method, which fails after its messages if the test says so."""

    def __init__(self, error: Exception | None = None) -> None:
        self._out = io.BytesIO()
        self._error = error
        self._log = Log(self._out)
        boundary = Boundary(log=self._log, clock=FakeClock(), revision=lambda: "0123456789ab", identity=anybody())
        self.handler: Any = boundary.stream("StreamComplete", router_pb.StreamCompleteRequest, self._answer)

    async def _answer(
        self, _message: router_pb.StreamCompleteRequest, _call: Call
    ) -> AsyncGenerator[router_pb.StreamCompleteResponse, None]:
        for text in "ab":
            yield router_pb.StreamCompleteResponse(delta=router_pb.Delta(text=text))
        if self._error is not None:
            raise self._error

    def begin(self, context: Context, data: bytes = b"") -> Any:
        """Return the stream of responses."""
        return self.handler.unary_stream(data, context)

    def code(self) -> str:
        """Return the code in the only line of the log."""
        self._log.flush()
        (line,) = self._out.getvalue().splitlines()
        code: str = json.loads(line)["code"]
        return code


async def test_a_stream_delivers_and_leaves_one_line() -> None:
    stream, context = Stream(), Context((REQUEST_ID, "id-1"))

    assert [response.delta.text async for response in stream.begin(context)] == ["a", "b"]
    assert stream.code() == "OK"
    assert context.trailing == {REQUEST_ID: "id-1", REVISION: "0123456789ab"}


async def test_a_stream_that_breaks_delivers_what_it_had() -> None:
    stream, context, texts = Stream(NotYet("later")), Context(), []

    async def read() -> None:
        async for response in stream.begin(context):
            texts.append(response.delta.text)  # noqa: PERF401  # what came before the error is what counts

    with pytest.raises(grpc.aio.AbortError):
        await read()
    assert texts == ["a", "b"]
    assert (stream.code(), context.reason) == ("UNIMPLEMENTED", "NOT_YET")


async def test_a_stream_that_is_left_is_cancelled() -> None:
    stream = Stream()
    responses = stream.begin(Context())
    await anext(responses)
    await responses.aclose()

    assert stream.code() == "CANCELLED"


async def test_a_stream_of_bytes_that_are_no_message_is_told_so() -> None:
    stream, context = Stream(), Context()

    with pytest.raises(grpc.aio.AbortError):
        await anext(stream.begin(context, b"\xff"))

    assert context.reason == "MESSAGE_MALFORMED"


@pytest.mark.parametrize("outcome", [None, NotYet("later")])
async def test_rules_that_are_swapped_during_a_call_are_not_those_that_it_names(outcome: PointsmanError | None) -> None:
    door, context = Door(outcome), Context()

    with suppress(grpc.aio.AbortError):
        await door.call(context)

    assert (context.trailing["pointsman-ruleset-revision"], door.line()["revision"]) == ("0123456789ab", "0123456789ab")
