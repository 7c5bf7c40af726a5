"""Durations for people."""

from __future__ import annotations

from itertools import pairwise

_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def spoken(seconds: float) -> str:
    """Return a duration by the two largest of its units, as in "19 h 21 min", "1 min 30 s" or "12 s"; at least a second."""
    exact = max(1, round(seconds))
    for (unit, length), (finer, finer_length) in pairwise(_UNITS):
        whole, rest = divmod(round(exact / finer_length), length // finer_length)
        if whole:
            return f"{whole} {unit} {rest} {finer}" if rest else f"{whole} {unit}"
    return f"{exact} s"
