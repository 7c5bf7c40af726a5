"""Reads YAML into nodes that know their place in the file, down to each character of a value.

Nodes are built from the events of libyaml's parser: its composer crashes on deep nesting and drops duplicate keys. Plain scalars are
resolved here, by the core schema of YAML 1.2, so `no` and `12:30` stay text. A mistake that leaves the rest readable is reported and
passed over, and the node that it spoiled is `broken`, so that nobody complains twice. Pure: bytes in, values out; caps bound the work.
"""

from __future__ import annotations

import codecs
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice
from typing import Any, TypeAlias, TypeGuard

import yaml

from pointsman.core.diagnostics import Problem, Severity

MAX_BYTES = 256 * 1024
MAX_DEPTH = 32
MAX_NODES = 20_000  # with every alias written out: ten lines of aliases to aliases could mean a billion values
MAX_NUMBER_LENGTH = 400
MAX_EXPONENT = 308  # a double's; 1e999999999 is a short text and an integer without end
MAX_EXPLAINED_COLUMN = 1000  # the search for a value's start is quadratic at worst, and nobody reads longer lines

TAG = "a value that starts with '!' is a YAML tag, and tags are not used in rule files"
TAG_HELP = "put the expression in single quotes, or on its own line under 'when: >-'"
_INSTEAD = "the expression in single quotes or on its own line under 'when: >-'"
QUOTE_HELP = f"a value that starts with a quote ends at the closing quote; write {_INSTEAD}"
COLON_HELP = f"': ' inside a plain value starts a mapping; put {_INSTEAD}"
INDICATOR_HELP = f"to YAML a value that starts with '{{}}' is not text; put {_INSTEAD}"

_BREAK = re.compile(r"\r\n|\r|\n")
_ANCHOR = re.compile(r"&[^ \t\r\n]+(?:[ \t\r\n]+(?:#[^\r\n]*)?)*")
# libyaml refuses controls, and takes U+0085, U+2028 and U+2029 for line breaks, which editors do not; the others deceive the reader.
# U+FFFD is what a wrong conversion leaves behind; here it also stands in for all of these, once they are reported.
_ODD = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060\u2066-\u2069\ufeff\ufffd-\uffff]")
_CONSTANTS = {"": None, "~": None, "null": None, "Null": None, "NULL": None} | {
    spelling: word == "true" for word in ("true", "false") for spelling in (word, word.title(), word.upper())
}
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE]([-+]?[0-9]+))?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_UNITS = {  # the pieces of raw text that a scalar's characters come from, by style
    "": re.compile(r"[ \t\r\n]+|."),
    "'": re.compile(r"''|[ \t\r\n]+|."),
    '"': re.compile(r"\\(?:(?:\r\n|\r|\n)[ \t\r\n]*|x..|u.{4}|U.{8}|.)|[ \t\r\n]+|."),
}
_QUOTED = re.compile(r"""'(?:''|[^'])*'|"(?:\\.|[^"\\])*["]""")
_PART = re.compile(rf"(?P<blank>[ \t]+)|(?P<lead>&[^ \t]+[ \t]|[-?](?=[ \t]))|(?P<colon>:(?=[ \t]))|{_QUOTED.pattern}|.")

_NodeEvent: TypeAlias = yaml.AliasEvent | yaml.ScalarEvent | yaml.CollectionStartEvent
Value: TypeAlias = bool | int | Decimal | str | None


