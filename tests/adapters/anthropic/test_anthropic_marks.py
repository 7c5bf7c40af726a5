"""Where the API is told to keep a prefix: behind what stands above the conversation, behind this turn, behind the user's turn before."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec import structs

from fakes import catalog_yaml, model_yaml, ruleset_of
from pointsman.adapters.anthropic.wire import request_to_json
from pointsman.core.catalog import PromptCache, Provider
from pointsman.core.request import Generation, Message, Part, Prompt, Tool, ToolCall, ToolResult
from pointsman.core.vocabulary import Role
from pointsman.ports import ModelCall

ROUTES = "version: 1\nroutes: [{id: default, why: w, use: {candidates: [m]}}]\n"
MODEL = ruleset_of(catalog_yaml({"m": model_yaml()}), ROUTES).catalog.models["m"]
FAR = Provider(id="far", api="anthropic", base_url="https://far")
MARK = {"type": "ephemeral"}

TOOLS = (Tool(name="first"), Tool(name="last"))


def said(role: Role, *parts: Part) -> Message:
    return Message(role=role, parts=parts)


LONG = (
    said(Role.SYSTEM, "be brief"),
    said(Role.USER, "one"),
    said(Role.ASSISTANT, "uno"),
    said(Role.USER, "two", "and more"),
    said(Role.ASSISTANT, ToolCall(id="a", name="first", arguments_json="{}")),
    said(Role.TOOL, ToolResult(tool_call_id="a", text="found")),
)


def body(*messages: Message, tools: tuple[Tool, ...] = (), marks: bool = True, ttl_s: float = 300.0) -> dict[str, Any]:
    call = ModelCall(
        model=structs.replace(MODEL, prompt_cache=PromptCache(min_tokens=512, ttl_s=ttl_s)),
        provider=FAR,
        prompt=Prompt(messages=messages, tools=tools),
        generation=Generation(),
        output_cap=64,
        request_id="id-1",
        marks_prefix=marks,
    )
    found: dict[str, Any] = json.loads(request_to_json(call, stream=False))
    return found


def marks(value: Any, at: str = "") -> Iterator[str]:
    """Yield where marks stand."""
    if isinstance(value, dict):
        yield from [at] if "cache_control" in value else []
        for name, inner in value.items():
            yield from marks(inner, f"{at}/{name}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from marks(inner, f"{at}/{number}")


@pytest.mark.parametrize(
    ("messages", "tools", "places"),
    [
        (LONG, TOOLS, ["/system/0", "/messages/2/content/1", "/messages/4/content/0"]),
        (LONG[1:], TOOLS, ["/messages/2/content/1", "/messages/4/content/0", "/tools/1"]),
        (LONG[1:], (), ["/messages/2/content/1", "/messages/4/content/0"]),
        (LONG[1:2], (), ["/messages/0/content/0"]),
        (LONG[:1], TOOLS, []),  # nothing but a system text, which then is the turn
    ],
)
def test_marks_stand_where_other_calls_may_begin_the_same(
    messages: tuple[Message, ...], tools: tuple[Tool, ...], places: list[str]
) -> None:
    assert list(marks(body(*messages, tools=tools))) == places


def test_there_are_never_more_marks_than_the_api_takes() -> None:
    assert len(list(marks(body(*LONG * 20, tools=TOOLS)))) <= 4


@pytest.mark.parametrize(("ttl_s", "mark"), [(300.0, MARK), (3599.0, MARK), (3600.0, MARK | {"ttl": "1h"})])
def test_a_prefix_is_kept_for_an_hour_only_where_the_catalog_says_so(ttl_s: float, mark: dict[str, str]) -> None:
    assert body(*LONG, ttl_s=ttl_s)["system"] == [{"type": "text", "text": "be brief", "cache_control": mark}]


def test_unasked_there_is_no_mark() -> None:
    assert list(marks(body(*LONG, tools=TOOLS, marks=False))) == []


def test_but_for_marks_nothing_changes_and_a_longer_conversation_begins_with_the_bytes_of_a_shorter_one() -> None:
    def without_marks(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: without_marks(inner) for name, inner in value.items() if name != "cache_control"}
        return [without_marks(inner) for inner in value] if isinstance(value, list) else value

    short, long = (without_marks(body(*messages, tools=TOOLS)) for messages in (LONG[:4], LONG))
    assert long["messages"][:3] == short["messages"]
    assert (long["system"], long["tools"]) == (short["system"], short["tools"])
    assert without_marks(body(*LONG, tools=TOOLS))["messages"] == body(*LONG, tools=TOOLS, marks=False)["messages"]
