"""How likely a decision was: as often as it is said, so it happens."""

from __future__ import annotations

from collections import Counter

import pytest

from fakes import catalog_yaml, facts_of, model_yaml, ruleset_of
from pointsman.core.decide import decide
from pointsman.core.market import Market, ModelState
from pointsman.core.propensity import propensity
from pointsman.core.ruleset import Ruleset

MODELS = catalog_yaml({"a": model_yaml(), "b": model_yaml(), "c": model_yaml(), "weak": model_yaml(ability=0.1)})
LAST = "{id: last, why: w, use: {candidates: [a]}}"
MANY = 3_000


def rules(*routes: str) -> Ruleset:
    return ruleset_of(MODELS, "version: 1\nroutes:\n" + "".join(f"  - {route}\n" for route in routes))


DRAWS = {
    "a share": rules(
        "{id: new, why: w, when: tokens.input > 1, rollout: {percent: 10, by: request.session}, use: {candidates: [b]}}", LAST
    ),
    "shares of one seed": rules(
        "{id: one, why: w, when: tokens.input > 1, rollout: {percent: 10, by: request.session, seed: s}, use: {candidates: [b]}}",
        "{id: two, why: w, when: tokens.input > 2, rollout: {percent: 35, by: request.session, seed: s}, use: {candidates: [c]}}",
        LAST,
    ),
    "shares of two seeds": rules(
        "{id: one, why: w, when: tokens.input > 1, rollout: {percent: 30, by: request.session}, use: {candidates: [b]}}",
        "{id: two, why: w, when: tokens.input > 2, rollout: {percent: 50, by: request.session}, use: {candidates: [c]}}",
        LAST,
    ),
    "weights": rules("{id: last, why: w, use: {candidates: {a: 60, b: 30, c: 10}, strategy: weighted}}"),
    "weights of those that are kept": rules(
        "{id: last, why: w, use: {candidates: {a: 60, b: 30, weak: 10}, strategy: weighted, min_quality: 0.5}}"
    ),
    "weights, one of a model that is a fallback alone": rules(
        "{id: last, why: w, use: {candidates: {a: 50, b: 30, weak: 20}, strategy: weighted, min_quality: 0.5}, fallbacks: [weak]}"
    ),
    "a share and weights": rules(
        "{id: new, why: w, when: tokens.input > 1, rollout: {percent: 40, by: request.session}, use: {candidates: {b: 1, c: 3}, strategy: weighted}}",
        LAST,
    ),
}


@pytest.mark.parametrize("ruleset", DRAWS.values(), ids=DRAWS)
def test_what_is_said_to_be_likely_is_as_frequent(ruleset: Ruleset) -> None:
    seen: Counter[tuple[str, str]] = Counter()
    said: dict[tuple[str, str], set[float | None]] = {}
    for number in range(MANY):
        facts = facts_of(request_id=f"id-{number}")
        decision = decide(ruleset, facts, Market())
        outcome = (decision.rule.id, decision.chosen.model)
        seen[outcome] += 1
        said.setdefault(outcome, set()).add(propensity(ruleset, facts, decision))

    assert len(seen) > 1
    for outcome, count in seen.items():
        (likely,) = said[outcome]
        assert likely == pytest.approx(count / MANY, abs=0.03)
    assert sum(likely or 0.0 for each in said.values() for likely in each) == pytest.approx(1.0)


@pytest.mark.parametrize(
    "route", ["{id: no, why: w, when: tokens.input > 1000, rollout: {percent: 10, by: request.session}, use: {candidates: [b]}}",
              "{id: old, why: w, when: tokens.input > 1, rollout: {percent: 10, by: request.session}, expires: 2020-01-01, use: {candidates: [b]}}"],
)  # fmt: skip
def test_what_was_not_drawn_has_none(route: str) -> None:
    ruleset = rules(route, LAST)

    assert propensity(ruleset, facts_of(), decide(ruleset, facts_of(), Market())) is None


def test_a_best_effort_was_not_drawn() -> None:
    ruleset = rules(
        "{id: last, why: w, use: {candidates: {weak: 60, a: 40}, strategy: weighted, min_quality: 0.99, on_empty: best_effort}}"
    )

    assert propensity(ruleset, facts_of(), decide(ruleset, facts_of(), Market())) is None


def test_a_model_that_only_a_fallback_is_was_not_drawn() -> None:
    ruleset = rules("{id: last, why: w, use: {candidates: {a: 60, b: 40}, strategy: weighted, on_empty: fallback}, fallbacks: [c]}")
    down = Market(models={"a": ModelState(healthy=False), "b": ModelState(healthy=False)})

    assert propensity(ruleset, facts_of(), decide(ruleset, facts_of(), down)) is None
