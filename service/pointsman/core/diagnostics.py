"""Problems of rule files as values: where, how bad, what is wrong, what to do; and how a person sees them.

A problem is found by whichever stage knows (YAML, structure, expressions, cross references) and shown in one place, here, so that all
stages report alike, sorted, and all at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from operator import attrgetter

MAX_SHOWN = 400
"""Characters of a line, message or help that are shown."""

PRIVATE = frozenset({"tenants.yaml"})
"""Files whose lines are not shown: a key may stand there in place of its digest."""

_BREAK = re.compile(r"\r\n|\r|\n")  # what ends a line where places are counted; str.splitlines knows more
_BREAK_AT_END = re.compile(r"(?:\r\n|\r|\n)\Z")


class Severity(StrEnum):
    """How bad a problem is: an ERROR makes the directory unusable, a WARNING is legal but probably not meant."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong at one place of one file."""

    file: str
    """Name relative to the rule directory."""
    line: int
    """From 1."""
    column: int
    """From 1, in code points: where the offending token begins."""
    severity: Severity
    message: str
    """What is wrong. Printable, as `help` is: whatever they quote is made so."""
    help: str = ""
    """What to do about it, or empty."""
    length: int = 1
    """Characters to underline."""

    def __post_init__(self) -> None:
        # Both quote what stands in files: nobody who shows or logs a problem should have to think of what that does to a terminal or a log.
        for name, text in (("message", self.message), ("help", self.help)):
            shown = masked(_printable(text), private=self.file in PRIVATE)
            if shown != text:
                object.__setattr__(self, name, shown)


_ORDER = attrgetter("file", "line", "column", "severity", "message", "help", "length")


def in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Return the problems in the order of a reader, file, line and column, each once."""
    by_place = {_ORDER(problem): problem for problem in problems}
    return tuple(by_place[place] for place in sorted(by_place))


def errors(problems: Iterable[Problem]) -> list[Problem]:
    """Return the problems that make a directory unusable."""
    return [problem for problem in problems if problem.severity is Severity.ERROR]


_KEY = re.compile(r"\b(?:pm|sk|xai|gsk|AIza|key)[-_]?[A-Za-z0-9_-]{16,}")
_LONG = re.compile(r"[A-Za-z0-9_+=-]{20,}")


def masked(text: str, *, private: bool) -> str:
    """Return the text without what looks like a key. In `private` files that is any long word: a key may stand where anything is due."""
    return (_LONG if private else _KEY).sub("...", text)


MOST_COMPARED = 10_000
_LEFT: ContextVar[list[int] | None] = ContextVar("left", default=None)


@contextmanager
def helping() -> Iterator[None]:
    """Bound what `did_you_mean` may look at altogether: a file can name thousands of things wrongly, and define as many to compare with."""
    token = _LEFT.set([MOST_COMPARED])
    try:
        yield
    finally:
        _LEFT.reset(token)


def did_you_mean(word: str, known: Iterable[str], *, all_known: bool = True) -> str:
    """Return the help for an unknown `word`: the nearest known one, else (with `all_known`) the first dozen of them, else nothing.

    Within `helping` also nothing, once a file has had its share of it.
    """
    left = _LEFT.get()
    if left is not None and left[0] <= 0:
        return ""
    names = sorted(known)
    if left is not None:
        left[0] -= len(names)
    if near := get_close_matches(word, names, n=1, cutoff=0.6):
        return f"did you mean '{near[0]}'?"
    if not names or not all_known:
        return ""
    more = ", ..." if len(names) > 12 else ""
    return f"known: {', '.join(names[:12])}{more}"


def render(problems: Iterable[Problem], sources: Mapping[str, str], *, prefix: str = "") -> str:
    """Return the problems as text for people, sorted: `file:line:col: error: message`, the source line, a caret, and the help.

    `sources` holds the text of each file by name; `prefix` is put before each name (the directory as the reader typed it).
    """
    lines = {name: _BREAK.split(_BREAK_AT_END.sub("", text.removeprefix("\ufeff"))) for name, text in sources.items()}
    return "\n".join(_render_one(problem, lines.get(problem.file, []), prefix) for problem in in_order(problems))


def _render_one(problem: Problem, lines: Sequence[str], prefix: str) -> str:
    place = _printable(f"{prefix}{problem.file}:{problem.line}:{problem.column}")
    shown = [f"{place}: {problem.severity.value}: {problem.message}"]
    if 1 <= problem.line <= len(lines) and problem.file not in PRIVATE:
        source = lines[problem.line - 1]
        shown.append(f"{problem.line:6} | {masked(_printable(source), private=False)}")
        room = max(1, len(source) - problem.column + 1)
        carets = f"{' ' * (problem.column - 1)}{'^' * max(1, min(problem.length, room))}"
        shown.append(f"       | {carets[:MAX_SHOWN]}".rstrip())
    if problem.help:
        shown.append(f"       = help: {problem.help}")
    return "\n".join(shown)


def _printable(text: str) -> str:
    """Return one line with anything that could move a terminal's cursor replaced, one character for one, so that carets stay in place."""
    if text.isprintable():
        return text[:MAX_SHOWN]
    return "".join(char if char.isprintable() else " " if char == "\t" else "�" for char in text[:MAX_SHOWN])
