"""What one call may take from a tenant's windows, and how far they reach for it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgeting import window
from pointsman.core.budget import Level, Levels
from pointsman.core.catalog import Price
from pointsman.core.claim import NOTHING, Claim, actual, bounds, output_for
from pointsman.core.completion import Usage
from pointsman.core.ledger import Entry, Sums
from pointsman.core.tenants import Window

PRICE = Price(input=1_000_000, cached_input=100_000, cache_write=1_250_000, output=4_000_000)
"""A token of input costs a nano-dollar, one and a quarter where it is written to a cache; one of output four."""
ENTRY = Entry(model="m", route="r", sums=Sums())
DAY = window(86_400, limit=1000)
MONEY = window(86_400, kind="usd", limit=5000)
CALLS = window(60, kind="requests", limit=3)


def claim(*windows: Window, tier: str = "small", cap: int = 500, price: Price = PRICE, is_cheapest: bool = False) -> Claim:
    return Claim(bounds=bounds(windows, tier, is_cheapest=is_cheapest), price=price, input_bound=100, output_cap=cap)


def shown(*used: int) -> Levels:
    return Levels(0, tuple(Level(each, 0) for each in used))


def held(of: Claim) -> list[tuple[int, int | None]]:
    return [(share.amount, share.limit) for share in of.hold("id", 1, ENTRY).shares]


def test_a_call_holds_its_input_at_the_dearest_and_all_the_output_that_it_may_give() -> None:
    assert held(claim(DAY, MONEY, CALLS)) == [(600, 1000), (100 * 5 // 4 + 500 * 4, 5000), (1, 3)]


def test_windows_of_another_tier_are_held_nothing_of_and_refuse_nothing() -> None:
    large = window(86_400, limit=1, tier="large")

    assert held(claim(large, DAY)) == [(0, None), (600, 1000)]
    assert held(claim(large, tier="large")) == [(600, 1)]


@pytest.mark.parametrize(
    ("on_exhausted", "is_cheapest", "limit"),
    [("reject", True, 1000), ("degrade", False, 1000), ("degrade", True, None), ("warn", False, None)],
)
def test_who_is_bound_by_a_window(on_exhausted: str, is_cheapest: bool, limit: int | None) -> None:
    assert held(claim(window(86_400, limit=1000, on_exhausted=on_exhausted), is_cheapest=is_cheapest)) == [(600, limit)]


def test_of_windows_that_count_the_same_the_least_limit_that_refuses_binds() -> None:
    same = [window(86_400, limit=900), DAY, window(86_400, limit=100, on_exhausted="warn")]

    assert held(claim(*same)) == [(600, 900)]


@pytest.mark.parametrize(
    ("windows", "used", "cap"),
    [
        ((DAY,), (0,), 500),
        ((DAY,), (500,), 400),
        ((DAY,), (950,), -50),
        ((MONEY,), (4875 - 400,), 100),
        ((MONEY,), (4875,), 0),
        ((MONEY,), (4876,), -1),
        ((CALLS,), (2,), 500),
        ((CALLS,), (3,), -1),
        ((DAY, MONEY), (500, 4875 - 40), 10),
    ],
)
def test_how_much_output_there_is_room_for(windows: tuple[Window, ...], used: tuple[int, ...], cap: int) -> None:
    assert claim(*windows).affordable(shown(*used)) == cap


prices = st.builds(
    Price, input=st.integers(0, 10**7), cached_input=st.integers(0, 10**6), cache_write=st.integers(0, 10**7), output=st.integers(0, 10**8)
)


@given(prices, st.integers(0, 10_000), st.integers(0, 10**6), st.integers(1, 10_000))
def test_what_is_affordable_is_never_more_than_there_is_and_one_token_more_would_be(
    price: Price, input_bound: int, money: int, most: int
) -> None:
    def cost(output: int) -> int:
        return Claim(bounds=(), price=price, input_bound=input_bound, output_cap=output).cost

    output = output_for(price, input_bound, money, most=most)

    if output >= 0:
        assert cost(output) <= money
    if output < most:
        assert cost(output + 1) > money


def test_when_a_call_is_refused_it_says_when_all_windows_in_the_way_have_something_free() -> None:
    levels = Levels(30_000, (Level(1000, 0), Level(0, 0), Level(3, 0)))

    assert claim(DAY, MONEY, CALLS).heals_in_s(levels) == 86_400 - 30


def test_what_calls_under_way_hold_may_be_free_again_in_a_moment() -> None:
    def level(held: int) -> Levels:
        return Levels(30_000, (Level(900, 0, held),))

    assert claim(DAY).heals_in_s(level(held=500)) == 1  # 900 - 500 + 600 is what the day has
    assert claim(DAY).heals_in_s(level(held=499)) == 86_400 - 30


def test_a_call_that_no_empty_window_has_room_for_is_not_healed_by_time() -> None:
    assert claim(DAY, cap=5000).heals_in_s(shown(1)) is None


def test_what_was_used_comes_to_its_amounts_on_the_meters_that_count_it() -> None:
    hold = claim(DAY, MONEY, CALLS, window(86_400, limit=5, tier="large")).hold("id", 1, ENTRY)

    assert actual(hold, Usage(input_tokens=90, output_tokens=7, cost=133)) == (97, 133, 1, 0)
    assert actual(hold, NOTHING) == (0, 0, 0, 0)
