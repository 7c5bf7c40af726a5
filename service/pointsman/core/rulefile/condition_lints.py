"""What is legal but hardly meant within conditions: what always holds or never does, what contradicts itself, what is said twice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from pointsman.core.diagnostics import Problem, Severity
from pointsman.core.expr.syntax import Binary, Call, Flaw, Literal, Logical, Name, Node, children
from pointsman.core.rulefile.atoms import Atom, atoms, demand, region, shape
from pointsman.core.rulefile.expressions import Written, conjunction, problem_in
from pointsman.core.rulefile.names import Names
from pointsman.core.rulefile.structure import problem_at
from pointsman.core.rulefile.values import both, universe, within
from pointsman.core.yamlnodes import Scalar


class Text:
    """Where the parts of some conditions stand in their file, and how they are written."""

    def __init__(self, file: str, conditions: Iterable[Written]) -> None:
        self._file = file
        self._scalars: dict[Node, Scalar] = {}
        self._groups: dict[Node, Scalar] = {}
        for written in conditions:
            self._add(written)

    def _add(self, written: Written) -> None:
        for item in written.items:
            self._add(item)
        if written.items:
            self._groups |= {node: written.scalar for node in walk(written.expression.node) if node not in self._groups}
        else:
            self._scalars |= dict.fromkeys(walk(written.expression.node), written.scalar)

    def of(self, node: Node) -> str:
        """Return a part as it is written, on one line."""
        scalar = self._scalars.get(node)
        return " ".join(scalar.text[node.start : node.end].split()) if scalar else f"{self._groups[node].text}:"

    def warning(self, node: Node, message: str, help_: str) -> Problem:
        """Return a warning that underlines a part."""
        if scalar := self._scalars.get(node):
            flaw = Flaw(start=node.start, end=node.end, message=message, help=help_)
            return problem_in(scalar, self._file, flaw, severity=Severity.WARNING)
        return problem_at(self._groups[node], self._file, message, help_, severity=Severity.WARNING)


def walk(node: Node) -> Iterator[Node]:
    """Yield the node and all below it."""
    yield node
    for child in children(node):
        yield from walk(child)


def of_conditions(conditions: list[Written], file: str, names: Names) -> Iterator[Problem]:
    """Yield what is odd about the conditions of a rule, or about a var; at each place the first thing only."""
    told: dict[tuple[int, int], Problem] = {}
    for problem in _all(conditions, file, names) if conditions else ():
        told.setdefault((problem.line, problem.column), problem)
    yield from told.values()


def _all(conditions: list[Written], file: str, names: Names) -> Iterator[Problem]:
    text, whole = Text(file, conditions), conjunction(conditions).node
    yield from _constants(whole, text, names)
    yield from _twice(atoms(whole, names), text)  # as one conjunction, vars and negations looked through; then each part by itself
    yield from _clashes(whole, text, names)
    for part in walk(whole):
        if isinstance(part, Logical):
            positive = part.operator == "&&"
            yield from _twice(atoms(part, names, positive=positive), text)
            yield from _clashes(part, text, names, positive=positive)


def _constants(whole: Node, text: Text, names: Names) -> Iterator[Problem]:
    for part in atoms(whole, names):
        if isinstance(part.node, Literal) and part.place is part.node:
            yield _constant(part.node, text, holds=bool(part.node.value))
    for node in walk(whole):
        holds = _constancy(node, names)
        if holds is not None:
            yield _constant(node, text, holds=holds)


def _constant(node: Node, text: Text, *, holds: bool) -> Problem:
    help_ = "leave it out, or change it" if holds else "change it, or remove the rule"
    return text.warning(node, f"'{text.of(node)}' is always {'true' if holds else 'false'}", help_)


def _constancy(node: Node, names: Names) -> bool | None:
    """Return what a comparison with literals always is, None if that depends on the facts."""
    seen = demand(node, names) if isinstance(node, Binary) else None
    if seen is None:
        return None
    fact, values = seen
    possible = replace(universe(fact), absent=False)
    left = both(possible, values, fact)
    if left.empty:
        return False
    return True if within(possible, left) else None


def _twice(parts: Iterable[Atom], text: Text) -> Iterator[Problem]:
    first: dict[tuple[str, str, bool], Node] = {}
    for part in parts:
        if isinstance(part.node, Call) and part.node.function == "has":
            continue  # a guard may stand again beside what it guards
        other = first.setdefault((shape(part.place), shape(part.node), part.positive), part.place)
        if other is not part.place:
            yield text.warning(part.place, f"'{text.of(part.place)}' is asked twice", "remove one of the two")


def _clashes(whole: Node, text: Text, names: Names, *, positive: bool = True) -> Iterator[Problem]:
    clash = region(atoms(whole, names, positive=positive), names)[1]
    if clash is None or _reported_alone(clash, names):
        return
    written = text.of(clash.place)
    if positive:
        yield text.warning(clash.place, f"'{written}' contradicts what stands before it, so they never hold together", "change one of them")
    else:
        yield text.warning(clash.place, f"'{written}' or what stands before it holds always, so it asks nothing", "change one of them")


def _reported_alone(clash: Atom, names: Names) -> bool:
    """Return whether the atom cannot hold by itself, or stands in a var that cannot: that is said elsewhere."""
    if isinstance(clash.place, Name) and clash.place.parts[0] == "vars":
        return any(region(atoms(names.vars[clash.place.parts[1]].node, names, positive=sign), names)[1] for sign in (True, False))
    return isinstance(clash.node, Literal) or _constancy(clash.node, names) is not None
