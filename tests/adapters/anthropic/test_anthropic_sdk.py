"""What Anthropic's own SDK says of our requests, and of the replies that our tests are made of. It is an oracle, not a dependency."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import structs
from pydantic import TypeAdapter

from anthropic_recordings import PING, REFUSED_STREAM, REPLIES, TEXT_STREAM, THOUGHT_STREAM, TOOLS_STREAM
from fakes import catalog_yaml, model_yaml, ruleset_of
from pointsman.adapters.anthropic.wire import request_to_json
from pointsman.core.catalog import Provider
from pointsman.core.request import Generation, Image, Message, Prompt, ResponseFormat, Tool, ToolCall, ToolResult
from pointsman.core.vocabulary import Role
from pointsman.ports import ModelCall

types: Any = pytest.importorskip(
    "anthropic.types", exc_type=ImportError, reason="Anthropic's SDK, which is no dependency, is not installed: nothing to compare with"
)
ASKED: TypeAdapter[Any] = TypeAdapter(types.MessageCreateParams)
STREAMED: TypeAdapter[Any] = TypeAdapter(types.RawMessageStreamEvent)

ROUTES = "version: 1\nroutes: [{id: default, why: w, use: {candidates: [m]}}]\n"
CALL = ModelCall(
    model=structs.replace(ruleset_of(catalog_yaml({"m": model_yaml()}), ROUTES).catalog.models["m"], upstream="claude-x"),
    provider=Provider(id="far", api="anthropic", base_url="https://far"),
    prompt=Prompt(
        messages=(
            Message(role=Role.SYSTEM, parts=("Be brief.",)),
            Message(role=Role.USER, parts=("what?", Image(url="https://x/y.png"), Image(data=b"\x89PNG", media_type="image/png"))),
            Message(role=Role.ASSISTANT, parts=("Let me look.", ToolCall(id="c1", name="f", arguments_json='{"a":1}'))),
            Message(role=Role.TOOL, parts=(ToolResult(tool_call_id="c1", text="no", failed=True), "and now?")),
        ),
        tools=(Tool(name="f", description="does", parameters_json='{"type":"object","properties":{}}'), Tool(name="g")),
        response_format=ResponseFormat(),
    ),
    generation=Generation(stop=("END",)),
    output_cap=64,
    request_id="id-1",
)


def walked(value: Any) -> Any:
    """Return a validated value without its iterators: those check their items only when they are asked for them."""
    if isinstance(value, dict):
        return {name: walked(item) for name, item in value.items()}
    return [walked(item) for item in value] if isinstance(value, list) or hasattr(value, "__next__") else value


@pytest.mark.parametrize("stream", [False, True])
def test_a_request_is_one_for_the_sdk_and_has_nothing_that_it_does_not_know(stream: bool) -> None:
    sent = json.loads(request_to_json(CALL, stream=stream))

    assert walked(ASKED.validate_python(sent)) == sent


@pytest.mark.parametrize("body", REPLIES)
def test_replies_are_messages_for_the_sdk(body: bytes) -> None:
    assert types.Message.model_validate_json(body, strict=True).type == "message"


EVENTS = {*TEXT_STREAM, *TOOLS_STREAM, *THOUGHT_STREAM, *REFUSED_STREAM} - {PING}  # which the SDK drops itself


@pytest.mark.parametrize("event", sorted(EVENTS))
def test_events_are_events_for_the_sdk(event: str) -> None:
    assert STREAMED.validate_json(event).type == json.loads(event)["type"]
