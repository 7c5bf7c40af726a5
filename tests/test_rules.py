"""The rules that ship are right, and pass their own tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from pointsman.core import ruletest
from pointsman.core.diagnostics import errors
from pointsman.core.rulefile.documents import SCHEMAS
from pointsman.offline import load_rules

RULES = Path(__file__).parents[1] / "rules"
LOADED, SOURCES = load_rules(RULES)


def test_there_is_no_problem_in_them_but_fallbacks_that_add_nothing() -> None:
    assert errors(LOADED.problems) == []
    assert [problem.message for problem in LOADED.problems if not problem.message.endswith("and so adds nothing")] == []


def test_they_pass_their_own_tests() -> None:
    assert LOADED.ruleset is not None
    report = ruletest.run(LOADED.ruleset, LOADED.cases)
    results, problems = report.results, report.problems

    assert problems == ()
    assert len(results) >= 13
    assert [(result.name, result.failures) for result in results if result.failures] == []


def test_their_tests_reach_every_route() -> None:
    assert LOADED.ruleset is not None
    expected = SOURCES["routing_test.yaml"].decode()

    assert [route.ref.id for route in LOADED.ruleset.routes if f"rule: {route.ref.id}," not in expected] == []


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_each_file_names_its_schema_for_editors(name: str) -> None:
    kind = name.removesuffix(".yaml")

    assert kind in SCHEMAS
    assert SOURCES[name].startswith(f"# yaml-language-server: $schema=schema/{kind}.schema.json\n".encode())
    assert (RULES / "schema" / f"{kind}.schema.json").is_file()
