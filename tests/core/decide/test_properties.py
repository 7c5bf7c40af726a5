"""Promises that `decide` keeps whatever the rules, the facts and the market."""

from __future__ import annotations

import os
from collections.abc import Callable
from random import Random
from typing import Any, TypeVar

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec import structs

from fakes import facts_of
from pointsman.core.catalog import Catalog, Model, Price, Provider
from pointsman.core.decide import LONGEST_PLAN, decide
from pointsman.core.decision import Candidate, Decision, RuleRef
from pointsman.core.errors import NoEligibleModel
from pointsman.core.facts import Facts
from pointsman.core.market import Market, ModelState
from pointsman.core.ruleset import Condition, Constraint, Defaults, Matched, Route, Ruleset
from pointsman.core.vocabulary import CAPABILITIES, DecisionReason, OnEmpty, Strategy

T = TypeVar("T")
World = tuple[Ruleset, Facts, Market]

NAMES = ("ash", "birch", "cedar", "elm", "fir", "oak")
TAGS = ("eu", "onprem")
USUAL = Model(
    id="usual", provider="p", upstream="u", tier="small", ability={"default": 0.7}, ability_estimated=False,
    price=Price(input=10**9, cached_input=10**8, cache_write=10**9, output=10**9), context_window=100_000, max_output=1000,
    capabilities=frozenset(CAPABILITIES), tokenizer="o200k", ttft_ms=100.0, tokens_per_s=100.0, tags=frozenset(TAGS),
)  # fmt: skip
checked = settings(max_examples=5000 if os.environ.get("POINTSMAN_TEST_SOAK") else 60, deadline=None)


def changes(most: int, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Draw values for a few of the fields; far cheaper than a draw for each, and the rest stays as it usually is."""
    return st.lists(st.one_of([st.tuples(st.just(name), values) for name, values in fields.items()]), max_size=most).map(dict)


def ids(least: int = 0) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(NAMES), unique=True, min_size=least).map(tuple)


tags, capabilities = st.frozensets(st.sampled_from(TAGS)), st.frozensets(st.sampled_from(CAPABILITIES))
prices = st.sampled_from(
    [Price(input=i, cached_input=i // 10, cache_write=i, output=o) for i in (0, 1, 10**9) for o in (0, 10**9, 3 * 10**9)]
)
unusual_models = changes(
    4,
    ability=st.sampled_from([{"default": share} for share in (0.3, 0.8, 0.95)]),
    price=prices,
    context_window=st.sampled_from((200, 1000)),
    max_output=st.sampled_from((1, 100)),
    capabilities=capabilities,
    tokenizer=st.sampled_from(("claude", "qwen")),
    ttft_ms=st.sampled_from((1.0, 500.0)),
    tokens_per_s=st.sampled_from((10.0, 1000.0)),
    tags=tags,
)
states = changes(
    3,
    has_credential=st.booleans(),
    healthy=st.booleans(),
    has_room=st.booleans(),
    ttft_ms=st.sampled_from((0.0, 900.0)),
    tokens_per_s=st.sampled_from((1.0, 900.0)),
    warm_prefix_tokens=st.sampled_from((90, 10_000)),
    quality=st.floats(0, 1),
).map(lambda changed: ModelState(**changed))
windows = changes(1, time_left_ms=st.floats(0, 5000), tokens_left=st.integers(0, 2000), cost_left=st.integers(0, 10**6))
markets = st.builds(
    lambda models, left: Market(models=models, **left), st.dictionaries(st.sampled_from(NAMES), states, max_size=4), windows
)
facts = changes(
    4,
    request_model=st.sampled_from((*NAMES, "alias")),
    request_accuracy=st.floats(0, 1),
    request_tags=tags,
    request_needs_tools=st.booleans(),
    request_needs_json=st.booleans(),
    request_needs_vision=st.booleans(),
    request_max_total_tokens=st.integers(1, 2000),
    request_max_cost=st.integers(0, 10**6),
    request_max_latency_ms=st.floats(0, 5000),
    request_max_ttft_ms=st.floats(0, 1000),
    features_complexity=st.floats(0, 1),
    features_text_class=st.sampled_from(("plain", "other")),
    tokens_input=st.sampled_from((0, 1, 900)),
    tokens_output=st.sampled_from((0, 1, 900)),
    tokens_output_max=st.integers(1, 1000),
).map(lambda changed: facts_of(**changed))


@st.composite
def catalogs(draw: st.DrawFn) -> Catalog:
    models = {name: structs.replace(USUAL, id=name, **draw(unusual_models)) for name in NAMES}
    return Catalog(models=models, providers={"p": Provider(id="p", api="builtin")}, tiers=("small",), aliases={"alias": draw(ids(least=1))})


def rule(name: str, line: int) -> RuleRef:
    return RuleRef(id=name, file="routing.yaml", line=line)


@st.composite
def rulesets(draw: st.DrawFn, most: int = 3, strategy: Strategy | None = None) -> Ruleset:
    """Rules whose conditions hold or not, whatever the facts; the last route has none."""
    constraints = tuple(
        Constraint(ref=rule(f"c{line}", line), conditions=(condition(holds=draw(st.booleans())),), permitted=frozenset(draw(ids(least=4))))
        for line in range(draw(st.integers(0, 2)))
    )
    last = draw(st.integers(0, most - 1))
    offered = tuple(
        Route(
            ref=rule(f"r{line}", line),
            priority=0,
            conditions=() if line == last else (condition(holds=draw(st.booleans())),),
            candidates=draw(ids(least=2)),
            strategy=strategy or draw(st.sampled_from(Strategy)),
            on_empty=draw(st.sampled_from(OnEmpty)),
            min_quality=draw(st.sampled_from((None, always(0.5), always(0.9)))),
            fallbacks=draw(ids()),
        )
        for line in range(last + 1)
    )
    return Ruleset(
        revision="0" * 12,
        catalog=draw(catalogs()),
        defaults=Defaults(max_output=draw(st.sampled_from((None, 50)))),
        constraints=constraints,
        routes=offered,
        match=lambda facts: Matched(
            tuple(i for i, constraint in enumerate(constraints) if constraint.conditions[0].holds(facts)),
            next(i for i, route in enumerate(offered) if route.matches(facts)),
            (),
        ),
    )


def condition(*, holds: bool) -> Condition:
    return Condition(text=str(holds), line=1, column=1, facts=(), holds=always(holds))


def always(value: T) -> Callable[[Facts], T]:
    return lambda _: value


worlds = st.tuples(rulesets(), facts, markets)


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
    poorer = Ruleset(**{name: getattr(ruleset, name) for name in Ruleset.__slots__} | {"routes": routes})

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
