"""Edits a text as an instruction beside it asks: counts, sorts, extracts, reverses, changes its case."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal

INSTRUCTION_CAP = 160  # characters before the text that an instruction is about
AFTERWORD_CAP = 80  # characters after it

DO = r"(?:\A|[.!?,]\s*|\b(?:please|you|you to|and|now|then)\s+)"  # a verb that commands: not "what sort of", not "a count of"
_COUNTS = {"a": 1, "single": 1} | {word: count for count, word in enumerate("one two three four five six seven eight nine ten".split(), 1)}
COUNT = rf"(\d{{1,6}}|{'|'.join(_COUNTS)})"
WORD = re.compile(r"\w+(?:['\u2019-]\w+)*")
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_URL = re.compile(r"\b(?:https?://|www\.)[^\s<>\"']*[^\s<>\"'.,;:!?)\]]", re.IGNORECASE)
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:,\d{3})*(?:\.\d+)?", re.ASCII)
_DAY, _MONTH = r"\d{1,2}(?:st|nd|rd|th)?", r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}\.?"
_DATE = re.compile(
    rf"(?<![\w-])(?:\d{{4}}-\d\d-\d\d|\d\d?[./]\d\d?[./](?:\d{{4}}|\d\d)|{_DAY} {_MONTH},? \d{{4}}|{_MONTH} {_DAY},? \d{{4}})(?!\d)",
    re.IGNORECASE,
)
_QUOTES = {'"': '"', "'": "'", "`": "`", "“": "”", "\u2018": "\u2019", "«": "»"}
_TEXT_STARTS = re.compile(r":(?!//)|[\n\"`“«]|(?<!\w)['\u2018](?=\S)")

_Operation = Callable[[re.Match[str], str], str]


def text_answer(ask: str) -> str | None:
    """Return the text of the ask, edited as its instruction says, None where there is no text or no such instruction."""
    instruction, text = instruction_and_text(ask)
    if not text.strip():
        return None
    matches = ((pattern.search(instruction), operation) for pattern, operation in _OPERATIONS)
    return next((operation(found, text) or "Nothing found." for found, operation in matches if found), None)


def instruction_and_text(ask: str) -> tuple[str, str]:
    """Return what is asked and the text it is asked about: what is quoted, or follows the first colon or line; else no text."""
    start = _TEXT_STARTS.search(ask, 0, INSTRUCTION_CAP)
    if start is None:
        return ask[:INSTRUCTION_CAP], ""
    if start[0] not in _QUOTES:
        return ask[: start.end()], _unquoted(ask[start.end() :].strip())
    end = re.compile(rf"{_QUOTES[start[0]]}(?!\w)").search(ask, start.end())
    if end is None or len(ask) - end.end() > AFTERWORD_CAP:
        return ask[: start.start()], ""
    return ask[: start.start()] + ask[end.end() :], ask[start.end() : end.start()]


def _unquoted(text: str) -> str:
    wrapped = len(text) > 2 and _QUOTES.get(text[0]) == text[-1] and text[-1] not in text[1:-1]
    return text[1:-1] if wrapped else text


def counted(word: str | None, otherwise: int) -> int:
    """Return the number that a match of COUNT says, in digits or as a word."""
    return otherwise if word is None else _COUNTS.get(word.lower()) or int(word)


def shortened(text: str, limit: int) -> str:
    """Return the text on one line, cut at the end of a word where it is longer than the limit."""
    flat = " ".join(text.split())
    if len(flat) <= limit:
        return flat
    return (flat[: limit + 1].rpartition(" ")[0] or flat[:limit]) + "…"


def _outer_words(found: re.Match[str], text: str) -> str:
    words, count = text.split(), counted(found[2], 1)
    return " ".join(words[:count] if found[1].lower() == "first" else words[max(len(words) - count, 0) :])


def _items(text: str) -> tuple[str, list[str]]:
    """Return the items of a list and what joins them: lines, else what commas part, else words."""
    mark, joint = next(((mark, joint) for mark, joint in (("\n", "\n"), (",", ", ")) if mark in text), (None, " "))
    return joint, [part.strip() for part in text.split(mark) if part.strip()]


def _sorted(found: re.Match[str], text: str) -> str:
    joint, items = _items(text)
    downwards = re.search(r"descending|reverse|largest first|z to a", found.string, re.IGNORECASE)
    return joint.join(sorted(items, key=_rank, reverse=downwards is not None))


def _rank(item: str) -> tuple[bool, Decimal, str]:
    """Return a key that puts numbers first, by value, then the rest by letter, whatever its case."""
    number = _NUMBER.fullmatch(item)
    return not number, Decimal(item.replace(",", "")) if number else Decimal(0), item.casefold()


def _without_duplicates(_: re.Match[str], text: str) -> str:
    joint, items = _items(text)
    return joint.join(dict.fromkeys(items))


def _title_case(_: re.Match[str], text: str) -> str:
    # str.title() would write Don'T.
    return re.sub(r"\S+", lambda word: word[0].capitalize(), text)


def _each(pattern: re.Pattern[str]) -> _Operation:
    return lambda _, text: "\n".join(found[0] for found in pattern.finditer(text))


_HOW_MANY = rf"(?:{DO}count|\bhow many|\bnumber of)\b.*"
_EXTRACT = rf"{DO}(?:extract|find|list|get|pull out|give me)\b.*\b"
_OPERATIONS: tuple[tuple[re.Pattern[str], _Operation], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE | re.DOTALL), operation)
    for pattern, operation in (
        (rf"{_HOW_MANY}\bwords?\b", lambda _, text: str(len(text.split()))),
        (rf"{_HOW_MANY}\bcharacters?\b", lambda _, text: str(len(text))),
        (rf"{_HOW_MANY}\blines?\b", lambda _, text: str(len(text.splitlines()))),
        (rf"{DO}(?:sort|alphabeti[sz]e)\b", _sorted),
        (r"\b(?:remove|drop|without) (?:all |any |the )?duplicate|\bdedup", _without_duplicates),
        (rf"\b(first|last)\s+(?:{COUNT}\s+)?words?\b", _outer_words),
        (rf"{_EXTRACT}e-?mails?\b", _each(_EMAIL)),
        (rf"{_EXTRACT}(?:url|link)s?\b", _each(_URL)),
        (rf"{_EXTRACT}dates?\b", _each(_DATE)),
        (rf"{_EXTRACT}numbers?\b(?! of)", _each(_NUMBER)),
        (rf"{_EXTRACT}words\b", _each(WORD)),
        (rf"{DO}reverse\b.*\bwords\b", lambda _, text: " ".join(reversed(text.split()))),
        (rf"{DO}reverse\b|\b(?:reversed|backwards?)\b", lambda _, text: text[::-1]),
        (r"\bupper[- ]?case\b", lambda _, text: text.upper()),
        (r"\blower[- ]?case\b", lambda _, text: text.lower()),
        (r"\btitle[- ]?case\b", _title_case),
    )
)
