"""Decisions as tables: each file of `tests/data/decide` holds a catalog, routes, and cases of facts and market with what must come out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from fakes import catalog_yaml, facts_of, model_yaml, ruleset_of
from pointsman.core.decide import decide
from pointsman.core.decision import Decision
from pointsman.core.errors import ConstrainedOut, NoEligibleModel
from pointsman.core.facts import Facts
from pointsman.core.market import Market, ModelState
from pointsman.core.ruleset import Ruleset

TABLES = Path(__file__).parents[2] / "data" / "decide"

OF_DECISION: dict[str, Callable[[Decision], object]] = {
    "rule": lambda decision: decision.rule.id,
    "reason": lambda decision: decision.reason.name,
    "model": lambda decision: decision.chosen.model,
    "plan": lambda decision: [candidate.model for candidate in decision.plan],
    "dropped": lambda decision: {drop.model: f"{drop.reason.name}: {drop.detail}" for drop in decision.dropped},
    "cost": lambda decision: decision.chosen.expected_cost,
    "baseline": lambda decision: decision.baseline_cost,
    "baseline_model": lambda decision: decision.baseline_model,
}
OF_REFUSAL: dict[str, Callable[[NoEligibleModel], object]] = {
    "refused": lambda refusal: type(refusal).__name__,
    "rule": lambda refusal: refusal.rule,
    "counts": lambda refusal: refusal.counts,
    "constraints": lambda refusal: list(refusal.constraints) if isinstance(refusal, ConstrainedOut) else [],
    "says": str,
}


def cases() -> Iterator[Any]:
    for file in sorted(TABLES.glob("*.yaml")):
        table = yaml.safe_load(file.read_text())
        ruleset = ruleset_of(table["models"], table["routing"])
        yield from (pytest.param(ruleset, case, id=f"{file.stem}: {case['name']}") for case in table["cases"])


@pytest.mark.parametrize(("ruleset", "case"), list(cases()))
def test_decision(ruleset: Ruleset, case: dict[str, Any]) -> None:
    outcome = outcome_of(ruleset, facts_from(case.get("facts", {})), market_from(case.get("market", {})))

    expected = case["expect"]
    if isinstance(outcome, Decision):
        found = {key: OF_DECISION[key](outcome) for key in expected if key != "refused"}
        if "dropped" in expected:
            found["dropped"] = as_detailed_as(expected["dropped"], outcome)
    else:
        found = {key: OF_REFUSAL[key](outcome) for key in expected if key not in OF_DECISION or key == "rule"}
    assert found == expected, outcome


def outcome_of(ruleset: Ruleset, facts: Facts, market: Market) -> Decision | NoEligibleModel:
    try:
        return decide(ruleset, facts, market)
    except NoEligibleModel as refusal:
        return refusal


def facts_from(given: dict[str, dict[str, Any]]) -> Facts:
    """Return the usual facts with what is given in their place; tags are a list in the table."""
    flat = {f"{group}_{field}": value for group, fields in given.items() for field, value in fields.items()}
    return facts_of(**{name: frozenset(value) if name == "request_tags" else value for name, value in flat.items()})


def market_from(given: dict[str, Any]) -> Market:
    states = {model: ModelState(**state) for model, state in given.get("models", {}).items()}
    return Market(**(given | {"models": states}))


def as_detailed_as(expected: dict[str, str], decision: Decision) -> dict[str, str]:
    """Return what was dropped: "REASON: detail", or the reason alone where the table says no more of that model."""
    found = {drop.model: (drop.reason.name, f"{drop.reason.name}: {drop.detail}") for drop in decision.dropped}
    return {model: full if ": " in expected.get(model, ": ") else short for model, (short, full) in found.items()}


TWINS = catalog_yaml({"near": model_yaml(price="1.99", ttft_ms=100.4), "far": model_yaml(price="0.1", ttft_ms=1)})
"""Two models; what is asked of `near` in the cases below it misses by very little."""

ANY = "version: 1\nroutes: [{id: any, why: all, use: {candidates: [near, far]}}]\n"


@pytest.mark.parametrize(
    ("given", "market"),
    [
        pytest.param({"request": {"accuracy": 0.9}}, {"models": {"near": {"quality": 0.8999}, "far": {"quality": 1.0}}}, id="quality"),
        pytest.param({"request": {"max_ttft_ms": 100.1}}, {}, id="first token"),
        pytest.param({"request": {"max_latency_ms": 1100.1}}, {}, id="whole answer"),
        pytest.param({}, {"time_left_ms": 1100.1}, id="deadline"),
        pytest.param({"request": {"max_cost": 397_900}}, {}, id="cost"),
        pytest.param({}, {"cost_left": 397_900}, id="budget"),
    ],
)
def test_the_numbers_of_a_detail_bear_it_out_however_close_they_are(given: dict[str, Any], market: dict[str, Any]) -> None:
    decision = decide(ruleset_of(TWINS, ANY), facts_from(given), market_from(market))

    [dropped] = decision.dropped
    comparison = re.search(r"([0-9.]+)[^0-9<>]* ([<>]) [^0-9]*([0-9.]+)", dropped.detail)
    assert comparison is not None
    left, sign, right = comparison.groups()
    assert float(left) < float(right) if sign == "<" else float(left) > float(right), dropped.detail
