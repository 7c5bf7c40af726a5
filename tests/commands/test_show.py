"""What people see, and where colours are."""

from __future__ import annotations

import re
from io import StringIO

import pytest

from pointsman.commands import show

RENDERED = """\
rules/r.yaml:2:7: error: unknown fact 'x.y'
     2 | when: x.y > 1 [red]
       |       ^^^
       = help: try z
rules/r.yaml:3:1: warning: odd
     3 |  ^^^
       | ^"""


class Terminal(StringIO):
    """A terminal that keeps what is written on it."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def colourful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing but the test decide about colours."""
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)


def shown(stream: StringIO) -> str:
    """Return what a stream gets to see."""
    show.problems(RENDERED, stream)
    return stream.getvalue()


def test_a_terminal_gets_severities_and_carets_in_colour() -> None:
    coloured = re.findall(r"\x1b\[(\d+)m(.*?)\x1b\[0m", shown(Terminal()))

    assert coloured == [("31", "error"), ("32", "^^^"), ("33", "warning"), ("32", "^")]


def test_colours_change_no_character() -> None:
    assert re.sub(r"\x1b\[\d+m", "", shown(Terminal())) == f"{RENDERED}\n"


def test_a_pipe_gets_no_colour_even_if_it_is_forced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")

    assert shown(StringIO()) == f"{RENDERED}\n"


def test_no_color_means_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    assert shown(Terminal()) == f"{RENDERED}\n"
