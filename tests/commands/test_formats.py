"""Problems as programs read them: whatever stands in a message or a file name, the reader gets it back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from pointsman.commands.formats import Finding, findings, problems_github, problems_json, problems_sarif
from pointsman.core.diagnostics import Problem, Severity

ROOT = Path("/checkout")
NASTY = [
    pytest.param('it\'s "quoted" \\ and <tagged> & so on', id="quotes"),
    pytest.param("one\ntwo\r\nthree", id="lines"),
    pytest.param("100% of %0A and %25", id="percent"),
    pytest.param("::error file=x,line=1::not mine", id="a workflow command"),
    pytest.param("\n::stop-commands::pause", id="a workflow command on a line of its own"),
    pytest.param("Größe 漢字 🚦", id="not ascii"),
    pytest.param("{0} and {x}", id="braces"),
    pytest.param("\x1b[2J\x00\x85\u2028", id="controls"),
]
NASTY_NAMES = [
    pytest.param("a b.yaml", id="space"),
    pytest.param("a:b,c=d.yaml", id="colon and comma"),
    pytest.param("100%25.yaml", id="percent"),
    pytest.param("a#b?c.yaml", id="fragment and query"),
    pytest.param("Größe 漢字 🚦.yaml", id="not ascii"),
    pytest.param("a\n::error::b\r.yaml", id="lines"),
    pytest.param("a\\b'\"<&>.yaml", id="quotes"),
]


def problem(**changes: object) -> Problem:
    """Return a problem in line 2 of r.yaml."""
    usual = {"file": "r.yaml", "line": 2, "column": 7, "severity": Severity.ERROR, "message": "unknown fact", "help": "try z", "length": 3}
    return Problem(**(usual | changes))  # type: ignore[arg-type]  # the fields above


def found(*problems: Problem, directory: str = "rules") -> list[Finding]:
    """Return the problems of a directory as programs are told of them."""
    return findings(problems, Path(directory))


def annotation(command: str) -> tuple[str, dict[str, str], str]:
    """Return name, properties and message of a workflow command, read as GitHub's runner does."""
    assert len(command.splitlines()) == 1
    assert command.startswith("::")
    head, _, data = command[2:].partition("::")
    name, _, properties = head.partition(" ")
    pairs = [pair.split("=", 1) for pair in properties.split(",")]
    return name, {key: _unescaped(value) for key, value in pairs}, _unescaped(data)


def _unescaped(text: str) -> str:
    for code, char in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(code, char)
    return text


def sarif(*problems: Problem, directory: str = "rules") -> dict[str, Any]:
    """Return the only run of a SARIF log that holds to the standard."""
    log = json.loads(problems_sarif(found(*problems, directory=directory), version="1.2.3", root=ROOT))
    check_sarif(log)
    run: dict[str, Any] = log["runs"][0]
    return run


def check_sarif(log: dict[str, Any]) -> None:
    """Assert what SARIF 2.1.0 requires of the objects that we write."""
    assert log["version"] == "2.1.0"
    assert log["$schema"].endswith("sarif-schema-2.1.0.json")
    for run in log["runs"]:
        driver = run["tool"]["driver"]
        rules = driver["rules"]
        assert driver["name"]
        assert len({rule["id"] for rule in rules}) == len(rules)
        assert all(rule["shortDescription"]["text"] and rule["defaultConfiguration"]["level"] in ("error", "warning") for rule in rules)
        assert run["columnKind"] in ("utf16CodeUnits", "unicodeCodePoints")
        for result in run["results"]:
            assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
            assert result["level"] in ("none", "note", "warning", "error")
            assert result["message"]["text"]
            assert result["locations"]
            for location in result["locations"]:
                check_place(location["physicalLocation"], run)


def check_place(place: dict[str, Any], run: dict[str, Any]) -> None:
    """Assert that a place is a URI reference, below its base if it is relative, and a region that is not empty."""
    artifact, region = place["artifactLocation"], place["region"]
    uri: str = artifact["uri"]
    assert uri.isascii()
    assert not set(uri) & set(' "<>\\^`{|}\n\r#?')
    if "uriBaseId" in artifact:
        assert artifact["uriBaseId"] in run["originalUriBaseIds"]
        assert not uri.startswith(("/", ".."))
        assert ":" not in uri.partition("/")[0]
    else:
        assert uri.startswith("file:///")
    assert region["startLine"] >= 1
    assert 1 <= region["startColumn"] < region["endColumn"]


