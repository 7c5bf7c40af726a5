"""What calls of a model have shown: how soon it begins, how fast it writes, how long its answers get, how it counts tokens.

Everything is a quantile of the last few values beside some that are assumed (`sample.py`): the catalog's prior, what is usual for a task,
the factors of the tokeniser's family.
"""

from __future__ import annotations

from math import inf

from msgspec import Struct

from pointsman.core.catalog import Model
from pointsman.core.lengths import Length, Lengths
from pointsman.core.market import ModelState
from pointsman.core.sample import Sample
from pointsman.core.textclass import TextClass
from pointsman.core.tokenisers import Factor, factor

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


class Observation(Struct, frozen=True, kw_only=True):
    """What one answer has shown. None where it does not tell."""

    task: str
    complexity: float
    text_class: TextClass
    latency_ms: float
    """From the call to the end of the answer."""
    ttft_ms: float | None
    """To the first token; None for an answer that came whole."""
    prompt_tokens: int
    """As the reference counts."""
    output_tokens: int
    usual: Length
    """Tokens that were to be expected of any model."""
    is_cut: bool = False
    """It would have been longer."""
    is_paced: bool = True
    """Whether the model set the pace, not whoever read the answer."""
    counts_as: float | None = None
    """Input tokens as the model counts, without its frame, per token of the reference."""


class Experience:
    """What the calls of one model have shown so far. The catalog's priors may change meanwhile, so they are asked for each time."""

    def __init__(self) -> None:
        self._ttft, self._speed, self._lengths = Sample(), Sample(), Lengths()
        self._counts: dict[TextClass, Sample] = {}
        self._first_ms: float | None = None
        """To the first token, as it was summed up last: sorting for each answer that came whole would cost more than all else here."""
        self._summed: dict[str, tuple[Model, ModelState]] = {}
        self._summed_at, self._has_news, self._is_blank = -inf, False, True

    def note(self, seen: Observation, model: Model) -> None:
        """Take in what an answer has shown."""
        self._has_news, self._is_blank = True, False
        if seen.is_paced:
            self._note_time(seen, model.ttft_ms)
        self._lengths.note(seen.task, seen.complexity, seen.output_tokens, seen.usual, prompt_tokens=seen.prompt_tokens, is_cut=seen.is_cut)
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
        """Takes some 20 us for each task that was seen, and 40 more for each half of one of which there is news."""
        self._first_ms = self._ttft.median(model.ttft_ms)
        return ModelState(
            ttft_ms=self._first_ms,
            tokens_per_s=self._speed.median(model.tokens_per_s),
            answers=self._lengths.shown(),
            counts={kind: found for kind, sample in self._counts.items() if (found := _factor(model.tokenizer, kind, sample))},
        )

    def _note_time(self, seen: Observation, prior_ms: float) -> None:
        """An answer that came whole does not say when it began: then the rest of its time is what is not spent until then as a rule."""
        usual_ms = prior_ms if self._first_ms is None else self._first_ms
        expected_ms = usual_ms if seen.ttft_ms is None else seen.ttft_ms
        if seen.ttft_ms is not None:
            self._ttft.note(seen.ttft_ms)
        elif seen.latency_ms <= expected_ms:
            self._ttft.note(seen.latency_ms / 2)
        writing_ms = seen.latency_ms - expected_ms
        if seen.output_tokens >= WRITTEN and writing_ms > 0:
            self._speed.note(seen.output_tokens * 1000 / writing_ms)


def _factor(tokeniser: str, kind: TextClass, sample: Sample) -> Factor | None:
    """Return the factor for a class of text, None where the family's holds. The bound is only ever raised: budgets rely on it."""
    family = factor(tokeniser, kind)
    middle = _within(sample.median(family.middle), family.middle)
    if abs(middle / family.middle - 1) <= ALIKE and sample.most() <= family.bound * (1 + ALIKE):
        return None
    return Factor(middle, max(family.bound, middle, _within(sample.most(), family.bound)), family.frame)


def _within(value: float, usual: float) -> float:
    return min(max(value, usual / FARTHEST), usual * FARTHEST)
