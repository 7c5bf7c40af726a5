"""Random rules, written out as text and read back, random facts and markets: `decide` must say what the slow oracle says.

What the draws (`decide_draws`) must have met is asserted at the end, so that no reason, strategy, refusal or section of a route goes
untested unnoticed.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from random import Random

from decide_draws import MODELS, ROUTING, TRIAL, Document, read, some_draw, some_rules, text
from decide_oracle import Oracle, Refused, Served, Shadow
from pointsman.core.decide import decide
from pointsman.core.decision import Shadowed
from pointsman.core.errors import NoEligibleModel
from pointsman.core.facts import Facts
from pointsman.core.market import Market
from pointsman.core.ruleset import Condition, Route, Ruleset
from pointsman.core.vocabulary import DecisionReason, DropReason, OnEmpty, Strategy

RULESETS, DRAWS = (300, 34) if os.environ.get("POINTSMAN_TEST_SOAK") else (104, 24)

MUST_OCCUR = (
    {f"dropped: {reason.name}" for reason in set(DropReason) - {DropReason.UNSPECIFIED, DropReason.TENANT}}  # there are no tenants yet
    | {
        f"decided: {reason}"
        for reason in ("RULE_MATCH", "ROLLOUT", "DEFAULT", "CALLER_MODEL", "STICKY", "ON_EMPTY_FALLBACK", "BEST_EFFORT")
    }
    | {f"refused: {kind}" for kind in ("NoEligibleModel", "ConstrainedOut", "ContextTooLong", "BudgetExhausted", "AllUnavailable")}
    | {f"strategy: {strategy.value}, {n} planned" for strategy in Strategy for n in (1, 2, 3, 4)}
    | {f"refused after: {on_empty.value}" for on_empty in OnEmpty}
    | {f"{kind} by {field}" for kind in ("allow", "deny") for field in ("models", "tiers", "providers", "tags")}
    | {f"bar: {kind}" for kind in ("none", "number", "expression")}
    | {f"asked: {kind}" for kind in ("id", "alias", "another than the rule's")}
    | {f"market: {what}" for what in ("warm", "tokens_left", "cost_left", "time_left_ms", "quality", "ttft_ms", "tokens_per_s")}
    | {"plan cut at four", "a fallback below the rule's bar", "two routes of one priority", "went on and was served", "alias in candidates"}
    | {
        "went on twice",
        "a warm model chosen",
        "a warm model left",
        "baseline above the chosen",
        "baseline over the caller's cost",
        "two constraints at once",
    }
    | {f"rollout: {what}" for what in ("in", "out", "by a fact", "by the id", "sticky fact absent", "by a seed", "first bucket beyond")}
    | {f"weighted: {what}" for what in ("by a fact", "by the id", "sticky fact absent", "against the order of the file", "alias")}
    | {f"expires: {what}" for what in ("over", "last day", "still to come")}
    | {f"group {joined_by}: {held}" for joined_by in ("any", "all", "none") for held in (True, False)}
    | {f"shadow {of}: {what}" for of in ("route", "file") for what in ("would serve", "would keep none", "beside a refusal")}
    | {"shadow route behind one that went on", "shadow file: went on", "shadow file: narrowed by its own constraint", "two shadows at once"}
    | {"balanced: not the cheapest", "balanced: not the best"}
    | {"too dear for the route alone", "fallback too dear for the route alone", "group in a group"}
)


def test_decide_says_what_the_oracle_says() -> None:
    seen: Counter[str] = Counter()
    for number in range(RULESETS):
        random = Random(number)  # noqa: S311  # not for secrets
        files = some_rules(random)
        ruleset = read(files)
        seen.update(notes_on_rules(files))
        for _ in range(DRAWS):
            facts, market = some_draw(random, ruleset)
            oracle = Oracle(ruleset=ruleset, facts=facts, market=market)
            expected = oracle.answer()

            found = said(ruleset, facts, market)

            if isinstance(found, Served) and isinstance(expected, Served) and found.baseline_models <= expected.baseline_models:
                found = replace(found, baseline_models=expected.baseline_models)
            assert found == expected, "\n".join((f"ruleset {number}", *map(text, files.values()), str(facts), str(market)))
            seen.update(notes(oracle, expected))
    assert sorted(MUST_OCCUR - set(seen)) == []


def test_rules_are_read_as_they_were_written() -> None:
    for number in range(60):
        files = some_rules(Random(number))  # noqa: S311  # not for secrets

        ruleset = read(files)

        assert_read(ruleset, files[MODELS], files[ROUTING])
        assert len(ruleset.shadows) == (TRIAL in files)
        for aside in ruleset.shadows:
            assert_read(aside, files[MODELS], files[TRIAL])


def assert_read(ruleset: Ruleset, models: Document, routing: Document) -> None:
    """Assert that a file's constraints and routes say what was written."""
    written = sorted(routing["routes"], key=lambda route: -route["priority"])
    assert [route.ref.id for route in ruleset.routes] == [route["id"] for route in written]
    for found, route in zip(ruleset.routes, written, strict=True):
        use = route["use"]
        assert found.candidates == expanded(models, use["candidates"])
        assert found.fallbacks == expanded(models, route.get("fallbacks", []))
        assert (found.strategy.value, found.on_empty.value) == (use["strategy"], use["on_empty"])
        assert (found.shadow, found.expires, found.by) == (route.get("mode") == "shadow", route.get("expires"), use.get("by"))
        assert found.weights == (weights(models, use["candidates"]) if isinstance(use["candidates"], dict) else {})
        assert (found.value, found.max_cost) == (nano(use.get("value_usd", 0)), nano(route.get("budget", {}).get("max_usd_per_request")))
        assert as_written(found.conditions) == listed(route.get("when", []))
        assert_shared(found, route.get("rollout"))
    for law, constraint in zip(ruleset.constraints, routing["constraints"], strict=True):
        assert law.permitted == {name for name in models["models"] if may_serve(name, models["models"][name], constraint)}
        assert as_written(law.conditions) == listed(constraint["when"])


