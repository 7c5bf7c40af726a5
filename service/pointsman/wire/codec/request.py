"""The request, decoded and checked in one pass, so that all fields at fault are named at once."""

from __future__ import annotations

import re
from collections.abc import Callable
from math import isfinite
from typing import TypeVar

import msgspec
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message as Pb
from msgspec import structs

from pointsman.core.errors import InvalidRequest, Violation
from pointsman.core.request import (
    CachePolicy,
    Context,
    Generation,
    Image,
    Message,
    Part,
    Prompt,
    Request,
    Requirements,
    ResponseFormat,
    Tool,
    ToolCall,
    ToolResult,
)
from pointsman.core.vocabulary import CAPABILITIES, CacheMode, Role
from pointsman.v1 import routing_pb2 as pb
from pointsman.wire.codec.scalars import ms_from_pb

MOST_LABELS = 64
MOST_MESSAGES = 4_096
MOST_PARTS = 8_192
"""Of all messages together."""
MOST_TOOLS = 512
MOST_NAMES = 64
"""Of stops, capabilities and tags, each. A few bytes of wire make a value of Python, so eight megabytes could make minutes of work."""
MOST_VIOLATIONS = 100

T = TypeVar("T")

_LABEL_KEY = re.compile(r"[A-Za-z0-9._/-]{1,63}")
_TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def request_from_pb(message: pb.Request) -> Request:
    """Return the request. Raises InvalidRequest with every field that is wrong."""
    wrong = _Wrong()
    request = Request(
        prompt=_prompt(message.prompt, wrong),
        generation=_generation(message.generation, wrong) if message.HasField("generation") else Generation(),
        requirements=_requirements(message.requirements, wrong) if message.HasField("requirements") else Requirements(),
        context=_context(message.context, wrong) if message.HasField("context") else Context(),
    )
    if wrong.violations:
        raise InvalidRequest(*wrong.violations)
    return request


class _Wrong:
    """Collects what is wrong, by path."""

    def __init__(self) -> None:
        self.violations: list[Violation] = []

    def add(self, path: str, message: str) -> None:
        if len(self.violations) < MOST_VIOLATIONS:
            self.violations.append(Violation(field=f"request.{path}", message=message))

    def fits(self, number: int, most: int, path: str) -> bool:
        """Return whether a list is short enough to be looked at, and note it if not."""
        if number > most:
            self.add(path, f"must be at most {most}, found {number}")
        return number <= most

    def unless(self, fits: bool, path: str, message: str) -> None:
        if not fits:
            self.add(path, message)


def _optional(message: Pb, field: str, read: Callable[[], T]) -> T | None:
    return read() if message.HasField(field) else None


def _prompt(message: pb.Prompt, wrong: _Wrong) -> Prompt:
    if not _is_short(message, wrong):
        return Prompt(messages=())
    messages = [_message(item, f"prompt.messages[{index}]", wrong) for index, item in enumerate(message.messages)]
    if message.text:
        messages.append(Message(role=Role.USER, parts=(message.text,)))
    if not messages:
        wrong.add("prompt", "is empty: set text, or at least one message")
    return Prompt(
        messages=tuple(messages),
        tools=tuple(_tool(tool, f"prompt.tools[{index}]", wrong) for index, tool in enumerate(message.tools)),
        response_format=_response_format(message.response_format, wrong) if message.HasField("response_format") else None,
    )


def _is_short(message: pb.Prompt, wrong: _Wrong) -> bool:
    return (
        wrong.fits(len(message.messages), MOST_MESSAGES, "prompt.messages")
        and wrong.fits(sum([len(item.parts) for item in message.messages]), MOST_PARTS, "prompt.messages.parts")
        and wrong.fits(len(message.tools), MOST_TOOLS, "prompt.tools")
    )


