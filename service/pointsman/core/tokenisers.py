"""How other families of tokenisers count, relative to the reference tokeniser o200k.

Measured ratios, by class of text (`textclass.py`). The middle serves cost and ranking; the bound serves whatever must not be exceeded:
windows and budgets. It stands a twentieth above the greatest ratio that was measured, and a mixed text has the class of its worse part.
"""

from __future__ import annotations

from msgspec import Struct

from pointsman.core.textclass import TEXT_CLASSES, TextClass
from pointsman.core.vocabulary import TokenCountMethod

REFERENCE = "o200k"


class Factor(Struct, frozen=True):
    """Tokens of a family per token of the reference: the usual value, and one that real text does not exceed."""

    middle: float
    bound: float
    frame: int = 0
    """Tokens that the family's chat format adds to every prompt."""


def _family(**measured: tuple[float, float]) -> dict[TextClass, Factor]:
    """Return the factors of the least and greatest ratios that were measured. What may be any language is likely to be English."""
    known = [(name, measured[name]) for name in TEXT_CLASSES if name in measured]
    found = {name: Factor(round((low + high) / 2, 3), round(high * 1.05, 3)) for name, (low, high) in known}
    return {**found, "unknown": Factor(found["english"].middle, max(found["code"].bound, found["latin"].bound))}


_OPEN = _family(english=(1.00, 1.07), code=(0.97, 1.16), data=(0.91, 1.42), latin=(0.94, 1.38), cjk=(0.71, 1.46), script=(1.00, 2.71))
# From version 4.7 on; those before count as `claude3`.
_CLAUDE = _family(english=(1.38, 1.40), code=(1.49, 1.56), data=(1.29, 1.42), latin=(1.79, 2.40), cjk=(1.16, 2.00), script=(1.74, 2.21))
_CLAUDE_3 = _family(english=(1.06, 1.11), code=(1.21, 1.21), data=(1.12, 1.17), latin=(1.47, 1.69), cjk=(1.16, 2.00), script=(1.72, 2.21))

_SMOLLM = Factor(1.12, 1.6, 24)
_FACTORS: dict[str, dict[TextClass, Factor]] = {
    REFERENCE: dict.fromkeys(TEXT_CLASSES, Factor(1.0, 1.0)),
    "claude": _CLAUDE,
    "claude3": _CLAUDE_3,
    "smollm2": {**dict.fromkeys(TEXT_CLASSES, Factor(1.6, 4.0, 24)), "english": _SMOLLM, "code": _SMOLLM, "unknown": Factor(1.12, 4.0, 24)},
    "llama3": _OPEN,
    "mistral": _OPEN,
    "qwen": _OPEN,
    "gemini": _OPEN,
    "deepseek": _OPEN,
}

TOKENISERS = tuple(_FACTORS)


def factor(tokeniser: str, text_class: TextClass) -> Factor:
    """Return the factor of a known family for a class of text."""
    return _FACTORS[tokeniser][text_class]


def method(tokeniser: str, counted: TokenCountMethod) -> TokenCountMethod:
    """Return how a count for this family was made, where the reference count was made by `counted`."""
    return counted if tokeniser == REFERENCE or counted is TokenCountMethod.HEURISTIC else TokenCountMethod.CALIBRATED
