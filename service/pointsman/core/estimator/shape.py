"""Shape of a prompt: a few numbers that tell how much work it asks for, whatever it is about.

Those in RISING may only raise complexity and gain, which training enforces: more digits, more steps, more to read is never easier.
"""

from __future__ import annotations

from math import log1p

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

RISING = frozenset(("words", "numbers", "longest_number", "digits", "sentences", "options", "signs"))

_ENDS_OF_SENTENCES = (". ", ".\n", "?", "!", "; ")
_SIGNS = "\\^=+*/<>%"
_NEGATIONS = frozenset("not except least false incorrect never cannot neither unlike".split())
_RELATIONS = frozenset("if then each every per twice half times total remaining left more less than".split())
_TRUTHS = frozenset("true false statement which following".split())
_CODE = frozenset("def return class import function select python elif const void int str len print assert".split())
_WITHOUT_DIGITS = str.maketrans("", "", "0123456789")


def shape_of(lower: str, words: list[str], length: int) -> list[float]:
    """Return the numbers in the order of NAMES; `lower` is what was looked at, in lower case, `length` the characters of the whole text."""
    stretch = length / len(lower) if length > 2 * LOOKED_AT else 1.0
    numbers = list(filter(str.isdigit, words))
    digits = list(map(len, numbers))
    distinct, distinct_numbers = set(words), len(set(numbers))
    total = sum(digits)
    count = len(words) if POLITE.isdisjoint(distinct) else len(words) - sum(map(POLITE.__contains__, words))
    plain = max(len(words) - len(numbers), 1)
    options, first = _options(lower)
    return [
        log1p(count * stretch),
        log1p(len(numbers) * stretch),
        float(min(max(digits, default=0), 12)),
        log1p(total * stretch),
        log1p(sum(map(lower.count, _ENDS_OF_SENTENCES)) * stretch),
        float(options),
        log1p(sum(map(lower.count, _SIGNS))),
        log1p(lower.count(" ", 0, first) if options > 1 else count),
        log1p(len(_CODE & distinct) + lower.count("```")),
        (len("".join(words)) - total) / plain,
        (len(distinct) - distinct_numbers) / plain,
        log1p(lower.count("?")),
        log1p(len(_NEGATIONS & distinct)),
        *_of_options(lower, options, first),
        log1p(distinct_numbers),
        *_digits(lower, first if options > 1 else len(lower)),
        log1p(lower.count(",")),
        log1p(lower.count("(")),
        log1p(lower.count("%")),
        log1p(lower.count("^") + lower.count("_")),
        log1p(lower.count("\\")),
        log1p(lower.count("=")),
        log1p(lower.count("-")),
        log1p(lower.count("/")),
        float("_" in lower or "..." in lower),
        log1p(max(map(len, distinct), default=0)),
        log1p(len(_RELATIONS & distinct)),
        log1p(len(_TRUTHS & distinct)),
    ]


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
    return 1.0 - len(text.translate(_WITHOUT_DIGITS)) / len(text) if text else 0.0


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
