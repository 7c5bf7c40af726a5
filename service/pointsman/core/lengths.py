"""How long answers get: what is usual for a task and a complexity, before a model has shown how long its own are.

The usual lengths of tasks are those of published production traces. Harder prompts get longer answers: over the 21 models of ZeroEval the
median grows by e^(2 x complexity) within a task, which takes the median error after 200 answers from 32 % to 25 %. A model's own answers
are told as a ratio to the usual ones, so that what a model has shown on easy prompts holds for hard ones, too. But models differ in how
much more they write where it is hard, so each half of a task (up to and above HARD) has a ratio of its own, drawn towards that of the
task: this takes the error to 24 %.
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

HARD = 0.5
"""Complexity above which answers are told apart. Of 0.42 to 0.55 it is the best by little; two edges or three are no better than one."""

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


def half(task: str, complexity: float) -> str:
    """Return the name of the half of a task that a prompt is in."""
    return f"{task}, hard" if complexity > HARD else f"{task}, easy"


def ratio_of(shown: Mapping[str, Length], task: str, complexity: float) -> Length:
    """Return what a model has shown that is nearest to a prompt."""
    return shown.get(half(task, complexity)) or shown.get(task) or shown.get("") or AS_USUAL


class Lengths:
    """How long the answers of one model were, by task and half of a task. Lengths are taken to be log-normal, nearly."""

    def __init__(self) -> None:
        self._ratios = Sample()
        self._by_task: dict[str, _Shown] = {}

    def note(self, task: str, complexity: float, tokens: int, usual: Length, *, is_cut: bool = False) -> None:
        """Take in an answer; `usual` is what was to be expected of any model. One that was cut counts as long as nine in ten are."""
        ratio = max(1.0, tokens, usual.p90 if is_cut else 0.0) / usual.median
        self._ratios.note(ratio)
        shown = self._by_task.setdefault(task, _Shown())
        shown.spread = log(usual.p90 / usual.median) / _NINTH_DECILE
        for sample in (shown.answers, shown.by_half.setdefault(half(task, complexity), Sample())):
            sample.note(ratio)

    def shown(self) -> Mapping[str, Length]:
        """Return the lengths by task and by half of it, as ratios to what is usual; under "" those of tasks that were not seen.

        Empty before any answer. What a model has shown over all tasks is what is assumed of each: one that is wordy is wordy everywhere.
        """
        if not self._by_task:
            return {}
        wordy = self._ratios.median(1.0)
        found = {"": Length(wordy, wordy)}
        for task, shown in self._by_task.items():
            found[task] = _length(shown.answers, wordy, shown.spread)
            found |= {name: _length(sample, found[task].median, shown.spread) for name, sample in shown.by_half.items()}
        return found


class _Shown:
    """Answers of one task."""

    def __init__(self) -> None:
        self.answers, self.by_half = Sample(), dict[str, Sample]()
        self.spread = 0.0
        """Standard deviation of the log of usual lengths."""


def _length(sample: Sample, assumed: float, spread: float) -> Length:
    """Return the median and the ninth decile; `assumed` is the median of answers assumed beside the sample.

    `spread` is the standard deviation of the log of usual lengths.
    """
    median, p90 = sample.quantiles((0.5, 0.9), [assumed * exp(spread * at) for at in _NORMAL])
    return Length(median, p90 / exp(spread * _NINTH_DECILE))