def _message(message: pb.Message, path: str, wrong: _Wrong) -> Message:
    known = int(message.role) in _ROLES
    if not known:
        wrong.add(f"{path}.role", "must be ROLE_SYSTEM, ROLE_USER, ROLE_ASSISTANT or ROLE_TOOL")
    parts = tuple(part for index, item in enumerate(message.parts) if (part := _part(item, f"{path}.parts[{index}]", wrong)) is not None)
    if message.text:
        parts = (message.text, *parts)
    if not parts and not message.parts:
        wrong.add(path, "is empty: set text or parts")
    return Message(role=Role(message.role) if known else Role.USER, parts=parts)


_ROLES = frozenset(map(int, Role))


def _part(message: pb.Part, path: str, wrong: _Wrong) -> Part | None:
    match message.WhichOneof("content"):
        case "text":
            wrong.unless(bool(message.text), f"{path}.text", "is empty")
            return message.text
        case "image":
            return _image(message.image, f"{path}.image", wrong)
        case "tool_call":
            call = message.tool_call
            wrong.unless(bool(_TOOL_NAME.fullmatch(call.name)), f"{path}.tool_call.name", f"must match {_TOOL_NAME.pattern}")
            return ToolCall(id=call.id, name=call.name, arguments_json=call.arguments_json)
        case "tool_result":
            result = message.tool_result
            wrong.unless(bool(result.tool_call_id), f"{path}.tool_result.tool_call_id", "is empty: it names the call that this answers")
            return ToolResult(tool_call_id=result.tool_call_id, text=result.text, failed=result.failed)
        case _:
            wrong.add(path, "has no content")
            return None


def _image(message: pb.Image, path: str, wrong: _Wrong) -> Image:
    if message.WhichOneof("source") == "url":
        wrong.unless(message.url.startswith("https://"), f"{path}.url", "must begin with https://")
    else:
        wrong.unless(bool(message.data), path, "has neither data nor url")
        wrong.unless(message.media_type.startswith("image/"), f"{path}.media_type", "must be given with data, as in image/png")
    return Image(data=message.data, url=message.url, media_type=message.media_type)


def _tool(message: pb.Tool, path: str, wrong: _Wrong) -> Tool:
    wrong.unless(bool(_TOOL_NAME.fullmatch(message.name)), f"{path}.name", f"must match {_TOOL_NAME.pattern}")
    if message.parameters_json:
        _check_schema(message.parameters_json, f"{path}.parameters_json", wrong)
    return Tool(name=message.name, description=message.description, parameters_json=message.parameters_json)


def _response_format(message: pb.ResponseFormat, wrong: _Wrong) -> ResponseFormat | None:
    if message.WhichOneof("format") == "json_schema":
        _check_schema(message.json_schema, "prompt.response_format.json_schema", wrong)
        return ResponseFormat(json_schema=message.json_schema)
    return ResponseFormat() if message.json else None


def _check_schema(text: str, path: str, wrong: _Wrong) -> None:
    try:
        fits = isinstance(msgspec.json.decode(text), dict)
    except (msgspec.DecodeError, RecursionError):
        fits = False
    wrong.unless(fits, path, "must be the text of a JSON object")


def _generation(message: pb.Generation, wrong: _Wrong) -> Generation:
    length = _optional(message, "max_output_tokens", lambda: message.max_output_tokens)
    temperature = _optional(message, "temperature", lambda: message.temperature + 0.0)  # -0.0 is 0.0, to the cache as well
    top_p = _optional(message, "top_p", lambda: message.top_p + 0.0)
    wrong.unless(length is None or length >= 1, "generation.max_output_tokens", f"must be at least 1, found {length}")
    wrong.unless(temperature is None or 0 <= temperature <= 2, "generation.temperature", f"must be between 0 and 2, found {temperature}")
    wrong.unless(top_p is None or 0 <= top_p <= 1, "generation.top_p", f"must be between 0 and 1, found {top_p}")
    stops = message.stop if wrong.fits(len(message.stop), MOST_NAMES, "generation.stop") else ()
    for index, stop in enumerate(stops):
        wrong.unless(bool(stop), f"generation.stop[{index}]", "is empty")
    return Generation(
        max_output_tokens=length,
        temperature=temperature,
        top_p=top_p,
        seed=_optional(message, "seed", lambda: message.seed),
        stop=tuple(stops),
    )


