"""Mutants of what servers send: each ends in a value that fits the rest of the house, or in AttemptFailed."""

from __future__ import annotations

import json
import os
import random
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.adapters.openai.wire import StreamedReply, reply_from_json
from pointsman.core.completion import TextDelta, Usage
from pointsman.core.request import Message, ToolCall
from pointsman.core.vocabulary import FinishReason, Role
from pointsman.ports import AttemptFailed
from recordings import REPLIES, STREAMS

SOAK = os.environ.get("POINTSMAN_TEST_SOAK") == "1"
pytestmark = pytest.mark.timeout(900 if SOAK else 60)

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


@settings(max_examples=5_000 if SOAK else 150, deadline=None)
@given(st.sampled_from(REPLIES), st.randoms(use_true_random=False))
def test_mutated_replies_end_in_a_value_or_in_attempt_failed(body: bytes, dice: random.Random) -> None:
    with suppress(AttemptFailed):
        reply = reply_from_json(mutated(body, dice))
        sendable(reply.message, reply.finish_reason, reply.usage)


@settings(max_examples=5_000 if SOAK else 150, deadline=None)
@given(st.sampled_from(STREAMS), st.randoms(use_true_random=False))
def test_mutated_streams_end_in_values_or_in_attempt_failed(events: list[str], dice: random.Random) -> None:
    reply = StreamedReply()
    at = dice.randrange(len(events))
    with suppress(AttemptFailed):
        for number, data in enumerate(events):
            text = mutated(data.encode(), dice).decode(errors="replace") if number == at else data
            for delta in reply.read(text):
                assert delta.text if isinstance(delta, TextDelta) else 0 <= delta.index < 1024
        finished = reply.finished()
        sendable(Message(role=Role.ASSISTANT, parts=()), finished.finish_reason, finished.usage)
