"""Words of a prompt: what the learned estimator sees of its text.

Rewording should barely move a score, so case, white space, most punctuation and politeness are dropped, and every number is the same word:
how large numbers are is left to `shape.py`, where more digits can only count for more. Words are cut by `str` methods alone: one regular
expression over 1 KB costs more than all else that is done here.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

LOOKED_AT = 2000
"""Characters at either end of a text that are read; an ask stands at either end of a long text."""

SIGNS = "\\^=+*/<>$%{}[]|"
"""Characters that are words of their own: they tell formulas and program text from prose."""

POLITE = frozenset("please kindly thanks thank you hi hello hey dear could would can just help me sir appreciate grateful regards".split())

NUMBER, UNKNOWN = 0, -1
"""Numbers of the words that stand for every number, and for what the vocabulary does not know or does not count."""

_BLANKS = str.maketrans(dict.fromkeys("\n\t\r\"'`!?;:()#&_~@-", " "))


class Vocabulary(dict[str, int]):
    """Number of each known word, from 1. Politeness is never known, nor is a word with digits."""

    def __init__(self, words: Iterable[str]) -> None:
        super().__init__((word, at) for at, word in enumerate(words, start=1))

    def __missing__(self, word: str) -> int:
        return NUMBER if word.isdigit() else UNKNOWN


def ends(text: str) -> str:
    """Return the first and the last LOOKED_AT characters."""
    return text if len(text) <= 2 * LOOKED_AT else f"{text[:LOOKED_AT]}\n{text[-LOOKED_AT:]}"


def words_of(lower: str) -> list[str]:
    """Return the words of a lower-case text in order; a number is one word, without its points and commas."""
    text = f"{lower} ".translate(_BLANKS).replace(". ", " ").replace(", ", " ").replace(".", "").replace(",", "")
    for sign in SIGNS:
        if sign in text:
            text = text.replace(sign, f" {sign} ")
    return text.split()


def ids_of(words: Iterable[str], vocabulary: Vocabulary) -> NDArray[np.int64]:
    """Return the number of each word that the vocabulary knows, once, rising."""
    found = set(map(vocabulary.__getitem__, set(words)))  # most words of a long text come again, and unknown ones are slow to look up
    found.discard(UNKNOWN)
    return np.array(sorted(found), dtype=np.int64)
