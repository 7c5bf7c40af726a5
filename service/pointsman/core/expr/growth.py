"""How large a result can grow. CEL ends integers at 64 bits; here they have no end, and vars can multiply each other line by line."""

from __future__ import annotations

from collections.abc import Mapping

from pointsman.core.expr.syntax import Binary, Name, Node, children

LARGEST = 64
"""Facts or literals in one product, or texts joined to one: far beyond any rule, and a microsecond's work."""


def growth(node: Node, vars: Mapping[str, int]) -> int:
    """Return of how many facts or literals the largest value within an expression can be made; `vars` holds that of each var."""
    below = [growth(child, vars) for child in children(node)]
    match node:
        case Name(parts=("vars", name)):
            return vars.get(name, 1)
        case Binary(operator="*" | "+"):
            return sum(below)
        case _:
            return max(below, default=1)
