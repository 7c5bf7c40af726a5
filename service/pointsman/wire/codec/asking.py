"""The request, encoded, for the client; and messages, which answers hold, too."""

from __future__ import annotations

from collections.abc import Iterable

from pointsman.core.errors import InvalidRequest, Violation
from pointsman.core.request import CachePolicy, Generation, Image, Message, Part, Prompt, Request, Requirements, ToolCall, ToolResult
from pointsman.v1 import routing_pb2 as pb
from pointsman.wire.codec.scalars import money_to_pb, ms_to_pb


def request_to_pb(request: Request) -> pb.Request:
    """Return the request as a message. Raises InvalidRequest where a value fits into no message."""
    try:
        return _request_to_pb(request)
    except (ValueError, OverflowError):  # protobuf's own words may quote the value
        message = "holds a value that no message can hold: numbers must fit their fields, and texts must be Unicode"
        raise InvalidRequest(Violation(field="request", message=message)) from None


def _request_to_pb(request: Request) -> pb.Request:
    return pb.Request(
        prompt=_prompt_to_pb(request.prompt),
        generation=_generation_to_pb(request.generation),
        requirements=_requirements_to_pb(request.requirements),
        context=pb.Context(session_id=request.context.session_id, user_id=request.context.user_id, labels=request.context.labels),
    )


def _prompt_to_pb(prompt: Prompt) -> pb.Prompt:
    form = prompt.response_format
    return pb.Prompt(
        messages=[_message_to_pb(message) for message in prompt.messages],
        tools=[pb.Tool(name=tool.name, description=tool.description, parameters_json=tool.parameters_json) for tool in prompt.tools],
        response_format=None
        if form is None
        else pb.ResponseFormat(json_schema=form.json_schema)
        if form.json_schema
        else pb.ResponseFormat(json=True),
    )


def _message_to_pb(message: Message) -> pb.Message:
    found = pb.Message()
    fill_message(found, message)
    return found


def fill_message(found: pb.Message, message: Message) -> None:
    """Say one turn of a conversation, its leading text as `text`."""
    found.role = message.role.value  # type: ignore[assignment]  # the numbers are those of the wire
    leading = message.parts[0] if message.parts else ""
    if isinstance(leading, str):
        found.text = leading
    others = message.parts[1:] if isinstance(leading, str) and leading else message.parts
    if others:
        found.parts.extend(map(_part_to_pb, others))


def _part_to_pb(part: Part) -> pb.Part:
    match part:
        case str():
            return pb.Part(text=part)
        case Image():
            source = pb.Image(url=part.url) if part.url else pb.Image(data=part.data)
            source.media_type = part.media_type
            return pb.Part(image=source)
        case ToolCall():
            return pb.Part(tool_call=pb.ToolCall(id=part.id, name=part.name, arguments_json=part.arguments_json))
        case ToolResult():
            return pb.Part(tool_result=pb.ToolResult(tool_call_id=part.tool_call_id, text=part.text, failed=part.failed))


def _generation_to_pb(generation: Generation) -> pb.Generation:
    return pb.Generation(
        max_output_tokens=generation.max_output_tokens,
        temperature=generation.temperature,
        top_p=generation.top_p,
        seed=generation.seed,
        stop=generation.stop,
    )


def _requirements_to_pb(needs: Requirements) -> pb.Requirements:
    return pb.Requirements(
        accuracy=needs.accuracy,
        max_total_tokens=needs.max_total_tokens,
        max_cost=None if needs.max_cost is None else money_to_pb(needs.max_cost),
        max_latency=None if needs.max_latency_ms is None else ms_to_pb(needs.max_latency_ms),
        max_time_to_first_token=None if needs.max_ttft_ms is None else ms_to_pb(needs.max_ttft_ms),
        capabilities=_sorted(needs.capabilities),
        tags=_sorted(needs.tags),
        model=needs.model,
    )


def cache_policy_to_pb(policy: CachePolicy) -> pb.CachePolicy:
    """Return how a request uses the response cache as a message."""
    return pb.CachePolicy(
        mode=policy.mode.value,  # type: ignore[arg-type]  # the numbers are those of the wire
        max_age=None if policy.max_age_ms is None else ms_to_pb(policy.max_age_ms),
    )


def _sorted(names: Iterable[str]) -> list[str]:
    return sorted(names)
