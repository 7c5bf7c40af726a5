"""The estimator at run time, with weights made by hand: what may not move a score does not, and more work is never easier."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handmade import weights
from pointsman.core.estimator import Estimate, Estimator
from pointsman.core.estimator.shape import NAMES, shape_of
from pointsman.core.estimator.wording import wording_of
from pointsman.core.quality import BASE_RATE

ESTIMATOR = Estimator(weights())
SUM = "How many apples are left of {}, if {} apples are sold?"


def seen(text: str) -> Estimate:
    return ESTIMATOR.estimate(text)


def test_kinds_tell_task_subject_and_how_hard() -> None:
    easy, hard = seen("How many apples are left?"), seen("Which statute is law in the court?")

    assert (easy.task, easy.subject, hard.task, hard.subject) == ("math", "math", "knowledge", "law")
    assert easy.complexity < hard.complexity


@pytest.mark.parametrize(
    "reworded",
    [
        "HOW MANY APPLES ARE LEFT of 12, if 5 apples are sold?",
        "How many  apples\nare left of 12,\tif 5 apples are sold?",
        "Please, how many apples are left of 12, if 5 apples are sold?",
        "how many apples are left of 12 if 5 apples are sold?",
    ],
)
def test_case_blanks_and_politeness_barely_move_the_score(reworded: str) -> None:
    plain, other = seen(SUM.format(12, 5)), seen(reworded)

    assert other.complexity == pytest.approx(plain.complexity, abs=0.02)
    assert other.gain == pytest.approx(plain.gain, abs=0.02)
    assert other.task == plain.task


@given(st.integers(1, 10**9), st.integers(1, 10**9))
def test_more_digits_are_never_easier(few: int, many: int) -> None:
    few, many = sorted((few, many))

    for text in (SUM, "What is {} * {}?"):
        assert seen(text.format(few, 7)).complexity <= seen(text.format(many, 7)).complexity
        assert seen(text.format(few, 7)).gain <= seen(text.format(many, 7)).gain


@given(st.integers(1, 12))
def test_more_steps_are_never_easier(steps: int) -> None:
    step = "5 apples are sold. "

    assert (
        seen("How many apples are left? " + step * steps).complexity <= seen("How many apples are left? " + step * (steps + 1)).complexity
    )


@pytest.mark.parametrize("asked", ["Calculate {}", "What is {}?", "{} = ?"])
def test_a_longer_sum_is_never_easier(asked: str) -> None:
    sums = [" + ".join(str(3 + 7 * at) for at in range(terms)) for terms in range(2, 80)]
    complexities = [seen(asked.format(terms)).complexity for terms in sums]

    assert complexities == sorted(complexities)


@pytest.mark.parametrize(
    ("text", "task"),
    [
        ("Hello there!", "chat"),
        ("Summarize the following notes.", "summarize"),
        ("Translate to German: good morning", "translate"),
        ("Extract all names from this text.", "extract"),
        ("Is the sentiment of this review positive?", "classify"),
        ("Write a poem about the sea.", "write"),
        ("The key points of it all, in a line.", "summarize"),
        ("Pull out each date.", "extract"),
        ("Draft a reply of three lines.", "write"),
        ("\ud800 Turn it into English", "translate"),  # half a character, as the command line may have one
    ],
)
def test_general_tasks_are_told_by_signs(text: str, task: str) -> None:
    assert seen(text).task == task
    assert seen(text).confidence <= 0.4


def test_what_nothing_is_known_of_is_unknown_at_the_base_rate() -> None:
    found = seen("zzz qqq")

    assert (found.task, found.subject, found.complexity, found.confidence) == ("unknown", "unknown", BASE_RATE, 0.0)


@given(st.text(max_size=300))
def test_every_text_gives_values_within_their_ranges(text: str) -> None:
    found = seen(text)

    assert 0 <= found.complexity <= 1
    assert 0 <= found.gain <= 1
    assert 0 <= found.confidence <= 1


def test_options_numbers_and_words_are_counted() -> None:
    lower = "which is 1,234.5?\na. one\nb. two\nc. three\n"
    shape = dict(zip(NAMES, shape_of(wording_of(lower)), strict=True))

    assert shape["options"] == 3
    assert shape["longest_number"] == 5


def test_numbers_beyond_all_that_was_seen_count_as_the_last_that_were() -> None:
    network = weights().network

    for bound, beyond in ((network.lowest, -7.0), (network.highest, 7.0)):
        assert network.vote(bound + beyond).tolist() == network.vote(bound).tolist()


@pytest.mark.parametrize("last", ["e", "\u00e9", "\u4e2d"])
def test_words_are_cut_alike_whether_or_not_all_is_ascii(last: str) -> None:
    assert wording_of(f"what's a-b: 1,234.5\n(c) #x? {last}").words == ["what", "s", "a", "b", "12345", "c", "x", last]


def test_long_texts_are_read_at_both_ends_and_count_whole() -> None:
    long = seen("How many apples are left? " + "5 apples are sold. " * 10_000)

    assert long.complexity >= seen("How many apples are left? " + "5 apples are sold. " * 100).complexity


@pytest.mark.parametrize(("easier", "harder"), [("What is 2 + 2?", "What is 12345 * 98765?"), ("3*4", "33 * 44 * 55")])
def test_bare_sums_are_told_by_their_digits(easier: str, harder: str) -> None:
    assert seen(easier).complexity < seen(harder).complexity
    assert seen(easier).gain < seen(harder).gain
    assert seen(easier).task == "math"
