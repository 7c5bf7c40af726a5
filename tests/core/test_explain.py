"""An explanation says of every rule what became of it, with the values of the facts that decided."""

from __future__ import annotations

import pytest

from fakes import catalog_yaml, facts_of, model_yaml, ruleset_of
from pointsman.core.decide import decide
from pointsman.core.errors import NoEligibleModel
from pointsman.core.explain import explain
from pointsman.core.facts import Facts
from pointsman.core.market import Market

RULES = ruleset_of(
    catalog_yaml({"mini": model_yaml(ability=0.6), "large": model_yaml(ability=0.9, price=9)}),
    """
version: 1
vars: {hard: features.complexity > 0.7}
constraints:
  - {id: no-large-at-night, why: w, when: time.hour < 6, deny: {models: [large]}}
routes:
  - id: hurried
    why: w
    when: [has(request.max_ttft_ms), request.max_ttft_ms <= 50]
    use: {candidates: [mini]}
  - {id: hard, why: w, when: vars.hard, use: {candidates: [large], on_empty: next_rule}}
  - {id: code, why: w, when: features.task == "code", use: {candidates: [large]}}
  - {id: default, why: w, use: {candidates: [mini, large]}}
""",
)


def trace(facts: Facts) -> list[str]:
    """Return what became of each rule, in short."""
    outcome: object
    try:
        outcome = decide(RULES, facts, Market())
    except NoEligibleModel as refused:
        outcome = refused
    return [
        f"{rule.rule.id} {rule.outcome.name} "
        + " ".join(f"{'+' if condition.result else '-'}{sorted(condition.values.items())}" for condition in rule.conditions)
        for rule in explain(RULES, facts, outcome).rules
    ]


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        pytest.param(
            facts_of(),
            [
                "no-large-at-night NO_MATCH -[('time.hour', 12)]",
                "hurried NO_MATCH -[('request.max_ttft_ms', None)]",
                "hard NO_MATCH -[('features.complexity', 0.42)]",
                "code NO_MATCH -[('features.task', 'unknown')]",
                "default MATCH ",
            ],
            id="the default is reached through all others",
        ),
        pytest.param(
            facts_of(request_max_ttft_ms=40.0),
            [
                "no-large-at-night NO_MATCH -[('time.hour', 12)]",
                "hurried MATCH +[('request.max_ttft_ms', 40.0)] +[('request.max_ttft_ms', 40.0)]",
            ],
            id="every item of a list is shown",
        ),
        pytest.param(
            facts_of(time_hour=3, features_complexity=0.9),
            ["no-large-at-night MATCH +[('time.hour', 3)]", "hurried NO_MATCH -[('request.max_ttft_ms', None)]", "hard MATCH +[('features.complexity', 0.9)]"],
            id="a constraint holds, and a route passes on",
        ),
    ],
)  # fmt: skip
def test_trace(facts: Facts, expected: list[str]) -> None:
    assert trace(facts)[: len(expected)] == expected


def test_rules_behind_the_one_that_decided_were_not_looked_at() -> None:
    assert [line.split()[1] for line in trace(facts_of(features_task="code"))] == ["NO_MATCH", "NO_MATCH", "NO_MATCH", "MATCH", "SKIPPED"]


def test_a_refusal_is_explained_like_a_decision() -> None:
    found = trace(facts_of(features_task="code", request_accuracy=0.99))

    assert [line.split()[1] for line in found] == ["NO_MATCH", "NO_MATCH", "NO_MATCH", "MATCH", "SKIPPED"]


def test_the_summary_names_rule_and_model_and_a_route_that_passed_on_says_so() -> None:
    facts = facts_of(time_hour=3, features_complexity=0.9)
    explanation = explain(RULES, facts, decide(RULES, facts, Market()))

    assert explanation.summary.startswith("default -> mini (no other rule matched)")
    assert explanation.rules[2].detail == "kept no candidate, and went on to the next rule"
    assert explanation.rules[0].detail == "permits mini"
    assert explanation.facts["features.complexity"] == 0.9
