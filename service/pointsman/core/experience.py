"""What calls of a model have shown: how soon it begins, how fast it writes, how long its answers get, how it counts tokens.

Everything is a quantile of the last few values beside some that are assumed: the catalog's prior, what is usual for a task, the factors of
the tokeniser's family. So one odd value moves nothing, a model that changes is known anew after KEPT answers, and memory has a bound.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from math import exp, inf
from statistics import NormalDist

from msgspec import Struct

from pointsman.core.catalog import Model
from pointsman.core.lengths import Length, spread
from pointsman.core.market import ModelState
from pointsman.core.textclass import TextClass
from pointsman.core.tokenisers import Factor, factor

KEPT = 200
"""Values of one thing."""

ASSUMED = 10
"""Values that the assumption counts for beside them."""

WRITTEN = 16
"""Tokens of an answer from which on it tells how fast a model writes."""

COUNTED = 50
"""Tokens of an input from which on it tells how a model counts: what frames a shorter one weighs too much."""

ALIKE = 0.02
"""A count that is no further off than this is right."""

FARTHEST = 2.0
"""By this a factor of a tokeniser is corrected at most, up or down: beyond it, something else is wrong."""

SUMMED_EVERY_S = 1.0
"""Summing up takes some time, and changes little from one answer to the next."""

_NORMAL = [NormalDist().inv_cdf((at + 0.5) / ASSUMED) for at in range(ASSUMED)]


class Observation(Struct, frozen=True, kw_only=True):
    """What one answer has shown. None where it does not tell."""

    task: str
    text_class: TextClass
    latency_ms: float
    """From the call to the end of the answer."""
    ttft_ms: float | None
    """To the first token; None for an answer that came whole."""
    output_tokens: int
    usual: Length
    """Tokens that were to be expected of any model."""
    is_cut: bool = False
    """It would have been longer."""
    is_paced: bool = True
    """Whether the model set the pace, not whoever read the answer."""
    counts_as: float | None = None
    """Input tokens as the model counts, without its frame, per token of the reference."""


class Sample:
    """The last values of one thing."""

    def __init__(self) -> None:
        self._values: deque[float] = deque(maxlen=KEPT)

    def note(self, value: float) -> None:
        """Take in a value."""
        self._values.append(value)

    def most(self) -> float:
        """Return the greatest value; 0 without any."""
        return max(self._values, default=0.0)

    def quantiles(self, shares: Iterable[float], assumed: Sequence[float]) -> list[float]:
        """Return the values below which these shares, 0..1, of all values lie, the assumed ones counted in."""
        every = sorted((*self._values, *assumed))
        return [every[min(int(share * len(every)), len(every) - 1)] for share in shares]

    def median(self, assumed: float) -> float:
        """Return the middle of the values and ASSUMED that are as assumed."""
        return self.quantiles((0.5,), [assumed] * ASSUMED)[0]


class Experience:
    """What the calls of one model have shown so far. The catalog's priors may change meanwhile, so they are asked for each time."""

    def __init__(self) -> None:
        self._ttft, self._speed, self._ratios = Sample(), Sample(), Sample()
        self._by_task: dict[str, tuple[Sample, float]] = {}
        self._counts: dict[TextClass, Sample] = {}
        self._summed: dict[str, tuple[Model, ModelState]] = {}
        self._summed_at, self._has_news, self._is_blank = -inf, False, True

    def note(self, seen: Observation, model: Model) -> None:
        """Take in what an answer has shown."""
        self._has_news, self._is_blank = True, False
        if seen.is_paced:
            self._note_time(seen, model.ttft_ms)
        self._note_length(seen)
        if seen.counts_as is not None:
            self._counts.setdefault(seen.text_class, Sample()).note(seen.counts_as)

    def changes_at(self) -> float:
        """Return when `shown` may say something else than before, in seconds; `inf` before anything new was seen."""
        return self._summed_at + SUMMED_EVERY_S if self._has_news else inf

    def shown(self, model: Model, now: float) -> ModelState | None:
        """Return what was seen of a model, as the state of one that can be called; None before anything was."""
        if now >= self.changes_at():
            self._summed, self._summed_at, self._has_news = {}, now, False
        known, state = self._summed.get(model.id, (None, None))
        if known is not model and not self._is_blank:
            state = self._sum(model)
            self._summed[model.id] = (model, state)
        return state

    def _sum(self, model: Model) -> ModelState:
        """Takes some 20 us for each task that was seen."""
        return ModelState(
            ttft_ms=self._ttft.median(model.ttft_ms),
            tokens_per_s=self._speed.median(model.tokens_per_s),
            answers=self._answers(),
            counts={kind: found for kind, sample in self._counts.items() if (found := _factor(model.tokenizer, kind, sample))},
        )

    def _note_time(self, seen: Observation, prior_ms: float) -> None:
        """An answer that came whole does not say when it began: then the rest of its time is what is not spent until then as a rule."""
        expected_ms = self._ttft.median(prior_ms) if seen.ttft_ms is None else seen.ttft_ms
        if seen.ttft_ms is not None:
            self._ttft.note(seen.ttft_ms)
        elif seen.latency_ms <= expected_ms:
            self._ttft.note(seen.latency_ms / 2)
        writing_ms = seen.latency_ms - expected_ms
        if seen.output_tokens >= WRITTEN and writing_ms > 0:
            self._speed.note(seen.output_tokens * 1000 / writing_ms)

    def _note_length(self, seen: Observation) -> None:
        """An answer that was cut counts as long as nine in ten are, or longer."""
        tokens = max(seen.output_tokens, seen.usual.p90) if seen.is_cut else max(1, seen.output_tokens)
        ratio = tokens / seen.usual.median
        self._ratios.note(ratio)
        sample, _ = self._by_task.get(seen.task) or (Sample(), 0.0)
        sample.note(ratio)
        self._by_task[seen.task] = (sample, spread(seen.usual.median, seen.usual.p90))

    def _answers(self) -> dict[str, Length]:
        """What a model has shown over all tasks is what is assumed of each: one that is wordy is wordy everywhere."""
        if not self._by_task:
            return {}
        wordy = self._ratios.median(1.0)
        return {"": Length(wordy, wordy)} | {task: _length(sample, wordy, width) for task, (sample, width) in self._by_task.items()}


def _factor(tokeniser: str, kind: TextClass, sample: Sample) -> Factor | None:
    """Return the factor for a class of text, None where the family's holds. The bound is only ever raised: budgets rely on it."""
    family = factor(tokeniser, kind)
    middle = _within(sample.median(family.middle), family.middle)
    if abs(middle / family.middle - 1) <= ALIKE and sample.most() <= family.bound * (1 + ALIKE):
        return None
    return Factor(middle, max(family.bound, middle, _within(sample.most(), family.bound)), family.frame)


def _length(sample: Sample, wordy: float, width: float) -> Length:
    assumed = [wordy * exp(width * at) for at in _NORMAL]
    median, p90 = sample.quantiles((0.5, 0.9), assumed)
    return Length(median, p90 / exp(width * _NORMAL_P90))


_NORMAL_P90 = NormalDist().inv_cdf(0.9)


def _within(value: float, usual: float) -> float:
    return min(max(value, usual / FARTHEST), usual * FARTHEST)
