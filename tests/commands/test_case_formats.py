"""Results of rule tests as programs read them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree.ElementTree import Element, fromstring

import pytest

from pointsman.commands.case_formats import Case, cases, cases_json, cases_junit, named
from pointsman.commands.formats import Finding
from pointsman.core.decision import Explanation
from pointsman.core.ruletest import CaseResult, Point, Report

PASSED = Case(name="fine", file="rules/a_test.yaml", line=3, failures=(), explanation=None)
FAILED = Case(
    name="wrong",
    file="rules/a_test.yaml",
    line=4,
    failures=("expected rule a, found b", "expected model c, found d"),
    explanation=Explanation(summary="b -> d (its conditions hold)", rules=(), facts={}),
)
OTHER = Case(name="fine", file="rules/b_test.yaml", line=3, failures=(), explanation=None)
BROKEN = Finding(severity="error", file="rules/b_test.yaml", line=7, column=5, end_column=8, message="no such rule", help="did you mean x?")
DOUBTFUL = Finding(severity="warning", file="rules/c_test.yaml", line=1, column=1, end_column=2, message="odd", help="")


def result(name: str) -> CaseResult:
    """Return a test that passed."""
    return CaseResult(name=name, file="a_test.yaml", line=3, failures=(), explanation=None)


def junit(text: str) -> Element:
    """Return the root of a JUnit report whose numbers agree with what it lists."""
    root = fromstring(text)  # noqa: S314  # our own text
    assert root.tag == "testsuites"
    for suite in [root, *root]:
        counted = {name: len(list(suite.iter(tag))) for name, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error"))}
        assert {name: int(suite.attrib[name]) for name in counted} == counted
    return root


@pytest.mark.parametrize(
    ("glob", "expected"),
    [
        pytest.param("*", ["code", "code in a hurry", "Code", "line\nbreak"], id="all"),
        pytest.param("code", ["code"], id="the whole name"),
        pytest.param("code*", ["code", "code in a hurry"], id="a beginning"),
        pytest.param("*hurry", ["code in a hurry"], id="an end"),
        pytest.param("[cC]ode", ["code", "Code"], id="a set"),
        pytest.param("line?break", ["line\nbreak"], id="one character"),
        pytest.param("cod", [], id="no part"),
        pytest.param("", [], id="nothing"),
    ],
)
def test_tests_are_chosen_by_name(glob: str, expected: list[str]) -> None:
    results = [result(name) for name in ("code", "code in a hurry", "Code", "line\nbreak")]

    assert [chosen.name for chosen in named(results, glob)] == expected


def test_a_case_names_its_file_with_the_directory() -> None:
    [case] = cases([result("fine")], Path("rules"))

    assert case == PASSED
    assert case.passed


REPORT = Report(problems=(), missed=(Point(file="a.yaml", line=3, what="route 'x' decides"),), covered=200 / 3)


def test_json_lists_every_test_and_what_could_not_run() -> None:
    assert json.loads(cases_json([PASSED, FAILED], [BROKEN], REPORT, Path("rules"))) == {
        "passed": 1,
        "failed": 1,
        "cases": [
            {"name": "fine", "file": "rules/a_test.yaml", "line": 3, "passed": True, "failures": []},
            {"name": "wrong", "file": "rules/a_test.yaml", "line": 4, "passed": False, "failures": ["expected rule a, found b", "expected model c, found d"]},
        ],
        "problems": [
            {"severity": "error", "file": "rules/b_test.yaml", "line": 7, "column": 5, "end_column": 8, "message": "no such rule", "help": "did you mean x?"},
        ],
        "covered": 66.67,
        "missed": [{"file": "rules/a.yaml", "line": 3, "what": "route 'x' decides"}],
    }  # fmt: skip


def test_junit_has_a_suite_for_each_file() -> None:
    root = junit(cases_junit([PASSED, FAILED, OTHER], []))

    suites = {suite.attrib["name"]: [case.attrib["name"] for case in suite] for suite in root}
    assert suites == {"rules/a_test.yaml": ["fine", "wrong"], "rules/b_test.yaml": ["fine"]}


def test_junit_tells_why_a_test_failed() -> None:
    [failure] = junit(cases_junit([PASSED, FAILED], [])).iter("failure")

    assert failure.attrib["message"] == "expected rule a, found b; expected model c, found d"
    assert (failure.text or "").splitlines() == [
        "rules/a_test.yaml:4: expected rule a, found b",
        "rules/a_test.yaml:4: expected model c, found d",
        "",
        "b -> d (its conditions hold)",
    ]


def test_junit_shows_what_could_not_run_as_an_error_in_its_file() -> None:
    root = junit(cases_junit([PASSED, OTHER], [BROKEN, DOUBTFUL]))

    [error] = root.iter("error")
    assert (error.attrib["message"], error.text) == ("no such rule", "did you mean x?")
    assert [suite.attrib["errors"] for suite in root] == ["0", "1"]
    assert [case.attrib["name"] for case in root[1]] == ["fine", "line 7, column 5"]


def test_no_tests_are_still_a_report() -> None:
    assert len(junit(cases_junit([], []))) == 0
    assert json.loads(cases_json([], [], Report(problems=()), Path("rules")))["cases"] == []


@pytest.mark.parametrize(
    ("text", "read"),
    [
        pytest.param("<a> & \"b\" 'c' ]]>", "<a> & \"b\" 'c' ]]>", id="markup"),
        pytest.param("one\ntwo\tthree\rfour", "one\ntwo\tthree\rfour", id="white space"),
        pytest.param("Größe 漢字 🚦 %", "Größe 漢字 🚦 %", id="not ascii"),
        pytest.param("\x1b[2J\x00\x0b\ufffe\ud800", "�[2J����", id="what XML cannot hold"),
    ],
)
def test_names_and_failures_come_back_from_xml(text: str, read: str) -> None:
    report = cases_junit([Case(name=text, file=text, line=1, failures=(text,), explanation=None)], [])

    [suite] = junit(report)
    [case] = suite
    [failure] = case
    assert report.isascii()
    assert suite.attrib["name"] == case.attrib["name"] == failure.attrib["message"] == read
    assert re.sub(r"\r\n?", "\n", failure.text or "") == re.sub("\r", "\n", f"{read}:1: {read}")
