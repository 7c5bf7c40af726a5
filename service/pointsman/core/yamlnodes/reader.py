"""Reads bytes into nodes, and reports what is wrong with them."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from decimal import Decimal
from itertools import islice
from typing import Any, TypeAlias, TypeGuard

import yaml

from pointsman.core.diagnostics import Problem, Severity
from pointsman.core.yamlnodes.misreadings import INDICATOR_HELP, TAG, TAG_HELP, explained
from pointsman.core.yamlnodes.nodes import Entry, Mapping, Node, Scalar, Sequence, Source, Value
from pointsman.core.yamlnodes.places import BREAK

MAX_BYTES = 256 * 1024
MAX_DEPTH = 32
MAX_NODES = 20_000  # with every alias written out: ten lines of aliases to aliases could mean a billion values
MAX_NUMBER_LENGTH = 400
MAX_EXPONENT = 308  # a double's; 1e999999999 is a short text and an integer without end

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

_NodeEvent: TypeAlias = yaml.AliasEvent | yaml.ScalarEvent | yaml.CollectionStartEvent


def parse(text: bytes, *, file: str) -> tuple[Node | None, list[Problem]]:
    """Return the file's root, or None where nothing can be made of it, and all problems."""
    report = _Report(file)
    if len(text) > MAX_BYTES:
        report.add(0, message=f"the file is larger than {MAX_BYTES // 1024} KiB", help="split it into several files")
        return None, report.problems
    root = _root(report) if _decode(text.removeprefix(codecs.BOM_UTF8), report) else None
    return root, report.problems


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
        length = max(1, len(BREAK.split(self.source.text[start:end], maxsplit=1)[0]))
        self.problems.append(
            Problem(file=self.file, line=line, column=column, severity=Severity.ERROR, message=message, help=help, length=length)
        )

    def has(self, start: int) -> bool:
        """Return whether a problem is reported at this very place."""
        return self.source.place(start) in {(problem.line, problem.column) for problem in self.problems}


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
        at, message, help = explained(error, report.source)
        if not report.has(at):
            report.add(at, message=message, help=help)
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
