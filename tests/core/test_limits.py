"""Limits: calls at once, so much a minute, second tries."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.limits import BURST_S, PATIENCE_S, START, Limit, Rate, SecondTries


def filled(limit: Limit) -> int:
    """Begin as many calls as there is room for, and return the number."""
    while limit.has_room:
        limit.began()
    return limit.in_flight


def answered(limit: Limit, calls: int) -> None:
    """Let calls come and go one for one, all answered."""
    for _ in range(calls):
        limit.ended()
        limit.went_well()
        limit.began()


def test_it_begins_in_the_middle_and_keeps_to_what_the_catalog_allows() -> None:
    assert (filled(Limit()), filled(Limit(8)), filled(Limit(10_000))) == (START, 8, START)


def test_it_doubles_with_each_round_while_it_is_used_up_and_not_otherwise() -> None:
    busy, idle = Limit(), Limit()
    for _ in range(filled(busy)):
        answered(busy, 1)
        filled(busy)
    idle.began()
    answered(idle, 500)

    assert (filled(busy), filled(idle)) == (2 * START, START)


def test_once_it_was_overloaded_it_rises_by_one_a_round() -> None:
    limit = Limit()
    limit.overloaded(0)
    before = filled(limit)
    answered(limit, before + 1)

    assert filled(limit) == before + 1


def test_overload_takes_a_third_away_once_for_all_who_see_it_and_never_the_last() -> None:
    limit = Limit()
    for _ in range(10):
        limit.overloaded(0)
    assert filled(limit) == START * 2 // 3
    for second in range(1, 30):
        limit.overloaded(second * PATIENCE_S)
    assert Limit.has_room.fget(limit) is False  # type: ignore[attr-defined]  # what is under way stays under way
    while limit.in_flight:
        limit.ended()
    assert filled(limit) == 1


def test_a_rate_is_handed_out_evenly_with_some_at_once() -> None:
    rate, now, taken = Rate(60), 0.0, 0
    for _ in range(12_000):
        now += 0.01
        if rate.has_room(now):
            rate.take(now, 1)
            taken += 1

    assert taken == pytest.approx(120 + BURST_S, abs=1)


def test_what_is_taken_beyond_what_is_there_is_paid_back_before_the_next() -> None:
    rate = Rate(6000)
    rate.take(0, 5000)

    assert not rate.has_room(39.9)
    assert rate.room_at(0) == pytest.approx(40.01)
    assert rate.has_room(rate.room_at(0) + 0.001)


@given(st.integers(1, 100_000), st.lists(st.tuples(st.floats(0, 30), st.floats(0, 5000)), max_size=40))
def test_no_minute_gives_more_than_its_rate_and_a_burst(per_minute: int, steps: list[tuple[float, float]]) -> None:
    rate, now, taken = Rate(per_minute), 0.0, 0.0
    for wait, amount in steps:
        now += wait
        if rate.has_room(now):
            rate.take(now, amount)
            taken += amount
            last = amount
            assert taken - last <= per_minute / 60 * now + max(1.0, per_minute / 60 * BURST_S) + 1e-6


def test_a_fifth_of_the_calls_may_try_again() -> None:
    tries, granted = SecondTries(), 0
    for _ in range(1000):
        tries.called()
        granted += tries.take()

    assert granted <= 201
    assert granted >= 195
