"""Rewording: does the decision survive when a prompt is put differently? Changes are made by rule, so that every run makes the same."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from pointsman.core.estimator import Estimate
from pointsman.core.quality import quality

LADDER = (0.40, 0.60, 0.72, 0.84, 0.92)
"""Abilities of the models that a decision chooses from, rising with price: about those of the shipped catalog."""

ACCURACY = 0.8

_WORD = re.compile(r"[A-Za-z]{5,}")
_OPTIONS = re.compile(r"^([A-J])\. (.*)$", re.MULTILINE)


def decision(estimate: Estimate, *, accuracy: float = ACCURACY) -> int:
    """Return the place in LADDER of the cheapest model whose expected quality reaches the accuracy, else of the best."""
    expected = (quality(ability, estimate.complexity, estimate.discrimination) for ability in LADDER)
    return next((place for place, value in enumerate(expected) if value >= accuracy), len(LADDER) - 1)


def spelling(prompt: str) -> str:
    """Swap two letters in the middle of every seventh longer word."""
    places = iter(range(1 << 30))

    def swapped(found: re.Match[str]) -> str:
        word = found.group()
        return word if next(places) % 7 else f"{word[:2]}{word[3]}{word[2]}{word[4:]}"

    return _WORD.sub(swapped, prompt)


def case(prompt: str) -> str:
    """Write all in small letters."""
    return prompt.lower()


def capitals(prompt: str) -> str:
    """Write all in capitals."""
    return prompt.upper()


def white_space(prompt: str) -> str:
    """Double every third blank, and every line break."""
    parts = prompt.split(" ")
    return "".join(f"{part}{'  ' if place % 3 == 0 else ' '}" for place, part in enumerate(parts)).strip().replace("\n", "\n\n")


def politeness(prompt: str) -> str:
    """Ask and thank."""
    return f"Hello, could you please help me with this? {prompt}\nThank you!"


def option_order(prompt: str) -> str:
    """Turn the answer options round, under the same letters."""
    turned = iter([text for _, text in _OPTIONS.findall(prompt)][::-1])
    return _OPTIONS.sub(lambda found: f"{found[1]}. {next(turned)}", prompt)


def all_at_once(prompt: str) -> str:
    """Make all changes, with small letters."""
    return politeness(white_space(case(spelling(option_order(prompt)))))


CHANGES: Mapping[str, Callable[[str], str]] = {
    "spelling": spelling,
    "small letters": case,
    "capitals": capitals,
    "white space": white_space,
    "politeness": politeness,
    "option order": option_order,
    "all at once": all_at_once,
}


def agreeing(prompt: str, estimate: Callable[[str], Estimate]) -> dict[str, bool]:
    """Return, by change that changes the prompt at all, whether the decision stays."""
    before = decision(estimate(prompt))
    changed = {name: change(prompt) for name, change in CHANGES.items()}
    return {name: decision(estimate(text)) == before for name, text in changed.items() if text != prompt}
