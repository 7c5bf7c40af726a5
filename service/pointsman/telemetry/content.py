"""Prompts and answers in spans: for whoever has turned two switches, and for nobody else.

One switch is OpenTelemetry's, which may have been set for all programs of a machine; the other is ours, and says that it is meant.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from pointsman.core.request import Image, Message, Part, ToolCall
from pointsman.telemetry import names
from pointsman.telemetry.story import Content

SWITCH = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
MEANT = "POINTSMAN_ALLOW_CONTENT_CAPTURE"

_OFF, _ON = ("", "NO_CONTENT", "FALSE"), ("SPAN_ONLY", "SPAN_AND_EVENT", "TRUE")

LONGEST = 16_384
"""Characters of one attribute; what is longer is cut, and then no JSON any more."""


class NotMeant(ValueError):
    """One switch is turned without the other, or in a way that there is not."""


def captures(environment: Mapping[str, str], *, is_meant: bool) -> bool:
    """Return whether prompts and answers go into spans. Raises NotMeant."""
    asked = environment.get(SWITCH, "").upper()
    if asked not in _OFF + _ON:
        raise NotMeant(f"{SWITCH}: expected one of {', '.join(_OFF[1:2] + _ON[:2])}, found {asked}")
    if asked in _ON and not is_meant:
        raise NotMeant(f"{SWITCH}={asked} would put prompts and answers into traces: say that this is meant with {MEANT}=1, or unset it")
    return asked in _ON


def attributes(content: Content) -> Iterator[tuple[str, str]]:
    """Yield what was asked and answered, as the GenAI conventions have it."""
    yield names.INPUT_MESSAGES, _json(content.prompt.messages)
    if content.answer is not None:
        yield names.OUTPUT_MESSAGES, _json((content.answer,))


def _json(messages: Iterable[Message]) -> str:
    told = [{"role": message.role.name.lower(), "parts": [_part(part) for part in message.parts]} for message in messages]
    return msgspec.json.encode(told).decode()[:LONGEST]


def _part(part: Part) -> dict[str, str]:
    if isinstance(part, str):
        return {"type": "text", "content": part}
    if isinstance(part, Image):
        return {"type": "image", "media_type": part.media_type}  # a picture is no text, and large
    if isinstance(part, ToolCall):
        return {"type": "tool_call", "id": part.id, "name": part.name, "arguments": part.arguments_json}
    return {"type": "tool_call_response", "id": part.tool_call_id, "response": part.text}
