"""The answer of the whole: the echo, the wrapping in JSON, and the promise that every ask has an answer, the same each time, and soon."""

from __future__ import annotations

import json
import os
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.adapters.builtin.answers import answer

SOAK = "POINTSMAN_TEST_SOAK" in os.environ
EXAMPLES = 1000 if SOAK else 100
LONG = 1_000_000 if SOAK else 250_000  # characters; at either, a quadratic pattern takes far more than a second


def test_echo_is_on_one_line_and_cut_at_the_end_of_a_word() -> None:
    said = answer("hello \n world " + "word " * 100)

    assert said.startswith('I am the built-in responder, not a language model. You asked: "hello world word')
    assert said.endswith(' word…"')
    assert len(said) < 320


@pytest.mark.parametrize("ask", ["", " \n\t"])
def test_an_empty_ask_is_called_empty(ask: str) -> None:
    assert answer(ask) == "I am the built-in responder, not a language model. The message was empty, so there is nothing to answer."


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        pytest.param("2+2", '{"answer": 4}', id="integer"),
        pytest.param("1/4", '{"answer": 0.25}', id="decimal"),
        pytest.param("Reverse: hé", '{"answer": "éh"}', id="text, not escaped"),
        pytest.param("2^100", f'{{"answer": "{2**100}"}}', id="digits that a reader of JSON would lose stay text"),
    ],
)
def test_json_wraps_the_answer(ask: str, expected: str) -> None:
    assert answer(ask, json=True) == expected


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.text(), st.sampled_from(["", "what is ", "Summarize ", "Extract the dates: ", "Sort: ", "Uppercase '"]), st.booleans())
def test_any_text_has_an_answer_and_always_the_same(text: str, lead: str, as_json: bool) -> None:
    said = answer(lead + text, json=as_json)

    assert said.strip()
    assert said == answer(lead + text, json=as_json)
    assert not as_json or list(json.loads(said)) == ["answer"]


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.text("0123456789.,+-*/%^() =?ex√", max_size=60))
def test_any_jumble_of_signs_has_an_answer(text: str) -> None:
    assert answer(text)


ANYWHERE = ["(", " ", "'", '"', "“", ":", ". ", "\n ", "a", "a ", "1+", "what is ", 'A." ']
LOOKALIKES = {
    "Extract the emails: ": ["a@", "a.", "a-", "a"],
    "Extract the urls: ": ["http://", ".", "www."],
    "Extract the dates: ": ["1 Jan ", "Jan 1, ", "1-", "1."],
    "Extract the numbers: ": ["1,111", "1,", "-", "1"],
    "List the words: ": ["a-", "a'"],
    "Sort: ": ["1,", "a "],
    "Title case: ": ["a ", "a"],
    "": ANYWHERE,
    "what is ": ANYWHERE,
    "Summarize ": ANYWHERE,
    'Reverse "': ANYWHERE,
}


@pytest.mark.parametrize(("lead", "unit"), [(lead, unit) for lead, units in LOOKALIKES.items() for unit in units])
def test_a_long_hostile_ask_is_answered_within_a_second(lead: str, unit: str) -> None:
    ask = lead + unit * (LONG // len(unit)) + "x"
    started = time.process_time()

    assert answer(ask)
    assert time.process_time() - started < 1