def assert_shared(found: Route, written: Document | None) -> None:
    """Assert that a route takes the share that was written."""
    share = found.rollout
    assert (share is None) == (written is None)
    if share is not None and written is not None:
        below = int(Decimal(str(written["percent"])) * 100)
        assert (share.below, share.by, share.seed) == (below, written.get("by"), written.get("seed", found.ref.id))


def expanded(models: Document, names: Iterable[str]) -> tuple[str, ...]:
    found = [model for name in names for model in models["aliases"].get(name, [name])]
    return tuple(dict.fromkeys(found))


def weights(models: Document, written: dict[str, float]) -> dict[str, float]:
    """Return the weights by model: the models of an alias share its weight, and what a model has twice is added up."""
    shares = [(model, weight / len(expanded(models, [name]))) for name, weight in written.items() for model in expanded(models, [name])]
    return {model: sum(share for name, share in shares if name == model) for model, _ in shares}


def nano(usd: float | None) -> int | None:
    return None if usd is None else int(Decimal(str(usd)) * 10**9)


def listed(when: object) -> list[object]:
    """Return a `when` as a list of conditions and of groups by one key each."""
    items = when if isinstance(when, list) else [when]
    return [part for item in items for part in ([{key: listed(of)} for key, of in item.items()] if isinstance(item, dict) else [item])]


def as_written(conditions: Sequence[Condition]) -> list[object]:
    return [{condition.joined_by: as_written(condition.items)} if condition.items else condition.text for condition in conditions]


def may_serve(name: str, model: Document, constraint: Document) -> bool:
    allowed = "allow" not in constraint or is_selected(name, model, constraint["allow"])
    return allowed and not ("deny" in constraint and is_selected(name, model, constraint["deny"]))


