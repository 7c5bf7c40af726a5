"""The Messages API: values in and JSON out; recorded bytes in and values out.

Pure. Equal calls give equal bytes, and schemas go out byte for byte as they came, because providers find cached prompts by their prefix.
How what comes in must look is said in `received`; what is wrong is AttemptFailed.
"""

from __future__ import annotations

import re
from base64 import b64encode
from itertools import groupby
from operator import itemgetter

from msgspec import Raw, json, structs

from pointsman.adapters.anthropic.received import (
    Began,
    BlockBegan,
    BlockEnded,
    BlockGrew,
    Changed,
    Ended,
    Failed,
    InputPiece,
    OutputDetails,
    Text,
    TextPiece,
    ToolUse,
    Used,
    block_in,
    event_in,
    piece_in,
    reply_in,
)
from pointsman.adapters.remote import Reply
from pointsman.core.completion import Delta, TextDelta, ToolCallDelta, Usage
from pointsman.core.request import Image, Message, Part, Prompt, ResponseFormat, Tool, ToolCall, ToolResult
from pointsman.core.vocabulary import FinishReason, Role
from pointsman.ports import AttemptFailed, Finished, ModelCall

_Json = dict[str, object]
"""An object of JSON; its keys go out in the order in which they were put in."""

_ODD = re.compile(r"[^A-Za-z0-9_-]")

_OBJECT = json.Decoder(_Json)

# What goes out.


def request_to_json(call: ModelCall, *, stream: bool) -> bytes:
    """Return the body of the request. What the caller left to the model is not in it, nor is a seed, which the API does not know."""
    prompt, generation, sampling = call.prompt, call.generation, call.model.quirks.sampling
    system, turns, tools = _system(prompt), _turns(prompt), [_tool(tool) for tool in prompt.tools]
    head: str | list[_Json] = system
    if call.marks_prefix and turns:
        head = _marked(tools, system, turns, _mark(call))
    body = {
        "model": call.model.upstream,
        "max_tokens": call.output_cap,
        "system": (turns and head) or None,
        "messages": turns or [{"role": "user", "content": [{"type": "text", "text": system}]}],  # there must be one
        "tools": tools or None,
        "temperature": min(generation.temperature, 1.0) if sampling and generation.temperature is not None else None,  # others go up to 2
        "top_p": generation.top_p if sampling else None,
        "stop_sequences": [stop for stop in generation.stop if stop.strip()] or None,  # blank ones are refused
        "stream": stream or None,
    }
    return json.encode({name: value for name, value in body.items() if value is not None})


def _mark(call: ModelCall) -> _Json:
    """Return what tells the API to keep the prefix that ends here; longer than five minutes only where the catalog says so, as it costs."""
    cache = call.model.prompt_cache
    return {"type": "ephemeral", "ttl": "1h"} if cache is not None and cache.ttl_s >= _AN_HOUR_S else {"type": "ephemeral"}


def _marked(tools: list[_Json], system: str, turns: list[_Json], mark: _Json) -> str | list[_Json]:
    """Mark where prefixes end that other calls share, and return the system text. The order of the API is tools, system, turns.

    Behind what stands above the conversation, for other conversations; behind this turn, for the next one; and behind the last turn of the
    user before, since the API looks back twenty blocks only. Four marks are the most it takes.
    """
    ends = [turn for turn in turns if turn["role"] == "user"][-2:]
    for turn in ends:
        blocks = turn["content"]
        assert isinstance(blocks, list)  # as _turns makes them
        blocks[-1]["cache_control"] = mark
    if system:
        return [{"type": "text", "text": system, "cache_control": mark}]
    if tools:
        tools[-1]["cache_control"] = mark
    return system


_AN_HOUR_S = 3_600.0


def _system(prompt: Prompt) -> str:
    """Return what stands above the conversation; the API has one place for it, wherever it was said."""
    texts = [message.text for message in prompt.messages if message.role is Role.SYSTEM]
    if prompt.response_format:
        texts.append(_instruction(prompt.response_format))
    return "\n\n".join(text for text in texts if text.strip())


