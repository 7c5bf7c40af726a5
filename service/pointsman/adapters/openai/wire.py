"""Chat Completions: values in and JSON out; recorded bytes in and values out.

Pure. Equal calls give equal bytes, and schemas go out byte for byte as they came, because providers find cached prompts by their prefix.
What comes in is typed: fields that we do not know are ignored, those that we know must have their type, and what is wrong is AttemptFailed.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from typing import Annotated

from msgspec import Meta, Raw, Struct, json

from pointsman.adapters.remote import Reply
from pointsman.core.completion import Delta, TextDelta, ToolCallDelta, Usage
from pointsman.core.request import Image, Message, Part, ResponseFormat, Tool, ToolCall, ToolResult, redacted
from pointsman.core.vocabulary import FinishReason, Role
from pointsman.ports import AttemptFailed, Finished, ModelCall

DONE = "[DONE]"
"""The data of the event that ends a stream."""

_Json = dict[str, object]
"""An object of JSON; its keys go out in the order in which they were put in."""


# What goes out.


def request_to_json(call: ModelCall, *, stream: bool) -> bytes:
    """Return the body of the request. What the caller left to the model is not in it."""
    prompt, generation, quirks = call.prompt, call.generation, call.model.quirks
    body = {
        "model": call.model.upstream,
        "messages": [turn for message in prompt.messages for turn in _turns(message)],
        "tools": [_tool(tool) for tool in prompt.tools] or None,
        "response_format": _format(prompt.response_format) if prompt.response_format else None,
        quirks.output_cap: call.output_cap,
        "temperature": generation.temperature if quirks.sampling else None,
        "top_p": generation.top_p if quirks.sampling else None,
        "seed": generation.seed if quirks.sampling else None,
        "stop": generation.stop or None,
        "prompt_cache_key": call.prefix_key or None if quirks.prompt_cache_key else None,
        "stream": stream or None,
        "stream_options": {"include_usage": True} if stream and quirks.stream_usage else None,
    }
    return json.encode({name: value for name, value in body.items() if value is not None})


def _turns(message: Message) -> Iterator[_Json]:
    """Yield the message as turns: each result of a tool is its own, before the rest, since results must follow the calls at once."""
    results = [part for part in message.parts if isinstance(part, ToolResult)]
    for result in results:
        yield {"role": "tool", "tool_call_id": result.tool_call_id, "content": _result(result)}
    if len(results) == len(message.parts) > 0:
        return
    role = "user" if message.role is Role.TOOL else message.role.name.lower()  # what is said beside results is no result
    calls = [_call(part) for part in message.parts if isinstance(part, ToolCall)]
    turn: _Json = {"role": role, "content": _content(message)}
    yield turn | {"tool_calls": calls} if calls else turn


def _result(result: ToolResult) -> str:
    # The API has no other place to say that a tool failed.
    return f"Error: {result.text}" if result.failed else result.text


def _content(message: Message) -> str | list[_Json] | None:
    """Return text as one string, which every server and chat template takes; a list only where there are pictures."""
    if any(isinstance(part, Image) for part in message.parts):
        return [_shown(part) for part in message.parts if isinstance(part, str | Image)]
    # Null beside calls and no text: some servers ask for the field, some templates print an empty text as one.
    return message.text or (None if any(isinstance(part, ToolCall) for part in message.parts) else "")


def _shown(part: str | Image) -> _Json:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    url = part.url or f"data:{part.media_type};base64,{b64encode(part.data).decode()}"
    return {"type": "image_url", "image_url": {"url": url}}


def _call(call: ToolCall) -> _Json:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments_json}}


def _tool(tool: Tool) -> _Json:
    function: _Json = {"name": tool.name}
    if tool.description:
        function["description"] = tool.description
    if tool.parameters_json:
        function["parameters"] = Raw(tool.parameters_json)
    return {"type": "function", "function": function}


def _format(form: ResponseFormat) -> _Json:
    if not form.json_schema:
        return {"type": "json_object"}
    # Not strict: that takes a part of JSON Schema only, and refuses the others.
    return {"type": "json_schema", "json_schema": {"name": "answer", "strict": False, "schema": Raw(form.json_schema)}}


# What comes in.

_Tokens = Annotated[int, Meta(ge=0, lt=1 << 29)]
_Index = Annotated[int, Meta(ge=0, le=1023)]


class _InputDetails(Struct, frozen=True):
    cached_tokens: _Tokens | None = None
    cache_write_tokens: _Tokens | None = None


class _OutputDetails(Struct, frozen=True):
    reasoning_tokens: _Tokens | None = None


class _Usage(Struct, frozen=True):
    prompt_tokens: _Tokens | None = None
    completion_tokens: _Tokens | None = None
    prompt_tokens_details: _InputDetails | None = None
    completion_tokens_details: _OutputDetails | None = None


class _FunctionPiece(Struct, frozen=True):
    name: str | None = None
    arguments: str | None = None


class _CallPiece(Struct, frozen=True):
    index: _Index | None = None
    id: str | None = None
    function: _FunctionPiece = _FunctionPiece()


class _Said(Struct, frozen=True):
    """A message, or a piece of one in a stream."""

    content: str | None = None
    refusal: str | None = None
    tool_calls: list[_CallPiece] | None = None

    __repr__ = redacted


class _Choice(Struct, frozen=True):
    message: _Said | None = None
    delta: _Said | None = None
    finish_reason: str | None = None


class _Received(Struct, frozen=True):
    choices: list[_Choice] = []
    usage: _Usage | None = None
    error: object = None

    __repr__ = redacted


def reply_from_json(body: bytes) -> Reply:
    """Return what a whole reply says. Raises AttemptFailed: "bad_response", "upstream_error"."""
    received = _received(body)
    if not received.choices or received.choices[0].message is None:
        raise AttemptFailed("bad_response")
    choice, said = received.choices[0], received.choices[0].message
    texts = [text for text in (said.content, said.refusal) if text]
    parts: tuple[Part, ...] = (*texts, *(_tool_call(call) for call in said.tool_calls or ()))
    return Reply(
        message=Message(role=Role.ASSISTANT, parts=parts),
        finish_reason=_finish_reason(choice.finish_reason, refused=bool(said.refusal)),
        usage=_usage(received.usage),
    )


def _tool_call(call: _CallPiece) -> ToolCall:
    if not call.function.name:
        raise AttemptFailed("bad_response")
    return ToolCall(id=call.id or "", name=call.function.name, arguments_json=call.function.arguments or "")


class StreamedReply:
    """Reads the events of a streamed reply in order. How it ends is kept until the last one, as that may be the one with the usage."""

    def __init__(self) -> None:
        self.finish_reason: FinishReason | None = None
        """Set when the answer is complete, though events may follow."""
        self._usage: Usage | None = None
        self._refused = False
        self._named: set[int] = set()

    def read(self, data: str) -> list[Delta]:
        """Return what the event adds to the answer. Raises AttemptFailed: "bad_response", "upstream_error"."""
        received = _received(data)
        self._usage = _usage(received.usage) or self._usage
        if not received.choices:
            return []
        choice = received.choices[0]
        deltas = self._deltas(choice.delta or _Said())
        if choice.finish_reason:
            self.finish_reason = _finish_reason(choice.finish_reason, refused=self._refused)
        return deltas

    def finished(self) -> Finished:
        """Return how the answer ended. Raises AttemptFailed("incomplete") where it did not."""
        if self.finish_reason is None:
            raise AttemptFailed("incomplete")
        return Finished(finish_reason=self.finish_reason, usage=self._usage)

    def _deltas(self, said: _Said) -> list[Delta]:
        self._refused = self._refused or bool(said.refusal)
        texts: list[Delta] = [TextDelta(text) for text in (said.content, said.refusal) if text]
        return texts + [self._call(position, call) for position, call in enumerate(said.tool_calls or ())]

    def _call(self, position: int, call: _CallPiece) -> ToolCallDelta:
        """Return the piece with id and name if it is the call's first: some servers repeat the name, or invent a new id for each piece."""
        index = position if call.index is None else call.index
        first = index not in self._named
        self._named.add(index)
        return ToolCallDelta(
            index=index,
            id=(first and call.id) or "",
            name=(first and call.function.name) or "",
            arguments_json=call.function.arguments or "",
        )