def is_selected(name: str, model: Document, selection: dict[str, list[str]]) -> bool:
    has = {"models": [name], "tiers": [model["tier"]], "providers": [model["provider"]], "tags": model["tags"]}
    return any(value in has[field] for field, values in selection.items() for value in values)


def said(ruleset: Ruleset, facts: Facts, market: Market) -> Served | Refused:
    """Return what `decide` says, in the words of the oracle."""
    try:
        decision = decide(ruleset, facts, market)
    except NoEligibleModel as refusal:
        return Refused(kind=type(refusal).__name__, rule=refusal.rule, counts=refusal.counts, shadows=shadows(refusal.shadows))
    return Served(
        rule=decision.rule.id,
        reason=decision.reason,
        plan=tuple(candidate.model for candidate in decision.plan),
        dropped={drop.model: drop.reason for drop in decision.dropped},
        costs=tuple(candidate.expected_cost for candidate in decision.plan),
        baseline_cost=decision.baseline_cost,
        baseline_models=frozenset({decision.baseline_model}),
        shadows=shadows(decision.shadows),
    )


def shadows(found: Iterable[Shadowed]) -> tuple[Shadow, ...]:
    return tuple(Shadow(rule=shadow.rule.id, model=shadow.model, cost=shadow.expected_cost) for shadow in found)


# What was met


def notes_on_rules(files: dict[str, Document]) -> Iterator[str]:
    """Yield what is in the rules, in the words of MUST_OCCUR."""
    models, routing = files[MODELS], files[ROUTING]
    for constraint in routing["constraints"]:
        yield from (f"{kind} by {field}" for kind in ("allow", "deny") for field in constraint.get(kind, {}))
    for route in routing["routes"]:
        bar = route["use"].get("min_quality")
        yield f"bar: {'none' if bar is None else 'expression' if isinstance(bar, str) else 'number'}"
        if not set(route["use"]["candidates"]).isdisjoint(models["aliases"]):
            yield "alias in candidates"
            yield from ["weighted: alias"] if route["use"]["strategy"] == "weighted" else []
        yield from ["rollout: by a seed"] if "seed" in route.get("rollout", {}) else []
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
    yield from notes_on_conditions(oracle)
    yield from notes_on_shadows(oracle, expected)
    before = [route for route in ruleset.routes if oracle.takes(route) and not route.shadow]
    route = next(route for route in before if route.ref.id == expected.rule)
    went_on = before.index(route)
    if isinstance(expected, Refused):
        yield f"refused: {expected.kind}"
        yield f"refused after: {route.on_empty.value}"
        yield from (f"dropped: {reason}" for reason in expected.counts)
    else:
        yield from ["went on and was served"] if went_on else []
        yield from ["went on twice"] if went_on > 1 else []
        yield from notes_on_strategy(oracle, route, expected)
        yield from notes_on_served(oracle, route, expected)


def notes_on_facts(ruleset: Ruleset, facts: Facts) -> Iterator[str]:
    if facts.request.model:
        yield f"asked: {'id' if facts.request.model in ruleset.catalog.models else 'alias'}"
    if sum(all(condition.holds(facts) for condition in constraint.conditions) for constraint in ruleset.constraints) > 1:
        yield "two constraints at once"


def notes_on_conditions(oracle: Oracle) -> Iterator[str]:
    facts = oracle.facts
    for route in oracle.ruleset.routes:
        for condition in route.conditions:
            if condition.items:
                yield f"group {condition.joined_by}: {oracle.holds(condition)}"
                yield from ["group in a group"] if any(item.items for item in condition.items) else []
        if not oracle.all_hold(route.conditions):
            continue
        if route.expires is not None:
            yield f"expires: {'over' if oracle.is_over(route) else 'last day' if facts.time.date == route.expires else 'still to come'}"
        if route.rollout is not None and not oracle.is_over(route):
            yield f"rollout: {'in' if oracle.is_in(route.rollout) else 'out'}"
            yield from ["rollout: first bucket beyond"] if oracle.bucket(route.rollout) == route.rollout.below else []
            yield f"rollout: {drawn_on(oracle, route.rollout.by)}"