def _instruction(form: ResponseFormat) -> str:
    """Return the wish for JSON as a sentence: the API has no field for any JSON, and one that takes a part of JSON Schema only."""
    told = "Answer with one JSON value and nothing else, without text or a code fence around it"
    return f"{told}; it must satisfy this JSON Schema: {form.json_schema}" if form.json_schema else f"{told}."


def _turns(prompt: Prompt) -> list[_Json]:
    """Return the conversation: neighbours of one role are one turn, in which results of tools are first, as they must follow the calls at
    once. What is empty is left out, because the API refuses it.
    """
    said = [(_role(message, part), _block(part)) for message in prompt.messages for part in message.parts if _is_said(message, part)]
    return [
        {"role": role, "content": sorted((block for _, block in turn), key=lambda block: block["type"] != "tool_result")}
        for role, turn in groupby(said, key=itemgetter(0))
    ]


def _is_said(message: Message, part: Part) -> bool:
    return not isinstance(part, str) or (message.role is not Role.SYSTEM and bool(part.strip()))


def _role(message: Message, part: Part) -> str:
    return "assistant" if message.role is Role.ASSISTANT and not isinstance(part, ToolResult) else "user"


def _block(part: Part) -> _Json:
    match part:
        case str():
            return {"type": "text", "text": part}
        case Image():
            return {"type": "image", "source": _source(part)}
        case ToolCall():
            return {"type": "tool_use", "id": _id(part.id), "name": part.name, "input": _input(part.arguments_json)}
        case ToolResult():
            block: _Json = {"type": "tool_result", "tool_use_id": _id(part.tool_call_id), "content": part.text}
            return block | {"is_error": True} if part.failed else block


def _id(given: str) -> str:
    """Return the id of a call as the API takes it: conversations may have begun with a model that writes others."""
    return _ODD.sub("_", given) or "call"


def _source(image: Image) -> _Json:
    if image.url:
        return {"type": "url", "url": image.url}
    return {"type": "base64", "media_type": image.media_type, "data": b64encode(image.data).decode()}


def _input(arguments: str) -> Raw:
    """Return the arguments as they are, or no arguments: the API takes an object, and models also write what is none."""
    return Raw(arguments) if _is_object(arguments) else Raw(b"{}")


def _is_object(text: str | Raw) -> bool:
    try:
        _OBJECT.decode(text)
    except (ValueError, RecursionError):
        return False
    return True


def _tool(tool: Tool) -> _Json:
    described: _Json = {"name": tool.name, "description": tool.description} if tool.description else {"name": tool.name}
    return described | {"input_schema": Raw(tool.parameters_json or '{"type":"object"}')}


# What comes in.


def reply_from_json(body: bytes) -> Reply:
    """Return what a whole reply says. Raises AttemptFailed: "bad_response", "upstream_error"."""
    received = reply_in(body)
    if received.type == "error":
        raise AttemptFailed("upstream_error")
    if received.content is None:
        raise AttemptFailed("bad_response")
    parts = [_part(block) for raw in received.content if (block := block_in(raw)) is not None]
    return Reply(
        message=Message(role=Role.ASSISTANT, parts=tuple(part for part in parts if part)),
        finish_reason=_finish_reason(received.stop_reason),
        usage=_usage(received.usage or Used()),
    )


def _part(block: Text | ToolUse) -> Part:
    if isinstance(block, Text):
        return block.text
    return ToolCall(id=block.id, name=block.name, arguments_json=_arguments(block))


def _arguments(block: ToolUse) -> str:
    """Return the arguments as the model wrote them. They are read all the same, because `Raw` may hold anything."""
    if not _is_object(block.input):
        raise AttemptFailed("bad_response")
    return bytes(block.input).decode()


