"""The tree of an expression. Every node knows where it stands in the text: from `start` up to, not including, `end`.

Nodes are compared by identity: the checker keeps types by node, and two equal-looking nodes may differ in place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from json import dumps

_IDENTIFIER = re.compile("[A-Za-z_][A-Za-z0-9_]*")

RESERVED = frozenset({"in", "true", "false", "null"})
"""Words that cannot follow a dot."""


FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
"""Comparisons, and what each is with its sides exchanged."""

Value = bool | int | float | str | None


@dataclass(frozen=True, slots=True, eq=False)
class Literal:
    start: int
    end: int
    value: Value


@dataclass(frozen=True, slots=True, eq=False)
class Name:
    """A fact, var or list: ("features", "complexity"), ("request", "labels", "data-class")."""

    start: int
    end: int
    parts: tuple[str, ...]

    @property
    def dotted(self) -> str:
        """The name by which facts, vars and lists are known."""
        return ".".join(self.parts)

    @property
    def written(self) -> str:
        """The name as it is written in an expression: a label's key in brackets where it is no identifier."""
        *group, key = self.parts
        plain = len(self.parts) < 3 or (_IDENTIFIER.fullmatch(key) and key not in RESERVED)
        return self.dotted if plain else f"{'.'.join(group)}[{dumps(key, ensure_ascii=False)}]"


@dataclass(frozen=True, slots=True, eq=False)
class ListOf:
    start: int
    end: int
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Unary:
    start: int
    end: int
    operator: str
    operand: Node


@dataclass(frozen=True, slots=True, eq=False)
class Binary:
    start: int
    end: int
    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True, eq=False)
class Logical:
    """Operands joined by `&&` or by `||`."""

    start: int
    end: int
    operator: str
    operands: tuple[Node, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Conditional:
    start: int
    end: int
    test: Node
    then: Node
    otherwise: Node


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """`has(x)`, `size(x)`, and with the receiver as first argument `x.startsWith("y")`."""

    start: int
    end: int
    function: str
    arguments: tuple[Node, ...]
    method: bool


Node = Literal | Name | ListOf | Unary | Binary | Logical | Conditional | Call


def children(node: Node) -> tuple[Node, ...]:
    """Return the nodes directly below."""
    match node:
        case ListOf(items=items):
            return items
        case Unary(operand=operand):
            return (operand,)
        case Binary(left=left, right=right):
            return (left, right)
        case Logical(operands=operands):
            return operands
        case Conditional(test=test, then=then, otherwise=otherwise):
            return (test, then, otherwise)
        case Call(arguments=arguments):
            return arguments
        case _:
            return ()


def names(node: Node) -> Iterator[Name]:
    """Yield every name in the tree, from left to right."""
    if isinstance(node, Name):
        yield node
    for child in children(node):
        yield from names(child)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """What is wrong with an expression, by offsets in its text."""

    start: int
    end: int
    message: str
    help: str = ""


class SyntaxFlaw(Exception):
    """Raised by lexer and parser, which cannot go on after a flaw."""

    def __init__(self, start: int, end: int, message: str, help_: str = "") -> None:
        super().__init__(message)
        self.flaw = Flaw(start=start, end=end, message=message, help=help_)