_RECEIVED = json.Decoder(_Received)


def _received(text: bytes | str) -> _Received:
    try:
        received = _RECEIVED.decode(text)
    except (ValueError, RecursionError):
        received = None
    if received is None:  # raised here, because an error of the decoder can hold the text
        raise AttemptFailed("bad_response")
    if received.error is not None:
        raise AttemptFailed("upstream_error")
    return received


def _finish_reason(reason: str | None, *, refused: bool) -> FinishReason:
    """Return why the answer ends. A refusal says "stop" like an answer; it must not be taken for one."""
    if reason == "error":
        raise AttemptFailed("upstream_error")
    return FinishReason.CONTENT_FILTER if refused else _FINISH_REASONS.get(reason or "", FinishReason.UNSPECIFIED)


_FINISH_REASONS = {
    "stop": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "tool_calls": FinishReason.TOOL_CALLS,
    "function_call": FinishReason.TOOL_CALLS,
    "content_filter": FinishReason.CONTENT_FILTER,
}


def _usage(told: _Usage | None) -> Usage | None:
    """Return the usage, its parts never more than the whole, or None where either whole is missing."""
    if told is None or told.prompt_tokens is None or told.completion_tokens is None:
        return None
    inputs, outputs = told.prompt_tokens_details or _InputDetails(), told.completion_tokens_details or _OutputDetails()
    cached = min(inputs.cached_tokens or 0, told.prompt_tokens)
    return Usage(
        input_tokens=told.prompt_tokens,
        cached_input_tokens=cached,
        cache_write_tokens=min(inputs.cache_write_tokens or 0, told.prompt_tokens - cached),
        output_tokens=told.completion_tokens,
        reasoning_tokens=min(outputs.reasoning_tokens or 0, told.completion_tokens),
    )
