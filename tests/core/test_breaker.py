"""The circuit breaker: when it opens, what it lets through, when it closes."""

from __future__ import annotations

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.breaker import COOL_S, FAILURES, FIRST_S, LEAST, LONGEST_S, Breaker


def called(breaker: Breaker, now: float, *, well: bool) -> bool:
    """Make one call if it is admitted, and return whether it was."""
    if not breaker.admits(now):
        return False
    probe = breaker.began()
    (breaker.succeeded if well else breaker.failed)(now, probe=probe)
    return True


def opened(now: float = 0.0) -> Breaker:
    """Return a breaker that opened at that time."""
    breaker = Breaker()
    assert [called(breaker, now, well=False) for _ in range(FAILURES + 1)] == [True] * FAILURES + [False]
    return breaker


def test_failures_in_a_row_open_it_unless_they_are_far_apart() -> None:
    spread, mixed = Breaker(), Breaker()
    for number in range(50):
        assert called(spread, number * 3.0, well=False)
        assert called(mixed, number * 0.1, well=number % 3 != 0)

    assert not opened().admits(0)


def test_half_of_many_calls_failing_opens_it() -> None:
    breaker = Breaker()
    admitted = [called(breaker, number * 0.1, well=number % 2 == 0) for number in range(LEAST + 5)]

    assert admitted == [True] * LEAST + [False] * 5


def test_a_third_failing_does_not() -> None:
    breaker = Breaker()

    assert all(called(breaker, number * 0.01, well=number % 3 != 0) for number in range(500))


def test_after_the_pause_one_call_finds_out() -> None:
    breaker = opened()

    assert not breaker.admits(FIRST_S - 0.001)
    assert breaker.admits(FIRST_S)
    assert breaker.began()
    assert not breaker.admits(FIRST_S)
    breaker.succeeded(FIRST_S + 1, probe=True)
    assert all(called(breaker, FIRST_S + 1, well=True) for _ in range(10))


def test_each_failure_to_come_back_doubles_the_pause_up_to_a_minute() -> None:
    breaker, now, pauses = opened(), 0.0, []
    for _ in range(7):
        heals = breaker.heals_at(now)
        pauses.append(heals - now)
        assert called(breaker, heals, well=False)
        now = heals

    assert pauses == [5, 10, 20, 40, 60, 60, 60]
    assert called(breaker, now + LONGEST_S, well=True)
    assert [called(breaker, now + LONGEST_S, well=False) for _ in range(6)] == [True] * 5 + [False]


def test_a_call_that_says_nothing_of_the_upstream_gives_the_next_one_its_turn() -> None:
    breaker = opened()
    breaker.gave_up(probe=breaker.began())

    assert breaker.admits(FIRST_S)


def test_while_it_is_open_only_the_call_that_finds_out_says_anything_new() -> None:
    breaker = opened()
    assert breaker.began()
    breaker.gave_up(probe=False)
    breaker.failed(FIRST_S, probe=False)
    breaker.succeeded(FIRST_S, probe=False)
    assert not breaker.admits(FIRST_S)
    breaker.failed(FIRST_S, probe=True)

    assert (breaker.admits(FIRST_S * 3 - 0.01), breaker.admits(FIRST_S * 3)) == (False, True)


def test_an_upstream_that_asks_for_a_pause_gets_it_and_is_trusted_afterwards() -> None:
    breaker = Breaker()
    breaker.began()
    breaker.cool(0, 7, probe=False)
    breaker.cool(1, None, probe=False)

    assert (breaker.admits(6.9), breaker.heals_at(1), breaker.admits(7)) == (False, 7, True)
    assert all(called(breaker, 7, well=True) for _ in range(10))
    breaker.cool(10, None, probe=False)
    assert breaker.heals_at(10) == 10 + COOL_S


def end(breaker: Breaker, outcome: str, now: float, *, probe: bool) -> None:
    if outcome == "answered":
        breaker.succeeded(now, probe=probe)
    elif outcome == "failed":
        breaker.failed(now, probe=probe)
    elif outcome == "429":
        breaker.cool(now, 3, probe=probe)
    else:
        breaker.gave_up(probe=probe)


@given(st.lists(st.tuples(st.floats(0, 5), st.sampled_from(["answered", "failed", "gave up", "429"])), max_size=80))
def test_it_never_stays_shut_for_longer_than_it_says(steps: list[tuple[float, str]]) -> None:
    breaker, now = Breaker(), 0.0
    for wait, outcome in steps:
        now += wait
        if breaker.admits(now):
            end(breaker, outcome, now, probe=breaker.began())
        heals = breaker.heals_at(now)
        assert breaker.admits(now) if heals == inf else (now < heals <= now + LONGEST_S and breaker.admits(heals))
