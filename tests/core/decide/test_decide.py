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


@pytest.mark.parametrize(("ruleset", "case"), cases())
def test_decision(ruleset: Ruleset, case: dict[str, Any]) -> None:
    outcome = outcome_of(ruleset, facts_from(case.get("facts", {})), market_from(case.get("market", {})))

    expected = case["expect"]
    if "refused" in expected:
        assert isinstance(outcome, NoEligibleModel), outcome
        found = {key: OF_REFUSAL[key](outcome) for key in expected}
        assert found | {"says": ""} == expected | {"says": ""}
        assert expected.get("says", "") in str(outcome)
    else:
        assert isinstance(outcome, Decision), outcome
        found = {key: OF_DECISION[key](outcome) for key in expected}
        assert found == expected | {"dropped": in_full(expected["dropped"], found["dropped"])} if "dropped" in expected else expected
