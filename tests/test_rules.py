"""The rules that ship are right, and pass their own tests."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fakes import catalog_yaml, model_yaml
from pointsman.core import ruletest
from pointsman.core.facts import FACTS, LABELS
from pointsman.core.rulefile import UNBOUND, load
from pointsman.core.rulefile.documents import SCHEMAS, ExpectDoc, RouteDoc
from pointsman.offline import load_rules

RULES = Path(__file__).parents[1] / "rules"
LOADED, SOURCES = load_rules(RULES, UNBOUND)


def test_there_is_no_problem_in_them() -> None:
    assert LOADED.problems == ()


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


GUIDE = Path(__file__).parents[1].joinpath("rules", "README.md").read_text()
EXAMPLES = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
GUIDE_MODELS = catalog_yaml(
    {
        "small": model_yaml(ability=0.6, price=1, tags="onprem"),
        "large": model_yaml(ability=0.9, price=9, tier="large"),
    },
    aliases="{fast: [small], smart: [large]}",
)


def test_the_examples_of_the_guide_work() -> None:
    names = ("routing.yaml", "tenants.yaml", "routing_test.yaml")
    found = load({"models.yaml": GUIDE_MODELS.encode()} | {name: text.encode() for name, text in zip(names, EXAMPLES, strict=True)})

    assert [problem.message for problem in found.problems if "no effect yet" not in problem.message] == []
    assert found.tenants is not None
    assert found.ruleset is not None
    report = ruletest.run(found.ruleset, found.cases)
    assert report.problems == ()
    assert [(result.name, result.failures) for result in report.failed] == []


def test_the_guide_names_every_fact_with_its_range() -> None:
    for name, fact in FACTS.items():
        row = next(line for line in GUIDE.splitlines() if line.startswith(f"| `{name}` |"))
        assert fact.about.says in row
        assert all(choice in row for choice in fact.choices)
        assert fact.range in row
        assert ("optional" in row) == fact.optional
    assert all(f"| `{name}.KEY` |" in GUIDE for name in LABELS)


def test_the_guide_names_every_key_of_a_route_and_every_expectation() -> None:
    for document in (RouteDoc, ExpectDoc):
        assert [name for name in document.model_fields if f"`{name}" not in GUIDE and f"`use.{name}" not in GUIDE and name != "use"] == []
