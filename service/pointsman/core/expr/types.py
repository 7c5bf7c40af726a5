"""The types of expressions."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Type:
    """A type by its CEL name; `item` is the type of the items of a list."""

    name: str
    item: Type | None = None

    def __str__(self) -> str:
        return self.name if self.item is None else f"{self.name} of {self.item}"

    @property
    def described(self) -> str:
        """The type in a sentence: "an int", "a list of string"."""
        return f"an {self}" if self.name in ("int", "any") else f"a {self}"

    @property
    def is_number(self) -> bool:
        return self.name in ("int", "double")


BOOL = Type("bool")
INT = Type("int")
DOUBLE = Type("double")
STRING = Type("string")
NULL = Type("null")
ANY = Type("any")
"""The type of whatever already has a problem: it agrees with everything, so that one mistake is reported once."""


def list_of(item: Type) -> Type:
    """Return the type of lists of `item`."""
    return Type("list", item)


def agree(left: Type, right: Type) -> bool:
    """Return whether values of the two types can be compared: equal types, two numbers, or a problem reported before."""
    return left == right or ANY in (left, right) or (left.is_number and right.is_number)
