"""The answer: completion, usage, attempts."""

from __future__ import annotations

from pointsman.core.completion import Attempt, Completion, Delta, Expected, TextDelta, ToolCallDelta, Usage
from pointsman.core.vocabulary import AttemptReason, CacheStatus, FinishReason
from pointsman.v1 import router_service_pb2 as router_pb
from pointsman.v1 import routing_pb2 as pb
from pointsman.wire.codec.asking import fill_message
from pointsman.wire.codec.request import message_from_pb
from pointsman.wire.codec.scalars import fill_ms, known, ms_from_pb

# Enum numbers are those of the wire, so members are passed as they are; mypy's stubs of protobuf know only their own integer types.
# mypy: disable-error-code="assignment"


def fill_completion(message: pb.Completion, completion: Completion) -> None:
    """Say what was answered."""
    if completion.message is not None:
        fill_message(message.message, completion.message)
    message.finish_reason = completion.finish_reason
    _fill_usage(message.usage, completion.usage)
    for attempt in completion.attempts:
        _fill_attempt(message.attempts.add(), attempt)
    message.cache_status = completion.cache_status
    message.model = completion.model


def completion_from_pb(message: pb.Completion) -> Completion:
    """Return the completion that a server sent."""
    return Completion(
        message=message_from_pb(message.message) if message.HasField("message") else None,
        finish_reason=known(FinishReason, message.finish_reason),
        usage=_usage_from_pb(message.usage),
        attempts=tuple(map(_attempt_from_pb, message.attempts)),
        cache_status=known(CacheStatus, message.cache_status),
        model=message.model,
    )


def delta_to_pb(delta: Delta) -> router_pb.Delta:
    """Return a piece of an answer as a message."""
    if isinstance(delta, TextDelta):
        return router_pb.Delta(text=delta.text)
    return router_pb.Delta(
        tool_call=router_pb.ToolCallDelta(index=delta.index, id=delta.id, name=delta.name, arguments_json=delta.arguments_json)
    )


def delta_from_pb(message: router_pb.Delta) -> Delta:
    """Return a piece of an answer that a server sent."""
    if message.WhichOneof("content") == "tool_call":
        call = message.tool_call
        return ToolCallDelta(index=call.index, id=call.id, name=call.name, arguments_json=call.arguments_json)
    return TextDelta(message.text)


def _fill_usage(message: pb.Usage, usage: Usage) -> None:
    message.input_tokens = usage.input_tokens
    message.cached_input_tokens = usage.cached_input_tokens
    message.cache_write_tokens = usage.cache_write_tokens
    message.output_tokens = usage.output_tokens
    message.reasoning_tokens = usage.reasoning_tokens
    message.estimated = usage.estimated
    message.cost.nano_usd = usage.cost
    message.baseline_cost.nano_usd = usage.baseline_cost


def _usage_from_pb(message: pb.Usage) -> Usage:
    return Usage(
        input_tokens=message.input_tokens,
        cached_input_tokens=message.cached_input_tokens,
        cache_write_tokens=message.cache_write_tokens,
        output_tokens=message.output_tokens,
        reasoning_tokens=message.reasoning_tokens,
        estimated=message.estimated,
        cost=message.cost.nano_usd,
        baseline_cost=message.baseline_cost.nano_usd,
    )


def _fill_attempt(message: pb.Attempt, attempt: Attempt) -> None:
    message.model = attempt.model
    message.provider = attempt.provider
    message.error_type = attempt.error_type
    message.reason = attempt.reason
    fill_ms(message.latency, attempt.latency_ms)
    if attempt.ttft_ms is not None:
        fill_ms(message.time_to_first_token, attempt.ttft_ms)
    if attempt.usage is not None:
        _fill_usage(message.usage, attempt.usage)
    if attempt.expected is not None:
        _fill_expected(message.expected, attempt.expected)


def _fill_expected(message: pb.Expected, expected: Expected) -> None:
    message.input_tokens = expected.input_tokens
    message.output_tokens = expected.output_tokens
    message.cost.nano_usd = expected.cost
    fill_ms(message.latency, expected.latency_ms)


def _expected_from_pb(message: pb.Expected) -> Expected:
    return Expected(
        input_tokens=message.input_tokens,
        output_tokens=message.output_tokens,
        cost=message.cost.nano_usd,
        latency_ms=ms_from_pb(message.latency),
    )


def _attempt_from_pb(message: pb.Attempt) -> Attempt:
    return Attempt(
        model=message.model,
        provider=message.provider,
        reason=known(AttemptReason, message.reason),
        error_type=message.error_type,
        latency_ms=ms_from_pb(message.latency),
        ttft_ms=ms_from_pb(message.time_to_first_token) if message.HasField("time_to_first_token") else None,
        usage=_usage_from_pb(message.usage) if message.HasField("usage") else None,
        expected=_expected_from_pb(message.expected) if message.HasField("expected") else None,
    )
