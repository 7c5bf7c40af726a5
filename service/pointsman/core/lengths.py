"""How long answers get: what is usual for a task and a complexity, before a model has shown how long its own are.

The usual lengths of tasks are those of published production traces. Harder prompts get longer answers: over the 21 models of ZeroEval the
median grows by e^(2 x complexity) within a task, which takes the median error after 200 answers from 32 % to 24 %. A model's own answers
are told as a ratio to the usual ones (`experience.py`), so that what a model has shown on easy prompts holds for hard ones, too.
"""

from __future__ import annotations

from math import exp, log

from msgspec import Struct

from pointsman.core.quality import BASE_RATE
from pointsman.core.vocabulary import Task

STEEPNESS = 2.0
"""By how much the log of a length rises with complexity."""

_USUAL: dict[Task, tuple[int, int]] = {
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
"""Tokens at average complexity: median and 90th percentile."""

_NINTH_DECILE = 1.2815515655446004  # of the standard normal distribution


class Length(Struct, frozen=True):
    """A length of answers, in tokens, or as a ratio to what is usual."""

    median: float
    p90: float


AS_USUAL = Length(1.0, 1.0)


def usual(task: Task, complexity: float) -> tuple[int, int]:
    """Return the median and the 90th percentile of the tokens of answers, whoever gives them; `complexity` is 0..1."""
    median, p90 = _USUAL[task]
    harder = exp(STEEPNESS * (complexity - BASE_RATE))
    return max(1, round(median * harder)), max(1, round(p90 * harder))


def spread(median: float, p90: float) -> float:
    """Return the standard deviation of the log of lengths with this median and 90th percentile (lengths are log-normal, nearly)."""
    return log(p90 / median) / _NINTH_DECILE
