"""Chat Completions as tables: values in and JSON out, what three servers send in and values out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import structs

from fakes import catalog_yaml, model_yaml, ruleset_of
from pointsman.adapters.openai.wire import DONE, StreamedReply, reply_from_json, request_to_json
from pointsman.core.catalog import Provider, Quirks
from pointsman.core.completion import Delta, TextDelta, ToolCallDelta, Usage
from pointsman.core.request import Generation, Image, Message, Part, Prompt, ResponseFormat, Tool, ToolCall, ToolResult
from pointsman.core.vocabulary import FinishReason, Role
from pointsman.ports import AttemptFailed, Finished, ModelCall
from recordings import (
    LLAMA,
    LLAMA_STREAM,
    OPENAI,
    OPENAI_REFUSAL,
    OPENAI_STREAM,
    OPENAI_TOOLS,
    OPENAI_TOOLS_STREAM,
    PROXIED_STREAM,
    REFUSAL_STREAM,
    UNNUMBERED_STREAM,
    VLLM,
    VLLM_STREAM,
    chunk,
)

ROUTES = "version: 1\nroutes: [{id: default, why: w, use: {candidates: [m]}}]\n"
FAR = Provider(id="far", api="openai", internal=True, base_url="https://far")
MODEL = structs.replace(ruleset_of(catalog_yaml({"m": model_yaml()}), ROUTES).catalog.models["m"], upstream="gpt-x")


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


def turn(role: Role, *parts: Part) -> Message:
    return Message(role=role, parts=parts)


HI = turn(Role.USER, "hi")


def fields(**quirks: Any) -> dict[str, Any]:
    """Return what is sent of a request for a stream with every setting, to a model with these quirks."""
    call = asked(HI, generation=Generation(temperature=0.5, top_p=0.9, seed=7))
    body: dict[str, Any] = json.loads(
        request_to_json(structs.replace(call, model=structs.replace(MODEL, quirks=Quirks(**quirks))), stream=True)
    )
    return {
        name: body.get(name)
        for name in ("max_tokens", "max_completion_tokens", "temperature", "top_p", "seed", "stream_options")
        if name in body
    }


def test_what_is_not_plain_about_a_model_is_told_by_the_catalog() -> None:
    plain = {"max_tokens": 64, "temperature": 0.5, "top_p": 0.9, "seed": 7, "stream_options": {"include_usage": True}}

    assert fields() == plain
    assert fields(output_cap="max_completion_tokens") == {"max_completion_tokens": 64} | {
        name: plain[name] for name in plain if name != "max_tokens"
    }
    assert fields(sampling=False) == {"max_tokens": 64, "stream_options": {"include_usage": True}}
    assert fields(stream_usage=False) == {name: plain[name] for name in plain if name != "stream_options"}


def test_what_is_said_beside_the_results_of_tools_is_said_by_the_user() -> None:
    message = turn(Role.TOOL, "and now?", ToolResult(tool_call_id="c1", text="4"))
    turns = json.loads(request_to_json(asked(HI, message), stream=False))["messages"]

    assert turns[1:] == [{"role": "tool", "tool_call_id": "c1", "content": "4"}, {"role": "user", "content": "and now?"}]


# Values in, JSON out.


@pytest.mark.parametrize(
    ("message", "turns"),
    [
        pytest.param(turn(Role.SYSTEM, "Be brief."), [{"role": "system", "content": "Be brief."}], id="text is a plain string"),
        pytest.param(turn(Role.USER, "a", "b"), [{"role": "user", "content": "a\nb"}], id="texts are one string"),
        pytest.param(turn(Role.ASSISTANT), [{"role": "assistant", "content": ""}], id="an empty answer stays a turn"),
        pytest.param(
            turn(Role.USER, "what?", Image(url="https://x/y.png"), Image(data=b"\x89PNG", media_type="image/png")),
            [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "what?"},
                        {"type": "image_url", "image_url": {"url": "https://x/y.png"}},
                        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}},
                    ],
                }
            ],
            id="pictures by address and by value",
        ),
        pytest.param(
            turn(Role.ASSISTANT, ToolCall(id="c1", name="f", arguments_json='{"a":')),
            [
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":'}}],
                }
            ],
            id="a call, its arguments as the model wrote them",
        ),
        pytest.param(
            turn(Role.TOOL, ToolResult(tool_call_id="c1", text="4"), ToolResult(tool_call_id="c2", text="no such city", failed=True)),
            [
                {"role": "tool", "tool_call_id": "c1", "content": "4"},
                {"role": "tool", "tool_call_id": "c2", "content": "Error: no such city"},
            ],
            id="each result is a turn",
        ),
        pytest.param(
            turn(Role.USER, "and now?", ToolResult(tool_call_id="c1", text="4")),
            [{"role": "tool", "tool_call_id": "c1", "content": "4"}, {"role": "user", "content": "and now?"}],
            id="results come before the rest of their message",
        ),
    ],
)
def test_messages(message: Message, turns: list[dict[str, Any]]) -> None:
    assert json.loads(request_to_json(asked(message), stream=False))["messages"] == turns


def test_a_plain_request_says_only_what_was_asked() -> None:
    assert request_to_json(asked(HI), stream=False) == b'{"model":"gpt-x","messages":[{"role":"user","content":"hi"}],"max_tokens":64}'


def test_a_full_request_byte_for_byte_with_schemas_as_they_came() -> None:
    generation = Generation(max_output_tokens=9999, temperature=0.0, top_p=0.9, seed=7, stop=("END", "\n"))
    tools = (Tool(name="f", description="does", parameters_json='{ "type":"object" ,"z":1,"a":1.50}'), Tool(name="g"))
    form = ResponseFormat(json_schema='{"b": 1, "a" :2}')

    sent = request_to_json(asked(HI, generation=generation, tools=tools, response_format=form), stream=True)

    assert sent == (
        b'{"model":"gpt-x","messages":[{"role":"user","content":"hi"}],'
        b'"tools":[{"type":"function","function":{"name":"f","description":"does","parameters":{ "type":"object" ,"z":1,"a":1.50}}},'
        b'{"type":"function","function":{"name":"g"}}],'
        b'"response_format":{"type":"json_schema","json_schema":{"name":"answer","strict":false,"schema":{"b": 1, "a" :2}}},'
        b'"max_tokens":64,"temperature":0.0,"top_p":0.9,"seed":7,"stop":["END","\\n"],'
        b'"stream":true,"stream_options":{"include_usage":true}}'
    )


def test_any_json_is_asked_for_as_an_object() -> None:
    sent = json.loads(request_to_json(asked(HI, response_format=ResponseFormat()), stream=False))

    assert sent["response_format"] == {"type": "json_object"}


# Replies in, values out: as OpenAI, llama.cpp and vLLM send them.


@pytest.mark.parametrize(
    ("body", "parts", "finish", "usage"),
    [
        pytest.param(
            OPENAI,
            ("Grüß Gott 😀",),
            FinishReason.STOP,
            Usage(input_tokens=1200, cached_input_tokens=1024, cache_write_tokens=100, output_tokens=30, reasoning_tokens=20),
            id="OpenAI",
        ),
        pytest.param(
            OPENAI_TOOLS,
            (
                ToolCall(id="call_1", name="weather", arguments_json='{"city":"Graz"}'),
                ToolCall(id="call_2", name="time", arguments_json="{}"),
            ),
            FinishReason.TOOL_CALLS,
            Usage(input_tokens=82, output_tokens=34),
            id="OpenAI, tools",
        ),
        pytest.param(
            OPENAI_REFUSAL,
            ("I cannot help.",),
            FinishReason.CONTENT_FILTER,
            Usage(input_tokens=9, output_tokens=4),
            id="OpenAI, a refusal is no answer",
        ),
        pytest.param(LLAMA, ("The sea",), FinishReason.LENGTH, Usage(input_tokens=11, output_tokens=2), id="llama.cpp"),
        pytest.param(VLLM, ("4",), FinishReason.STOP, Usage(input_tokens=5, output_tokens=2), id="vLLM"),
    ],
)
def test_replies(body: bytes, parts: tuple[Part, ...], finish: FinishReason, usage: Usage) -> None:
    reply = reply_from_json(body)

    assert reply.message == Message(role=Role.ASSISTANT, parts=parts)
    assert (reply.finish_reason, reply.usage) == (finish, usage)


@pytest.mark.parametrize(
    ("told", "finish"),
    [
        ('"stop"', FinishReason.STOP),
        ('"length"', FinishReason.LENGTH),
        ('"tool_calls"', FinishReason.TOOL_CALLS),
        ('"function_call"', FinishReason.TOOL_CALLS),
        ('"content_filter"', FinishReason.CONTENT_FILTER),
        ('"abort"', FinishReason.UNSPECIFIED),
        ("null", FinishReason.UNSPECIFIED),
    ],
)
def test_finish_reasons(told: str, finish: FinishReason) -> None:
    assert reply_from_json(b'{"choices":[{"message":{"content":"x"},"finish_reason":%b}]}' % told.encode()).finish_reason is finish


@pytest.mark.parametrize("usage", ["null", "{}", '{"prompt_tokens":5}', '{"prompt_tokens":null,"completion_tokens":null}'])
def test_half_a_usage_is_none(usage: str) -> None:
    assert reply_from_json(b'{"choices":[{"message":{}}],"usage":%b}' % usage.encode()).usage is None


def test_parts_of_a_usage_are_never_more_than_the_whole() -> None:
    told = b"""{"choices":[{"message":{}}],"usage":{"prompt_tokens":10,"completion_tokens":5,
    "prompt_tokens_details":{"cached_tokens":8,"cache_write_tokens":8},"completion_tokens_details":{"reasoning_tokens":6}}}"""

    assert reply_from_json(told).usage == Usage(
        input_tokens=10, cached_input_tokens=8, cache_write_tokens=2, output_tokens=5, reasoning_tokens=5
    )


@pytest.mark.parametrize(
    ("body", "error_type"),
    [
        pytest.param(b"", "bad_response", id="nothing"),
        pytest.param(b"<html>canary</html>", "bad_response", id="HTML"),
        pytest.param(OPENAI[:-5], "bad_response", id="cut off"),
        pytest.param(OPENAI.replace(b"Gott", b"\xff\xfe"), "bad_response", id="not UTF-8"),
        pytest.param(b'{"choices":[{"message":{"content":"\\ud83d"}}]}', "bad_response", id="half a surrogate pair"),
        pytest.param(b'"text"', "bad_response", id="not an object"),
        pytest.param(b"{}", "bad_response", id="no choices"),
        pytest.param(b'{"choices":[]}', "bad_response", id="no choice"),
        pytest.param(b'{"choices":[{"finish_reason":"stop"}]}', "bad_response", id="no message"),
        pytest.param(b'{"choices":[{"message":{"content":["canary"]}}]}', "bad_response", id="content of another type"),
        pytest.param(b'{"choices":[{"message":{"tool_calls":[{"id":"c"}]}}]}', "bad_response", id="a call of nothing"),
        pytest.param(OPENAI.replace(b":1200,", b':"1200",'), "bad_response", id="tokens as text"),
        pytest.param(OPENAI.replace(b":1200,", b":-1,"), "bad_response", id="fewer tokens than none"),
        pytest.param(OPENAI.replace(b":1200,", b":1" + b"0" * 300 + b","), "bad_response", id="more tokens than there are"),
        pytest.param(b'{"extra":' + b"[" * 100_000, "bad_response", id="deeper than the stack"),
        pytest.param(b'{"error":{"message":"canary","code":502}}', "upstream_error", id="an error with status 200"),
        pytest.param(b'{"choices":[{"message":{},"finish_reason":"error"}]}', "upstream_error", id="ended by an error"),
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
        pytest.param(
            OPENAI_STREAM,
            [TextDelta("Hel"), TextDelta("lo")],
            Finished(finish_reason=FinishReason.STOP, usage=USED),
            id="OpenAI: the usage comes last, alone",
        ),
        pytest.param(
            OPENAI_TOOLS_STREAM,
            [
                ToolCallDelta(index=0, id="call_1", name="f"),
                ToolCallDelta(index=0, arguments_json='{"a"'),
                ToolCallDelta(index=0, arguments_json=":1}"),
                ToolCallDelta(index=1, id="call_2", name="g", arguments_json="{}"),
            ],
            Finished(finish_reason=FinishReason.TOOL_CALLS, usage=None),
            id="OpenAI: calls in pieces, no usage",
        ),
        pytest.param(
            LLAMA_STREAM,
            [TextDelta("Hello")],
            Finished(finish_reason=FinishReason.LENGTH, usage=USED),
            id="llama.cpp: the usage comes with the end",
        ),
        pytest.param(
            VLLM_STREAM,
            [ToolCallDelta(index=0, id="a1", name="f"), ToolCallDelta(index=0, arguments_json="{}")],
            Finished(finish_reason=FinishReason.TOOL_CALLS, usage=USED),
            id="vLLM: ids anew in each piece, the usage grows",
        ),
        pytest.param(
            REFUSAL_STREAM,
            [TextDelta("No"), TextDelta(".")],
            Finished(finish_reason=FinishReason.CONTENT_FILTER, usage=None),
            id="a refusal is no answer",
        ),
        pytest.param(
            UNNUMBERED_STREAM,
            [ToolCallDelta(index=0, id="1", name="f", arguments_json="{}"), ToolCallDelta(index=1, id="2", name="g", arguments_json="{}")],
            Finished(finish_reason=FinishReason.STOP, usage=None),
            id="calls without numbers",
        ),
        pytest.param(
            PROXIED_STREAM,
            [TextDelta("Hello")],
            Finished(finish_reason=FinishReason.STOP, usage=USED),
            id="an empty reason ends nothing, a later null takes no usage back",
        ),
    ],
)
def test_streams(events: list[str], deltas: list[Delta], finished: Finished) -> None:
    reply = StreamedReply()

    assert [delta for data in events for delta in reply.read(data)] == deltas
    assert reply.finished() == finished


def test_a_stream_that_does_not_say_how_it_ends_is_incomplete() -> None:
    reply = StreamedReply()
    reply.read(chunk('{"content":"Hel"}', finish='""'))

    with pytest.raises(AttemptFailed, match="incomplete"):
        reply.finished()


def test_an_error_in_the_middle_is_not_quoted() -> None:
    with pytest.raises(AttemptFailed) as failed:
        StreamedReply().read('{"error":{"message":"canary","type":"server_error"}}')

    assert str(failed.value) == "upstream_error"


def test_the_end_of_a_stream_is_no_json() -> None:
    with pytest.raises(AttemptFailed, match="bad_response"):
        StreamedReply().read(DONE)


@pytest.mark.parametrize(("quirks", "sent_as"), [(Quirks(), None), (Quirks(prompt_cache_key=True), "c0ffee")])
def test_the_name_of_a_conversation_is_sent_only_to_an_api_that_takes_it(quirks: Quirks, sent_as: str | None) -> None:
    call = asked(Message(role=Role.USER, parts=("hi",)))
    named = structs.replace(call, model=structs.replace(call.model, quirks=quirks), prefix_key="c0ffee")

    assert json.loads(request_to_json(named, stream=False)).get("prompt_cache_key") == sent_as
    assert "prompt_cache_key" not in json.loads(request_to_json(structs.replace(named, prefix_key=""), stream=False))


def test_a_longer_conversation_begins_with_the_bytes_of_a_shorter_one() -> None:
    turns = [
        Message(role=role, parts=(text,)) for role, text in ((Role.SYSTEM, "s"), (Role.USER, "é"), (Role.ASSISTANT, "b"), (Role.USER, "c"))
    ]
    short, long = (request_to_json(asked(*messages), stream=False) for messages in (turns[:2], turns))

    assert long.startswith(short[: short.index(b"]")])
