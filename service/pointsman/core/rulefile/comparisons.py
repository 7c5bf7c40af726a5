"""What the rules compare facts with: where decisions can change, and so where to look when rules are compared with each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pointsman.core.expr.codegen import Expression
from pointsman.core.expr.syntax import Binary, Call, ListOf, Name, Node, Unary, children, names
from pointsman.core.rulefile.atoms import literal
from pointsman.core.rulefile.names import Names


def comparisons(expressions: Iterable[Expression], known: Names) -> dict[str, tuple[object, ...]]:
    """Return every fact in the expressions, in order, with the literals that stand in a comparison or a call with it.

    A fact that is only asked for has none. Where a comparison has several facts, or a var of several, each gets all literals of it.
    """
    found: dict[str, dict[object, None]] = {}
    for expression in (*expressions, *known.vars.values()):
        for fact, literals in _found(expression.node, known):
            found.setdefault(fact, {}).update(dict.fromkeys(literals))
    return {fact: tuple(literals) for fact, literals in found.items()}


def _found(node: Node, known: Names) -> Iterator[tuple[str, tuple[object, ...]]]:
    literals = tuple(_literals(node, known)) if isinstance(node, Binary | Call) else ()
    for name in names(node) if isinstance(node, Binary | Call | Name) else ():
        yield from ((fact, literals) for fact in _facts(name, known))
    for child in children(node):
        yield from _found(child, known)


def _facts(name: Name, known: Names) -> tuple[str, ...]:
    if name.parts[0] == "vars":
        return known.var_facts.get(name.parts[1], ())
    return () if name.parts[0] == "lists" else (name.dotted,)


def _literals(node: Node, known: Names) -> Iterator[object]:
    if (value := literal(node)) is not None:
        yield value
        return
    match node:
        case Name(parts=("lists", name)):
            yield from known.lists.get(name, ())
        case Binary() | Call() | ListOf() | Unary():
            for child in children(node):
                yield from _literals(child, known)
