"""Problems of rule files for programs: as JSON, as annotations of GitHub, as a SARIF log. Only text is made here; others print it.

All formats name a file as `rules check` prints it for people, and end a problem at the column just behind its last character.
"""

from __future__ import annotations

import json
import os.path
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pointsman.core.diagnostics import Problem, Severity, in_order

Json = dict[str, Any]

_SARIF_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"
_ROOT = "%SRCROOT%"  # the name that code scanning knows for the root of the checkout
# Problems have no ids of their own, and a rule of SARIF must mean the same in every log: so one for each severity.
_SARIF_RULES = {
    Severity.ERROR.value: ("rules-error", "A rule file cannot be used as it is."),
    Severity.WARNING.value: ("rules-warning", "A rule file is legal, but probably not meant so."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A problem as programs are told of it."""

    severity: str
    """"error" or "warning"."""
    file: str
    """With the directory as it was given."""
    line: int
    column: int
    end_column: int
    """Just behind the last character."""
    message: str
    help: str


def findings(problems: Iterable[Problem], directory: Path) -> list[Finding]:
    """Return the problems of a directory in the order of a reader."""
    return [_finding(problem, directory) for problem in in_order(problems)]


def _finding(problem: Problem, directory: Path) -> Finding:
    return Finding(
        severity=problem.severity.value,
        file=file_in(directory, problem.file),
        line=problem.line,
        column=problem.column,
        end_column=problem.column + problem.length,
        message=problem.message,
        help=problem.help,
    )


def file_in(directory: Path, name: str) -> str:
    """Return a file's name as people see it, with U+FFFD for bytes that are not UTF-8: neither JSON nor XML can carry them."""
    return f"{directory}/{name}".encode(errors="surrogateescape").decode(errors="replace")


def problems_json(found: Iterable[Finding], revision: str | None) -> str:
    """Return one object: the problems, their numbers by severity, and the revision of the rules (null where they cannot be used)."""
    problems = [finding_json(finding) for finding in found]
    severities = [problem["severity"] for problem in problems]
    counts = {"errors": severities.count("error"), "warnings": severities.count("warning")}
    return as_json({"problems": problems, "revision": revision, **counts})


def finding_json(finding: Finding) -> Json:
    """Return a problem as an object."""
    return asdict(finding)


def as_json(value: Json) -> str:
    """Return JSON in plain ASCII, which no encoding of an output can spoil."""
    return json.dumps(value, indent=2)


def problems_github(found: Iterable[Finding]) -> str:
    """Return one workflow command of GitHub Actions for each problem, one per line."""
    return "\n".join(_workflow_command(finding) for finding in found)


def _workflow_command(finding: Finding) -> str:
    properties = {
        "file": finding.file,
        "line": finding.line,
        "col": finding.column,
        "endColumn": finding.end_column,
        "title": f"pointsman: {finding.severity}",
    }
    listed = ",".join(f"{name}={_github_property(str(value))}" for name, value in properties.items())
    return f"::{finding.severity} {listed}::{_github_data(_with_help(finding))}"


def _github_data(text: str) -> str:
    # The percent sign first: the others bring new ones.
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _github_property(text: str) -> str:
    return _github_data(text).replace(":", "%3A").replace(",", "%2C")


def _with_help(finding: Finding) -> str:
    return f"{finding.message}\nhelp: {finding.help}" if finding.help else finding.message


def problems_sarif(found: Iterable[Finding], *, version: str, root: Path) -> str:
    """Return a SARIF 2.1.0 log. Files below `root`, the absolute path where the command runs, are named relative to it."""
    driver = {"name": "pointsman", "version": version, "rules": [_sarif_rule(severity) for severity in _SARIF_RULES]}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        # Where the root is, the reader of the log knows better: it may have been checked out elsewhere.
        "originalUriBaseIds": {_ROOT: {"description": {"text": "The directory that pointsman ran in."}}},
        "results": [_sarif_result(finding, root) for finding in found],
    }
    return as_json({"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [run]})


def _sarif_rule(severity: str) -> Json:
    name, says = _SARIF_RULES[severity]
    return {"id": name, "shortDescription": {"text": says}, "defaultConfiguration": {"level": severity}}


def _sarif_result(finding: Finding, root: Path) -> Json:
    region = {"startLine": finding.line, "startColumn": finding.column, "endColumn": finding.end_column}
    return {
        "ruleId": _SARIF_RULES[finding.severity][0],
        "ruleIndex": list(_SARIF_RULES).index(finding.severity),
        "level": finding.severity,
        "message": {"text": _sarif_text(_with_help(finding))},
        "locations": [{"physicalLocation": {"artifactLocation": _sarif_place(finding.file, root), "region": region}}],
    }


def _sarif_text(text: str) -> str:
    # Single braces would hold the number of an argument (section 3.11.5 of the standard).
    return text.replace("{", "{{").replace("}", "}}")


def _sarif_place(file: str, root: Path) -> Json:
    path = Path(os.path.normpath(root / file))
    if path.is_relative_to(root):
        return {"uri": quote(path.relative_to(root).as_posix()), "uriBaseId": _ROOT}
    return {"uri": path.as_uri()}
