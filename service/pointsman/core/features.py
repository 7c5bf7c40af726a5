"""What a prompt looks like: what an estimator says of its text, and what can simply be seen.

Only the system text and the last turn of the user are looked at, but for the class of the text, by which all tokens are counted.
"""

from __future__ import annotations

from collections.abc import Callable

from pointsman.core.estimator import Estimate, has_program
from pointsman.core.facts import FeatureFacts
from pointsman.core.prompt_tokens import texts_of
from pointsman.core.request import Prompt
from pointsman.core.textclass import text_class
from pointsman.core.vocabulary import Role

_SYSTEM, _USER, _ASSISTANT = Role.SYSTEM, Role.USER, Role.ASSISTANT  # before Python 3.12, a member is looked up by a function


def features(prompt: Prompt, estimate: Callable[[str, str], Estimate]) -> FeatureFacts:
    """Return what rules may know of the prompt's content; `estimate` predicts from what is asked, and the text of the system."""
    asked, system, turns = _asked(prompt)
    predicted = estimate(asked, system)
    has_code = has_program(asked) or has_program(system) or predicted.task == "code"
    return FeatureFacts(
        complexity=predicted.complexity,
        gain=predicted.gain,
        confidence=predicted.confidence,
        task=predicted.task,
        subject=predicted.subject,
        discrimination=predicted.discrimination,
        turns=turns,
        language=predicted.language,
        has_code=has_code,
        text_class=text_class(_sent(prompt, asked), predicted.language, has_code=has_code),
    )


def _sent(prompt: Prompt, asked: str) -> str:
    """Return all texts that will be sent, as tokens of all are counted; most prompts are one message, which is what is asked."""
    return asked if len(prompt.messages) == 1 and not prompt.tools else "\n".join(texts_of(prompt))


def _asked(prompt: Prompt) -> tuple[str, str, int]:
    """Return the last turn of the user, the texts of the system, and how many turns there are of the user and the model."""
    system: list[str] = []
    last, turns = None, 0
    for message in prompt.messages:
        role = message.role
        if role is _USER:
            last, turns = message, turns + 1
        elif role is _ASSISTANT:
            turns += 1
        elif role is _SYSTEM:
            system.append(message.text)
    return last.text if last else "", "\n".join(system), turns
