"""Estimates beside what came of them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from pointsman.core.completion import Attempt, Expected, Usage
from pointsman.core.hindsight import Compared, compared
from pointsman.core.vocabulary import AttemptReason

ANSWERED = Attempt(
    model="m", provider="p", reason=AttemptReason.PRIMARY, latency_ms=500.0, usage=Usage(input_tokens=10, output_tokens=40, cost=7),
    expected=Expected(input_tokens=10, output_tokens=20, cost=14, latency_ms=250.0),
)  # fmt: skip


def test_each_estimate_stands_beside_what_came_of_it() -> None:
    assert [(each.estimate, each.expected, each.actual, each.off_by) for each in compared(ANSWERED)] == [
        ("input", 10, 10, 1.0),
        ("output", 20, 40, 2.0),
        ("cost", 14, 7, 2.0),
        ("latency", 250.0, 500.0, 2.0),
    ]


def test_what_did_not_answer_says_nothing_of_its_estimates() -> None:
    for other in ({"error_type": "503"}, {"usage": None}, {"expected": None}):
        assert compared(structs.replace(ANSWERED, **other)) == ()


@given(st.floats(0, 1e12), st.floats(0, 1e12))
def test_too_much_is_as_wrong_as_too_little_and_nothing_is_infinitely_wrong(one: float, other: float) -> None:
    off_by = Compared(estimate="cost", expected=one, actual=other).off_by

    assert 1.0 <= off_by <= 1e12
    assert off_by == Compared(estimate="cost", expected=other, actual=one).off_by