def drawn_on(oracle: Oracle, by: str | None) -> str:
    if by is None:
        return "by the id"
    return "sticky fact absent" if oracle.sticky(by) == oracle.facts.request.id else "by a fact"


def notes_on_shadows(oracle: Oracle, expected: Served | Refused) -> Iterator[str]:
    places = {route.ref.id: index for index, route in enumerate(oracle.ruleset.routes)}
    first = next(index for index, route in enumerate(oracle.ruleset.routes) if oracle.takes(route) and not route.shadow)
    yield from ["two shadows at once"] if len(expected.shadows) > 1 else []
    for shadow in expected.shadows:
        of = "route" if shadow.rule in places else "file"
        yield f"shadow {of}: {'would serve' if shadow.model else 'would keep none'}"
        yield from [f"shadow {of}: beside a refusal"] if isinstance(expected, Refused) else []
        yield from ["shadow route behind one that went on"] if places.get(shadow.rule, -1) > first else []
    for aside in oracle.ruleset.shadows:
        by_itself = replace(oracle, ruleset=aside)
        yield from (
            ["shadow file: narrowed by its own constraint"] if any(by_itself.all_hold(law.conditions) for law in aside.constraints) else []
        )
        yield from ["shadow file: went on"] if len(by_itself.walk().tried) > 1 else []


def notes_on_strategy(oracle: Oracle, route: Route, served: Served) -> Iterator[str]:
    chosen, kept = served.plan[0], [model for model in served.plan if model in route.candidates]
    if served.reason in {DecisionReason.BEST_EFFORT, DecisionReason.ON_EMPTY_FALLBACK, DecisionReason.CALLER_MODEL}:
        return
    if route.strategy is Strategy.WEIGHTED:
        yield f"weighted: {drawn_on(oracle, route.by)}"
        yield from ["weighted: against the order of the file"] if chosen != min(kept, key=route.candidates.index) else []
    if route.strategy is Strategy.BALANCED:
        yield from ["balanced: not the cheapest"] if oracle.cost(chosen) > min(map(oracle.cost, kept)) else []
        yield from ["balanced: not the best"] if oracle.quality(chosen) < max(map(oracle.quality, kept)) else []


def notes_on_served(oracle: Oracle, route: Route, served: Served) -> Iterator[str]:
    chosen, bar = served.plan[0], route.min_quality(oracle.facts) if route.min_quality else 0.0
    yield f"decided: {served.reason.name}"
    yield f"strategy: {route.strategy.value}, {len(served.plan)} planned"
    yield from (f"dropped: {reason.name}" for reason in served.dropped.values())
    if oracle.market.state(chosen).warm_prefix_tokens:
        yield "a warm model chosen"
    elif any(oracle.market.state(model).warm_prefix_tokens for model in served.plan):
        yield "a warm model left"
    if any(oracle.quality(model) < bar for model in served.plan if served.reason is not DecisionReason.BEST_EFFORT):
        yield "a fallback below the rule's bar"
    if served.reason is DecisionReason.CALLER_MODEL and chosen not in route.candidates:
        yield "asked: another than the rule's"
    if route.max_cost is not None:
        asked = oracle.facts.request.max_cost
        dear = [model for model, why in served.dropped.items() if why is DropReason.COST and (asked is None or oracle.cost(model) <= asked)]
        yield from ["too dear for the route alone"] if dear else []
        yield from ["fallback too dear for the route alone"] if any(model not in route.candidates for model in dear) else []
    if served.baseline_cost > oracle.cost_at(chosen, of=chosen):
        yield "baseline above the chosen"
    if any(served.dropped.get(model) is DropReason.COST for model in served.baseline_models):
        yield "baseline over the caller's cost"
    fit = [model for model in {*route.candidates, *route.fallbacks} if model not in served.dropped]
    if len(fit) > len(served.plan) and served.reason is not DecisionReason.BEST_EFFORT:
        yield "plan cut at four"
