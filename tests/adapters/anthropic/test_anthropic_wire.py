"""The Messages API as tables: values in and JSON out, what servers send in and values out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import structs

from anthropic_recordings import (
    REFUSED,
    REFUSED_STREAM,
    TEXT,
    TEXT_STREAM,
    THOUGHT,
    THOUGHT_STREAM,
    TOOLS,
    TOOLS_STREAM,
    WHOLE_CALL_STREAM,
    block,
    data,
    start,
    stop,
    text,
    typed,
)
from fakes import catalog_yaml, model_yaml, ruleset_of
from pointsman.adapters.anthropic.wire import StreamedReply, reply_from_json, request_to_json
from pointsman.core.catalog import Provider, Quirks
from pointsman.core.completion import Delta, TextDelta, ToolCallDelta, Usage
from pointsman.core.request import Generation, Image, Message, Part, Prompt, ResponseFormat, Tool, ToolCall, ToolResult
from pointsman.core.vocabulary import FinishReason, Role
from pointsman.ports import AttemptFailed, Finished, ModelCall

ROUTES = "version: 1\nroutes: [{id: default, why: w, use: {candidates: [m]}}]\n"
FAR = Provider(id="far", api="anthropic", internal=True, base_url="https://far")
MODEL = structs.replace(ruleset_of(catalog_yaml({"m": model_yaml()}), ROUTES).catalog.models["m"], upstream="claude-x")


def asked(*messages: Message, generation: Generation | None = None, **prompt: Any) -> ModelCall:
    """Return a call of MODEL with an output cap of 64."""
    return ModelCall(
        model=MODEL,
        provider=FAR,
        prompt=Prompt(messages=messages, **prompt),
        generation=generation or Generation(),
        output_cap=64,
        request_id="id-1",
    )


def sent(call: ModelCall) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(request_to_json(call, stream=False))
    return body


def system(*parts: Part) -> Message:
    return Message(role=Role.SYSTEM, parts=parts)


def user(*parts: Part) -> Message:
    return Message(role=Role.USER, parts=parts)


def assistant(*parts: Part) -> Message:
    return Message(role=Role.ASSISTANT, parts=parts)


def tool(*parts: Part) -> Message:
    return Message(role=Role.TOOL, parts=parts)


def said(role: str, *content: str | dict[str, Any]) -> dict[str, Any]:
    """Return a turn; a string is a block of text."""
    return {"role": role, "content": [{"type": "text", "text": item} if isinstance(item, str) else item for item in content]}


HI = user("hi")
CALL = ToolCall(id="c1", name="f", arguments_json='{"a":1}')
CALLED = {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": 1}}
RESULT = ToolResult(tool_call_id="c1", text="4")
RETURNED = {"type": "tool_result", "tool_use_id": "c1", "content": "4"}
FAILED = ToolResult(tool_call_id="c2", text="no such city", failed=True)


# Values in, JSON out.


@pytest.mark.parametrize(
    ("messages", "turns"),
    [
        pytest.param([user("a", "b")], [said("user", "a", "b")], id="each text is a block"),
        pytest.param(
            [user("a"), user("b"), assistant("c"), assistant("d"), user("e")],
            [said("user", "a", "b"), said("assistant", "c", "d"), said("user", "e")],
            id="neighbours of one role are one turn",
        ),
        pytest.param([user("a"), system("s"), user("b")], [said("user", "a", "b")], id="the system is no turn and parts none"),
        pytest.param([user("a", " \n"), assistant(), assistant(""), user("b")], [said("user", "a", "b")], id="what is empty is left out"),
        pytest.param(
            [user("what?", Image(url="https://x/y.png"), Image(data=b"\x89PNG", media_type="image/png"))],
            [
                said(
                    "user",
                    "what?",
                    {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw=="}},
                )
            ],
            id="pictures by address and by value",
        ),
        pytest.param(
            [HI, assistant("Let me look.", CALL), tool(RESULT), tool(FAILED), user("and now?")],
            [
                said("user", "hi"),
                said("assistant", "Let me look.", CALLED),
                said(
                    "user", RETURNED, {"type": "tool_result", "tool_use_id": "c2", "content": "no such city", "is_error": True}, "and now?"
                ),
            ],
            id="a call, its results and what the user says then",
        ),
        pytest.param(
            [assistant(CALL), user("and now?", RESULT)],
            [said("assistant", CALLED), said("user", RETURNED, "and now?")],
            id="results come first",
        ),
        pytest.param(
            [assistant("x", RESULT)], [said("assistant", "x"), said("user", RETURNED)], id="results are the user's, whoever says them"
        ),
        pytest.param([system("s", RESULT)], [said("user", RETURNED)], id="nothing but text goes to the system"),
    ],
)
def test_messages(messages: list[Message], turns: list[dict[str, Any]]) -> None:
    assert sent(asked(*messages))["messages"] == turns


@pytest.mark.parametrize("arguments", ["", "{", '{"a":', "[1]", "null", '"x"', '{"a":1}x', '{"a":"\\ud800"}', '{"a":' * 100_000])
def test_arguments_that_are_no_object_are_none(arguments: str) -> None:
    call = ToolCall(id="c1", name="f", arguments_json=arguments)

    assert sent(asked(assistant(call)))["messages"][0]["content"][0]["input"] == {}


def test_arguments_go_out_byte_for_byte() -> None:
    call = ToolCall(id="c1", name="f", arguments_json='{ "z":1.50 ,"a":"é\\u00e9"}')

    assert '"input":{ "z":1.50 ,"a":"é\\u00e9"}'.encode() in request_to_json(asked(assistant(call)), stream=False)


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        pytest.param([HI], None, id="none"),
        pytest.param([system("", " "), HI], None, id="blank"),
        pytest.param([system("a", "b"), HI, system("c")], "a\nb\n\nc", id="from any place, in order"),
    ],
)
def test_the_system_is_one_text(messages: list[Message], expected: str | None) -> None:
    assert sent(asked(*messages)).get("system") == expected


def test_json_is_asked_for_by_a_sentence_after_the_system() -> None:
    told = "Answer with one JSON value and nothing else, without text or a code fence around it"

    assert sent(asked(system("s"), HI, response_format=ResponseFormat()))["system"] == f"s\n\n{told}."
    assert (
        sent(asked(HI, response_format=ResponseFormat(json_schema='{"b": 1}')))["system"]
        == f'{told}; it must satisfy this JSON Schema: {{"b": 1}}'
    )


def test_a_plain_request_says_only_what_was_asked() -> None:
    assert request_to_json(asked(HI), stream=False) == (
        b'{"model":"claude-x","max_tokens":64,"messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}]}'
    )


def test_a_full_request_byte_for_byte_with_schemas_as_they_came() -> None:
    generation = Generation(max_output_tokens=9999, temperature=0.0, top_p=0.9, seed=7, stop=("END", "\n", " "))
    tools = (Tool(name="f", description="does", parameters_json='{ "type":"object" ,"z":1,"a":1.50}'), Tool(name="g"))

    assert request_to_json(asked(system("s"), HI, generation=generation, tools=tools), stream=True) == (
        b'{"model":"claude-x","max_tokens":64,"system":"s","messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}],'
        b'"tools":[{"name":"f","description":"does","input_schema":{ "type":"object" ,"z":1,"a":1.50}},'
        b'{"name":"g","input_schema":{"type":"object"}}],'
        b'"temperature":0.0,"top_p":0.9,"stop_sequences":["END"],"stream":true}'
    )


@pytest.mark.parametrize(("temperature", "expected"), [(0.0, 0.0), (1.0, 1.0), (1.01, 1.0), (2.0, 1.0)])
def test_a_temperature_goes_up_to_one(temperature: float, expected: float) -> None:
    assert sent(asked(HI, generation=Generation(temperature=temperature)))["temperature"] == expected


def test_stops_that_are_all_blank_are_not_sent() -> None:
    assert "stop_sequences" not in sent(asked(HI, generation=Generation(stop=("\n", "\t "))))


# Replies in, values out.


@pytest.mark.parametrize(
    ("body", "parts", "finish", "usage"),
    [
        pytest.param(
            TEXT,
            ("Grüß Gott 😀",),
            FinishReason.STOP,
            Usage(input_tokens=10_100, cached_input_tokens=8000, cache_write_tokens=2000, output_tokens=30, reasoning_tokens=20),
            id="text; the input counts what went through the cache",
        ),
        pytest.param(
            TOOLS,
            (
                "Let me look.",
                ToolCall(id="toolu_1", name="weather", arguments_json='{"city": "Graz", "days":1.50}'),
                ToolCall(id="toolu_2", name="time", arguments_json="{}"),
            ),
            FinishReason.TOOL_CALLS,
            Usage(input_tokens=82, output_tokens=34),
            id="calls, their arguments byte for byte",
        ),
        pytest.param(THOUGHT, ("4", "2"), FinishReason.STOP, Usage(input_tokens=5, output_tokens=2), id="thoughts are no answer"),
        pytest.param(REFUSED, (), FinishReason.CONTENT_FILTER, Usage(input_tokens=9, output_tokens=1), id="a refusal is no answer"),
        pytest.param(
            b'{"type":"message","content":[{"type":"new","text":7,"id":[],"input":{}},{"type":"text","text":""}]}',
            (),
            FinishReason.UNSPECIFIED,
            None,
            id="a kind that nobody knows, whose fields mean something else",
        ),
    ],
)
def test_replies(body: bytes, parts: tuple[Part, ...], finish: FinishReason, usage: Usage | None) -> None:
    reply = reply_from_json(body)

    assert reply.message == Message(role=Role.ASSISTANT, parts=parts)
    assert (reply.finish_reason, reply.usage) == (finish, usage)


STOPS = [
    ("end_turn", FinishReason.STOP),
    ("stop_sequence", FinishReason.STOP),
    ("max_tokens", FinishReason.LENGTH),
    ("model_context_window_exceeded", FinishReason.LENGTH),
    ("tool_use", FinishReason.TOOL_CALLS),
    ("refusal", FinishReason.CONTENT_FILTER),
    ("pause_turn", FinishReason.UNSPECIFIED),
    ("new", FinishReason.UNSPECIFIED),
]


@pytest.mark.parametrize(("told", "finish"), [*STOPS, (None, FinishReason.UNSPECIFIED)])
def test_finish_reasons(told: str | None, finish: FinishReason) -> None:
    assert reply_from_json(data("message", content=[], stop_reason=told).encode()).finish_reason is finish


@pytest.mark.parametrize(("told", "finish"), STOPS)
def test_finish_reasons_of_streams(told: str, finish: FinishReason) -> None:
    reply = StreamedReply()
    reply.read(stop(told)[0])

    assert reply.finished().finish_reason is finish


@pytest.mark.parametrize("usage", [None, {}, {"input_tokens": 5}, {"output_tokens": 5}, {"input_tokens": None, "output_tokens": None}])
def test_half_a_usage_is_none(usage: dict[str, int | None] | None) -> None:
    assert reply_from_json(data("message", content=[], usage=usage).encode()).usage is None


def test_a_part_of_the_output_is_never_more_than_the_whole() -> None:
    told = {"input_tokens": 1, "output_tokens": 5, "output_tokens_details": {"thinking_tokens": 6}}

    assert reply_from_json(data("message", content=[], usage=told).encode()).usage == Usage(
        input_tokens=1, output_tokens=5, reasoning_tokens=5
    )


@pytest.mark.parametrize(
    ("body", "error_type"),
    [
        pytest.param(b"", "bad_response", id="nothing"),
        pytest.param(b"<html>canary</html>", "bad_response", id="HTML"),
        pytest.param(TEXT[:-5], "bad_response", id="cut off"),
        pytest.param(TEXT.replace(b"Gott", b"\xff\xfe"), "bad_response", id="not UTF-8"),
        pytest.param(TOOLS.replace(b"Graz", b"\xff\xfe"), "bad_response", id="arguments that are not UTF-8"),
        pytest.param(TEXT.replace(rb"\ude00", b""), "bad_response", id="half a surrogate pair"),
        pytest.param(b'"text"', "bad_response", id="not an object"),
        pytest.param(b"{}", "bad_response", id="no kind"),
        pytest.param(b'{"type":"message"}', "bad_response", id="no content"),
        pytest.param(b'{"type":"message","content":"canary"}', "bad_response", id="content of another type"),
        pytest.param(b'{"type":"message","content":["canary"]}', "bad_response", id="a block of another type"),
        pytest.param(b'{"type":"message","content":[{"text":"canary"}]}', "bad_response", id="a block of no kind"),
        pytest.param(b'{"type":"message","content":[{"type":"text","text":["canary"]}]}', "bad_response", id="text of another type"),
        pytest.param(b'{"type":"message","content":[{"type":"tool_use","id":"c"}]}', "bad_response", id="a call of nothing"),
        pytest.param(TOOLS.replace(b'"input":{}', b'"input":["canary"]'), "bad_response", id="arguments of another type"),
        pytest.param(TEXT.replace(b":100,", b':"100",'), "bad_response", id="tokens as text"),
        pytest.param(TEXT.replace(b":100,", b":-1,"), "bad_response", id="fewer tokens than none"),
        pytest.param(TEXT.replace(b":8000,", b":1" + b"0" * 300 + b","), "bad_response", id="more tokens than there are"),
        pytest.param(b'{"type":"message","extra":' + b"[" * 100_000, "bad_response", id="deeper than the stack"),
        pytest.param(b'{"type":"error","error":{"type":"api_error","message":"canary"}}', "upstream_error", id="an error with status 200"),
    ],
)
def test_what_is_no_reply_is_refused_without_quoting_it(body: bytes, error_type: str) -> None:
    with pytest.raises(AttemptFailed) as failed:
        reply_from_json(body)

    assert str(failed.value) == error_type
    assert failed.value.__context__ is None


# Streams in, values out.

USED = Usage(input_tokens=9, output_tokens=3)


@pytest.mark.parametrize(
    ("events", "deltas", "finished"),
    [
        pytest.param(TEXT_STREAM, [TextDelta("Hel"), TextDelta("lo")], Finished(finish_reason=FinishReason.STOP, usage=USED), id="text"),
        pytest.param(
            TOOLS_STREAM,
            [
                TextDelta("Let me look."),
                ToolCallDelta(index=0, id="toolu_1", name="f"),
                ToolCallDelta(index=0, arguments_json='{"a"'),
                ToolCallDelta(index=0, arguments_json=":1}"),
                ToolCallDelta(index=1, id="toolu_2", name="g"),
                ToolCallDelta(index=1, arguments_json="{}"),
            ],
            Finished(finish_reason=FinishReason.TOOL_CALLS, usage=USED),
            id="calls in pieces and without any, counted apart from other blocks",
        ),
        pytest.param(
            THOUGHT_STREAM,
            [TextDelta("4")],
            Finished(
                finish_reason=FinishReason.STOP,
                usage=Usage(input_tokens=8031, cached_input_tokens=8001, cache_write_tokens=20, output_tokens=30, reasoning_tokens=25),
            ),
            id="thoughts and the provider's own tools are no answer, the latest counts hold",
        ),
        pytest.param(
            WHOLE_CALL_STREAM,
            [
                ToolCallDelta(index=0, id="1", name="f"),
                ToolCallDelta(index=1, id="2", name="g"),
                ToolCallDelta(index=1, arguments_json='{"b":2}'),
                ToolCallDelta(index=0, arguments_json='{"a":1}'),
            ],
            Finished(finish_reason=FinishReason.TOOL_CALLS, usage=USED),
            id="a call that begins with its arguments, beside another",
        ),
        pytest.param(REFUSED_STREAM, [], Finished(finish_reason=FinishReason.CONTENT_FILTER, usage=USED), id="a refusal is no answer"),
        pytest.param(
            [
                *block(0, "text", text(""), text="Hi"),
                *block(1, "new", {"type": "new_delta", "text": 7}, text=7),
                data("new"),
                *stop("end_turn"),
            ],
            [TextDelta("Hi")],
            Finished(finish_reason=FinishReason.STOP, usage=None),
            id="kinds that nobody knows; no input told",
        ),
        pytest.param(
            [start(), *stop("end_turn", {})],
            [],
            Finished(finish_reason=FinishReason.STOP, usage=None),
            id="the output of the start is none",
        ),
        pytest.param(
            [start(), stop("end_turn")[0], *stop(None, {"output_tokens": None})],
            [],
            Finished(finish_reason=FinishReason.STOP, usage=USED),
            id="a later null takes nothing back",
        ),
    ],
)
def test_streams(events: list[str], deltas: list[Delta], finished: Finished) -> None:
    reply = StreamedReply()

    assert [delta for event in events for delta in reply.read(event)] == deltas
    assert reply.finished() == finished
    assert reply.ended


@pytest.mark.parametrize("reason", [None, ""])
def test_a_stream_that_does_not_say_how_it_ends_is_incomplete(reason: str | None) -> None:
    reply = StreamedReply()
    for event in stop(reason):
        reply.read(event)

    with pytest.raises(AttemptFailed, match="incomplete"):
        reply.finished()


TWICE = data("content_block_start", index=0, content_block={"type": "tool_use", "id": "canary", "name": "f", "input": {}})


@pytest.mark.parametrize(
    ("event", "error_type"),
    [
        pytest.param(data("error", error={"type": "overloaded_error", "message": "canary"}), "529", id="overloaded"),
        pytest.param(data("error", error={"type": "rate_limit_error", "message": "canary"}), "429", id="too many"),
        pytest.param(data("error", error={"type": "api_error", "message": "canary"}), "upstream_error", id="another error"),
        pytest.param(data("error", error="canary"), "upstream_error", id="an error as text"),
        pytest.param(data("error"), "upstream_error", id="an error that says nothing"),
        pytest.param("[DONE]", "bad_response", id="no JSON"),
        pytest.param('{"canary":1}', "bad_response", id="no kind"),
        pytest.param(data("content_block_delta", index=1024, delta=text("canary")), "bad_response", id="more blocks than there are"),
        pytest.param(
            data("content_block_delta", index=0, delta={"type": "text_delta", "text": ["canary"]}),
            "bad_response",
            id="text of another type",
        ),
        pytest.param(
            data("content_block_delta", index=0, delta=typed("x") | {"partial_json": {}}), "bad_response", id="arguments of another type"
        ),
        pytest.param(
            TWICE.replace('"index":0', '"index":1').replace('"input":{}', '"input":"canary"'),
            "bad_response",
            id="a call that begins with no object",
        ),
        pytest.param(TWICE, "bad_response", id="a second call in one block"),
        pytest.param(data("message_delta", delta={"stop_reason": 7}), "bad_response", id="a reason of another type"),
    ],
)
def test_what_is_no_event_is_refused_without_quoting_it(event: str, error_type: str) -> None:
    reply = StreamedReply()
    reply.read(TWICE)
    with pytest.raises(AttemptFailed) as failed:
        reply.read(event)

    assert str(failed.value) == error_type
    assert failed.value.__context__ is None


def test_a_model_that_refuses_sampling_is_not_told_of_it() -> None:
    call = asked(Message(role=Role.USER, parts=("hi",)), generation=Generation(temperature=0.5, top_p=0.9))
    refusing = structs.replace(call, model=structs.replace(call.model, quirks=Quirks(sampling=False)))

    assert {"temperature", "top_p"} <= set(json.loads(request_to_json(call, stream=False)))
    assert not {"temperature", "top_p"} & set(json.loads(request_to_json(refusing, stream=False)))


def test_ids_of_calls_that_another_model_wrote_are_made_fit_alike_in_call_and_result() -> None:
    call, result = ToolCall(id="functions.f:0", name="f", arguments_json="{}"), ToolResult(tool_call_id="functions.f:0", text="4")
    _, made, told = json.loads(
        request_to_json(
            asked(
                Message(role=Role.USER, parts=("hi",)),
                Message(role=Role.ASSISTANT, parts=(call,)),
                Message(role=Role.TOOL, parts=(result,)),
            ),
            stream=False,
        )
    )["messages"]

    assert made["content"][0]["id"] == told["content"][0]["tool_use_id"] == "functions_f_0"


def test_instructions_alone_are_said_by_the_user_since_somebody_must_say_something() -> None:
    body = json.loads(request_to_json(asked(system("Say hi.")), stream=False))

    assert body["messages"] == [{"role": "user", "content": [{"type": "text", "text": "Say hi."}]}]
    assert "system" not in body
