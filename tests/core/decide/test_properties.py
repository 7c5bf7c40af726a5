"""Promises that `decide` keeps whatever the rules, the facts and the market."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec import structs

from pointsman.core.decide import LONGEST_PLAN, decide
from pointsman.core.decision import Candidate, Decision
from pointsman.core.errors import NoEligibleModel
from pointsman.core.ruleset import Route
from pointsman.core.vocabulary import CAPABILITIES, DecisionReason, Strategy
from worlds import World, checked, facts, markets, rulesets, worlds


def decided(world: World) -> Decision:
    """Return the decision; a world that is refused says nothing about plans."""
    try:
        return decide(*world)
    except NoEligibleModel:
        assume(False)
        raise


def outcome(world: World) -> Decision | str:
    try:
        return decide(*world)
    except NoEligibleModel as refusal:
        return f"{type(refusal).__name__}: {refusal} {refusal.counts}"


@given(worlds)
@checked
def test_a_planned_model_breaks_no_limit_that_is_never_set_aside(world: World) -> None:
    ruleset, asked, market = world
    needs = {name for name in CAPABILITIES if getattr(asked.request, f"needs_{name}")}

    for candidate in decided(world).plan:
        model, tokens = ruleset.catalog.models[candidate.model], candidate.tokens
        needed = tokens.input_upper_bound + max(1, tokens.output)
        assert all(model.id in law.permitted for law in ruleset.constraints if law.conditions[0].holds(asked))
        assert not asked.request.model or model.id in ruleset.catalog.named(asked.request.model)
        assert asked.request.tags <= model.tags
        assert needs <= model.capabilities
        assert market.state(model.id).has_credential
        assert market.state(model.id).healthy
        assert market.state(model.id).has_room
        assert needed <= model.context_window
        assert needed <= (asked.request.max_total_tokens or needed)
        assert within(tokens.input_upper_bound + tokens.output, market.tokens_left)
        assert within(candidate.expected_cost, market.cost_left)
        assert within(candidate.expected_cost, asked.request.max_cost)


@given(worlds)
@checked
def test_a_planned_model_is_good_and_fast_enough_unless_it_is_a_best_effort(world: World) -> None:
    _, asked, market = world
    decision = decided(world)

    for candidate in decision.fallbacks if decision.reason is DecisionReason.BEST_EFFORT else decision.plan:
        assert candidate.quality >= asked.request.accuracy
        assert within(candidate.expected_ttft_ms, asked.request.max_ttft_ms)
        assert within(candidate.expected_latency_ms, asked.request.max_latency_ms)
        assert within(candidate.expected_latency_ms, market.time_left_ms)


@given(st.tuples(rulesets(strategy=Strategy.CHEAPEST), facts, markets))
@checked
def test_under_cheapest_no_candidate_that_was_kept_is_cheaper_than_the_chosen(world: World) -> None:
    decision = decided(world)

    assert all(decision.chosen.expected_cost <= other.expected_cost for other in kept(world, decision))


@given(worlds)
@checked
def test_a_plan_names_no_model_twice_and_at_most_four_and_none_that_was_dropped(world: World) -> None:
    decision = decided(world)

    planned = [candidate.model for candidate in decision.plan]
    dropped = [drop.model for drop in decision.dropped]
    assert len(planned) <= LONGEST_PLAN == 4
    assert len({*planned, *dropped}) == len(planned) + len(dropped)


@given(worlds)
@checked
def test_every_candidate_of_the_deciding_route_is_planned_or_dropped_unless_the_plan_is_full(world: World) -> None:
    decision = decided(world)

    accounted_for = {candidate.model for candidate in decision.plan} | {drop.model for drop in decision.dropped}
    assert accounted_for >= set(deciding(world, decision).candidates) or len(decision.plan) == LONGEST_PLAN


@given(worlds, st.randoms(use_true_random=False))
@checked
def test_the_same_is_decided_again_in_whatever_order_the_market_lists_its_models(world: World, random: Random) -> None:
    ruleset, asked, market = world
    listed = list(market.models.items())
    random.shuffle(listed)

    assert outcome(world) == outcome(world) == outcome((ruleset, asked, structs.replace(market, models=dict(listed))))


@given(st.tuples(rulesets(most=1, strategy=Strategy.BEST), facts, markets), st.floats(0, 1))
@checked
def test_under_best_who_asks_for_more_accuracy_never_gets_less_quality(world: World, more: float) -> None:
    ruleset, asked, market = world
    stricter = structs.replace(asked, request=structs.replace(asked.request, accuracy=max(asked.request.accuracy, more)))

    assert decided((ruleset, stricter, market)).chosen.quality >= decided(world).chosen.quality


@given(worlds)
@checked
def test_the_baseline_is_never_below_what_the_chosen_would_cost_without_a_warm_prefix(world: World) -> None:
    decision = decided(world)

    chosen, price = decision.chosen, world[0].catalog.models[decision.chosen.model].price
    assert decision.baseline_cost >= price.cost(input_tokens=chosen.tokens.input, output_tokens=chosen.tokens.output)


@given(worlds)
@checked
def test_taking_away_a_dropped_model_changes_nothing_that_is_planned(world: World) -> None:
    ruleset, asked, market = world
    decision = decided(world)
    assume(not asked.request.model)
    gone = {drop.model for drop in decision.dropped}

    routes = tuple(without(gone, route) for route in ruleset.routes)
    poorer = replace(ruleset, routes=routes)

    assert decided((poorer, asked, market)).plan == decision.plan


def within(takes: float, limit: float | None) -> bool:
    return limit is None or takes <= limit


def deciding(world: World, decision: Decision) -> Route:
    return next(route for route in world[0].routes if route.ref == decision.rule)


def kept(world: World, decision: Decision) -> list[Candidate]:
    """Return the candidates, not the fallbacks, of a plan that was made of what was kept."""
    if decision.reason in {DecisionReason.BEST_EFFORT, DecisionReason.ON_EMPTY_FALLBACK}:
        return []
    route = deciding(world, decision)
    bar = route.min_quality(world[1]) if route.min_quality else 0.0
    on_offer = {*route.candidates, *world[0].catalog.named(world[1].request.model)}
    return [candidate for candidate in decision.plan if candidate.model in on_offer and candidate.quality >= bar]


def without(gone: set[str], route: Route) -> Route:
    left = {name: tuple(model for model in getattr(route, name) if model not in gone) for name in ("candidates", "fallbacks")}
    return Route(**{name: getattr(route, name) for name in Route.__slots__} | left)
