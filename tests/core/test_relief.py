"""What would help a refused request: each answer, tried, helps, and less of it does not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from msgspec import structs

from budgeting import START_MS, window
from fakes import catalog_yaml, facts_of, model_yaml, ruleset_of
from pointsman.core.budget import Level, Levels, meter, meters
from pointsman.core.decide import Outcome, decide, outcome_of
from pointsman.core.decision import Decision
from pointsman.core.errors import BudgetExhausted, NoEligibleModel
from pointsman.core.facts import Facts
from pointsman.core.market import Market
from pointsman.core.relief import Relief, reliefs, relieved, unpaid
from pointsman.core.ruleset import Ruleset
from pointsman.core.standing import Standing, layout, standing
from pointsman.core.tenants import Window
from pointsman.core.vocabulary import DropReason
from worlds import World, checked, worlds

RULES = ruleset_of(
    catalog_yaml(
        {
            "small": model_yaml(price=1, ability=0.6, ttft_ms=100, tokens_per_s=100),
            "large": model_yaml(price=10, ability=0.9, ttft_ms=500, tokens_per_s=50, tier="large"),
        }
    ),
    "version: 1\nroutes: [{id: default, why: w, use: {candidates: [small, large]}}]\n",
)
"""Of 100 tokens of input and 100 of output, small costs 200,000 nano-dollars and takes 1,100 ms; large 2,000,000 and 2,500 ms."""


def found(market: Market = Market(), stands: Standing | None = None, **changes: Any) -> dict[str, tuple[float, str]]:  # noqa: B008
    """Return what would help, by limit: what is needed, and the model."""
    facts = facts_of(**changes)
    with pytest.raises(NoEligibleModel) as refused:
        decide(RULES, facts, market)
    return {relief.limit: (relief.needed, relief.model) for relief in reliefs(RULES, facts, market, refused.value, stands)}


def quality_of(model: str) -> float:
    decision = decide(RULES, facts_of(), Market())
    return next(candidate.quality for candidate in decision.plan if candidate.model == model)


def test_accuracy_that_no_model_reaches_is_met_by_the_best_one() -> None:
    helped = found(request_accuracy=0.999)

    assert list(helped) == ["accuracy"]
    needed, model = helped["accuracy"]
    assert model == "large"
    assert quality_of("large") - 0.001 < needed <= quality_of("large")


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        pytest.param({"request_max_cost": 50_000, "request_max_cost_usd": 5e-5}, {"max_cost": (200_000, "small")}, id="cost: the cheapest model's"),
        pytest.param({"request_max_cost": 150_000}, {"max_cost": (200_000, "small"), "max_output_tokens": (50, "small")}, id="or less output"),
        pytest.param({"request_max_total_tokens": 90}, {"max_total_tokens": (200, "small")}, id="tokens: input and a median answer"),
        pytest.param(
            {"request_max_total_tokens": 150},
            {"max_total_tokens": (200, "small"), "max_output_tokens": (50, "small")},
            id="tokens, or less output",
        ),
        pytest.param({"request_max_ttft_ms": 20.0}, {"max_time_to_first_token": (100, "small")}, id="first token"),
        pytest.param(
            {"request_max_latency_ms": 500.0},
            {"max_latency": (1100, "small"), "max_output_tokens": (40, "small")},
            id="latency, or less output",
        ),
    ],
)  # fmt: skip
def test_the_least_change_of_one_limit_that_helps(asked: dict[str, Any], expected: dict[str, tuple[float, str]]) -> None:
    assert found(**asked) == expected


def test_limits_that_conflict_are_relaxed_one_at_a_time() -> None:
    helped = found(request_accuracy=quality_of("large"), request_max_cost=1_500_000)

    assert helped["max_cost"] == (2_000_000, "large")
    assert helped["accuracy"][1] == "small"
    assert helped["max_output_tokens"] == (50, "large")


def test_where_no_single_limit_helps_nothing_is_promised() -> None:
    assert found(request_accuracy=0.999, request_max_cost=1) == {}


def test_a_deadline_that_is_too_short_may_be_longer() -> None:
    assert found(Market(time_left_ms=300.0))["deadline"] == (1100, "small")


def stands(*windows: Window, used: int, held: int = 0) -> Standing:
    shown = Levels(START_MS, tuple(Level(used, START_MS // each.width_ms, held) for each in meters(windows)))
    return standing(layout(windows), shown)


def test_a_budget_that_heals_says_when() -> None:
    minute = window(60, limit=1000)
    now = stands(minute, used=950)

    helped = found(now.binds(Market(), START_MS), now)

    assert helped == {"wait": ((meter(minute).leaves_ms(START_MS // 60_000) - START_MS) / 1000, "small")}


def test_a_budget_that_calls_under_way_hold_heals_in_a_moment() -> None:
    now = stands(window(86_400, limit=1000), used=950, held=900)

    assert found(now.binds(Market(), START_MS), now) == {"wait": (1, "small")}


def test_of_two_budgets_the_wait_is_for_the_one_in_the_way() -> None:
    minute, day = window(60, limit=1000), window(86_400, limit=1000)
    now = stands(minute, day, used=950)

    helped = found(now.binds(Market(), START_MS), now)

    assert helped == {"wait": ((meter(day).leaves_ms(START_MS // 86_400_000) - START_MS) / 1000, "small")}


def test_a_budget_too_small_for_the_request_is_not_waited_for() -> None:
    now = stands(window(60, limit=150), used=0)

    assert "wait" not in found(now.binds(Market(), START_MS), now)


def test_a_refusal_says_in_words_what_would_help() -> None:
    refused = NoEligibleModel("nothing fits", counts={})

    relieved(
        refused,
        (Relief(limit="max_cost", given=1, needed=2_500_000, model="m"), Relief(limit="accuracy", given=0.9, needed=0.5, model="n")),
    )

    assert str(refused) == "nothing fits; it would be served with max_cost $0.0025 (m), or accuracy 0.5 (n)"


def test_a_hold_that_was_refused_says_when_there_is_room() -> None:
    error = unpaid("default", ("small", "large"), "usd per 1d: $0.00 of $1.00 left", 69_688.0)

    assert isinstance(error, BudgetExhausted)
    assert (error.heals_in_s, error.counts, error.rule) == (69_688.0, {"BUDGET": 2}, "default")
    assert (
        str(error)
        == "the tenant's budget leaves no model; rule default: usd per 1d: $0.00 of $1.00 left; it would be served with a wait of 19 h 21 min (small)"
    )


def _with(ruleset: Ruleset, facts: Facts, market: Market, relief: Relief) -> Outcome:
    fields = {"max_total_tokens": "max_total_tokens", "accuracy": "accuracy", "max_cost": "max_cost", "max_latency": "max_latency_ms"}
    fields["max_time_to_first_token"] = "max_ttft_ms"
    if relief.limit == "deadline":
        return outcome_of(ruleset, facts, structs.replace(market, time_left_ms=float(relief.needed)))
    if relief.limit == "max_output_tokens":
        return outcome_of(ruleset, structs.replace(facts, tokens=structs.replace(facts.tokens, output_max=int(relief.needed))), market)
    return outcome_of(
        ruleset, structs.replace(facts, request=structs.replace(facts.request, **{fields[relief.limit]: relief.needed})), market
    )


@checked
@given(worlds)
def test_whatever_is_promised_helps(world: World) -> None:
    ruleset, facts, market = world
    refused = outcome_of(ruleset, facts, market)
    if not isinstance(refused, NoEligibleModel):
        return
    for relief in reliefs(ruleset, facts, market, refused, None):
        served = _with(ruleset, facts, market, relief)
        assert isinstance(served, Decision)
        assert served.chosen.model == relief.model
        assert DropReason.CAPACITY.name not in refused.counts or len(refused.counts) > 1
