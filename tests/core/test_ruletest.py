"""Rule tests: what they are given and expect is checked like the rules; they run through the same decision."""

from __future__ import annotations

import pytest

from fakes import catalog_yaml, model_yaml, ruleset_of
from pointsman.core.diagnostics import Problem
from pointsman.core.rulefile import load
from pointsman.core.ruletest import CaseResult, run
from pointsman.core.yamlnodes import parse

RULES = ruleset_of(
    catalog_yaml({"mini": model_yaml(ability=0.6), "large": model_yaml(ability=0.9, price=9)}),
    """
version: 1
defaults: {accuracy: 0.5}
routes:
  - {id: night, why: w, when: time.hour < 6, use: {candidates: [mini]}}
  - {id: labelled, why: w, when: has(request.labels.data), use: {candidates: [large]}}
  - {id: poor, why: w, when: has(request.max_cost_usd), use: {candidates: [large, mini], strategy: best}}
  - {id: default, why: w, use: {candidates: [mini, large]}}
""",
)


def ran(tests: str, defaults: str = "{}") -> tuple[list[CaseResult], list[Problem]]:
    """Return what a file of tests comes to."""
    node, problems = parse(f"version: 1\ndefaults: {defaults}\ntests:\n{tests}".encode(), file="a_test.yaml")
    assert node is not None
    assert problems == []
    return run(RULES, {"a_test.yaml": node})


@pytest.mark.parametrize(
    ("given", "expect"),
    [
        pytest.param("{}", "{rule: default, model: mini}", id="plain"),
        pytest.param("{request: {accuracy: 0.8}}", "{model: large}", id="a fact"),
        pytest.param("{quality: {mini: 0.95, large: 0.9}, request: {accuracy: 0.9}}", "{model: mini}", id="fixed quality"),
        pytest.param("{request: {labels: {data: personal}}}", "{rule: labelled}", id="a label"),
        pytest.param("{request: {model: large}}", "{rule: default, model: large}", id="asked by name"),
        pytest.param("{request: {max_cost_usd: 0.0018}}", "{rule: poor, model: large}", id="just enough money: 200 tokens at $9 a million"),
        pytest.param("{request: {max_cost_usd: 0.001799999}}", "{rule: poor, model: mini}", id="a nano-dollar short"),
    ],
)
def test_a_case_passes_when_rule_and_model_are_as_expected(given: str, expect: str) -> None:
    results, problems = ran(f"  - {{name: n, given: {given}, expect: {expect}}}\n")

    assert problems == []
    assert [result.failures for result in results] == [()]


def test_a_case_that_fails_says_what_was_found_and_why() -> None:
    results, _ = ran("  - {name: n, expect: {rule: night, model: large}}\n")

    assert results[0].failures == ("expected rule night, found default", "expected model large, found mini")
    assert results[0].explanation is not None
    assert results[0].line == 4


def test_a_refusal_is_a_failure_with_its_reasons() -> None:
    results, _ = ran("  - {name: n, given: {request: {accuracy: 0.99}}, expect: {rule: default}}\n")

    assert "QUALITY" in results[0].failures[0]


def test_the_clock_is_fixed() -> None:
    at_night, _ = ran("  - {name: n, expect: {rule: night}}\n", "{now: 2026-12-01T03:00:00Z}")
    by_day, _ = ran("  - {name: n, expect: {rule: default}}\n", "{now: 2026-12-01T10:00:00+02:00}")

    assert [*at_night[0].failures, *by_day[0].failures] == []


def test_cases_start_from_the_defaults() -> None:
    results, _ = ran("  - {name: n, expect: {rule: labelled}}\n", "{request: {labels: {data: x}}}")

    assert results[0].failures == ()


@pytest.mark.parametrize(
    ("case", "message", "help_"),
    [
        pytest.param("{name: n, given: {features: {complexty: 1}}, expect: {rule: default}}", "unknown fact 'features.complexty'", "did you mean 'features.complexity'?", id="fact"),
        pytest.param("{name: n, given: {features: {complexity: 7}}, expect: {rule: default}}", "features.complexity must be in the range 0..1", "", id="range"),
        pytest.param("{name: n, given: {features: {task: coding}}, expect: {rule: default}}", "features.task must be one of chat, write, summarize, extract, classify, translate, code, math, reason, knowledge, unknown", "", id="enum"),
        pytest.param("{name: n, given: {tokens: {input: many}}, expect: {rule: default}}", "tokens.input must be an int", "", id="type"),
        pytest.param("{name: n, given: {tokens: {total: 5}}, expect: {rule: default}}", "'tokens.total' cannot be given", "it is computed from the others", id="computed"),
        pytest.param("{name: n, given: {quality: {tiny: 0.5}}, expect: {rule: default}}", "model 'tiny' is not in the catalog", "known: large, mini", id="quality of nobody"),
        pytest.param("{name: n, expect: {rule: defalt}}", "there is no rule 'defalt'", "did you mean 'default'?", id="rule"),
        pytest.param("{name: n, expect: {model: medium}}", "there is no model 'medium'", "known: large, mini", id="model"),
        pytest.param("{name: n, expect: {}}", "the test expects nothing", "add rule: or model: under expect", id="nothing"),
    ],
)  # fmt: skip
def test_mistakes_in_tests_are_problems_and_the_case_does_not_run(case: str, message: str, help_: str) -> None:
    results, problems = ran(f"  - {case}\n")

    assert [(problem.message, problem.help) for problem in problems] == [(message, help_)]
    assert results == []


def test_an_expectation_of_a_later_version_is_refused_when_the_file_is_read() -> None:
    tests = b"version: 1\ntests: [{name: n, expect: {rule: default, dropped: {mini: QUALITY}}}]\n"
    messages = [problem.message for problem in load({"models.yaml": b"", "r_test.yaml": tests}).problems]

    assert "'dropped' (fuller rule tests) is not supported by this version" in messages
