"""Vars that multiply or join each other are refused before their results take a second, or a gigabyte, of every call."""

from __future__ import annotations

import pytest

from fakes import catalog_yaml, model_yaml
from pointsman.core.expr.growth import growth
from pointsman.core.expr.parser import parse
from pointsman.core.rulefile import load


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", 1),
        ("tokens.input * 2 > 5", 2),
        ("tokens.input + tokens.output * 3", 3),
        ("vars.big * vars.big", 20),
        ("tokens.input - 5 > 1 && vars.big > 3", 10),
        ("features.has_code ? vars.big : 1", 10),
        ("-vars.big", 10),
    ],
)
def test_growth_counts_what_a_value_is_made_of(text: str, expected: int) -> None:
    assert growth(parse(text), {"big": 10}) == expected


@pytest.mark.parametrize(
    ("start", "operator", "condition"),
    [("tokens.input", "*", "vars.v21 > 0"), ("request.tenant", "+", 'vars.v21 == "x"')],
    ids=["squares", "texts"],
)
def test_vars_that_double_each_other_are_refused_where_it_becomes_too_much(start: str, operator: str, condition: str) -> None:
    vars = "\n".join([f"  v0: {start}"] + [f"  v{n}: vars.v{n - 1} {operator} vars.v{n - 1}" for n in range(1, 22)])
    routes = f"  - {{id: r, why: w, when: '{condition}', use: {{candidates: [m]}}}}\n  - {{id: default, why: w, use: {{candidates: [m]}}}}"
    rules = f"version: 1\nvars:\n{vars}\nroutes:\n{routes}\n"

    found = load({"models.yaml": catalog_yaml({"m": model_yaml()}).encode(), "routing.yaml": rules.encode()})

    assert found.ruleset is None
    assert [(problem.line, problem.message) for problem in found.problems] == [(10, "the result may be made of 128 values; 64 are allowed")]