@dataclass(frozen=True, slots=True)
class Source:
    """The text of a file, and where each of its lines starts."""

    text: str
    starts: tuple[int, ...]

    @classmethod
    def of(cls, text: str) -> Source:
        return cls(text, (0, *(end.end() for end in _BREAK.finditer(text))))

    def place(self, index: int) -> tuple[int, int]:
        """Return line and column, both from 1, of a character of the text."""
        line = bisect_right(self.starts, index)
        return line, index - self.starts[line - 1] + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    value: Value
    """Resolved, where the scalar is plain and no key."""
    text: str
    style: str
    """One of `'`, `"`, `|`, `>`, or empty for a plain scalar."""
    broken: bool = False
    """A problem was reported here: neither `value` nor `text` need be what was meant."""
    source: Source = field(repr=False, compare=False)
    start: int
    """Index in the source, behind an anchor."""
    end: int

    @property
    def plain(self) -> bool:
        return not self.style

    @property
    def line(self) -> int:
        return self.source.place(self.start)[0]

    @property
    def column(self) -> int:
        return self.source.place(self.start)[1]

    @property
    def end_line(self) -> int:
        return self.source.place(self.end)[0]

    @property
    def end_column(self) -> int:
        return self.source.place(self.end)[1]

    def position(self, offset: int) -> tuple[int, int]:
        """Return line and column in the file, both from 1, of `text[offset]`; `len(text)` gives the place just past the end."""
        places = _block_places(self) if self.style in ("|", ">") else _flow_places(self)
        return self.source.place(places[min(offset, len(places) - 1)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence:
    items: tuple[Node, ...]
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Entry:
    key: Scalar
    node: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    entries: dict[str, Entry]
    """By the text of the key, in file order."""
    broken: bool = False
    """An entry was refused and left out, so a key that seems to be missing may have been given."""
    line: int
    column: int


Node: TypeAlias = Scalar | Sequence | Mapping


def parse(text: bytes, *, file: str) -> tuple[Node | None, list[Problem]]:
    """Return the file's root, or None where nothing can be made of it, and all problems in the order of the file."""
    report = _Report(file)
    if len(text) > MAX_BYTES:
        report.add(0, message=f"the file is larger than {MAX_BYTES // 1024} KiB", help="split it into several files")
        return None, report.problems
    root = _root(report) if _decode(text.removeprefix(codecs.BOM_UTF8), report) else None
    return root, sorted(report.problems)


def plain(node: Node) -> Any:
    """Return the node as nested dicts, lists and scalar values, without places."""
    if isinstance(node, Scalar):
        return node.value
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    return {name: plain(entry.node) for name, entry in node.entries.items()}


def find(node: Node, path: Iterable[str | int]) -> Node:
    """Return the deepest node on the path. Steps that lead nowhere are skipped: pydantic's paths also name the member of a union."""
    for step in path:
        if isinstance(node, Mapping) and str(step) in node.entries:
            node = node.entries[str(step)].node
        elif isinstance(node, Sequence) and isinstance(step, int) and 0 <= step < len(node.items):
            node = node.items[step]
    return node


def key_of(mapping: Mapping, name: str) -> Scalar:
    """Return the key itself, for its place. Raises KeyError where the mapping has no such entry."""
    return mapping.entries[name].key


class _Unusable(Exception):
    """The problem that was reported last makes the rest not worth reading."""


class _Report:
    """Collects the problems of one file."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.source = Source.of("")
        self.problems: list[Problem] = []

    def add(self, start: int, end: int = 0, *, message: str, help: str = "") -> None:
        line, column = self.source.place(start)
        length = max(1, len(_BREAK.split(self.source.text[start:end], maxsplit=1)[0]))
        self.problems.append(
            Problem(file=self.file, line=line, column=column, severity=Severity.ERROR, message=message, help=help, length=length)
        )


def _decode(text: bytes, report: _Report) -> bool:
    """Give the report its source, with U+FFFD for each odd character, so that libyaml and editors count alike; False if it is not UTF-8."""
    try:
        decoded = text.decode()
    except UnicodeDecodeError as error:
        report.source = Source.of(text[: error.start].decode())
        report.add(len(report.source.text), message=f"byte 0x{text[error.start]:02X} is not UTF-8", help="save the file as UTF-8")
        return False
    report.source = Source.of(_ODD.sub("\ufffd", decoded))
    reported = 0
    for odd in _ODD.finditer(decoded):
        line, _ = report.source.place(odd.start())
        if line > reported:
            report.add(odd.start(), message=f"odd character U+{ord(odd.group()):04X}", help="remove it, or retype the line")
        reported = line
    return True


def _root(report: _Report) -> Node | None:
    """Return the root of the first document, or None after a problem that leaves nothing to work with."""
    events: Iterator[Any] = yaml.parse(report.source.text, Loader=yaml.CSafeLoader)
    try:
        _, opening = next(events), next(events)
        root = None if isinstance(opening, yaml.StreamEndEvent) else _Builder(events, report).node(next(events), depth=0)
        following = next(islice(events, 1, None), None)
        if isinstance(following, yaml.DocumentStartEvent):
            report.add(*_span(following), message="a second document starts here", help="put it into a file of its own")
    except yaml.MarkedYAMLError as error:
        _report_syntax(error, report)
        return None
    except _Unusable:
        return None
    if root is None or (isinstance(root, Scalar) and root.plain and not root.text and not root.broken):
        report.add(0, message="the file is empty")
        return None
    return root


class _Builder:
    """Builds nodes from events. The recursion is no deeper than MAX_DEPTH, whatever the input."""

    def __init__(self, events: Iterator[Any], report: _Report) -> None:
        self._events = events
        self._report = report
        self._anchored: dict[str, Node | None] = {}
        self._count = 0

    def node(self, event: _NodeEvent, *, depth: int, key: bool = False) -> Node:
        """Return the node that begins with the event, and take the rest of it. Raises _Unusable where a cap is passed."""
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, depth)
        self._charge(event, depth=depth + isinstance(event, yaml.CollectionStartEvent))
        if event.anchor:
            self._anchored[event.anchor] = None
        node = self._scalar(event, key) if isinstance(event, yaml.ScalarEvent) else self._collection(event, depth + 1)
        if event.tag is not None:
            self._report.add(*_span(event), message=TAG, help=TAG_HELP)
            node = self._broken(event)
        if event.anchor:
            self._anchored[event.anchor] = node
        return node

    def _charge(self, event: yaml.Event, *, depth: int, size: int = 1) -> None:
        self._count += size
        if self._count > MAX_NODES:
            self._report.add(*_span(event), message=f"more than {MAX_NODES} values, with every alias written out", help="split the file")
            raise _Unusable
        if depth > MAX_DEPTH:
            self._report.add(*_span(event), message=f"nested deeper than {MAX_DEPTH} levels")
            raise _Unusable

    def _alias(self, event: yaml.AliasEvent, depth: int) -> Node:
        name = event.anchor or ""
        if (node := self._anchored.get(name)) is not None:
            size, height = _extent(node)
            self._charge(event, depth=depth + height, size=size)
            return node
        if name in self._anchored:
            self._report.add(*_span(event), message=f"alias '*{name}' stands inside its own anchor")
        else:
            self._report.add(*_span(event), message=f"no anchor '&{name}' before this alias", help=INDICATOR_HELP.format("*"))
        return self._broken(event)

    def _broken(self, event: yaml.Event) -> Scalar:
        start, end = _span(event)
        return Scalar(value="", text="", style="", broken=True, source=self._report.source, start=start, end=end)

    def _content(self, event: yaml.NodeEvent) -> tuple[int, int]:
        """Return where the node starts, behind its anchor, and where the event ends."""
        start, end = _span(event)
        anchor = _ANCHOR.match(self._report.source.text, start, end) if event.anchor else None
        return (anchor.end() if anchor else start), end

    def _scalar(self, event: yaml.ScalarEvent, key: bool) -> Scalar:
        start, end = self._content(event)
        source, text, style = self._report.source, event.value, event.style or ""
        value: Value = text
        broken = "\ufffd" in source.text[start:end]
        if not (style or key or broken or event.tag):
            try:
                value = _resolved(text)
            except ValueError as error:
                self._report.add(start, end, message=str(error))
                broken = True
        return Scalar(value=value, text=text, style=style, broken=broken, source=source, start=start, end=end)

    def _collection(self, event: yaml.CollectionStartEvent, depth: int) -> Node:
        line, column = self._report.source.place(self._content(event)[0])
        if isinstance(event, yaml.MappingStartEvent):
            entries, broken = self._entries(depth)
            return Mapping(entries=entries, broken=broken, line=line, column=column)
        return Sequence(items=tuple(self.node(inner, depth=depth) for inner in self._inside()), line=line, column=column)

    def _inside(self) -> Iterator[Any]:
        """Yield the events up to the end of the collection; what each begins must be taken before the next."""
        while not isinstance(event := next(self._events), yaml.CollectionEndEvent):
            yield event

    def _entries(self, depth: int) -> tuple[dict[str, Entry], bool]:
        """Return the entries, and whether any was left out."""
        entries: dict[str, Entry] = {}
        broken = False
        for event in self._inside():
            key = self.node(event, depth=depth, key=True)
            node = self.node(next(self._events), depth=depth)
            if not self._is_name(key, event):
                broken = True
            elif first := entries.get(key.text):
                self._report.add(*_span(event), message=f"duplicate key {key.text[:60]!r}", help=f"first used at line {first.key.line}")
            else:
                entries[key.text] = Entry(key, node)
        return entries, broken

    def _is_name(self, key: Node, event: yaml.Event) -> TypeGuard[Scalar]:
        """Return whether the key can name an entry; if not, that has been reported."""
        if not isinstance(key, Scalar):
            self._report.add(*_span(event), message="a list or mapping cannot be a key", help="quote a value that starts with '{'")
            return False
        if key.plain and key.text == "<<":
            self._report.add(*_span(event), message="merge keys are not used in rule files", help="write the entries out")
            return False
        return not key.broken


def _span(event: yaml.Event) -> tuple[int, int]:
    start, end = event.start_mark, event.end_mark
    return (start.index if start else 0), (end.index if end else 0)


def _extent(node: Node) -> tuple[int, int]:
    """Return how many nodes it is with all below it, and how many levels of collections."""
    if isinstance(node, Scalar):
        return 1, 0
    if isinstance(node, Sequence):
        below = [_extent(item) for item in node.items]
    else:
        below = [(size + 1, height) for size, height in (_extent(entry.node) for entry in node.entries.values())]
    return 1 + sum(size for size, _ in below), 1 + max((height for _, height in below), default=0)


def _resolved(text: str) -> Value:
    """Return what a plain scalar means in the core schema. Raises ValueError, with the message, for a number that rules cannot use."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _NOT_FINITE.fullmatch(text):
        raise ValueError(f"{text} is not a number that rules can use")
    whole, number = _INTEGER.fullmatch(text), _FLOAT.fullmatch(text)
    if not whole and not number:
        return text
    if len(text) > MAX_NUMBER_LENGTH:
        raise ValueError(f"a number of {len(text)} characters is too long; at most {MAX_NUMBER_LENGTH} are allowed")
    if number and abs(int(number[1] or 0)) > MAX_EXPONENT:
        raise ValueError(f"the exponent of a number must be between -{MAX_EXPONENT} and {MAX_EXPONENT}")
    if whole:
        return int(text, 0 if text.startswith(("0o", "0x")) else 10)
    return Decimal(text)


def _flow_places(scalar: Scalar) -> list[int]:
    """Return the index in the source of each character of a plain or quoted scalar, and of the place past its end."""
    quote = len(scalar.style)
    places: list[int] = []
    for unit in _UNITS[scalar.style].finditer(scalar.source.text, scalar.start + quote, scalar.end - quote):
        raw = unit.group()
        if breaks := len(_BREAK.findall(raw)):
            # The first break goes, or becomes a space where it is the only one and not escaped.
            places += [unit.start()] * (breaks - 1 or raw[0] != "\\")
        elif raw[0] in " \t":
            places += range(*unit.span())
        else:
            places.append(unit.start())
    return [*places, scalar.end - quote]


def _block_places(scalar: Scalar) -> list[int]:
    """Return the same for a literal or folded scalar; what chomping took off the end is still in the list."""
    header = _BREAK.search(scalar.source.text, scalar.start, scalar.end)
    at = header.end() if header else scalar.end
    raw = scalar.source.text[at : scalar.end].splitlines(keepends=True)
    lines = [line.rstrip("\r\n") for line in raw]
    indent = _indent(lines, scalar.text)
    places: list[int] = []
    breaks: list[int] = []  # since the last line with content
    folds = False
    for line, whole in zip(lines, raw, strict=True):
        if content := line[indent:]:
            flush = scalar.style == ">" and content[0] not in " \t"
            places += breaks[1:] if folds and flush and len(breaks) > 1 else breaks
            places += range(at + indent, at + len(line))
            breaks, folds = [], flush
        breaks.append(at + len(line))
        at += len(whole)
    return [*places, *breaks, scalar.end]


def _indent(lines: list[str], value: str) -> int:
    """Return how far the lines are indented, by comparison with the value: an indentation digit counts from a parent unknown here."""
    content = value.lstrip(" \n")
    if not content:
        return max(map(len, lines), default=0) - max(map(len, value.split("\n")))
    first = next(line for line in lines if line.strip(" "))
    lead = value[: len(value) - len(content)].rpartition("\n")[2]
    return len(first) - len(first.lstrip(" ")) - len(lead)


def _report_syntax(error: yaml.MarkedYAMLError, report: _Report) -> None:
    """Report libyaml's complaint, at the value that it misread or else at its mark, unless something is reported there already."""
    index = error.problem_mark.index if error.problem_mark else 0
    message = error.problem or "not YAML"
    for foreign, familiar in (("in this context", "here"), ("end of stream", "end of file"), ("<document start>", "end of file")):
        message = message.replace(foreign, familiar)
    line, column = report.source.place(index)
    line_start = index - (column - 1)
    text = _BREAK.split(report.source.text[line_start : line_start + MAX_EXPLAINED_COLUMN], maxsplit=1)[0]
    start = _value_start(text[: column - 1])
    help = _misreading(text, start, column - 1)
    index = line_start + start if help else index
    if report.source.place(index) not in {(problem.line, problem.column) for problem in report.problems}:
        report.add(index, message=TAG if help == TAG_HELP else message, help=help or _context(error, line))


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
