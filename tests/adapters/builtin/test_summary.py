"""Summaries: which sentences stay, where one ends, and what asks for one."""

from __future__ import annotations

import time

import pytest

from pointsman.adapters.builtin.answers import ECHO, answer
from pointsman.adapters.builtin.summary import summarize

HARBOUR = (
    "The harbour opened in 1990. It serves ships from many ports. Ships pay the harbour a fee. Dr. Smith was happy. "
    "The harbour fee pays for the harbour pilots who guide ships. Birds sing."
)
FEE, PILOTS = "Ships pay the harbour a fee.", "The harbour fee pays for the harbour pilots who guide ships."


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        pytest.param(f"Summarize: {HARBOUR}", f"The harbour opened in 1990. {FEE} {PILOTS}", id="three sentences unless asked otherwise"),
        pytest.param(f"Summarise in 2 sentences: {HARBOUR}", f"{FEE} {PILOTS}", id="as many as asked, in the order of the text"),
        pytest.param(f"Summarize this text in 2 sentences. {HARBOUR}", f"{FEE} {PILOTS}", id="text behind the verb"),
        pytest.param(f'Sum up "{HARBOUR}" in one sentence.', FEE, id="quoted"),
        pytest.param(f"Give me a one-sentence summary of: {HARBOUR}", FEE, id="the noun"),
        pytest.param(f"Shorten the text below. Use one sentence.\n\n{HARBOUR}", FEE, id="next paragraph"),
        pytest.param(f"{HARBOUR}\n\nTL;DR in a single sentence", FEE, id="asked below the text"),
    ],
)
def test_summary_keeps_the_sentences_whose_words_the_text_uses_most(ask: str, expected: str) -> None:
    assert answer(ask) == expected


def test_summarize_keeps_one_sentence_at_least_and_drops_repeated_ones() -> None:
    assert summarize("Ships sail. Ships sail. Ships sail.", 0) == "Ships sail."
    assert summarize("Ships sail. Ships sail.", 2) == "Ships sail."


def test_summarize_does_not_split_after_titles_initials_and_before_small_letters() -> None:
    assert summarize("Dr. J. Smith pays e.g. harbour fees. No.", 1) == "Dr. J. Smith pays e.g. harbour fees."


def test_a_subject_to_summarize_is_not_taken_for_a_text() -> None:
    assert answer("Summarize the war").startswith(ECHO)


def test_a_megabyte_of_prose_is_summarized_within_a_second() -> None:
    text = " ".join(f"Ship {number} pays the harbour a fee of {number * 7} crowns." for number in range(22_000))
    started = time.process_time()

    assert len(text) > 1_000_000
    assert summarize(text, 3).count("crowns.") == 3
    assert time.process_time() - started < 1
