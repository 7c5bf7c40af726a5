"""How other families of tokenisers count, relative to the reference tokeniser o200k.

Measured ratios, by kind of text: `plain` is English prose and program text, `other` is everything else (other languages, long runs of
digits, JSON). The middle serves cost and ranking; the bound serves whatever must not be exceeded: windows and budgets.
"""

from __future__ import annotations

from msgspec import Struct

from pointsman.core.vocabulary import TokenCountMethod

REFERENCE = "o200k"


class Factor(Struct, frozen=True):
    """Tokens of a family per token of the reference: the usual value, and one that real text does not exceed."""

    middle: float
    bound: float
    frame: int = 0
    """Tokens that the family's chat format adds to every prompt."""


_EXACT = Factor(1.0, 1.0)
_OPEN = {"plain": Factor(1.05, 1.16), "other": Factor(1.15, 2.71)}
_FACTORS = {
    "o200k": {"plain": _EXACT, "other": _EXACT},
    "claude": {"plain": Factor(1.40, 1.56), "other": Factor(1.60, 2.40)},
    "smollm2": {"plain": Factor(1.12, 1.60, 24), "other": Factor(1.60, 4.00, 24)},
    "llama3": _OPEN,
    "mistral": _OPEN,
    "qwen": _OPEN,
    "gemini": _OPEN,
    "deepseek": _OPEN,
}

TOKENISERS = tuple(_FACTORS)


def factor(tokeniser: str, text_class: str) -> Factor:
    """Return the factor of a known family for a kind of text."""
    return _FACTORS[tokeniser][text_class]


def method(tokeniser: str, counted: TokenCountMethod) -> TokenCountMethod:
    """Return how a count for this family was made, where the reference count was made by `counted`."""
    return counted if tokeniser == REFERENCE or counted is TokenCountMethod.HEURISTIC else TokenCountMethod.CALIBRATED
