"""What a route does to a prompt before it is sent, and what that comes to."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from pointsman.core.lossless import lossless
from pointsman.core.prompt_tokens import count_prompt
from pointsman.core.request import Prompt
from pointsman.core.ruleset import RouteSettings
from pointsman.core.trim import trimmed


class Optimisation(Struct, frozen=True, kw_only=True):
    """What was left out of a prompt. Tokens are those of the reference tokeniser."""

    tokens_before: int
    tokens_after: int
    removed: str
    """In words; empty where nothing was."""


def optimised(prompt: Prompt, settings: RouteSettings, count: Callable[[str], int]) -> tuple[Prompt, Optimisation]:
    """Return the prompt as its route wants it sent, and what was left out. It never grows; `count` gives the tokens of one text."""
    if settings.optimize == "trim_history" and settings.target_tokens is not None:
        shorter, turns = trimmed(prompt, settings.target_tokens, count)
        removed = f"turns {turns}" if turns else ""
    else:
        shorter, found = lossless(prompt)
        removed = found.told()
    before = count_prompt(prompt, count)
    after = count_prompt(shorter, count) if removed else before
    if after > before:  # fewer characters can be more tokens, if rarely
        shorter, after, removed = prompt, before, ""
    return shorter, Optimisation(tokens_before=before, tokens_after=after, removed=removed)
