"""How problems look to a person."""

from __future__ import annotations

import pytest

from pointsman.core.diagnostics import Problem, Severity, did_you_mean, render


def problem(**changes: object) -> Problem:
    """Return a problem in line 2 of r.yaml."""
    usual = {
        "file": "r.yaml",
        "line": 2,
        "column": 7,
        "severity": Severity.ERROR,
        "message": "unknown fact 'x.y'",
        "help": "try z",
        "length": 3,
    }
    return Problem(**(usual | changes))  # type: ignore[arg-type]  # the fields above


def test_a_problem_shows_its_place_its_line_a_caret_and_what_to_do() -> None:
    shown = render([problem()], {"r.yaml": "version: 1\nwhen: x.y > 1\n"}, prefix="rules/")

    assert shown == (
        "rules/r.yaml:2:7: error: unknown fact 'x.y'\n"
        "     2 | when: x.y > 1\n"
        "       |       ^^^\n"
        "       = help: try z"
    )  # fmt: skip


def test_problems_are_sorted_as_a_reader_meets_them() -> None:
    problems = [problem(line=3), problem(file="a.yaml"), problem(column=1), problem(severity=Severity.WARNING, column=1)]

    lines = [line for line in render(problems, {}).splitlines() if "help" not in line]

    assert [line.partition(": unknown")[0] for line in lines] == [
        "a.yaml:2:7: error", "r.yaml:2:1: error", "r.yaml:2:1: warning", "r.yaml:3:7: error",
    ]  # fmt: skip


def test_nothing_in_a_file_can_move_the_cursor() -> None:
    shown = render([problem(line=1, column=1)], {"r.yaml": "a\x1b[2Jb\tc"})

    assert "\x1b" not in shown
    assert "a�[2Jb c" in shown


def test_nothing_that_a_problem_quotes_can_move_the_cursor_or_begin_a_line() -> None:
    shown = render([problem(message="unknown key '\x1b[2J\nx'", help="did you mean '\u202ey\r'?", file="\x1b\udcff.yaml")], {})

    assert shown == "��.yaml:2:7: error: unknown key '�[2J�x'\n       = help: did you mean '�y�'?"


def test_lines_are_those_that_places_count_and_a_byte_order_mark_is_none_of_their_characters() -> None:
    assert "     2 | b" in render([problem(column=1)], {"r.yaml": "a\u2028a\x0ca\r\nb\n"})
    assert "     1 | ab" in render([problem(line=1, column=1)], {"r.yaml": "\ufeffab"})


def test_a_caret_ends_with_its_line() -> None:
    assert "^^^^" not in render([problem(line=1, column=2, length=400)], {"r.yaml": "abcd"})


@pytest.mark.parametrize(
    ("word", "known", "expected"),
    [
        ("codr", ["coder", "mini"], "did you mean 'coder'?"),
        ("xyz", ["coder", "mini"], "known: coder, mini"),
        ("xyz", [], ""),
        ("x", [f"m{number:02}" for number in range(14)], f"known: {', '.join(f'm{number:02}' for number in range(12))}, ..."),
    ],
)
def test_what_may_have_been_meant(word: str, known: list[str], expected: str) -> None:
    assert did_you_mean(word, known) == expected
