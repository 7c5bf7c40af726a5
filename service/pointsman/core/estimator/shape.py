"""Shape of a prompt: a few numbers that tell how much work it asks for, whatever it is about.

Those in RISING may only raise complexity and gain, which training enforces: more digits, more steps, more to read is never easier.
Answer options are not among them: how many there are tells one benchmark from another, and APGR is 0.002 higher without.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import log1p

import numpy as np

from pointsman.core.estimator.wording import LOOKED_AT, POLITE

NAMES: tuple[str, ...] = (
    "words", "numbers", "longest_number", "digits", "sentences", "options", "signs", "stem",
    "code", "word_length", "distinct", "questions", "negations",
    "option_words", "words_of_option", "longest_option", "distinct_numbers", "digits_in_options", "digits_in_stem",
    "commas", "brackets", "percents", "powers", "backslashes", "equals", "dashes", "slashes", "gap", "longest_word",
    "relations", "truths",
)  # fmt: skip
"""Counts as log(1 + n), but `longest_number` in digits, `stem` as words before the first answer option, `word_length` in characters,
`distinct` as a share, both without numbers, so that digits count in RISING alone, and digits in options and stem as shares."""

RISING = frozenset(("words", "numbers", "longest_number", "digits", "sentences", "signs"))

_ENDS_OF_SENTENCES = (". ", ".\n", "; ")
_SIGNS = "\\^=+*/<>%"
_MARKS = ",(%^_\\=-/?!+*<>"
_MARKS_AT = np.array(list(map(ord, _MARKS)))
_NEGATIONS = frozenset("not except least false incorrect never cannot neither unlike".split())
_RELATIONS = frozenset("if then each every per twice half times total remaining left more less than".split())
_TRUTHS = frozenset("true false statement which following".split())
_CODE = frozenset("def return class import function select python elif const void int str len print assert".split())
_DIGITS = b"0123456789"


def shape_of(lower: str, words: list[str], distinct: set[str], length: int) -> list[float]:
    """Return the numbers in the order of NAMES.

    `lower` is what was looked at, in lower case, `distinct` each of its `words` once, `length` the characters of the whole text.
    """
    stretch = length / len(lower) if length > 2 * LOOKED_AT else 1.0
    numbers = list(filter(str.isdigit, words))
    digits = list(map(len, numbers))
    distinct_numbers, marks = len(set(numbers)), _marks(lower)
    total = sum(digits)
    count = len(words) if POLITE.isdisjoint(distinct) else len(words) - sum(map(POLITE.__contains__, words))
    plain = max(len(words) - len(numbers), 1)
    options, first = _options(lower)
    return [
        log1p(count * stretch),
        log1p(len(numbers) * stretch),
        float(min(max(digits, default=0), 12)),
        log1p(total * stretch),
        log1p((sum(map(lower.count, _ENDS_OF_SENTENCES)) + marks["?"] + marks["!"]) * stretch),
        float(options),
        log1p(sum(map(marks.__getitem__, _SIGNS))),
        log1p(lower.count(" ", 0, first) if options > 1 else count),
        log1p(len(_CODE & distinct) + lower.count("```")),
        (len("".join(words)) - total) / plain,
        (len(distinct) - distinct_numbers) / plain,
        log1p(marks["?"]),
        log1p(len(_NEGATIONS & distinct)),
        *_of_options(lower, options, first),
        log1p(distinct_numbers),
        *_digits(lower, first if options > 1 else len(lower)),
        log1p(marks[","]),
        log1p(marks["("]),
        log1p(marks["%"]),
        log1p(marks["^"] + marks["_"]),
        log1p(marks["\\"]),
        log1p(marks["="]),
        log1p(marks["-"]),
        log1p(marks["/"]),
        float(marks["_"] > 0 or "..." in lower),
        log1p(max(map(len, distinct), default=0)),
        log1p(len(_RELATIONS & distinct)),
        log1p(len(_TRUTHS & distinct)),
    ]


def _marks(lower: str) -> Mapping[str, int]:
    """Return how often each of _MARKS stands in the text: one pass over its bytes, as counting each alone takes three times as long."""
    found = np.bincount(np.frombuffer(lower.encode("ascii", "ignore"), dtype=np.uint8), minlength=128)
    return dict(zip(_MARKS, found.take(_MARKS_AT).tolist(), strict=True))


def _of_options(lower: str, options: int, first: int) -> tuple[float, float, float]:
    """Return the words of all answer options, those of an average one, and the characters of the longest."""
    if options < 2:
        return 0.0, 0.0, 0.0
    text = lower[first:]
    count = text.count(" ")
    return log1p(count), log1p(count / options), log1p(max(map(len, text.split("\n"))))


def _digits(lower: str, first: int) -> tuple[float, float]:
    """Return the share of digits among the characters of the options, which begin at `first`, and among those before."""
    options, stem = lower[first:], lower[:first]
    return _share(options), _share(stem)


def _share(text: str) -> float:
    written = text.encode("ascii", "ignore")
    digits = len(written) - len(written.translate(None, _DIGITS))
    return 1.0 - (len(text) - digits) / len(text) if text else 0.0


def _options(lower: str) -> tuple[int, int]:
    """Return how many answer options are lettered a, b, c ... in this order, and where the first begins."""
    first = place = -1
    for found, letter in enumerate("abcdefghij"):
        place = _option(lower, letter, place + 1)
        if place < 0:
            return found, first
        first = place if found == 0 else first
    return 10, first


def _option(lower: str, letter: str, start: int) -> int:
    """Return where the option of a letter begins, as in "a. " or "(a) ", at the head of a line or after a blank; -1 without one."""
    for mark in (f"\n{letter}. ", f"\n{letter}) ", f" {letter}) ", f"({letter}) ", f"\n{letter}: "):
        if (place := lower.find(mark, start)) >= 0:
            return place
    return -1