def _requirements(message: pb.Requirements, wrong: _Wrong) -> Requirements:
    accuracy = _optional(message, "accuracy", lambda: message.accuracy)
    tokens = _optional(message, "max_total_tokens", lambda: message.max_total_tokens)
    cost = _optional(message, "max_cost", lambda: message.max_cost.nano_usd)
    wrong.unless(accuracy is None or 0 <= accuracy <= 1, "requirements.accuracy", f"must be between 0 and 1, found {accuracy}")
    wrong.unless(tokens is None or tokens >= 1, "requirements.max_total_tokens", f"must be at least 1, found {tokens}")
    wrong.unless(cost is None or cost >= 0, "requirements.max_cost.nano_usd", f"must not be negative, found {cost}")
    capabilities = message.capabilities if wrong.fits(len(message.capabilities), MOST_NAMES, "requirements.capabilities") else ()
    tags = message.tags if wrong.fits(len(message.tags), MOST_NAMES, "requirements.tags") else ()
    for index, capability in enumerate(capabilities):
        wrong.unless(
            capability in CAPABILITIES,
            f"requirements.capabilities[{index}]",
            f"must be one of {', '.join(CAPABILITIES)}, found {capability[:40]!r}",
        )
    for index, tag in enumerate(tags):
        wrong.unless(bool(tag), f"requirements.tags[{index}]", "is empty")
    return Requirements(
        accuracy=accuracy,
        max_total_tokens=tokens,
        max_cost=cost,
        max_latency_ms=_limit(message, "max_latency", wrong),
        max_ttft_ms=_limit(message, "max_time_to_first_token", wrong),
        capabilities=frozenset(capabilities),
        tags=frozenset(tags),
        model=message.model,
    )


def _limit(message: pb.Requirements, field: str, wrong: _Wrong) -> float | None:
    if not message.HasField(field):
        return None
    duration: Duration = getattr(message, field)
    milliseconds = ms_from_pb(duration)
    wrong.unless(isfinite(milliseconds) and milliseconds > 0, f"requirements.{field}", f"must be more than 0, found {milliseconds:g} ms")
    return milliseconds


def _context(message: pb.Context, wrong: _Wrong) -> Context:
    labels = dict(message.labels) if wrong.fits(len(message.labels), MOST_LABELS, "context.labels") else {}
    if not all(map(_LABEL_KEY.fullmatch, labels)):
        wrong.add("context.labels", f"keys must match {_LABEL_KEY.pattern}")
    return Context(session_id=message.session_id, user_id=message.user_id, labels=labels)


def cache_policy_from_pb(message: pb.CachePolicy) -> CachePolicy:
    """Return how a request uses the response cache. Raises InvalidRequest with every field that is wrong."""
    wrong = []
    policy = _POLICIES.get(int(message.mode))
    if policy is None:
        names = ", ".join(f"CACHE_MODE_{known.name}" for known in CacheMode if known)
        wrong.append(Violation(field="cache.mode", message=f"must be one of {names}"))
    age_ms = ms_from_pb(message.max_age) if message.HasField("max_age") else None
    if age_ms is None and policy is not None:
        return policy
    if age_ms is not None and age_ms < 0:
        wrong.append(Violation(field="cache.max_age", message=f"must not be negative, found {age_ms:g} ms"))
    if wrong or policy is None:
        raise InvalidRequest(*wrong)
    return structs.replace(policy, max_age_ms=age_ms)


_POLICIES = {int(mode): CachePolicy(mode=mode) for mode in CacheMode}


def message_from_pb(message: pb.Message) -> Message:
    """Return one turn of a conversation that came from the server, which is right by construction."""
    return _message(message, "", _Wrong())
