"""Signs of general tasks, which public benchmarks with right answers do not hold: chat, write, translate, summarize and the like.

A hand-written list. An ask stands at either end of a prompt, so only there a sign counts; the first that shows names the task.
"""

from __future__ import annotations

import re

from msgspec import Struct

from pointsman.core.estimator.wording import Wording, wording_of
from pointsman.core.quality import BASE_RATE
from pointsman.core.vocabulary import Task

AT_EITHER_END = 160
"""Characters."""

SMALL_TALK = 20
"""Words: in a longer text, a greeting or thanks are politeness."""


class Sign(Struct, frozen=True):
    """What is assumed of a prompt that bears the sign."""

    task: Task
    complexity: float
    """Share of such prompts that a 7-9B model fails: rough means over public benchmarks of the kind."""
    general: bool
    """No training data holds such prompts, so the sign outweighs what was learned."""
    sure: bool = False
    """Nothing else needs to be looked at."""


NONE = Sign("unknown", BASE_RATE, False)


def _row(task: Task, complexity: float, general: bool, words: str, *phrases: str) -> tuple[Sign, tuple[str, ...]]:
    """Return a sign and what it is known by: any of the words, or any of the phrases."""
    return Sign(task, complexity, general), (*words.split(), *phrases)


# From the particular to the general.
_SIGNS = (
    _row(
        "translate", 0.30, True, "translate translation übersetze übersetzen traduis traduisez traduire traduce traducir traduci traduza",
        "into english", "into german", "into french", "into spanish", "into chinese", "how do you say", "how do i say",
    ),
    _row(
        "summarize", 0.25, True, "summarize summarise summary summarizing tldr shorten zusammen résume resuma riassumi", "tl;dr", "sum up",
        "key points",
    ),
    _row("extract", 0.25, True, "extract", "pull out", "list the names", "list all the", "list the words"),
    _row("classify", 0.25, True, "classify categorize categorise sentiment", "label the", "label this", "label each", "spam or"),
    _row(
        "code", 0.50, True, "python javascript typescript golang java sql regex bash git compile refactor def bug", "unit test",
        "a function ", "#include", "traceback (most recent", "public static", "console.log", "fn main", "</div>", "</html>",
    ),
    _row("reason", 0.60, False, "prove proof puzzle riddle deduce derive", "trade-off", "if all", "if every", "why does", "why would"),
    _row(
        "math", 0.55, False, "calculate compute integral equation probability solve", "divided by", "multiplied by", "how many",
        "how much", "sum of",
    ),
    _row(
        "write", 0.30, True, "poem essay blog rephrase rewrite schreibe écris escribe scrivi escreva", "write a", "write me", "write an",
        "draft a", "compose a", "write the",
    ),
    _row("knowledge", 0.42, False, "explain define describe who when where which", "what is", "what are", "what was"),
    _row("chat", 0.22, True, "hi hello hey thanks hallo hola bonjour ciao", "thank you", "good morning", "good evening", "how are you"),
)  # fmt: skip
_CODE, _CHAT = (next(row for row, (sign, _) in enumerate(_SIGNS) if sign.task == task) for task in ("code", "chat"))
_KNOWN_BY: dict[str, list[tuple[int, str]]] = {}
"""Of each word, the rows that it may tell, and the phrase that must be read for each, if any: it is sought where its longest word is."""
for _at, (_, _marks) in enumerate(_SIGNS):
    for _mark in _marks:
        _KNOWN_BY.setdefault(max(wording_of(_mark).words, key=len), []).append((_at, "" if _mark.isalpha() else _mark))
_WORDS = frozenset(_KNOWN_BY)
_BARE_SUM = re.compile(r"(?:what(?: i|')s |calculate |compute )?[\s\d.,+*/\u00d7\u00f7=()?-]+")


def sign_of(text: Wording) -> Sign:
    """Return the first sign that a text bears, or NONE."""
    lower, words = text.lower, text.words
    if text.numbers and len(words) <= 3 * len(text.numbers) + 3 and _BARE_SUM.fullmatch(lower.strip()):  # signs are words, too
        return _sum(text.numbers)
    near = lower if len(lower) <= 2 * AT_EITHER_END else f"{lower[:AT_EITHER_END]}\n{lower[-AT_EITHER_END:]}"
    seen = words if len(words) <= 60 else [*words[:30], *words[-30:]]
    rows = [row for word in _WORDS.intersection(seen) for row, phrase in _KNOWN_BY[word] if phrase in near]
    if has_program(near):
        rows.append(_CODE)
    if not rows or (min(rows) == _CHAT and len(words) > SMALL_TALK):
        return NONE
    return _SIGNS[min(rows)][0]


def has_program(text: str) -> bool:
    """Return whether a text has fenced program text; a fence of JSON shows the form of an answer, or data."""
    return "`" in text and text.count("```") > 2 * text.count("```json")


def _sum(numbers: list[str]) -> Sign:
    """Return the sign of bare arithmetic: small models are nearly sure of single digits and lose their way as digits and numbers grow."""
    digits = sum(map(len, numbers))
    return Sign("math", min(0.9, 0.04 + 0.05 * max(0, digits - 2)), True, sure=True)
