"""Results of rule tests for programs: as JSON and as JUnit's XML. Only text is made here; others print it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import groupby
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from pointsman.commands.formats import Finding, Json, as_json, file_in, finding_json
from pointsman.commands.show import explanation_text
from pointsman.core.decision import Explanation
from pointsman.core.ruletest import CaseResult, Report

# What XML 1.0 has no way to write, not even as a reference.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A test that ran, as programs are told of it."""

    name: str
    file: str
    """With the directory as it was given."""
    line: int
    failures: tuple[str, ...]
    """None: it passed."""
    explanation: Explanation | None
    """How the rules came to the outcome of a test that failed."""

    @property
    def passed(self) -> bool:
        return not self.failures


def named(results: Iterable[CaseResult], glob: str) -> list[CaseResult]:
    """Return the results of the tests whose name matches, upper and lower case told apart."""
    return [result for result in results if fnmatchcase(result.name, glob)]


def cases(results: Iterable[CaseResult], directory: Path) -> list[Case]:
    """Return the results as programs are told of them."""
    return [
        Case(
            name=result.name,
            file=file_in(directory, result.file),
            line=result.line,
            failures=result.failures,
            explanation=result.explanation,
        )
        for result in results
    ]


def cases_json(ran: Sequence[Case], problems: Iterable[Finding], report: Report, directory: Path) -> str:
    """Return one object: how many passed and failed, each test, the problems that kept others from running, and what no test shows."""
    passed = sum(case.passed for case in ran)
    return as_json(
        {
            "passed": passed,
            "failed": len(ran) - passed,
            "cases": [_case_json(case) for case in ran],
            "problems": [finding_json(finding) for finding in problems],
            "covered": round(report.covered, 2),
            "missed": [{"file": file_in(directory, point.file), "line": point.line, "what": point.what} for point in report.missed],
        }
    )


def _case_json(case: Case) -> Json:
    return {"name": case.name, "file": case.file, "line": case.line, "passed": case.passed, "failures": list(case.failures)}


def cases_junit(ran: Iterable[Case], problems: Iterable[Finding]) -> str:
    """Return JUnit's XML: a suite for each file, with its tests and, as tests that broke off, the errors that kept some from running."""
    told = [(case.file, _testcase(case)) for case in ran]
    told += [(finding.file, _broken_testcase(finding)) for finding in problems if finding.severity == "error"]
    told.sort(key=lambda entry: entry[0])
    root = Element("testsuites", {"name": "pointsman rules test"})
    for file, entries in groupby(told, key=lambda entry: entry[0]):
        root.append(_testsuite(file, [testcase for _, testcase in entries]))
    _count(root)
    indent(root)
    # Plain ASCII, which no encoding of an output can spoil.
    text: bytes = tostring(root, encoding="us-ascii", xml_declaration=True)
    return text.decode()


def _testsuite(file: str, testcases: Sequence[Element]) -> Element:
    suite = Element("testsuite", {"name": _xml(file)})
    suite.extend(testcases)
    _count(suite)
    return suite


def _count(suite: Element) -> None:
    for attribute, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error")):
        suite.set(attribute, str(len(list(suite.iter(tag)))))


def _testcase(case: Case) -> Element:
    told = _element(case.name, case.file, case.line)
    if not case.passed:
        trace = ["", explanation_text(case.explanation)] if case.explanation else []
        text = "\n".join([*(f"{case.file}:{case.line}: {failure}" for failure in case.failures), *trace])
        SubElement(told, "failure", {"message": _xml("; ".join(case.failures))}).text = _xml(text)
    return told


def _broken_testcase(finding: Finding) -> Element:
    told = _element(f"line {finding.line}, column {finding.column}", finding.file, finding.line)
    SubElement(told, "error", {"message": _xml(finding.message)}).text = _xml(finding.help)
    return told


def _element(name: str, file: str, line: int) -> Element:
    return Element("testcase", {"name": _xml(name), "classname": _xml(file), "file": _xml(file), "line": str(line)})


def _xml(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
