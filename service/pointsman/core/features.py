"""What a prompt looks like: task, complexity, gain and the like, from words and shape alone.

This is the first, simple estimator, and it says so: its confidence is never above CERTAIN_AT_MOST, and complexity is pulled towards the
base rate in the same measure, since no evidence is not the same as easy. A learned one takes its place behind the same function.

Only the system text and the last turn of the user are looked at, and of those the first LOOKED_AT characters and the last: an ask stands at
either end of a long text.
"""

from __future__ import annotations

import re

from msgspec import Struct

from pointsman.core.facts import FeatureFacts
from pointsman.core.quality import BASE_RATE, quality
from pointsman.core.request import Prompt
from pointsman.core.vocabulary import Role, Task

LOOKED_AT = 200
CERTAIN_AT_MOST = 0.4

SMALL, STRONG = 0.58, 0.88
"""Abilities of the reference models that `gain` compares: a 7-9B model and a strong one, over the benchmarks of 2024."""


class _Kind(Struct, frozen=True):
    """What is assumed of a task: how often a small model fails, and how long answers are."""

    complexity: float
    output: int
    """Tokens, median."""
    output_p90: int


_KINDS: dict[Task, _Kind] = {
    "chat": _Kind(0.22, 130, 420),
    "write": _Kind(0.30, 400, 1000),
    "summarize": _Kind(0.25, 150, 400),
    "extract": _Kind(0.25, 60, 200),
    "classify": _Kind(0.25, 5, 20),
    "translate": _Kind(0.30, 130, 500),
    "code": _Kind(0.50, 250, 800),
    "math": _Kind(0.55, 250, 700),
    "reason": _Kind(0.60, 350, 900),
    "knowledge": _Kind(0.42, 120, 420),
    "unknown": _Kind(BASE_RATE, 130, 420),
}
"""Failure rates: rough means over public benchmarks of the kind; lengths: medians and tails of published production traces."""


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


def features(prompt: Prompt) -> FeatureFacts:
    """Return what rules may know of the prompt's content."""
    text = _ends("\n".join(_asked(prompt))).lower().strip()
    words = frozenset(text.translate(_TO_WORDS).split())
    task = _task(text, words)
    complexity, confidence = _complexity(text, words, task)
    return FeatureFacts(
        complexity=complexity,
        gain=quality(STRONG, complexity) - quality(SMALL, complexity),
        confidence=confidence,
        task=task,
        turns=sum(message.role in (Role.USER, Role.ASSISTANT) for message in prompt.messages),
        has_code="```" in text or task == "code",
        text_class="plain" if text.isascii() and _digits(text) * 5 <= len(text) else "other",
    )


def answer_length(task: Task) -> tuple[int, int]:
    """Return the predicted median and 90th percentile of the answer's tokens."""
    kind = _KINDS[task]
    return kind.output, kind.output_p90


def _asked(prompt: Prompt) -> list[str]:
    """Return the system texts and the last turn of the user."""
    system = [message.text for message in prompt.messages if message.role is Role.SYSTEM]
    last = next((message.text for message in reversed(prompt.messages) if message.role is Role.USER), "")
    return [*system, last]


def _digits(text: str) -> int:
    return len(text) - len(text.translate(_WITHOUT_DIGITS))


def _ends(text: str) -> str:
    return text if len(text) <= 2 * LOOKED_AT else f"{text[:LOOKED_AT]}\n{text[-LOOKED_AT:]}"


def _task(text: str, words: frozenset[str]) -> Task:
    for task, signs in _TASKS.items():
        if not signs.words.isdisjoint(words) or any(phrase in text for phrase in signs.phrases):
            return task
        if task == "math" and _OPERATION.search(text):
            return task
    return "unknown"


def _complexity(text: str, words: frozenset[str], task: Task) -> tuple[float, float]:
    """Return complexity, pulled towards the base rate as far as confidence is lacking, and the confidence."""
    raw = 0.05 if _BARE_SUM.fullmatch(text) else _KINDS[task].complexity
    raw = min(1.0, raw + 0.15 * len(words & _HARD))
    confidence = 0.0 if task == "unknown" and raw == BASE_RATE else CERTAIN_AT_MOST
    return BASE_RATE + (raw - BASE_RATE) * confidence, confidence
