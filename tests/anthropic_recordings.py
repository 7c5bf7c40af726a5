"""What servers of the Messages API send: whole replies as bytes, streams as the data of their events."""

from __future__ import annotations

import json
from typing import Any

HEAD = b'"id":"msg_01","type":"message","role":"assistant","model":"claude-x","stop_sequence":null'

TEXT = (
    rb'{"content":[{"type":"text","text":"Gr\u00fc\u00df Gott \ud83d\ude00","citations":null}],"stop_reason":"end_turn",'
    rb'"usage":{"input_tokens":100,"cache_creation_input_tokens":2000,"cache_read_input_tokens":8000,'
    rb'"cache_creation":{"ephemeral_5m_input_tokens":2000,"ephemeral_1h_input_tokens":0},'
    rb'"output_tokens":30,"output_tokens_details":{"thinking_tokens":20},"service_tier":"standard"},' + HEAD + b"}"
)
TOOLS = (
    rb'{"content":[{"type":"text","text":"Let me look."},'
    rb'{"type":"tool_use","id":"toolu_1","name":"weather","input":{"city": "Graz", "days":1.50}},'
    rb'{"type":"tool_use","id":"toolu_2","name":"time","input":{}}],"stop_reason":"tool_use",'
    rb'"usage":{"input_tokens":82,"output_tokens":34},' + HEAD + b"}"
)
THOUGHT = (
    rb'{"content":[{"type":"thinking","thinking":"Hm","signature":"c2ln"},{"type":"redacted_thinking","data":"eA=="},'
    rb'{"type":"text","text":"4"},{"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{"query":"q"}},'
    rb'{"type":"text","text":"2"}],"stop_reason":"end_turn",'
    rb'"usage":{"input_tokens":5,"cache_creation_input_tokens":null,"cache_read_input_tokens":0,"output_tokens":2},' + HEAD + b"}"
)
REFUSED = (
    rb'{"content":[],"stop_reason":"refusal","stop_details":{"type":"refusal","category":"bio","explanation":"no"},'
    rb'"usage":{"input_tokens":9,"output_tokens":1},' + HEAD + b"}"
)


def data(type: str, **fields: Any) -> str:
    """Return the data of one event."""
    return json.dumps({"type": type, **fields}, separators=(",", ":"))


def block(index: int, type: str, *pieces: dict[str, Any], **fields: Any) -> list[str]:
    """Return the events of one block."""
    return [
        data("content_block_start", index=index, content_block={"type": type, **fields}),
        *[data("content_block_delta", index=index, delta=piece) for piece in pieces],
        data("content_block_stop", index=index),
    ]


def text(said: str) -> dict[str, Any]:
    return {"type": "text_delta", "text": said}


def typed(partial: str) -> dict[str, Any]:
    return {"type": "input_json_delta", "partial_json": partial}


def start(**usage: Any) -> str:
    """Return the event that begins a stream; its output is that of the beginning."""
    message = {"id": "msg_01", "type": "message", "role": "assistant", "model": "claude-x", "content": []}
    rest = {"stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 9, "output_tokens": 1} | usage}
    return data("message_start", message=message | rest)


def stop(reason: str | None, usage: dict[str, Any] | None = None) -> list[str]:
    """Return the events that end a stream."""
    used = {"output_tokens": 3} if usage is None else usage
    return [data("message_delta", delta={"stop_reason": reason, "stop_sequence": None}, usage=used), data("message_stop")]


PING = data("ping")
CITATION = {"type": "char_location", "cited_text": "4", "document_index": 0, "start_char_index": 0, "end_char_index": 1}

TEXT_STREAM = [start(), PING, *block(0, "text", text("Hel"), text("lo"), text=""), *stop("end_turn")]
TOOLS_STREAM = [
    start(),
    *block(0, "text", text("Let me look."), text=""),
    *block(1, "tool_use", typed(""), typed('{"a"'), typed(":1}"), id="toolu_1", name="f", input={}),
    *block(2, "tool_use", typed(""), id="toolu_2", name="g", input={}),
    *stop("tool_use"),
]
THOUGHT_STREAM = [
    start(cache_read_input_tokens=8000, cache_creation_input_tokens=None),
    *block(
        0,
        "thinking",
        {"type": "thinking_delta", "thinking": "Hm"},
        {"type": "signature_delta", "signature": "c2ln"},
        thinking="",
        signature="",
    ),
    *block(1, "server_tool_use", typed('{"query":"q"}'), id="srvtoolu_1", name="web_search", input={}),
    *block(2, "web_search_tool_result", tool_use_id="srvtoolu_1", content=[]),
    *block(3, "text", text("4"), {"type": "citations_delta", "citation": CITATION}, text=""),
    *stop(
        "end_turn",
        {
            "input_tokens": 10,
            "cache_read_input_tokens": 8001,
            "cache_creation_input_tokens": 20,
            "output_tokens": 30,
            "output_tokens_details": {"thinking_tokens": 25},
        },
    ),
]
# Not as Anthropic does it, but as its format may be understood.
WHOLE_CALL_STREAM = [
    start(),
    data("content_block_start", index=0, content_block={"type": "tool_use", "id": "1", "name": "f", "input": {"a": 1}}),
    data("content_block_start", index=1, content_block={"type": "tool_use", "id": "2", "name": "g"}),
    data("content_block_delta", index=1, delta=typed('{"b":2}')),
    data("content_block_stop", index=1),
    data("content_block_stop", index=0),
    *stop("tool_use"),
]
REFUSED_STREAM = [start(), *stop("refusal")]

REPLIES = [TEXT, TOOLS, THOUGHT, REFUSED]
STREAMS = [TEXT_STREAM, TOOLS_STREAM, THOUGHT_STREAM, WHOLE_CALL_STREAM, REFUSED_STREAM]
