"""Shape of a prompt: a few numbers that tell how much work it asks for, whatever it is about.

Those in RISING may only raise complexity and gain, which training enforces: more digits, more steps, more to read is never easier.
Answer options are not among them: how many there are tells one benchmark from another, and APGR is 0.002 higher without.
"""

from __future__ import annotations

from math import log1p

from pointsman.core.estimator.wording import LOOKED_AT, Wording

NAMES: tuple[str, ...] = (
    "words", "numbers", "longest_number", "digits", "sentences", "options", "signs", "stem",
    "code", "word_length", "distinct", "questions", "negations", "option_words", "longest_option", "digits_in_options",
    "commas", "brackets", "percents", "powers", "backslashes", "equals", "slashes", "gap", "relations", "truths",
)  # fmt: skip
"""Counts as log(1 + n), but `longest_number` in digits, `stem` as words before the first answer option, `word_length` in characters,
`distinct` as a share, both without numbers, so that digits count in RISING alone, and digits in options as a share."""

RISING = frozenset(("words", "numbers", "longest_number", "digits", "sentences", "signs"))

_SIGNS = (b"\\", b"^", b"=", b"/", b"%", b"+", b"*", b"<", b">")
_NO_OPTIONS = (0.0, 0.0, 0.0)
_NO_SIGNS = [0] * len(_SIGNS)
_PUNCTUATION = b"".join(bytes((byte,)) for byte in range(128) if bytes((byte,)) not in _SIGNS)
_DIGITS = b"0123456789"
_NEGATIONS = frozenset("not except least false incorrect never cannot neither unlike".split())
_RELATIONS = frozenset("if then each every per twice half times total remaining left more less than".split())
_TRUTHS = frozenset("true false statement which following".split())
_CODE = frozenset("def return class import function select python elif const void int str len print assert".split())
_TELLING = _NEGATIONS | _RELATIONS | _TRUTHS | _CODE
_OPTIONS = tuple(
    (f"{letter}) ", (f"\n{letter}. ", f"\n{letter}) ", f" {letter}) ", f"({letter}) ", f"\n{letter}: "), (f"\n{letter}. ", f"\n{letter}: "))
    for letter in "abcdefghij"
)
"""Of each letter a bracket behind it, how its option may begin, and how without that bracket."""


def shape_of(seen: Wording) -> list[float]:
    """Return the numbers in the order of NAMES."""
    lower, words, distinct, numbers = seen.lower, seen.words, seen.distinct, seen.numbers
    stretch = seen.length / len(lower) if seen.length > 2 * LOOKED_AT else 1.0
    marks = seen.marks
    count_of = marks.count
    digits = list(map(len, numbers))
    count, total = len(words) - seen.polite, sum(digits)
    plain = max(len(words) - len(numbers), 1)
    options, first = _options(lower, has_brackets=b")" in marks)
    telling = _TELLING & distinct
    questions, commas, gaps = count_of(b"?"), count_of(b","), count_of(b"_")
    signs = list(map(count_of, _SIGNS)) if marks.translate(None, _PUNCTUATION) else _NO_SIGNS
    backslashes, powers, equals, slashes, percents = signs[:5]
    return [
        log1p(count * stretch),
        log1p(len(numbers) * stretch),
        float(min(max(digits, default=0), 12)),
        log1p(total * stretch),
        log1p((count_of(b".") + count_of(b";") + questions + count_of(b"!")) * stretch),
        float(options),
        log1p(sum(signs)),
        log1p(lower.count(" ", 0, first) if options > 1 else count),
        log1p(len(_CODE & telling) + (lower.count("```") if b"`" in marks else 0)),
        (len("".join(words)) - total) / plain,
        (len(distinct) - len(set(numbers))) / plain,
        log1p(questions),
        log1p(len(_NEGATIONS & telling)),
        *(_of_options(lower[first:]) if options > 1 else _NO_OPTIONS),
        log1p(commas),
        log1p(count_of(b"(")),
        log1p(percents),
        log1p(powers + gaps),
        log1p(backslashes),
        log1p(equals),
        log1p(slashes),
        float(gaps > 0),
        log1p(len(_RELATIONS & telling)),
        log1p(len(_TRUTHS & telling)),
    ]


def _of_options(text: str) -> tuple[float, float, float]:
    """Return the words of all answer options, the characters of the longest, and the share of digits; `text` begins with the first."""
    written = text.encode("ascii", "ignore")
    digits = len(written) - len(written.translate(None, _DIGITS))
    return log1p(text.count(" ")), log1p(max(map(len, text.split("\n")))), digits / len(text)


def _options(lower: str, *, has_brackets: bool) -> tuple[int, int]:
    """Return how many answer options are lettered a, b, c ... in this order, and where the first begins, or -1.

    They begin as in "a. " or "(a) ", at the head of a line or after a blank.
    """
    first = place = -1
    for found, (bracket, marks, plain) in enumerate(_OPTIONS):
        for mark in marks if has_brackets and bracket in lower else plain:
            if (at := lower.find(mark, place + 1)) >= 0:
                place = at
                break
        else:
            return found, first
        first = place if found == 0 else first
    return len(_OPTIONS), first
