"""Mutants of what servers send: each ends in a value that fits the rest of the house, or in AttemptFailed."""

from __future__ import annotations

import os
import random
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anthropic_recordings import REPLIES, STREAMS
from mutants import mutated, sendable
from pointsman.adapters.anthropic.wire import StreamedReply, reply_from_json
from pointsman.core.completion import TextDelta
from pointsman.core.request import Message
from pointsman.core.vocabulary import Role
from pointsman.ports import AttemptFailed

SOAK = os.environ.get("POINTSMAN_TEST_SOAK") == "1"
pytestmark = pytest.mark.timeout(900 if SOAK else 60)


@settings(max_examples=5_000 if SOAK else 400, deadline=None)
@given(st.sampled_from(REPLIES), st.randoms(use_true_random=False))
def test_mutated_replies_end_in_a_value_or_in_attempt_failed(body: bytes, dice: random.Random) -> None:
    with suppress(AttemptFailed):
        reply = reply_from_json(mutated(body, dice))
        sendable(reply.message, reply.finish_reason, reply.usage)


@settings(max_examples=5_000 if SOAK else 400, deadline=None)
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
