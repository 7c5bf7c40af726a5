"""Finds where the characters of a scalar stand in the source: libyaml tells where a scalar starts and ends, and no more."""

from __future__ import annotations

import re

BREAK = re.compile(r"\r\n|\r|\n")
_UNITS = {  # the pieces of raw text that a scalar's characters come from, by style
    "": re.compile(r"[ \t\r\n]+|."),
    "'": re.compile(r"''|[ \t\r\n]+|."),
    '"': re.compile(r"\\(?:(?:\r\n|\r|\n)[ \t\r\n]*|x..|u.{4}|U.{8}|.)|[ \t\r\n]+|."),
}


def character_places(source: str, start: int, end: int, *, style: str, text: str) -> list[int]:
    """Return the index in the source of each character of the scalar that stands there, and of the place past its end."""
    if style in ("|", ">"):
        return _block_places(source, start, end, folded=style == ">", text=text)
    return _flow_places(source, start, end, style=style)


def _flow_places(source: str, start: int, end: int, *, style: str) -> list[int]:
    quote = len(style)
    places: list[int] = []
    for unit in _UNITS[style].finditer(source, start + quote, end - quote):
        raw = unit.group()
        if breaks := len(BREAK.findall(raw)):
            # The first break goes, or becomes a space where it is the only one and not escaped.
            places += [unit.start()] * (breaks - 1 or raw[0] != "\\")
        elif raw[0] in " \t":
            places += range(*unit.span())
        else:
            places.append(unit.start())
    return [*places, end - quote]


def _block_places(source: str, start: int, end: int, *, folded: bool, text: str) -> list[int]:
    """Return the places for a literal or folded scalar; what chomping took off the end is still in the list."""
    header = BREAK.search(source, start, end)
    at = header.end() if header else end
    raw = source[at:end].splitlines(keepends=True)
    lines = [line.rstrip("\r\n") for line in raw]
    indent = _indent(lines, text)
    places: list[int] = []
    breaks: list[int] = []  # since the last line with content
    folds = False
    for line, whole in zip(lines, raw, strict=True):
        if content := line[indent:]:
            flush = folded and content[0] not in " \t"
            places += breaks[1:] if folds and flush and len(breaks) > 1 else breaks
            places += range(at + indent, at + len(line))
            breaks, folds = [], flush
        breaks.append(at + len(line))
        at += len(whole)
    return [*places, *breaks, end]


def _indent(lines: list[str], value: str) -> int:
    """Return how far the lines are indented, by comparison with the value: an indentation digit counts from a parent unknown here."""
    content = value.lstrip(" \n")
    if not content:
        return max(map(len, lines), default=0) - max(map(len, value.split("\n")))
    first = next(line for line in lines if line.strip(" "))
    lead = value[: len(value) - len(content)].rpartition("\n")[2]
    return len(first) - len(first.lstrip(" ")) - len(lead)
