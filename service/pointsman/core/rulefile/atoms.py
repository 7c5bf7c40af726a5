"""What conditions demand of facts, as far as it can be told: atoms that look at one fact, and regions of facts for which many of them hold.

An atom that is not understood is kept by its shape. It proves nothing but itself, so that what is said of conditions here is certain.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pointsman.core.expr.syntax import FLIPPED, Binary, Call, ListOf, Literal, Logical, Name, Node, Unary, children
from pointsman.core.facts import FACTS, LABELS
from pointsman.core.rulefile.names import Names
from pointsman.core.rulefile.values import ABSENT, PRESENT, Values, both, compared, listed, universe, within

_NEGATED = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}


@dataclass(frozen=True, slots=True, eq=False)
class Atom:
    """A part of a conjunction, which must hold, or where not `positive` must not."""

    node: Node
    positive: bool
    place: Node
    """What stands for it in the text: itself, or the var that it is part of."""


@dataclass(slots=True)
class Region:
    """The facts for which atoms hold, or more than these."""

    values: dict[str, Values] = field(default_factory=dict)
    others: set[tuple[str, bool]] = field(default_factory=set)
    """Shapes of what is not understood, and whether it must hold."""

    def of(self, fact: str) -> Values:
        """Return the values that a fact may have."""
        return self.values.get(fact) or universe(fact)

    def proves_present(self, fact: str) -> bool:
        """Return whether an optional fact is there."""
        return not self.of(fact).absent


def atoms(node: Node, names: Names, *, positive: bool = True, place: Node | None = None) -> Iterator[Atom]:
    """Yield the parts of a condition that must all hold, those of its vars included."""
    match node:
        case Unary(operator="!", operand=operand):
            yield from atoms(operand, names, positive=not positive, place=place)
        case Logical(operator=operator, operands=operands) if (operator == "&&") is positive:
            for operand in operands:
                yield from atoms(operand, names, positive=positive, place=place)
        case Name(parts=("vars", name)):
            yield from atoms(names.vars[name].node, names, positive=positive, place=place or node)
        case _:
            yield Atom(node, positive, place or node)


def demand(node: Node, names: Names, *, positive: bool = True) -> tuple[str, Values] | None:
    """Return the one fact that an atom looks at and the values for which it holds; None where that cannot be told."""
    match node:
        case Name() if node.dotted in FACTS:
            return node.dotted, compared("==", positive)
        case Call(function="has", arguments=(Name() as name,)):
            return name.dotted, PRESENT if positive else ABSENT
        case Binary(operator="in", left=Name() as name) if _is_fact(name) and (items := _items(node.right, names)) is not None:
            return name.dotted, listed(items, within=positive)
        case Binary(operator=operator, left=left, right=right) if operator in _NEGATED:
            return _compared(operator if positive else _NEGATED[operator], left, right)
        case _:
            return None


def _compared(operator: str, left: Node, right: Node) -> tuple[str, Values] | None:
    if isinstance(right, Name):
        left, right, operator = right, left, FLIPPED[operator]
    value = literal(right)
    if not isinstance(left, Name) or not _is_fact(left) or value is None:
        return None
    return left.dotted, compared(operator, value)


def literal(node: Node) -> bool | int | float | str | None:
    """Return the value of a literal, perhaps with a minus before it; None for anything else."""
    match node:
        case Literal(value=value):
            return value
        case Unary(operator="-", operand=Literal(value=int() | float() as value)):
            return -value
        case _:
            return None


def _items(node: Node, names: Names) -> tuple[object, ...] | None:
    if isinstance(node, ListOf):
        values = tuple(map(literal, node.items))
        return None if None in values else values
    return names.lists.get(node.parts[1]) if isinstance(node, Name) and node.parts[0] == "lists" else None


def _is_fact(name: Name) -> bool:
    return name.dotted in FACTS or (len(name.parts) == 3 and ".".join(name.parts[:2]) in LABELS)


def region(parts: Iterable[Atom], names: Names) -> tuple[Region, Atom | None]:
    """Return where all atoms hold, and the first that cannot hold together with those before it, if there is one."""
    found, clash = Region(), None
    for part in parts:
        if not _narrow(found, part, names) and clash is None:
            clash = part
    return found, clash


def _narrow(where: Region, part: Atom, names: Names) -> bool:
    """Take away from a region where the atom does not hold, and return whether something may be left."""
    if isinstance(part.node, Literal):
        return part.node.value is part.positive
    seen = demand(part.node, names, positive=part.positive)
    if seen is None:
        where.others.add((shape(part.node), part.positive))
        return (shape(part.node), not part.positive) not in where.others
    fact, values = seen
    where.values[fact] = both(where.of(fact), values, fact)
    return not where.values[fact].empty


def implied(node: Node, where: Region, names: Names, *, positive: bool = True) -> bool:
    """Return whether a condition certainly holds, or where not `positive` certainly does not, for all facts of a region."""
    match node:
        case Literal(value=value):
            return value is positive
        case Unary(operator="!", operand=operand):
            return implied(operand, where, names, positive=not positive)
        case Name(parts=("vars", name)):
            return implied(names.vars[name].node, where, names, positive=positive)
        case Logical(operator=operator, operands=operands):
            each = (implied(operand, where, names, positive=positive) for operand in operands)
            return all(each) if (operator == "&&") is positive else (shape(node), positive) in where.others or any(each)
    seen = demand(node, names, positive=positive)
    return (shape(node), positive) in where.others if seen is None else within(where.of(seen[0]), seen[1])


def shape(node: Node) -> str:
    """Return a text that two expressions share only if they are written alike, but for blanks and parentheses."""
    own = [getattr(node, name) for name in ("value", "parts", "operator", "function", "method") if hasattr(node, name)]
    return f"{type(node).__name__}{own}({', '.join(map(shape, children(node)))})"