class StreamedReply:
    """Reads the events of a streamed reply in order."""

    def __init__(self) -> None:
        self.finish_reason: FinishReason | None = None
        """Set when the answer is complete, though events may follow."""
        self.ended = False
        """Whether the reply has said that nothing follows."""
        self._used = Used()
        self._calls: dict[int, int] = {}
        """The number of a call among the calls, by that of its block among the blocks."""
        self._unsaid: dict[int, str] = {}
        """Arguments that came with the beginning of a call, by its number; they count where no pieces follow."""

    def read(self, data: str) -> list[Delta]:
        """Return what the event adds to the answer. Raises AttemptFailed: "bad_response", "upstream_error", "429", "529"."""
        match event_in(data):
            case Began(message=head):
                # The output that it tells is that of the beginning.
                self._tell(structs.replace(head.usage or Used(), output_tokens=None, output_tokens_details=None))
            case BlockBegan(index=index, content_block=raw):
                return self._block_began(index, block_in(raw))
            case BlockGrew(index=index, delta=raw):
                return self._block_grew(index, piece_in(raw))
            case BlockEnded(index=index):
                return self._block_ended(index)
            case Changed(delta=ending, usage=usage):
                self._tell(usage or Used())
                if ending.stop_reason:
                    self.finish_reason = _finish_reason(ending.stop_reason)
            case Ended():
                self.ended = True
            case Failed() as failed:
                raise AttemptFailed(_STATUSES.get(failed.kind, "upstream_error"))
        return []

    def finished(self) -> Finished:
        """Return how the answer ended. Raises AttemptFailed("incomplete") where it did not."""
        if self.finish_reason is None:
            raise AttemptFailed("incomplete")
        return Finished(finish_reason=self.finish_reason, usage=_usage(self._used))

    def _tell(self, used: Used) -> None:
        """Take what is told now in place of what was told before: counts are of the whole reply, not of the event."""
        told = {name: value for name, value in structs.asdict(used).items() if value is not None}
        self._used = structs.replace(self._used, **told)

    def _block_began(self, index: int, block: Text | ToolUse | None) -> list[Delta]:
        if isinstance(block, ToolUse):
            return [self._call_began(index, block)]
        return [TextDelta(block.text)] if block and block.text else []

    def _call_began(self, index: int, block: ToolUse) -> Delta:
        if index in self._calls:  # its pieces could be anybody's
            raise AttemptFailed("bad_response")
        number = self._calls[index] = len(self._calls)
        self._unsaid[number] = _arguments(block)
        return ToolCallDelta(index=number, id=block.id, name=block.name)

    def _block_grew(self, index: int, piece: TextPiece | InputPiece | None) -> list[Delta]:
        if isinstance(piece, TextPiece):
            return [TextDelta(piece.text)] if piece.text else []
        number = self._calls.get(index)
        if piece is None or not piece.partial_json or number is None:  # tools of the provider's own have input, too
            return []
        self._unsaid.pop(number, None)
        return [ToolCallDelta(index=number, arguments_json=piece.partial_json)]

    def _block_ended(self, index: int) -> list[Delta]:
        number = self._calls.get(index)
        unsaid = self._unsaid.pop(number, "") if number is not None else ""
        return [ToolCallDelta(index=number, arguments_json=unsaid)] if number is not None and unsaid else []


def _finish_reason(reason: str | None) -> FinishReason:
    return _FINISH_REASONS.get(reason or "", FinishReason.UNSPECIFIED)


_FINISH_REASONS = {
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "tool_use": FinishReason.TOOL_CALLS,
    "refusal": FinishReason.CONTENT_FILTER,
    # Not `pause_turn`: such an answer is neither complete nor cut. Only tools that the provider runs itself pause, and we ask for none.
}

_STATUSES = {"overloaded_error": "529", "rate_limit_error": "429"}
"""What an error in a stream would have been as the status of a reply; with these, what is done next differs."""


def _usage(told: Used) -> Usage | None:
    """Return the usage, or None where either whole is missing. The input told leaves out what went through the cache; ours does not."""
    if told.input_tokens is None or told.output_tokens is None:
        return None
    cached, written = told.cache_read_input_tokens or 0, told.cache_creation_input_tokens or 0
    thinking = (told.output_tokens_details or OutputDetails()).thinking_tokens or 0
    return Usage(
        input_tokens=told.input_tokens + cached + written,
        cached_input_tokens=cached,
        cache_write_tokens=written,
        output_tokens=told.output_tokens,
        reasoning_tokens=min(thinking, told.output_tokens),
    )
