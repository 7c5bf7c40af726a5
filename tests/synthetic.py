"""Outcomes made up for tests of learning: two easy kinds of questions and two hard ones, from two sources. No real data."""

from __future__ import annotations

import random

from pointsman.learn.rows import PAIRS, Outcome, Row

_NOUNS = "apples pears stones boats lamps coins books roads birds rivers".split()
_KINDS = {
    "routellm_mmlu": (
        ("mmlu/virology", "which virus attacks the cells of", 0.2),
        ("mmlu/professional_law", "does the statute of the court bind", 0.6),
    ),
    "zeroeval": (("gsm", "how many of these are left: sold some", 0.3), ("math-l5", "find every root of the polynomial over", 0.8)),
}


def rows_made(count: int = 240, seed: int = 1) -> list[Row]:
    """Return rows in the order of their ids; weak models fail hard kinds, and long questions, more often."""
    draw = random.Random(seed)  # noqa: S311  # made-up questions
    rows = []
    for at in range(count):
        source = ("routellm_mmlu", "zeroeval")[at % 2]
        label, words, hard = _KINDS[source][at // 2 % 2]
        steps = draw.randint(1, 6)
        prompt = (
            f"{words} "
            + ". ".join(f"{draw.choice(_NOUNS)} and {draw.randint(1, 999)} {draw.choice(_NOUNS)}" for _ in range(steps))
            + f" n{at}?"
        )
        weak, strong = PAIRS[source]
        fails = draw.random() < min(0.95, hard + 0.05 * steps)
        models = {weak: Outcome(1.0 - fails), strong: Outcome(float(not fails or draw.random() < 0.6))}
        rows.append(Row(source, f"{source}/{at:04}", prompt, label, models))
    return sorted(rows, key=lambda row: row.id)
