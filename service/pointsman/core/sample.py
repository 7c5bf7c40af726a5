"""Quantiles of the last few values of one thing, beside some that are assumed: one odd value moves nothing, and memory has a bound."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

KEPT = 200
"""Values: what changes is known anew after so many."""

ASSUMED = 10
"""Values that an assumption counts for beside them."""


class Sample:
    """The last values of one thing."""

    def __init__(self) -> None:
        self._values: deque[float] = deque(maxlen=KEPT)

    def note(self, value: float) -> None:
        """Take in a value."""
        self._values.append(value)

    def most(self) -> float:
        """Return the greatest value, but for one in a hundred, which may be odd; 0 without any."""
        return quantiles(self._values, (0.99,))[0] if self._values else 0.0

    def quantiles(self, shares: Iterable[float], assumed: Sequence[float]) -> list[float]:
        """Return the values below which these shares, 0..1, of all values lie, the assumed ones counted in."""
        return quantiles((*self._values, *assumed), shares)

    def median(self, assumed: float) -> float:
        """Return the middle of the values and ASSUMED that are as assumed."""
        return self.quantiles((0.5,), [assumed] * ASSUMED)[0]


def quantiles(values: Iterable[float], shares: Iterable[float]) -> list[float]:
    """Return the values below which these shares, 0..1, of all lie."""
    every = sorted(values)
    return [every[min(int(share * len(every)), len(every) - 1)] for share in shares]
