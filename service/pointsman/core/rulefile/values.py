"""Sets of values that one fact may have: what an atom such as `features.complexity > 0.7` leaves of the fact's declared range.

Sets are exact or too wide, never too narrow: `within` is only said of what is certain, and so is `empty`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from math import ceil, floor
from typing import Any

from pointsman.core.expr.types import BOOL, INT, STRING
from pointsman.core.facts import FACTS, LABELS, FactSpec, group_of

_FEW = 64
"""Integers are told one by one where there are no more of them than this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """Some of the values of a fact. An open bound sorts behind a closed low one, and before a closed high one: (3, 1) and (3, -1)."""

    only: frozenset[Any] | None = None
    """None for any."""
    but: frozenset[Any] = frozenset()
    low: tuple[Any, int] | None = None
    high: tuple[Any, int] | None = None
    present: bool = True
    """There may be a value."""
    absent: bool = False
    """There may be none."""

    @property
    def empty(self) -> bool:
        return not self.present and not self.absent

    def holds(self, value: Any) -> bool:
        """Return whether a value is among them."""
        if not self.present or value in self.but or (self.only is not None and value not in self.only):
            return False
        return (self.low is None or (value, 0) >= self.low) and (self.high is None or (value, 0) <= self.high)


ABSENT = Values(present=False, absent=True)
PRESENT = Values()

_BY_OPERATOR = {
    "==": lambda value: Values(only=frozenset({value})),
    "!=": lambda value: Values(but=frozenset({value})),
    "<": lambda value: Values(high=(value, -1)),
    "<=": lambda value: Values(high=(value, 0)),
    ">": lambda value: Values(low=(value, 1)),
    ">=": lambda value: Values(low=(value, 0)),
}


def compared(operator: str, value: object) -> Values:
    """Return the values for which a comparison with a literal holds."""
    return _BY_OPERATOR[operator](value)


def listed(values: Iterable[object], *, within: bool) -> Values:
    """Return the values that are in a list, or those that are not."""
    return Values(only=frozenset(values)) if within else Values(but=frozenset(values))


@lru_cache(maxsize=256)
def universe(fact: str) -> Values:
    """Return all values that a fact may have."""
    spec = _spec(fact)
    whole = Values(absent=spec.optional)
    if spec.choices:
        return replace(whole, only=frozenset(spec.choices))
    if spec.type == BOOL:
        return replace(whole, only=frozenset({False, True}))
    low, high = spec.about.low, spec.about.high
    return _settled(replace(whole, low=None if low is None else (low, 0), high=None if high is None else (high, 0)), spec)


def both(one: Values, other: Values, fact: str) -> Values:
    """Return what is in both sets."""
    only = one.only if other.only is None else other.only if one.only is None else one.only & other.only
    lows = [bound for bound in (one.low, other.low) if bound is not None]
    highs = [bound for bound in (one.high, other.high) if bound is not None]
    joined = Values(
        only=only,
        but=one.but | other.but,
        low=max(lows, default=None),
        high=min(highs, default=None),
        present=one.present and other.present,
        absent=one.absent and other.absent,
    )
    return _settled(joined, _spec(fact))


def within(some: Values, others: Values) -> bool:
    """Return whether all of `some`, which `both` or `universe` made, are certainly among `others`."""
    if some.absent and not others.absent:
        return False
    if not some.present:
        return True
    if some.only is not None:
        return all(map(others.holds, some.only))
    return _spans_less(some, others) and not any(map(some.holds, others.but))


def _spans_less(some: Values, others: Values) -> bool:
    if not others.present or others.only is not None:
        return False
    above = others.low is None or (some.low is not None and some.low >= others.low)
    below = others.high is None or (some.high is not None and some.high <= others.high)
    return above and below


def _spec(fact: str) -> FactSpec:
    return FACTS.get(fact) or FactSpec(name=fact, type=STRING, about=LABELS[group_of(fact)], optional=True)


def _settled(values: Values, spec: FactSpec) -> Values:
    """Return the same set with its values told one by one where they are few, and whole numbers as bounds of integers."""
    if spec.type == INT:
        values = replace(values, only=_integers(values.only), but=_integers(values.but) or frozenset())
        values = _whole(values) if values.only is None else values
    if values.only is None and values.low is not None and values.low == values.high:
        values = replace(values, only=frozenset({values.low[0]}))
    if values.only is not None:
        left = frozenset(filter(values.holds, values.only))
        return Values(only=left, present=bool(left), absent=values.absent)
    if values.low is not None and values.high is not None and values.low > values.high:
        return Values(only=frozenset(), present=False, absent=values.absent)
    return values


def _integers(values: frozenset[Any] | None) -> frozenset[Any] | None:
    return None if values is None else frozenset(value for value in values if value % 1 == 0)


def _whole(values: Values) -> Values:
    low = None if values.low is None else floor(values.low[0]) + 1 if values.low[1] else ceil(values.low[0])
    high = None if values.high is None else ceil(values.high[0]) - 1 if values.high[1] else floor(values.high[0])
    if low is not None and high is not None and high - low < _FEW:
        return replace(values, only=frozenset(range(low, high + 1)), low=None, high=None)
    return replace(values, low=None if low is None else (low, 0), high=None if high is None else (high, 0))
