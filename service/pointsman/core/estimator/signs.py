"""Signs of general tasks, which public benchmarks with right answers do not hold: chat, write, translate, summarize and the like.

A hand-written list. An ask stands at either end of a prompt, so only there a sign counts; the first that shows names the task.
"""

from __future__ import annotations

import re

import re2
from msgspec import Struct

from pointsman.core.quality import BASE_RATE
from pointsman.core.vocabulary import Task

AT_EITHER_END = 160
"""Characters."""


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


class _Marks(Struct, frozen=True):
    """What a sign is known by: any of the words, or any of the phrases."""

    words: frozenset[str]
    phrases: tuple[str, ...]


def _row(task: Task, complexity: float, general: bool, words: str, *phrases: str) -> tuple[Sign, _Marks]:
    return Sign(task, complexity, general), _Marks(frozenset(words.split()), phrases)


# From the particular to the general.
_SIGNS = (
    _row("translate", 0.30, True, "translate translation", "into english", "into german", "into french", "into spanish", "into chinese"),
    _row("summarize", 0.25, True, "summarize summarise summary summarizing tldr shorten", "tl;dr", "sum up", "key points"),
    _row("extract", 0.25, True, "extract", "pull out", "list the names", "list all the", "list the words"),
    _row("classify", 0.25, True, "classify categorize categorise sentiment", "label the", "label this", "label each", "spam or"),
    _row(
        "code", 0.50, True, "python javascript typescript golang java sql regex compile refactor", "unit test", "a function ", "#include",
        "[python]", "def ", " bug ",
    ),
    _row("reason", 0.60, False, "prove proof puzzle riddle deduce derive", "trade-off", "if all", "if every", "why does", "why would"),
    _row("math", 0.55, False, "calculate compute integral equation probability solve", "how many", "how much", "sum of"),
    _row("write", 0.30, True, "poem essay blog rephrase rewrite", "write a", "write me", "write an", "draft a", "compose a", "write the"),
    _row("knowledge", 0.42, False, "explain define describe who when where which", "what is", "what are", "what was"),
    _row("chat", 0.22, True, "hi hello hey thanks", "thank you", "good morning", "good evening", "how are you"),
)  # fmt: skip
_CODE = next(row for row, (sign, _) in enumerate(_SIGNS) if sign.task == "code")
_ROW_OF = {word: row for row, (_, marks) in reversed(list(enumerate(_SIGNS))) for word in marks.words}
_WORDS = frozenset(_ROW_OF)
_ROWS = [row for row, (_, marks) in enumerate(_SIGNS) for _ in marks.phrases]
_PHRASES = re2.Set.SearchSet()
"""All phrases, sought in one pass: one by one takes eight times as long."""
for _phrase in (phrase for _, marks in _SIGNS for phrase in marks.phrases):
    _PHRASES.Add(re2.escape(_phrase))
_PHRASES.Compile()
_BARE_SUM = re.compile(r"(?:what(?: i|')s |calculate |compute )?[\s\d.,+*/\u00d7\u00f7=()?-]*\d[\s\d.,+*/\u00d7\u00f7=()?-]*")


def sign_of(lower: str, words: list[str]) -> Sign:
    """Return the first sign that a lower-case text bears, or NONE; `words` are those of the text."""
    if len(lower) <= 60 and _BARE_SUM.fullmatch(lower.strip()):
        return _sum(words)
    near = lower if len(lower) <= 2 * AT_EITHER_END else f"{lower[:AT_EITHER_END]}\n{lower[-AT_EITHER_END:]}"
    seen = words if len(words) <= 60 else [*words[:30], *words[-30:]]
    rows = [_ROWS[at] for at in _PHRASES.Match(near.encode("utf-8", "replace")) or ()]  # half a character is none
    rows += map(_ROW_OF.__getitem__, _WORDS.intersection(seen))
    if has_program(near):
        rows.append(_CODE)
    return _SIGNS[min(rows)][0] if rows else NONE


def has_program(text: str) -> bool:
    """Return whether a text has fenced program text; a fence of JSON shows the form of an answer, or data."""
    return "```" in text and text.count("```") > 2 * text.count("```json")


def _sum(words: list[str]) -> Sign:
    """Return the sign of bare arithmetic: small models are nearly sure of single digits and lose their way as digits and numbers grow."""
    digits = sum(len(word) for word in words if word.isdigit())
    return Sign("math", min(0.9, 0.04 + 0.05 * max(0, digits - 2)), True, sure=True)
