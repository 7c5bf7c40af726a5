"""The nodes of a file: what they hold, where they stand, and how to walk them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeAlias

from pointsman.core.yamlnodes.places import BREAK, character_places

Value: TypeAlias = bool | int | Decimal | str | None


@dataclass(frozen=True, slots=True)
class Source:
    """The text of a file, and where each of its lines starts."""

    text: str
    starts: tuple[int, ...]

    @classmethod
    def of(cls, text: str) -> Source:
        return cls(text, (0, *(end.end() for end in BREAK.finditer(text))))

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
        places = character_places(self.source.text, self.start, self.end, style=self.style, text=self.text)
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