def test_json_has_every_field_sorted_by_place_and_counts() -> None:
    problems = found(problem(), problem(line=1, column=1, severity=Severity.WARNING, help="", length=1))

    assert json.loads(problems_json(problems, "0123456789ab")) == {
        "problems": [
            {"severity": "warning", "file": "rules/r.yaml", "line": 1, "column": 1, "end_column": 2, "message": "unknown fact", "help": ""},
            {"severity": "error", "file": "rules/r.yaml", "line": 2, "column": 7, "end_column": 10, "message": "unknown fact", "help": "try z"},
        ],
        "revision": "0123456789ab",
        "errors": 1,
        "warnings": 1,
    }  # fmt: skip


def test_nothing_found_is_an_empty_list_not_an_empty_output() -> None:
    assert json.loads(problems_json([], None)) == {"problems": [], "revision": None, "errors": 0, "warnings": 0}
    assert problems_github([]) == ""
    assert sarif()["results"] == []


def test_github_gets_one_command_for_each_problem() -> None:
    text = problems_github(found(problem(), problem(line=1, severity=Severity.WARNING, help="")))

    assert text.splitlines() == [
        "::warning file=rules/r.yaml,line=1,col=7,endColumn=10,title=pointsman%3A warning::unknown fact",
        "::error file=rules/r.yaml,line=2,col=7,endColumn=10,title=pointsman%3A error::unknown fact%0Ahelp: try z",
    ]


@pytest.mark.parametrize("message", NASTY)
def test_a_message_comes_back_from_json_and_sarif(message: str) -> None:
    problems = [problem(message=message, help=message)]
    message = problems[0].message  # what cannot be printed has been replaced

    [told] = json.loads(problems_json(found(*problems), None))["problems"]
    [result] = sarif(*problems)["results"]

    assert (told["message"], told["help"]) == (message, message)
    assert result["message"]["text"].replace("{{", "{").replace("}}", "}") == f"{message}\nhelp: {message}"


@pytest.mark.parametrize("message", NASTY[:-1])
def test_a_message_stays_on_the_line_of_its_annotation(message: str) -> None:
    told = problem(message=message, help="")
    _, properties, data = annotation(problems_github(found(told)))

    assert data == told.message
    assert properties["line"] == "2"


@pytest.mark.parametrize("name", NASTY_NAMES)
@pytest.mark.parametrize("directory", ["rules", ".", "my rules/100%", "/checkout/rules", "/else:where"])
def test_a_file_name_comes_back_from_every_format(directory: str, name: str) -> None:
    problems = found(problem(file=name), directory=directory)

    [told] = json.loads(problems_json(problems, None))["problems"]
    _, properties, _ = annotation(problems_github(problems))
    [result] = sarif(problem(file=name), directory=directory)["results"]
    uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]

    assert told["file"] == properties["file"] == f"{directory}/{name}"
    assert ROOT / unquote(uri.removeprefix("file://")) == ROOT / directory / name


@pytest.mark.parametrize(
    ("directory", "expected"),
    [
        pytest.param("rules", {"uri": "rules/r.yaml", "uriBaseId": "%SRCROOT%"}, id="below"),
        pytest.param(".", {"uri": "r.yaml", "uriBaseId": "%SRCROOT%"}, id="the root itself"),
        pytest.param("a/../rules", {"uri": "rules/r.yaml", "uriBaseId": "%SRCROOT%"}, id="by a detour"),
        pytest.param("/checkout/rules", {"uri": "rules/r.yaml", "uriBaseId": "%SRCROOT%"}, id="absolute and below"),
        pytest.param("../rules", {"uri": "file:///rules/r.yaml"}, id="beside"),
        pytest.param("/etc/rules", {"uri": "file:///etc/rules/r.yaml"}, id="elsewhere"),
    ],
)
def test_sarif_names_files_relative_to_the_root(directory: str, expected: dict[str, str]) -> None:
    [result] = sarif(problem(), directory=directory)["results"]

    assert result["locations"][0]["physicalLocation"]["artifactLocation"] == expected


def test_sarif_says_who_found_what_and_where() -> None:
    run = sarif(problem(), problem(line=3, severity=Severity.WARNING))

    assert (run["tool"]["driver"]["name"], run["tool"]["driver"]["version"]) == ("pointsman", "1.2.3")
    assert [(result["ruleId"], result["level"]) for result in run["results"]] == [("rules-error", "error"), ("rules-warning", "warning")]
    assert run["results"][0]["locations"][0]["physicalLocation"]["region"] == {"startLine": 2, "startColumn": 7, "endColumn": 10}
    assert run["columnKind"] == "unicodeCodePoints"


def test_bytes_of_a_name_that_are_not_utf_8_are_replaced() -> None:
    name = b"a\xff.yaml".decode(errors="surrogateescape")

    for text in (problems_json(found(problem(file=name)), None), problems_github(found(problem(file=name)))):
        assert "udcff" not in text
        text.encode()
    assert found(problem(file=name))[0].file == "rules/a�.yaml"
