"""Prompts and answers in spans: only where two switches say so, and then as the conventions have it."""

from __future__ import annotations

import json

import pytest

from pointsman.core.request import Image, Message, Part, Prompt, ToolCall, ToolResult
from pointsman.core.vocabulary import Role
from pointsman.telemetry.content import SWITCH, NotMeant, attributes, captures
from pointsman.telemetry.story import Content


@pytest.mark.parametrize(
    ("asked", "is_meant", "expected"),
    [("", True, False), ("NO_CONTENT", True, False), ("false", False, False), ("SPAN_ONLY", True, True), ("true", True, True)],
)
def test_both_switches_are_needed(asked: str, is_meant: bool, expected: bool) -> None:
    assert captures({SWITCH: asked}, is_meant=is_meant) is expected


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ("SPAN_ONLY", "SPAN_ONLY would put prompts and answers into traces: say that this is meant with POINTSMAN_ALLOW_CONTENT_CAPTURE=1"),
        ("EVENT_ONLY", "expected one of NO_CONTENT, SPAN_ONLY, SPAN_AND_EVENT, found EVENT_ONLY"),
    ],
)
def test_one_switch_alone_or_turned_oddly_is_refused(asked: str, says: str) -> None:
    with pytest.raises(NotMeant, match=says):
        captures({SWITCH: asked}, is_meant=False)


def said(role: Role, *parts: Part) -> Message:
    return Message(role=role, parts=parts)


def test_messages_are_told_as_the_conventions_have_them_and_pictures_are_not_sent_on() -> None:
    prompt = Prompt(
        messages=(
            said(Role.USER, "look", Image(data=b"\xff", media_type="image/png")),
            said(Role.TOOL, ToolResult(tool_call_id="c", text="3")),
        )
    )
    found = dict(attributes(Content(prompt=prompt, answer=said(Role.ASSISTANT, ToolCall(id="c", name="add", arguments_json="{}")))))

    assert json.loads(found["gen_ai.input.messages"]) == [
        {"role": "user", "parts": [{"type": "text", "content": "look"}, {"type": "image", "media_type": "image/png"}]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c", "response": "3"}]},
    ]
    assert json.loads(found["gen_ai.output.messages"]) == [
        {"role": "assistant", "parts": [{"type": "tool_call", "id": "c", "name": "add", "arguments": "{}"}]}
    ]


def test_what_has_no_answer_yet_tells_only_what_was_asked() -> None:
    assert dict(attributes(Content(prompt=Prompt(messages=(said(Role.USER, "x" * 100_000),))))).keys() == {"gen_ai.input.messages"}
