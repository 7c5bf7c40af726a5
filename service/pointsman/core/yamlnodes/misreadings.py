"""Explains syntax errors: most are a value that was meant as text, and that YAML takes for something else."""

from __future__ import annotations

import re

import yaml

from pointsman.core.yamlnodes.nodes import Source
from pointsman.core.yamlnodes.places import BREAK

MAX_EXPLAINED_COLUMN = 1000  # the search for a value's start is quadratic at worst, and nobody reads longer lines

TAG = "a value that starts with '!' is a YAML tag, and tags are not used in rule files"
TAG_HELP = "put the expression in single quotes, or on its own line under 'when: >-'"
_INSTEAD = "the expression in single quotes or on its own line under 'when: >-'"
QUOTE_HELP = f"a value that starts with a quote ends at the closing quote; write {_INSTEAD}"
COLON_HELP = f"': ' inside a plain value starts a mapping; put {_INSTEAD}"
INDICATOR_HELP = f"to YAML a value that starts with '{{}}' is not text; put {_INSTEAD}"

_QUOTED = re.compile(r"""'(?:''|[^'])*'|"(?:\\.|[^"\\])*["]""")
_PART = re.compile(rf"(?P<blank>[ \t]+)|(?P<lead>&[^ \t]+[ \t]|[-?](?=[ \t]))|(?P<colon>:(?=[ \t]))|{_QUOTED.pattern}|.")


_UNSPACED = re.compile(r"[ \t]*(?:- )?(?P<key>[A-Za-z_][A-Za-z0-9_-]*):(?=[^\s/:])")


def explained(error: yaml.MarkedYAMLError, source: Source) -> tuple[int, str, str]:
    """Return where to report the error, the message, and the help: at the value that was misread, or else where libyaml stumbled."""
    mark = error.problem_mark.index if error.problem_mark else 0
    if (unspaced := _unspaced(source.text, mark)) is not None:
        key = unspaced["key"]
        return unspaced.start("key"), f"no space after '{key}:'", f"write '{key}: ...'; without the space it is no key"
    line, column = source.place(mark)
    line_start, stumbled = mark - (column - 1), column - 1
    text = BREAK.split(source.text[line_start : line_start + MAX_EXPLAINED_COLUMN], maxsplit=1)[0]
    start = _value_start(text[:stumbled])
    if help := _misreading(text, start, stumbled):
        return line_start + start, TAG if help == TAG_HELP else _message(error), help
    return mark, _message(error), _context(error, line)


def _unspaced(text: str, mark: int) -> re.Match[str] | None:
    """Return a key without a space after its colon in the line where libyaml stumbled or the one above: it makes a text of that line."""
    here = text.rfind("\n", 0, mark) + 1
    above = text.rfind("\n", 0, max(0, here - 1)) + 1
    starts = (here, above) if mark - above < MAX_EXPLAINED_COLUMN else ()
    return next((match for match in (_UNSPACED.match(text, start) for start in starts) if match), None)


def _message(error: yaml.MarkedYAMLError) -> str:
    """Return libyaml's own words, save those that only its authors understand."""
    message = error.problem or "not YAML"
    for foreign, familiar in (("in this context", "here"), ("end of stream", "end of file"), ("<document start>", "end of file")):
        message = message.replace(foreign, familiar)
    return message


def _value_start(before: str) -> int:
    """Return where on its line the value starts that the end of `before` belongs to or follows."""
    start: int | None = None
    brackets: list[int] = []
    for part in _PART.finditer(before):
        text = part.group()
        if part["blank"] or (part["lead"] and start is None):
            continue
        if part["colon"] or (text == "," and brackets):
            start = None
        elif text in ("[", "{") and start is None:
            brackets.append(part.start())
        elif text in ("]", "}") and brackets:
            start = brackets.pop()
        elif start is None:
            start = part.start()
    return len(before) if start is None else start


def _misreading(line: str, start: int, end: int) -> str:
    """Return the help for a value at `start` that YAML takes for something else and stumbles over at `end`; empty for any other mistake."""
    first = line[start : start + 1]
    if first == "!":
        return TAG_HELP
    if first in ("@", "`") or (first == "%" and start) or (first in ("[", "{", "*", "&", "|", ">") and start < end):
        return INDICATOR_HELP.format(first)
    if quoted := _QUOTED.match(line, start):
        return QUOTE_HELP if start < quoted.end() <= end else ""
    has_key = bool(line[:start].strip())
    return COLON_HELP if has_key and start < end and line[end : end + 1] == ":" else ""


def _context(error: yaml.MarkedYAMLError, line: int) -> str:
    """Return what helps with a mistake that is not about one value: most often, where the thing began that does not end."""
    problem, began = error.problem or "", error.context_mark
    if "escape" in problem:
        return "a backslash in double quotes begins an escape; in single quotes it stands for itself"
    if "cannot start any token" in problem or "tab character" in problem:
        return "indent with spaces, not with tabs"
    if "mapping values" in problem:
        return "check the indentation, here and in the line above; a key is followed by ': ', with the space"
    if began and began.line + 1 < line:
        return f"{error.context} that starts at line {began.line + 1}, column {began.column + 1}"
    return ""
