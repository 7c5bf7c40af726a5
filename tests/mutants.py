"""What servers may send, damaged; and what a value that was made of it must be like."""

from __future__ import annotations

import json
import random
from typing import Any

from pointsman.core.completion import Usage
from pointsman.core.request import Message, ToolCall
from pointsman.core.vocabulary import FinishReason

ODD: list[Any] = [None, True, -1, 0, 1 << 62, 10**30, 1e308, 0.5, "", "x", "é\u0000", [], {}, [[]], {"": None}, [None], "stop", "error"]


def mutated(text: bytes, dice: random.Random) -> bytes:
    """Return the JSON with a value exchanged for an odd one, or its bytes with some cut, turned or doubled."""
    if dice.random() < 0.6:
        return json.dumps(_with_odd_value(json.loads(text), dice), ensure_ascii=dice.random() < 0.5).encode()
    start = dice.randrange(len(text))
    end = min(len(text), start + dice.randrange(1, 40))
    middle = dice.choice([b"", text[start:end] * 2, dice.randbytes(end - start), b"\\ud800", text[start:end].swapcase()])
    return text[:start] + middle + dice.choice([text[end:], b""])


def _with_odd_value(node: Any, dice: random.Random) -> Any:
    if not node or not isinstance(node, dict | list) or dice.random() < 0.15:
        return dice.choice(ODD)
    key = dice.choice(list(node) if isinstance(node, dict) else range(len(node)))
    node[key] = _with_odd_value(node[key], dice)
    return node


def sendable(message: Message, finish: FinishReason, usage: Usage | None) -> None:
    """Check that the values fit what the rest of the house and our own wire ask of them."""
    for part in message.parts:
        texts = [part] if isinstance(part, str) else [part.id, part.name, part.arguments_json] if isinstance(part, ToolCall) else []
        assert texts
        assert all(text.encode().decode() == text for text in texts)
    assert isinstance(finish, FinishReason)
    if usage is not None:
        assert 0 <= usage.cached_input_tokens + usage.cache_write_tokens <= usage.input_tokens < 1 << 62
        assert 0 <= usage.reasoning_tokens <= usage.output_tokens < 1 << 62
