"""What a prompt looks like: what an estimator says of its text, and what can simply be seen.

Only the system text and the last turn of the user are looked at.
"""

from __future__ import annotations

from collections.abc import Callable

from pointsman.core.estimator import Estimate, has_program
from pointsman.core.facts import FeatureFacts
from pointsman.core.language import language_of
from pointsman.core.request import Prompt
from pointsman.core.textclass import text_class
from pointsman.core.vocabulary import Role


def features(prompt: Prompt, estimate: Callable[[str], Estimate]) -> FeatureFacts:
    """Return what rules may know of the prompt's content; `estimate` predicts from a text."""
    text = "\n".join(_asked(prompt))
    predicted, language = estimate(text), language_of(text)
    has_code = has_program(text) or predicted.task == "code"
    return FeatureFacts(
        complexity=predicted.complexity,
        gain=predicted.gain,
        confidence=predicted.confidence,
        task=predicted.task,
        subject=predicted.subject,
        discrimination=predicted.discrimination,
        turns=sum(message.role in (Role.USER, Role.ASSISTANT) for message in prompt.messages),
        language=language,
        has_code=has_code,
        text_class=text_class(text, language, has_code=has_code),
    )


def _asked(prompt: Prompt) -> list[str]:
    """Return the system texts and the last turn of the user."""
    system = [message.text for message in prompt.messages if message.role is Role.SYSTEM]
    last = next((message.text for message in reversed(prompt.messages) if message.role is Role.USER), "")
    return [*system, last]
