"""A hand-made keyword rule, as routers begin with: what the learned estimator is compared with."""

from __future__ import annotations

import re

from msgspec import Struct

from pointsman.core.estimator.wording import ends
from pointsman.core.quality import BASE_RATE
from pointsman.core.vocabulary import Task

CERTAIN = 0.4

_COMPLEXITY: dict[Task, float] = {
    "chat": 0.22, "write": 0.30, "summarize": 0.25, "extract": 0.25, "classify": 0.25, "translate": 0.30, "code": 0.50, "math": 0.55,
    "reason": 0.60, "knowledge": 0.42, "unknown": BASE_RATE,
}  # fmt: skip


class _Signs(Struct, frozen=True):
    """What a task is known by: any of the words, or any of the phrases."""

    words: frozenset[str]
    phrases: tuple[str, ...] = ()


def _signs(words: str, *phrases: str) -> _Signs:
    return _Signs(frozenset(words.split()), phrases)


# The first that shows names the task; so from the particular to the general.
_TASKS: dict[Task, _Signs] = {
    "translate": _signs("translate translation", "into english", "into german", "into french", "into spanish", "into chinese"),
    "summarize": _signs("summarize summarise summary summarizing tldr shorten", "tl;dr", "sum up", "key points"),
    "extract": _signs("extract", "pull out", "find all", "list the names", "list all", "list the words"),
    "classify": _signs("classify categorize categorise classification sentiment", "label the", "label this", "label each", "spam or"),
    "code": _signs("function python javascript typescript rust golang java sql regex bug compile refactor algorithm", "```", "unit test"),
    "reason": _signs("prove proof puzzle riddle deduce derive", "step by step", "trade-off", "if all", "if every", "why does", "why would"),
    "math": _signs("calculate compute integral derivative equation probability percent solve", "how many", "how much", "sum of"),
    "write": _signs("write draft compose poem essay letter story blog rephrase rewrite"),
    "knowledge": _signs("explain define describe who when where which", "what is", "what are", "what was"),
    "chat": _signs("hi hello hey thanks", "thank you", "good morning", "good evening", "how are you"),
}

_HARD = frozenset(
    (
        "prove proof derive theorem lemma invariant topology integral eigenvalue eigenvalues asymptotic rigorous rigorously "
        "optimize optimise concurrent concurrency lock distributed consensus architecture adversarial"
    ).split()
)
"""Words of hard work; each raises complexity."""

_TO_WORDS = str.maketrans(dict.fromkeys(".,;:!?()[]{}<>\"'`*#=/+", " "))
_WITHOUT_DIGITS = str.maketrans("", "", "0123456789")
_OPERATION = re.compile(r"\d ?[-+*/^\u00d7\u00f7=] ?\d")
_BARE_SUM = re.compile(r"(?:what(?: i|')s |calculate |compute )?[\s\d.,+*/\u00d7\u00f7=()?-]{1,60}")


def complexity(prompt: str) -> float:
    """Return how hard a prompt looks by its words, 0..1."""
    text = ends(prompt).lower().strip()
    words = frozenset(text.translate(_TO_WORDS).split())
    raw = 0.05 if _BARE_SUM.fullmatch(text) else _COMPLEXITY[_task(text, words)]
    return BASE_RATE + (min(1.0, raw + 0.15 * len(words & _HARD)) - BASE_RATE) * CERTAIN


def _task(text: str, words: frozenset[str]) -> Task:
    for task, signs in _TASKS.items():
        if not signs.words.isdisjoint(words) or any(phrase in text for phrase in signs.phrases):
            return task
        if task == "math" and _OPERATION.search(text):
            return task
    return "unknown"
