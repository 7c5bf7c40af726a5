"""Rule tests: what they are given and expect is checked like the rules; they run through the same decision."""

from __future__ import annotations

import pytest

from fakes import catalog_yaml, model_yaml, ruleset_of
from pointsman.core.diagnostics import Problem
from pointsman.core.ruletest import CaseResult, run
from pointsman.core.ruletest.expected import REFUSALS
from pointsman.core.yamlnodes import parse
from pointsman.wire.status import STATUSES

RULES = ruleset_of(
    catalog_yaml({"mini": model_yaml(ability=0.6), "large": model_yaml(ability=0.9, price=9)}),
    """
version: 1
defaults: {accuracy: 0.5}
constraints:
  - {id: secrets, why: w, when: has(request.labels.secret), allow: {models: [mini]}}
routes:
  - {id: canary, why: w, when: has(request.labels.canary), rollout: {percent: 30, by: request.session}, use: {candidates: [mini]}}
  - {id: dearer, why: w, mode: shadow, when: features.task == "chat", use: {candidates: [large]}}
  - {id: night, why: w, when: time.hour < 6, use: {candidates: [mini]}}
  - {id: labelled, why: w, when: has(request.labels.data), use: {candidates: [large]}}
  - {id: poor, why: w, when: has(request.max_cost_usd), use: {candidates: [large, mini], strategy: best}}
  - {id: default, why: w, use: {candidates: [mini, large]}, cache: {mode: exact, ttl: 5m}}
""",
)


def ran(tests: str, defaults: str = "{}") -> tuple[list[CaseResult], list[Problem]]:
    """Return what a file of tests comes to."""
    node, problems = parse(f"version: 1\ndefaults: {defaults}\ntests:\n{tests}".encode(), file="a_test.yaml")
    assert node is not None
    assert problems == []
    report = run(RULES, {"a_test.yaml": node})
    return list(report.results), list(report.problems)


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


def failures_of(test: str, defaults: str = "{}") -> list[str]:
    """Return the failures of one test."""
    results, problems = ran(f"  - {{name: n, {test}}}\n", defaults)
    assert problems == []
    return [failure for result in results for failure in result.failures]


@pytest.mark.parametrize(
    ("test", "failures"),
    [
        ("expect: {rule_not: night}", []),
        ("expect: {rule_not: default}", ["expected another rule than default"]),
        ("expect: {tier: small, tier_not: large}", []),
        ("expect: {tier: large, tier_not: small}", ["expected tier large, found small", "expected another tier than small"]),
        ("expect: {reason: DEFAULT}", []),
        ("expect: {reason: RULE_MATCH}", ["expected reason RULE_MATCH, found DEFAULT"]),
        ("expect: {fallbacks: [large]}", []),
        ("expect: {fallbacks: []}", ["expected fallbacks none, found large"]),
        ("expect: {dropped: {}, rule: default}", []),
        ("expect: {dropped: {large: COST}}", ["expected large to be dropped for COST, but it was not"]),
        ("given: {request: {accuracy: 0.8}}, expect: {dropped: {mini: QUALITY}}", []),
        (
            "given: {request: {accuracy: 0.8}}, expect: {dropped: {mini: COST}}",
            ["expected mini to be dropped for COST, found QUALITY: quality 0.60 < 0.80"],
        ),
        ("expect: {constraints: []}", []),
        ("given: {request: {labels: {secret: x}}}, expect: {constraints: [secrets], model: mini}", []),
        ("given: {request: {labels: {secret: x}}}, expect: {constraints: []}", ["expected constraints none, found secrets"]),
        ("given: {request: {labels: {secret: x}, model: large}}, expect: {refused: CONSTRAINED_OUT}", []),
        (
            "given: {request: {labels: {secret: x}, model: large}}, expect: {refused: BUDGET_EXHAUSTED}",
            ["expected the refusal BUDGET_EXHAUSTED, found CONSTRAINED_OUT"],
        ),
        ("expect: {refused: CONSTRAINED_OUT}", ["expected the refusal CONSTRAINED_OUT, found rule default and model mini"]),
        ("given: {request: {labels: {secret: x}, model: large}}, expect: {tier_not: large, rule_not: default}", []),
        ("given: {features: {task: chat}}, expect: {shadow: [dearer]}", []),
        ("given: {features: {task: code}}, expect: {shadow: [dearer]}", ["expected shadow dearer, found none"]),
        ("expect: {cache: {mode: exact}}", []),
        ("expect: {cache: {mode: 'off'}}", ["expected cache mode off, found exact"]),
        ("given: {now: '2026-12-24T03:00:00+01:00'}, expect: {rule: night}", []),
    ],
)  # fmt: skip
def test_whatever_can_be_expected_is_compared(test: str, failures: list[str]) -> None:
    assert failures_of(test) == failures


