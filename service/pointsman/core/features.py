"""What a prompt looks like: what an estimator says of its text, and what can simply be seen.

Only the system text and the last turn of the user are looked at.
"""

from __future__ import annotations

from collections.abc import Callable

from pointsman.core.estimator import Estimate
from pointsman.core.facts import FeatureFacts
from pointsman.core.request import Prompt
from pointsman.core.vocabulary import Role

LOOKED_AT = 400
"""Characters by which the class of the text is told."""

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
        has_code="```" in text or predicted.task == "code",
        text_class=_text_class(text if len(text) <= LOOKED_AT else text[: LOOKED_AT // 2] + text[-LOOKED_AT // 2 :]),
    )


def _asked(prompt: Prompt) -> list[str]:
    """Return the system texts and the last turn of the user."""
    system = [message.text for message in prompt.messages if message.role is Role.SYSTEM]
    last = next((message.text for message in reversed(prompt.messages) if message.role is Role.USER), "")
    return [*system, last]


def _text_class(text: str) -> str:
    digits = len(text) - len(text.translate(_WITHOUT_DIGITS))
    return "plain" if text.isascii() and digits * 5 <= len(text) else "other"
