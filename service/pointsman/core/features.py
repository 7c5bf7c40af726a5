"""What a prompt looks like: what an estimator says of its text, and what can simply be seen.

Only the system text and the last turn of the user are looked at.
"""

from __future__ import annotations

from collections.abc import Callable

from pointsman.core.estimator import Estimate, has_program
from pointsman.core.facts import FeatureFacts
from pointsman.core.language import language_of
from pointsman.core.request import Prompt
from pointsman.core.vocabulary import Role, Task

LOOKED_AT = 400
"""Characters by which the class of the text is told."""

_LENGTHS: dict[Task, tuple[int, int]] = {
    "chat": (130, 420),
    "write": (400, 1000),
    "summarize": (150, 400),
    "extract": (60, 200),
    "classify": (5, 20),
    "translate": (130, 500),
    "code": (250, 800),
    "math": (250, 700),
    "reason": (350, 900),
    "knowledge": (120, 420),
    "unknown": (130, 420),
}
"""Tokens of answers, median and 90th percentile: those of published production traces."""

_WITHOUT_DIGITS = str.maketrans("", "", "0123456789")


def features(prompt: Prompt, estimate: Callable[[str], Estimate]) -> FeatureFacts:
    """Return what rules may know of the prompt's content; `estimate` predicts from a text."""
    text = "\n".join(_asked(prompt))
    predicted = estimate(text)
    return FeatureFacts(
        complexity=predicted.complexity,
        gain=predicted.gain,
        confidence=predicted.confidence,
        task=predicted.task,
        subject=predicted.subject,
        discrimination=predicted.discrimination,
        turns=sum(message.role in (Role.USER, Role.ASSISTANT) for message in prompt.messages),
        language=language_of(text),
        has_code=has_program(text) or predicted.task == "code",
        text_class=_text_class(text if len(text) <= LOOKED_AT else text[: LOOKED_AT // 2] + text[-LOOKED_AT // 2 :]),
    )


def answer_length(task: Task) -> tuple[int, int]:
    """Return the predicted median and 90th percentile of the answer's tokens."""
    return _LENGTHS[task]


def _asked(prompt: Prompt) -> list[str]:
    """Return the system texts and the last turn of the user."""
    system = [message.text for message in prompt.messages if message.role is Role.SYSTEM]
    last = next((message.text for message in reversed(prompt.messages) if message.role is Role.USER), "")
    return [*system, last]


def _text_class(text: str) -> str:
    digits = len(text) - len(text.translate(_WITHOUT_DIGITS))
    return "plain" if text.isascii() and digits * 5 <= len(text) else "other"
