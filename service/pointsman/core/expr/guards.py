"""Which optional facts an expression proves to be there, so that what stands behind it may read them."""

from __future__ import annotations

from pointsman.core.expr.syntax import Call, Logical, Name, Node, Unary

Present = frozenset[str]
"""Optional facts that are known to be there, by name."""

NOTHING: Present = frozenset()


def proves(node: Node) -> tuple[Present, Present]:
    """Return the optional facts that are there if `node` is true, and those that are there if it is false."""
    match node:
        case Call(function="has", arguments=(Name() as name,)):
            return frozenset({name.dotted}), NOTHING
        case Unary(operator="!", operand=operand):
            return proves(operand)[::-1]
        case Logical(operator=operator, operands=operands):
            sides = [proves(operand) for operand in operands]
            either = (frozenset.union, frozenset.intersection)
            on_true, on_false = either if operator == "&&" else either[::-1]
            return on_true(*(yes for yes, _ in sides)), on_false(*(no for _, no in sides))
        case _:
            return NOTHING, NOTHING
