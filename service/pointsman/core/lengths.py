"""How long answers get: what is usual for a task and a complexity, before a model has shown how long its own are.

The usual lengths of tasks are those of published production traces. Harder prompts get longer answers: over the 21 models of ZeroEval the
median grows by e^(2 x complexity) within a task, which takes the median error after 200 answers from 32 % to 25 %. A model's own answers
are told as a ratio to the usual ones, so that what a model has shown on easy prompts holds for hard ones, too. But models differ in how
much more they write where it is hard, so each half of a task (up to and above HARD) has a ratio of its own, drawn towards that of the
task: this takes the error to 24 %. And within a half the ratio may rise or fall with complexity and with the length of the prompt, as the
model's own answers show: nearly in proportion for programs, not at all for formulas. This takes it to 23 %.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from math import exp, log
from statistics import NormalDist

import numpy as np
from msgspec import Struct

from pointsman.core.quality import BASE_RATE
from pointsman.core.sample import ASSUMED, KEPT, Sample, quantiles
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

_DOUBTS = np.diag((0.1, 1.0))
"""How little a slope with complexity, and one with the log of the prompt's tokens, is believed: noise over what slopes are taken to be,
squared. Half or twice as much leaves the error as it is, from 30 answers on."""

_FARTHEST = 1.0
"""Log of how far the slopes lead from the middle, at most, and of how far an answer may be off and still count in full for them."""


class Length(Struct, frozen=True):
    """A length of answers, in tokens, or as a ratio to what is usual."""

    median: float
    p90: float


class Ratio(Length, frozen=True):
    """Lengths of a model's answers as a ratio to what is usual, and how it changes from prompt to prompt."""

    complexity: float = 0.0
    """Of a prompt where the ratio is as it stands here."""
    log_prompt: float = 0.0
    """The log of that prompt's tokens."""
    by_complexity: float = 0.0
    """By how much the log of the ratio rises with complexity."""
    by_prompt: float = 0.0
    """By how much it rises with the log of the prompt's tokens."""

    def at(self, complexity: float, prompt_tokens: int) -> float:
        """Return how many times the ratio is what it is here for a prompt, _FARTHEST at most."""
        rise = self.by_complexity * (complexity - self.complexity) + self.by_prompt * (log(prompt_tokens or 1) - self.log_prompt)
        return exp(min(max(rise, -_FARTHEST), _FARTHEST))


AS_USUAL = Ratio(1.0, 1.0)


def usual(task: Task, complexity: float) -> tuple[int, int]:
    """Return the median and the 90th percentile of the tokens of answers, whoever gives them; `complexity` is 0..1."""
    median, p90 = _USUAL[task]
    harder = exp(STEEPNESS * (complexity - BASE_RATE))
    return max(1, round(median * harder)), max(1, round(p90 * harder))


def half(task: str, complexity: float) -> str:
    """Return the name of the half of a task that a prompt is in."""
    return f"{task}, hard" if complexity > HARD else f"{task}, easy"


def ratio_of(shown: Mapping[str, Ratio], task: str, complexity: float) -> Ratio:
    """Return what a model has shown that is nearest to a prompt."""
    return shown.get(half(task, complexity)) or shown.get(task) or shown.get("") or AS_USUAL


class Lengths:
    """How long the answers of one model were, by task and half of a task. Lengths are taken to be log-normal, nearly."""

    def __init__(self) -> None:
        self._ratios = Sample()
        self._by_task: dict[str, _Shown] = {}

    def note(self, task: str, complexity: float, tokens: int, usual: Length, *, prompt_tokens: int, is_cut: bool = False) -> None:
        """Take in an answer; `usual` is what was to be expected of any model. One that was cut counts as long as nine in ten are."""
        ratio = max(1.0, tokens, usual.p90 if is_cut else 0.0) / usual.median
        self._ratios.note(ratio)
        shown = self._by_task.setdefault(task, _Shown())
        shown.spread = log(usual.p90 / usual.median) / _NINTH_DECILE
        shown.answers.note(ratio)
        shown.by_half.setdefault(half(task, complexity), _Half()).note(ratio, complexity, prompt_tokens)

    def shown(self) -> Mapping[str, Ratio]:
        """Return the lengths by task and by half of it, as ratios to what is usual; under "" those of tasks that were not seen.

        Empty before any answer. What a model has shown over all tasks is what is assumed of each: one that is wordy is wordy everywhere.
        """
        if not self._by_task:
            return {}
        wordy = self._ratios.median(1.0)
        found = {"": Ratio(wordy, wordy)}
        for task, shown in self._by_task.items():
            wider = exp(shown.spread * _NINTH_DECILE)
            median, p90 = shown.answers.quantiles((0.5, 0.9), _assumed(wordy, shown.spread))
            found[task] = Ratio(median, p90 / wider)
            found |= {name: half.ratio(_assumed(median, shown.spread), wider) for name, half in shown.by_half.items()}
        return found


class _Shown:
    """Answers of one task."""

    def __init__(self) -> None:
        self.answers, self.by_half = Sample(), dict[str, _Half]()
        self.spread = 0.0
        """Standard deviation of the log of usual lengths."""


class _Half:
    """The last answers of one half of a task, and what prompts they were given to."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float, float]] = deque(maxlen=KEPT)
        self._fit: tuple[list[float], list[float]] | None = None

    def note(self, ratio: float, complexity: float, prompt_tokens: int) -> None:
        self._seen.append((log(ratio), complexity, log(prompt_tokens or 1)))
        self._fit = None

    def ratio(self, assumed: Sequence[float], wider: float) -> Ratio:
        """Return the ratio at the mean of the prompts, and its slopes; `wider` is the usual ninth decile over the usual median."""
        if self._fit is None:
            self._fit = self._fitted()
        left, line = self._fit
        median, p90 = quantiles((*left, *assumed), (0.5, 0.9))
        return Ratio(median, p90 / wider, *line)

    def _fitted(self) -> tuple[list[float], list[float]]:
        """Return the ratios, rising, without what is due to the prompts; and the mean of the prompts and the slopes.

        A regression that starts from no slope at all. Takes some 50 us, so it is done once for what was seen.
        """
        seen = np.array(self._seen)
        logs, prompts = seen[:, 0], seen[:, 1:]
        mean = prompts.mean(axis=0)
        apart = prompts - mean
        near = np.clip(logs - np.sort(logs)[len(logs) // 2], -_FARTHEST, _FARTHEST)
        slopes = np.linalg.solve(apart.T @ apart + _DOUBTS, apart.T @ near)
        left = np.exp(logs - np.clip(apart @ slopes, -_FARTHEST, _FARTHEST))
        return np.sort(left).tolist(), [*mean.tolist(), *slopes.tolist()]


def _assumed(median: float, spread: float) -> list[float]:
    """Return the answers that are assumed beside those seen; `spread` is the standard deviation of the log of usual lengths."""
    return [median * exp(spread * at) for at in _NORMAL]
