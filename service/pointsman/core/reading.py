"""What a prompt says of itself, whoever sends it and whatever for: how long it is, and what it looks like."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from pointsman.core.estimator import Estimate
from pointsman.core.facts import FeatureFacts
from pointsman.core.features import features
from pointsman.core.prompt_tokens import count_prompt
from pointsman.core.request import Prompt
from pointsman.core.vocabulary import TokenCountMethod


class Count(Struct, frozen=True):
    """Tokens by the reference tokeniser, and how they were counted."""

    tokens: int
    method: TokenCountMethod


class Reading(Struct, frozen=True, kw_only=True):
    """Tokens of everything that will be sent, by the reference tokeniser, and the features."""

    input_tokens: int
    method: TokenCountMethod
    features: FeatureFacts


def read(prompt: Prompt, count: Callable[[str], Count], estimate: Callable[[str, str], Estimate]) -> Reading:
    """Return the reading of a prompt; `count` gives the tokens of one text, and the least sure of its methods is that of the whole.
    `estimate` predicts from what is asked, and the text of the system.
    """
    least_sure = TokenCountMethod.EXACT

    def tokens_of(text: str) -> int:
        nonlocal least_sure
        found = count(text)
        if found.method is not least_sure:
            least_sure = max(least_sure, found.method)
        return found.tokens

    tokens = count_prompt(prompt, tokens_of)
    return Reading(input_tokens=tokens, method=least_sure, features=features(prompt, estimate))