def test_a_matrix_tests_every_combination_and_names_those_that_fail() -> None:
    matrix = "matrix: {request.accuracy: [0.5, 0.8], features.task: [code, chat], request.labels.data: [a]}"

    assert failures_of(f"{matrix}, expect: {{rule: labelled}}") == []
    assert failures_of("matrix: {request.accuracy: [0.5, 0.8]}, expect: {model: mini}") == [
        "[request.accuracy=0.8] expected model mini, found large"
    ]


def test_a_share_of_many_is_counted() -> None:
    vary = "given: {request: {labels: {canary: x}}}, vary: {request.session: 2000}"

    assert failures_of(f"{vary}, expect_share: {{rule: canary, between: [0.27, 0.33]}}") == []
    (failure,) = failures_of(f"{vary}, expect_share: {{rule: canary, between: [0.5, 1]}}")
    assert failure.startswith("expected rule canary in 0.5 to 1 of 2000 runs, found it in 0.")


@pytest.mark.parametrize(
    ("test", "message"),
    [
        ("vary: {request.session: 5}, expect: {rule: default}", "vary and expect_share go together"),
        ("expect_share: {rule: default, between: [0, 1]}", "vary and expect_share go together"),
        ("vary: {tokens.input: 5}, expect_share: {rule: default, between: [0, 1]}", "'tokens.input' cannot be varied"),
        ("vary: {request.session: 5}, expect_share: {between: [0, 1]}", "the share is of nothing"),
        ("vary: {request.session: 5}, expect_share: {rule: default, between: [1, 0]}", "the least share is greater than the greatest"),
        ("matrix: {tokens.imput: [5]}, expect: {rule: default}", "unknown fact 'tokens.imput'"),
        ("matrix: {features.task: [code, cod]}, expect: {rule: default}", "features.task must be one of"),
        ("vary: {request.session: 100000}, matrix: {request.stream: [true, false]}, expect_share: {rule: default, between: [0, 1]}", "the test would run 200000 times"),
        ("expect: {rule: dearer}", "there is no rule 'dearer'"),
        ("expect: {shadow: [default]}", "there is no rule in shadow 'default'"),
        ("expect: {dropped: {min: QUALITY}}", "there is no model 'min'"),
        ("expect: {dropped: {mini: QUALTY}}", "there is no drop reason 'QUALTY'"),
        ("expect: {constraints: [secret]}", "there is no constraint 'secret'"),
        ("expect: {refused: NO}", "there is no reason of refusals 'NO'"),
        ("expect: {}", "the test expects nothing"),
    ],
)  # fmt: skip
def test_what_cannot_be_expected_is_a_problem(test: str, message: str) -> None:
    results, problems = ran(f"  - {{name: n, {test}}}\n")

    assert results == []
    assert [problem.message for problem in problems if problem.message.startswith(message)] != []


def test_coverage_tells_what_no_test_has_shown() -> None:
    node, _ = parse(b"version: 1\ntests: [{name: n, given: {features: {task: code}}, expect: {rule: default}}]\n", file="a_test.yaml")
    assert node is not None

    report = run(RULES, {"a_test.yaml": node})

    missed = [point.what for point in report.missed]
    assert "route 'night' decides" in missed
    assert "'time.hour < 6' is true" in missed
    assert "'time.hour < 6' is false" not in missed
    assert "shadow route 'dearer' matches" in missed
    assert "constraint 'secrets' fires" in missed
    assert "route 'default' decides" not in missed
    assert 0 < report.covered < 100


def test_the_reasons_of_refusals_are_those_that_callers_see() -> None:
    assert {name: STATUSES[kind][1] for name, kind in REFUSALS.items()} == {name: name for name in REFUSALS}
