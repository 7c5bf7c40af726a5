"""The answer: completion, usage, attempts."""

from __future__ import annotations

from pointsman.core.completion import Attempt, Completion, Delta, Expected, TextDelta, ToolCallDelta, Usage
from pointsman.core.vocabulary import AttemptReason, CacheStatus, FinishReason
from pointsman.v1 import router_service_pb2 as router_pb
from pointsman.v1 import routing_pb2 as pb
from pointsman.wire.codec.asking import message_fields
from pointsman.wire.codec.request import message_from_pb
from pointsman.wire.codec.scalars import Fields, known, ms_from_pb, ms_to_fields

# Enum numbers are those of the wire, so members are passed as they are; mypy's stubs of protobuf know only their own integer types.
# mypy: disable-error-code="arg-type"


def completion_fields(completion: Completion) -> Fields:
    """Return the fields of the completion's message. What is rarely there is left out where it is not: each field takes its time."""
    fields: Fields = {
        "finish_reason": completion.finish_reason,
        "usage": _usage_fields(completion.usage),
        "cache_status": completion.cache_status,
        "model": completion.model,
    }
    if completion.message is not None:
        fields["message"] = message_fields(completion.message)
    if completion.attempts:
        fields["attempts"] = [_attempt_fields(attempt) for attempt in completion.attempts]
    return fields


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


def _usage_fields(usage: Usage) -> Fields:
    fields: Fields = {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cost": {"nano_usd": usage.cost},
        "baseline_cost": {"nano_usd": usage.baseline_cost},
    }
    for name in _RARE:
        if value := getattr(usage, name):
            fields[name] = value
    return fields


_RARE = ("cached_input_tokens", "cache_write_tokens", "reasoning_tokens", "estimated")


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


def _attempt_fields(attempt: Attempt) -> Fields:
    return {
        "model": attempt.model,
        "provider": attempt.provider,
        "error_type": attempt.error_type,
        "latency": ms_to_fields(attempt.latency_ms),
        "time_to_first_token": None if attempt.ttft_ms is None else ms_to_fields(attempt.ttft_ms),
        "usage": None if attempt.usage is None else _usage_fields(attempt.usage),
        "reason": attempt.reason,
        "expected": None if attempt.expected is None else _expected_fields(attempt.expected),
    }


def _expected_fields(expected: Expected) -> Fields:
    return {
        "input_tokens": expected.input_tokens,
        "output_tokens": expected.output_tokens,
        "cost": {"nano_usd": expected.cost},
        "latency": ms_to_fields(expected.latency_ms),
    }


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
