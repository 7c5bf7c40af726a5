"""The names that rule files define for their expressions: lists of literals, and vars, each of which may use those above it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from pointsman.core.diagnostics import Problem
from pointsman.core.expr.checker import Scope
from pointsman.core.expr.codegen import Expression
from pointsman.core.expr.syntax import Value
from pointsman.core.expr.types import ANY, BOOL, DOUBLE, INT, STRING, Type, list_of
from pointsman.core.rulefile.expressions import ExpressionReader, facts_in
from pointsman.core.rulefile.structure import problem_at
from pointsman.core.yamlnodes import Mapping, Node, Scalar

_LITERALS: dict[type, Type] = {str: STRING, bool: BOOL, int: INT, float: DOUBLE}


@dataclass(slots=True)
class Names:
    """What all files define."""

    lists: dict[str, tuple[Value, ...]] = field(default_factory=dict)
    vars: dict[str, Expression] = field(default_factory=dict)
    var_facts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The facts that each var reads, those of its vars included."""
    var_scalars: dict[str, Scalar] = field(default_factory=dict)
    """The text of each var, as written."""
    places: dict[str, tuple[str, Scalar]] = field(default_factory=dict)
    """Where each is defined: file and key, by `lists.NAME` and `vars.NAME`."""


class NamesReader:
    """Reads lists and vars, one file after the other; problems gather in `problems`."""

    def __init__(self, names: Names, problems: list[Problem]) -> None:
        self._names = names
        self._problems = problems
        self._var_types: dict[str, Type] = {}
        self._list_types: dict[str, Type] = {}
        self._growths: dict[str, int] = {}
        self._file = ""

    @property
    def scope(self) -> Scope:
        """The names that expressions may use from here on."""
        return Scope(vars=self._var_types, lists=self._list_types, values=self._names.lists, growths=self._growths)

    def read(self, root: Node, file: str) -> None:
        """Add what a file defines."""
        self._file = file
        for key, node in _section(root, "lists"):
            self._list(key, node)
        for key, node in _section(root, "vars"):
            self._var(key, node)

    def _error(self, node: Node, message: str, help_: str = "") -> None:
        self._problems.append(problem_at(node, self._file, message, help_))

    def _list(self, key: Scalar, node: Node) -> None:
        if self._taken(key, self._list_types, "list"):
            return
        values = tuple(self._literal(item) for item in getattr(node, "items", ()))
        types = [_LITERALS.get(type(value), ANY) for value in values]
        for item, found in zip(getattr(node, "items", ()), types, strict=True):
            if found == ANY:
                self._error(item, "a list holds strings, numbers or booleans")
            elif found != types[0] and types[0] != ANY:
                self._error(
                    item, f"the list mixes {types[0]} and {found}", "all items must be of one type; quote a text that looks like a number"
                )
        self._list_types[key.text] = list_of(types[0] if types else ANY)
        self._names.lists[key.text] = values

    def _literal(self, node: Node) -> Value:
        value = node.value if isinstance(node, Scalar) else None
        return float(value) if isinstance(value, Decimal) else value

    def _var(self, key: Scalar, node: Node) -> None:
        if self._taken(key, self._var_types, "var") or not isinstance(node, Scalar):
            return
        written = ExpressionReader(self._file, self._problems).expression(node, self.scope, expected=None)
        if written is None:
            self._var_types[key.text], self._growths[key.text] = ANY, 0  # poisoned: those who use it must not complain again
            return
        self._var_types[key.text] = written.expression.checked.type_of(written.expression.node)
        self._names.var_facts[key.text] = facts_in(written.expression, self._names.var_facts)
        self._names.vars[key.text] = written.expression
        self._names.var_scalars[key.text] = node
        self._growths[key.text] = written.expression.checked.growth

    def _taken(self, key: Scalar, known: dict[str, Type], kind: str) -> bool:
        if key.text in known:
            self._error(key, f"{kind} '{key.text}' is defined in an earlier file, too", "names are shared by all files; choose another")
        self._names.places.setdefault(f"{kind}s.{key.text}", (self._file, key))
        return key.text in known


def _section(root: Node, name: str) -> Iterator[tuple[Scalar, Node]]:
    section = root.entries[name].node if isinstance(root, Mapping) and name in root.entries else None
    if isinstance(section, Mapping):
        yield from ((entry.key, entry.node) for entry in section.entries.values())
