"""Random rules, written out as text and read back, random facts and markets: `decide` must say what the slow oracle says.

The generator is biased: limits often stand exactly at what some model takes, one more or one less, prices and abilities are often equal,
and some draws are disasters. What it must have met is asserted at the end, so that no reason, strategy or refusal goes untested unnoticed.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import Any

import yaml
from msgspec import structs

from decide_oracle import Oracle, Refused, Served
from fakes import facts_of, ruleset_of
from pointsman.core.decide import decide
from pointsman.core.errors import NoEligibleModel
from pointsman.core.facts import Facts
from pointsman.core.market import Market, ModelState
from pointsman.core.ruleset import Route, Ruleset
from pointsman.core.vocabulary import CAPABILITIES, DecisionReason, DropReason, OnEmpty, Strategy

RULESETS, DRAWS = (3000, 34) if os.environ.get("POINTSMAN_TEST_SOAK") else (60, 34)

MODELLED = (Strategy.CHEAPEST, Strategy.FASTEST, Strategy.BEST)

NAMES = ("opal", "agate", "jade", "beryl", "topaz", "coral", "amber", "onyx")
TAGS = ("eu", "onprem", "fast")
PROVIDERS = {"near": {"api": "builtin"}, "far": {"api": "openai", "base_url": "https://example.test/v1", "key": {"env": "FAR_API_KEY"}}}
CONDITIONS = (
    'features.task == "code"', "features.complexity > 0.5", "vars.short", "request.accuracy >= 0.6", "features.task in lists.texts",
    'has(request.labels.data) && request.labels.data == "personal"', "budget.spend_ratio < 0.9", "tokens.output >= 50", "!request.stream",
)  # fmt: skip
BARS = (0.5, 0.6, 0.8, 0.95, "request.accuracy", "features.complexity > 0.5 ? 0.9 : 0.3", "0.5 + 0.25", "request.accuracy * 1.1")
QUALITIES = (0.3, 0.5, 0.6, 0.7, 0.7, 0.8, 0.95)

MUST_OCCUR = (
    {f"dropped: {reason.name}" for reason in set(DropReason) - {DropReason.UNSPECIFIED, DropReason.TENANT}}  # there are no tenants yet
    | {f"decided: {reason}" for reason in ("RULE_MATCH", "DEFAULT", "CALLER_MODEL", "ON_EMPTY_FALLBACK", "BEST_EFFORT")}
    | {f"refused: {kind}" for kind in ("NoEligibleModel", "ConstrainedOut", "ContextTooLong", "BudgetExhausted", "AllUnavailable")}
    | {f"strategy: {strategy.value}, {n} planned" for strategy in MODELLED for n in (1, 2, 3, 4)}
    | {f"refused after: {on_empty.value}" for on_empty in OnEmpty}
    | {f"{kind} by {field}" for kind in ("allow", "deny") for field in ("models", "tiers", "providers", "tags")}
    | {f"bar: {kind}" for kind in ("none", "number", "expression")}
    | {f"asked: {kind}" for kind in ("id", "alias", "another than the rule's")}
    | {f"market: {what}" for what in ("warm", "tokens_left", "cost_left", "time_left_ms", "quality", "ttft_ms", "tokens_per_s")}
    | {"plan cut at four", "a fallback below the rule's bar", "two routes of one priority", "went on and was served", "alias in candidates"}
    | {"went on twice", "a warm model chosen", "baseline above the chosen", "baseline over the caller's cost", "two constraints at once"}
)


def test_decide_says_what_the_oracle_says() -> None:
    seen: Counter[str] = Counter()
    for number in range(RULESETS):
        random = Random(number)  # noqa: S311  # not for secrets
        models, routing = some_rules(random)
        ruleset = read(models, routing)
        seen.update(notes_on_rules(models, routing))
        for _ in range(DRAWS):
            facts, market = some_draw(random, ruleset)
            oracle = Oracle(ruleset=ruleset, facts=facts, market=market)
            expected = oracle.answer()

            found = said(ruleset, facts, market)

            if isinstance(found, Served) and isinstance(expected, Served) and found.baseline_models <= expected.baseline_models:
                found = replace(found, baseline_models=expected.baseline_models)
            assert found == expected, "\n".join((f"ruleset {number}", text(models), text(routing), str(facts), str(market)))
            seen.update(notes(oracle, expected))
    assert sorted(MUST_OCCUR - set(seen)) == []


def test_rules_are_read_as_they_were_written() -> None:
    for number in range(60):
        models, routing = some_rules(Random(number))  # noqa: S311  # not for secrets

        ruleset = read(models, routing)

        written = sorted(routing["routes"], key=lambda route: -route["priority"])
        assert [route.ref.id for route in ruleset.routes] == [route["id"] for route in written]
        for found, route in zip(ruleset.routes, written, strict=True):
            assert found.candidates == expanded(models, route["use"]["candidates"])
            assert found.fallbacks == expanded(models, route.get("fallbacks", []))
            assert (found.strategy.value, found.on_empty.value) == (route["use"]["strategy"], route["use"]["on_empty"])
        for law, constraint in zip(ruleset.constraints, routing["constraints"], strict=True):
            assert law.permitted == {name for name in models["models"] if may_serve(name, models["models"][name], constraint)}


def expanded(models: dict[str, Any], names: list[str]) -> tuple[str, ...]:
    found = [model for name in names for model in models["aliases"].get(name, [name])]
    return tuple(dict.fromkeys(found))


def may_serve(name: str, model: dict[str, Any], constraint: dict[str, Any]) -> bool:
    allowed = "allow" not in constraint or is_selected(name, model, constraint["allow"])
    return allowed and not ("deny" in constraint and is_selected(name, model, constraint["deny"]))


def is_selected(name: str, model: dict[str, Any], selection: dict[str, list[str]]) -> bool:
    has = {"models": [name], "tiers": [model["tier"]], "providers": [model["provider"]], "tags": model["tags"]}
    return any(value in has[field] for field, values in selection.items() for value in values)


def said(ruleset: Ruleset, facts: Facts, market: Market) -> Served | Refused:
    """Return what `decide` says, in the words of the oracle."""
    try:
        decision = decide(ruleset, facts, market)
    except NoEligibleModel as refusal:
        return Refused(kind=type(refusal).__name__, rule=refusal.rule, counts=refusal.counts)
    return Served(
        rule=decision.rule.id,
        reason=decision.reason,
        plan=tuple(candidate.model for candidate in decision.plan),
        dropped={drop.model: drop.reason for drop in decision.dropped},
        costs=tuple(candidate.expected_cost for candidate in decision.plan),
        baseline_cost=decision.baseline_cost,
        baseline_models=frozenset({decision.baseline_model}),
    )


# Rules


def read(models: dict[str, Any], routing: dict[str, Any]) -> Ruleset:
    return ruleset_of(text(models), text(routing))


def text(document: dict[str, Any]) -> str:
    return yaml.safe_dump(document, sort_keys=False)


def some_rules(random: Random) -> tuple[dict[str, Any], dict[str, Any]]:
    models = some_models(random)
    return models, some_routing(random, models)


def some_models(random: Random) -> dict[str, Any]:
    names = random.sample(NAMES, random.randint(2, 8))
    aliases = {alias: random.sample(names, random.randint(1, min(3, len(names)))) for alias in ("fast", "smart")}
    models = {name: some_model(random) for name in names}
    return {"version": 1, "tiers": ["small", "medium", "large"], "providers": PROVIDERS, "models": models, "aliases": aliases}


def some_model(random: Random) -> dict[str, Any]:
    price = {"input": random.choice((0, 0.1, 1, 1, 3.75)), "output": random.choice((0, 0.000000001, 2, 2, 15)), "nominal": True}
    ability = {"default": random.choice((0.4, 0.6, 0.6, 0.8, 0.95))}
    model = {
        "provider": random.choice(("near", "far")),
        "upstream": "u",
        "tier": random.choice(("small", "medium", "large")),
        "ability": ability | ({"code": random.choice((0.3, 0.9))} if random.random() < 0.3 else {}),
        "price": price | ({"cached_input": random.choice((0, 0.05, 0.1))} if random.random() < 0.5 else {}),
        "context_window": random.choice((500, 8000, 8000, 128_000)),
        "max_output": random.choice((1, 60, 1000, 4000)),
        "capabilities": [name for name in CAPABILITIES if random.random() < 0.8],
        "tokenizer": random.choice(("o200k", "o200k", "claude", "qwen")),
        "tags": [name for name in TAGS if random.random() < 0.7],
    }
    latency = {"ttft_ms": random.choice((0, 100, 100, 450.5)), "tokens_per_s": random.choice((20, 100, 100, 1000))}
    return model | ({"latency": latency} if random.random() < 0.8 else {})


def some_routing(random: Random, models: dict[str, Any]) -> dict[str, Any]:
    routes = [some_route(random, models, f"r{number}", -10) for number in range(random.randint(0, 6))]
    for route in routes:
        route |= {"priority": random.choice((-1, 0, 0, 10, 100)), "when": some_conditions(random)}
    routes.insert(random.randint(0, len(routes)), some_route(random, models, "default", -10))
    return {
        "version": 1,
        "defaults": {"max_output": random.choice((30, 2000))} if random.random() < 0.3 else {"accuracy": 0.1},
        "lists": {"texts": ["chat", "summarize"]},
        "vars": {"short": "tokens.input < 1000"},
        "constraints": [some_constraint(random, models["models"], f"c{number}") for number in range(random.choice((0, 0, 0, 1, 2)))],
        "routes": routes,
    }


def some_route(random: Random, models: dict[str, Any], name: str, priority: int) -> dict[str, Any]:
    on_offer = [*models["models"], *models["aliases"]]
    use: dict[str, object] = {
        "candidates": random.sample(on_offer, random.randint(1, random.choice((2, 4, len(on_offer))))),
        "strategy": random.choice([strategy.value for strategy in MODELLED]),
        "on_empty": random.choice([*(on_empty.value for on_empty in OnEmpty), "next_rule"]),
    }
    if random.random() < 0.5:
        use["min_quality"] = random.choice(BARS)
    fallbacks = random.sample(on_offer, random.randint(0, min(4, len(on_offer))))
    return {"id": name, "why": "because", "priority": priority, "use": use} | ({"fallbacks": fallbacks} if fallbacks else {})


def some_conditions(random: Random) -> str | list[str]:
    conditions = random.sample(CONDITIONS, random.choice((1, 1, 2)))
    return conditions[0] if len(conditions) == 1 and random.random() < 0.5 else conditions


def some_constraint(random: Random, models: dict[str, Any], name: str) -> dict[str, Any]:
    kinds = random.choice((["allow"], ["deny"], ["allow", "deny"]))
    return {"id": name, "why": "law", "when": some_conditions(random)} | {kind: some_selection(random, models) for kind in kinds}


def some_selection(random: Random, models: dict[str, Any]) -> dict[str, list[str]]:
    there_is = {
        "models": list(models),
        "tiers": sorted({model["tier"] for model in models.values()}),
        "providers": sorted({model["provider"] for model in models.values()}),
        "tags": sorted({tag for model in models.values() for tag in model["tags"]}),
    }
    fields = random.sample([field for field, names in there_is.items() if names], random.choice((1, 1, 2)))
    return {field: random.sample(there_is[field], random.randint(1, min(3, len(there_is[field])))) for field in fields}


# Facts and markets


def some_draw(random: Random, ruleset: Ruleset) -> tuple[Facts, Market]:
    facts, market = some_facts(random, ruleset), some_market(random, ruleset)
    for _ in range(random.choice((0, 0, 0, 1, 1, 2, 3))):
        facts, market = aimed(random, ruleset, facts, market)
    return facts, market


def some_facts(random: Random, ruleset: Ruleset) -> Facts:
    named = [*ruleset.catalog.models, *ruleset.catalog.aliases]
    return facts_of(
        request_model=random.choice(named) if random.random() < 0.15 else "",
        request_accuracy=random.choice((0.0, 0.0, 0.0, 0.5, 0.7, 0.9)),
        request_needs_tools=random.random() < 0.08,
        request_needs_json=random.random() < 0.08,
        request_needs_vision=random.random() < 0.08,
        request_stream=random.random() < 0.5,
        request_tags=frozenset(tag for tag in TAGS if random.random() < 0.05),
        request_labels={"data": "personal"} if random.random() < 0.3 else {},
        features_complexity=random.choice((0.1, 0.42, 0.5, 0.9)),
        features_discrimination=random.choice((1.0, 1.0, 0.5)),
        features_task=random.choice(("code", "chat", "math")),
        features_text_class=random.choice(("plain", "plain", "other")),
        tokens_input=random.choice((0, 1, 3000, 1_000_000) if random.random() < 0.15 else (7, 100, 333)),
        tokens_output=random.choice((0, 1, 49, 50, 100, 300)),
        tokens_output_max=random.choice((1, 20, 5000)) if random.random() < 0.2 else None,
        budget_spend_ratio=random.choice((0.0, 1.2)),
    )


def some_market(random: Random, ruleset: Ruleset) -> Market:
    outage = random.random() < 0.05
    states = {name: some_state(random, outage=outage) for name in ruleset.catalog.models if outage or random.random() < 0.7}
    return Market(models=states)


def some_state(random: Random, *, outage: bool) -> ModelState:
    healthy, has_room = random.random() > 0.06, random.random() > 0.06
    return ModelState(
        has_credential=random.random() > 0.04,
        healthy=healthy and not (outage and has_room),
        has_room=has_room,
        ttft_ms=random.choice((0.0, 80.0, 2000.0)) if random.random() < 0.2 else None,
        tokens_per_s=random.choice((1.0, 100.0)) if random.random() < 0.2 else None,
        warm_prefix_tokens=random.choice((1, 90, 100_000)) if random.random() < 0.2 else 0,
        quality=random.choice(QUALITIES) if random.random() < 0.3 else None,
    )


def aimed(random: Random, ruleset: Ruleset, facts: Facts, market: Market) -> tuple[Facts, Market]:
    """Put a limit just where a model stands, a step above or a step below: that is where comparisons go wrong."""
    oracle, model = Oracle(ruleset=ruleset, facts=facts, market=market), random.choice(list(ruleset.catalog.models))
    step = random.choice((-1, 0, 0, 1))
    spends, costs = oracle.bound(model) + oracle.output(model) + step, oracle.cost(model) + step
    room = ruleset.catalog.models[model].context_window - max(1, oracle.output(model))
    aims: tuple[tuple[str, str, float], ...] = (
        ("tokens", "input", room + step),
        ("request", "max_total_tokens", oracle.needed(model) + step),
        ("request", "max_cost", costs),
        ("request", "accuracy", min(1.0, oracle.quality(model) + step / 1000)),
        ("request", "max_latency_ms", oracle.latency_ms(model) + step),
        ("request", "max_ttft_ms", oracle.ttft_ms(model) + step),
        ("market", "tokens_left", random.choice((0, spends, spends, spends))),
        ("market", "cost_left", random.choice((0, costs, costs, costs))),
        ("market", "time_left_ms", oracle.latency_ms(model) + step),
    )
    group, field, limit = random.choice(aims)
    if group == "market":
        return facts, structs.replace(market, **{field: max(0, limit)})
    return structs.replace(facts, **{group: structs.replace(getattr(facts, group), **{field: max(0, limit)})}), market


# What was met


def notes_on_rules(models: dict[str, Any], routing: dict[str, Any]) -> Iterator[str]:
    """Yield what is in the rules, in the words of MUST_OCCUR."""
    for constraint in routing["constraints"]:
        yield from (f"{kind} by {field}" for kind in ("allow", "deny") for field in constraint.get(kind, {}))
    for route in routing["routes"]:
        bar = route["use"].get("min_quality")
        yield f"bar: {'none' if bar is None else 'expression' if isinstance(bar, str) else 'number'}"
        if not set(route["use"]["candidates"]).isdisjoint(models["aliases"]):
            yield "alias in candidates"
    if max(Counter(route["priority"] for route in routing["routes"]).values()) > 1:
        yield "two routes of one priority"


def notes(oracle: Oracle, expected: Served | Refused) -> Iterator[str]:
    """Yield what a draw was about, in the words of MUST_OCCUR."""
    ruleset, facts, market = oracle.ruleset, oracle.facts, oracle.market
    yield from notes_on_facts(ruleset, facts)
    yield from (f"market: {name}" for name in ("tokens_left", "cost_left", "time_left_ms") if getattr(market, name) is not None)
    for state in market.models.values():
        yield from (f"market: {name}" for name in ("quality", "ttft_ms", "tokens_per_s") if getattr(state, name) is not None)
        yield from ["market: warm"] if state.warm_prefix_tokens else []
    before = [route for route in ruleset.routes if oracle.all_hold(route.conditions)]
    route = next(route for route in before if route.ref.id == expected.rule)
    went_on = before.index(route)
    if isinstance(expected, Refused):
        yield f"refused: {expected.kind}"
        yield f"refused after: {route.on_empty.value}"
        yield from (f"dropped: {reason}" for reason in expected.counts)
    else:
        yield from ["went on and was served"] if went_on else []
        yield from ["went on twice"] if went_on > 1 else []
        yield from notes_on_served(oracle, route, expected)


def notes_on_facts(ruleset: Ruleset, facts: Facts) -> Iterator[str]:
    if facts.request.model:
        yield f"asked: {'id' if facts.request.model in ruleset.catalog.models else 'alias'}"
    if sum(all(condition.holds(facts) for condition in constraint.conditions) for constraint in ruleset.constraints) > 1:
        yield "two constraints at once"


def notes_on_served(oracle: Oracle, route: Route, served: Served) -> Iterator[str]:
    chosen, bar = served.plan[0], route.min_quality(oracle.facts) if route.min_quality else 0.0
    yield f"decided: {served.reason.name}"
    yield f"strategy: {route.strategy.value}, {len(served.plan)} planned"
    yield from (f"dropped: {reason.name}" for reason in served.dropped.values())
    if oracle.market.state(chosen).warm_prefix_tokens:
        yield "a warm model chosen"
    if any(oracle.quality(model) < bar for model in served.plan if served.reason is not DecisionReason.BEST_EFFORT):
        yield "a fallback below the rule's bar"
    if served.reason is DecisionReason.CALLER_MODEL and chosen not in route.candidates:
        yield "asked: another than the rule's"
    if served.baseline_cost > oracle.cost_at(chosen, of=chosen):
        yield "baseline above the chosen"
    if any(served.dropped.get(model) is DropReason.COST for model in served.baseline_models):
        yield "baseline over the caller's cost"
    fit = [model for model in {*route.candidates, *route.fallbacks} if model not in served.dropped]
    if len(fit) > len(served.plan) and served.reason is not DecisionReason.BEST_EFFORT:
        yield "plan cut at four"
