"""How long answers get: what is usual for a task and a complexity, before a model has shown how long its own are.

The usual lengths of tasks are those of published production traces. Harder prompts get longer answers: over the 21 models of ZeroEval the
median grows by e^(2 x complexity) within a task, which takes the median error after 200 answers from 32 % to 24 %. A model's own answers
are told as a ratio to the usual ones, so that what a model has shown on easy prompts holds for hard ones, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import exp, log
from statistics import NormalDist

from msgspec import Struct

from pointsman.core.quality import BASE_RATE
from pointsman.core.sample import ASSUMED, Sample
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

_NORMAL = [NormalDist().inv_cdf((at + 0.5) / ASSUMED) for at in range(ASSUMED)]
_NINTH_DECILE = NormalDist().inv_cdf(0.9)


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


class Lengths:
    """How long the answers of one model were, by task. Lengths are taken to be log-normal, nearly."""

    def __init__(self) -> None:
        self._ratios = Sample()
        self._by_task: dict[str, tuple[Sample, float]] = {}

    def note(self, task: str, tokens: int, usual: Length, *, is_cut: bool = False) -> None:
        """Take in an answer; `usual` is what was to be expected of any model. One that was cut counts as long as nine in ten are."""
        ratio = max(1.0, tokens, usual.p90 if is_cut else 0.0) / usual.median
        self._ratios.note(ratio)
        sample, _ = self._by_task.get(task) or (Sample(), 0.0)
        sample.note(ratio)
        self._by_task[task] = (sample, log(usual.p90 / usual.median) / _NINTH_DECILE)

    def shown(self) -> Mapping[str, Length]:
        """Return the lengths by task, as ratios to what is usual; under "" those of tasks that were not seen. Empty before any was.

        What a model has shown over all tasks is what is assumed of each: one that is wordy is wordy everywhere.
        """
        if not self._by_task:
            return {}
        wordy = self._ratios.median(1.0)
        return {"": Length(wordy, wordy)} | {task: _length(sample, wordy, spread) for task, (sample, spread) in self._by_task.items()}


def _length(sample: Sample, wordy: float, spread: float) -> Length:
    """Return the median and the ninth decile; `spread` is the standard deviation of the log of usual lengths."""
    median, p90 = sample.quantiles((0.5, 0.9), [wordy * exp(spread * at) for at in _NORMAL])
    return Length(median, p90 / exp(spread * _NINTH_DECILE))
