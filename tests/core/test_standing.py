"""How a tenant stands: what rules see, what selection is bound by, when a window heals."""

from __future__ import annotations

import pytest

from budgeting import window
from pointsman.core.budget import Level, Levels, meter, meters
from pointsman.core.facts import BudgetFacts
from pointsman.core.market import Market, WindowLeft
from pointsman.core.standing import LEAST_ELAPSED, Standing, layout, name_of, standing
from pointsman.core.tenants import Window

DAY_MS, HOUR_MS, MINUTE_MS = 86_400_000, 3_600_000, 60_000
NOON_MS = 20_416 * DAY_MS + 12 * HOUR_MS
DAY = window(86_400, limit=1000)


def stands(used: dict[Window, int], now_ms: int = NOON_MS) -> Standing:
    """Return how a tenant stands with windows of which so much was used just now."""
    asked = meters(used)
    by_meter = {meter(each).name: amount for each, amount in used.items()}
    levels = tuple(Level(by_meter[each.name], now_ms // each.width_ms if by_meter[each.name] else -1) for each in asked)
    return standing(layout(tuple(used)), Levels(now_ms, levels))


def test_without_windows_nothing_is_spent_and_all_goes_evenly() -> None:
    assert stands({}).facts(NOON_MS) == BudgetFacts(spend_ratio=0.0, pace=1.0, tokens_left=None, usd_left=None)


def test_the_tightest_window_tells_share_and_pace_and_each_kind_what_is_left() -> None:
    money, hour = window(86_400, kind="usd", limit=10**9), window(3600, limit=500)

    facts = stands({DAY: 250, hour: 50, money: 600_000_000}).facts(NOON_MS)

    assert facts == BudgetFacts(spend_ratio=0.6, pace=1.2, tokens_left=450, usd_left=0.4)


def test_windows_of_one_tier_do_not_count_in_facts() -> None:
    assert stands({window(86_400, limit=10, tier="large"): 10}).facts(NOON_MS) == BudgetFacts()


@pytest.mark.parametrize(("after_ms", "pace"), [(0, 0.1 / LEAST_ELAPSED), (6 * HOUR_MS, 0.4), (18 * HOUR_MS, 0.1 / 0.75)])
def test_the_pace_is_the_spent_share_over_the_elapsed_one(after_ms: int, pace: float) -> None:
    now_ms = 20_416 * DAY_MS + after_ms

    assert stands({DAY: 100}, now_ms).facts(now_ms).pace == pytest.approx(pace)


def test_of_a_sliding_window_all_has_elapsed() -> None:
    assert stands({window(3600, limit=100, sliding=True): 30}).facts(NOON_MS).pace == 0.3


def test_what_is_exhausted_is_so_and_no_more() -> None:
    assert stands({DAY: 1500}).facts(NOON_MS) == BudgetFacts(spend_ratio=1.5, pace=3.0, tokens_left=0)


def test_a_fixed_window_that_has_rolled_since_is_empty_without_looking() -> None:
    seen = stands({DAY: 900})

    assert seen.facts(NOON_MS + 11 * HOUR_MS).tokens_left == 100
    assert seen.facts(NOON_MS + 12 * HOUR_MS).tokens_left == 1000


def test_a_sliding_window_is_not_taken_to_be_emptier_than_it_was_seen() -> None:
    assert stands({window(3600, limit=100, sliding=True): 30}).facts(NOON_MS + 2 * HOUR_MS).tokens_left == 70


def test_selection_is_bound_by_all_windows_but_those_that_only_warn() -> None:
    used = {
        DAY: 250,
        window(3600, limit=500): 50,
        window(86_400, kind="usd", limit=900): 300,
        window(86_400, kind="usd", limit=100, on_exhausted="warn"): 300,
        window(3600, kind="usd", limit=90, on_exhausted="degrade"): 40,
        window(3600, limit=70, tier="large"): 20,
        window(60, kind="requests", limit=9): 9,
    }

    bound = stands(used).binds(Market(time_left_ms=7.0), NOON_MS)

    assert bound == Market(
        time_left_ms=7.0,
        tokens_left=450,
        cost_left=600,
        windows=(
            WindowLeft(kind="usd", left=50, degrades=True),
            WindowLeft(kind="tokens", left=50, tier="large"),
            WindowLeft(kind="requests", left=0),
        ),
    )


def test_windows_of_the_same_span_share_what_was_spent() -> None:
    warning, limit = window(86_400, limit=800, on_exhausted="warn"), DAY

    assert [each.left(NOON_MS) for each in stands({warning: 700, limit: 700}).filled] == [100, 300]


def test_after_a_window_has_healed_it_may_be_empty() -> None:
    seen = stands({DAY: 900, window(60, limit=1000): 900})
    at_ms = seen.filled[1].heals_ms()

    assert at_ms == NOON_MS + MINUTE_MS
    assert [each.left(at_ms) for each in seen.healed(at_ms).filled] == [100, 1000]


@pytest.mark.parametrize(
    ("of", "name"),
    [
        (DAY, "tokens per 1d"),
        (window(5400, kind="usd", sliding=True), "usd per 90m sliding"),
        (window(61, kind="requests", tier="large"), "requests per 61s of tier large"),
    ],
)
def test_windows_have_names_for_people(of: Window, name: str) -> None:
    assert name_of(of) == name
