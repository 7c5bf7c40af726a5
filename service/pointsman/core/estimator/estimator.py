"""Scores a prompt: how likely a small model fails on it, what a strong one would gain, and which kind of task it is.

How a score comes about:

1. `wording` cuts the text into words, `shape` counts what it looks like.
2. One sum over the words' rows gives the similarity with each kind of prompt (nearest centroids of weighted words, Rocchio), and topics
   (a few directions that words share, latent semantic analysis).
3. A `network` votes on shape and topics: on gain, and on failure beside what is usual for the kind.
4. Gain mixes its vote with what is usual for the kind, and with the work that shape alone shows, which holds where no topic does.
   Complexity mixes kind, vote and length into a probability.
5. What no training prompt resembles is told by hand-written `signs`, and pulled towards the base rate.
"""

from __future__ import annotations

from math import exp, log, sqrt
from operator import mul
from typing import TypeVar

import numpy as np
from msgspec import Struct

from pointsman.core.estimator.language import language_of
from pointsman.core.estimator.shape import NAMES, shape_of
from pointsman.core.estimator.signs import NONE, Sign, sign_of
from pointsman.core.estimator.weights import Weights
from pointsman.core.estimator.wording import Wording, ids_of, wording_of
from pointsman.core.quality import BASE_RATE, quality
from pointsman.core.vocabulary import SUBJECTS, TASKS, Subject, Task

SIGNS_CONFIDENCE = 0.4
"""How far a hand-written sign is trusted, at most."""

GENERAL_LEFT = 0.25
"""What is left of the trust in what was learned, where a sign names a task that the training data does not hold."""

STRIKING = (0.25, 0.45)
"""Similarities between which a general sign gives way: prompts of one kind that share nothing but its subject stay below 0.25."""

ORDINARY = "Tell me what this is, and how I would use it."
"""The complexity of a sign is that of asks that are as much work as this one; more work is harder, whatever the task."""

KNOWN_FROM = 0.35
"""Probability below which a task or subject is called unknown."""

SMALL, STRONG = 0.58, 0.88
"""Abilities of the reference models that `gain` compares: a 7-9B model and a strong one, over the benchmarks of 2024."""

DOUBT = 0.5
"""Words that are not known, and are added to every text before it is called similar to anything: a word or two prove little."""

OF_KIND = 3
"""Columns of the table of kinds before the shares."""

BEFORE_SHAPE = 3
"""Columns of the views of gain before the numbers of the shape."""

N = TypeVar("N")

_WORDS_AT = NAMES.index("words")
_OPTIONS_AT = NAMES.index("options")


class Estimate(Struct, frozen=True, kw_only=True):
    """What is predicted of a prompt."""

    complexity: float
    """Chance that a 7-9B model fails, 0..1, calibrated; at the base rate as far as confidence is lacking."""
    gain: float
    """Quality of a strong model minus that of a small one, 0..1."""
    confidence: float
    """0 where nothing like it was seen, to 1."""
    discrimination: float
    """Slope of the quality curve; 1 is average."""
    task: Task
    subject: Subject
    language: str
    """BCP 47 primary tag, or `unknown`."""


class Views(Struct, frozen=True):
    """What each view says of a prompt, before they are mixed; training fits the mix to these."""

    kinds: list[float]
    """The sum of the rows of the kinds' table, weighted by the odds of the kinds."""
    odds: float
    """The sum of those."""
    similar: float
    """Greatest similarity with a kind: the cosine, with words that are not known, and DOUBT of one more."""
    gain: list[float]
    """1, the vote on gain, the gain of the kind, and the numbers of the shape."""
    failure: list[float]
    """1, the logit of failure of the kind, the vote on failure, and the log of the words."""


class Estimator:
    """Scores prompts by one set of weights."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self._gain_mix: list[float] = weights.gain_mix.tolist()
        self._failure_mix: list[float] = weights.failure_mix.tolist()
        self._familiar: list[float] = weights.familiar.tolist()
        ordinary = wording_of(ORDINARY)
        self._ordinary = self._work(views_of(weights, ordinary, shape_of(ordinary)))

    def estimate(self, asked: str, system: str = "") -> Estimate:
        """Return what is predicted of a prompt: of the last turn of the user, and the text of the system before it.

        What a system text says is the same for all that is asked under it, so it tells a sign, and the language, only where what is asked
        tells none.
        Complexity is a probability that callers act on, so it is pulled to the base rate where the prompt is unfamiliar. Gain ranks
        prompts, and length and shape rank even what is unfamiliar, so it is not.
        """
        turn = wording_of(asked)
        seen = wording_of(f"{system}\n{asked}") if system else turn
        sign, language = sign_of(turn), language_of(turn)
        if system:
            sign = sign_of(seen) if sign is NONE else sign
            language = language_of(seen) if language == "unknown" else language
        shape = shape_of(seen)
        views = views_of(self._weights, seen, shape)
        left = 1.0 if shape[_OPTIONS_AT] >= 3 else _left(sign, views.similar)
        trust = left * self._familiarity(views.similar)
        signed = 0.0 if sign.task == "unknown" else SIGNS_CONFIDENCE
        work = self._work(views)
        guessed = BASE_RATE + (_sigmoid(logit(sign.complexity) + work - self._ordinary) - BASE_RATE) * signed
        complexity = trust * _sigmoid(work + self._failure_mix[1] * views.failure[1]) + (1 - trust) * guessed
        gain = left * _sigmoid(_dot(views.gain, self._gain_mix))
        if left < 1:
            gain += (1 - left) * (quality(STRONG, guessed) - quality(SMALL, guessed))
        share = trust / views.odds
        shares = [share * value for value in views.kinds]
        tasks, subjects = shares[OF_KIND : OF_KIND + len(TASKS)], shares[OF_KIND + len(TASKS) :]
        tasks[TASKS.index(sign.task)] += 1 - trust
        subjects[-1] += 1 - trust
        return Estimate(
            complexity=complexity,
            gain=gain,
            confidence=max(trust, signed),
            discrimination=shares[1] + 1 - trust,
            task=_named(TASKS, tasks),
            subject=_named(SUBJECTS, subjects),
            language=language,
        )

    def _familiarity(self, similar: float) -> float:
        """Return how much a prompt resembles what was seen, 0..1."""
        low, high = self._familiar
        return min(max((similar - low) / (high - low), 0.0), 1.0)

    def _work(self, views: Views) -> float:
        """Return what vote and length say of failure, as log-odds, whatever the kind."""
        intercept, _, voted, words = self._failure_mix
        return intercept + voted * views.failure[2] + words * views.failure[3]


def views_of(weights: Weights, seen: Wording, shape: list[float]) -> Views:
    """Return what each view says of a text with this wording and shape."""
    rows = ids_of(seen, weights.vocabulary)
    known = len(rows) - bool(seen.numbers) + len(set(seen.numbers)) + seen.polite
    strange = weights.strange * (DOUBT + len(seen.distinct) - known)
    summed = weights.words.take(rows, axis=0).sum(axis=0)
    length, until = sqrt(summed[0]) or 1.0, 1 + len(weights.kinds)
    numbers = np.empty(len(shape) + len(summed) - until)
    numbers[: len(shape)] = shape
    np.divide(summed[until:], length, out=numbers[len(shape) :])
    voted_gain, voted_failure = weights.network.vote(numbers).tolist()
    similar = summed[1:until]
    kinds: list[float] = np.exp(similar * (weights.sharpness / length)).dot(weights.kinds).tolist()
    odds = sum(kinds[OF_KIND : OF_KIND + len(TASKS)])  # each kind has one task
    return Views(
        kinds=kinds,
        odds=odds,
        similar=float(similar[similar.argmax()]) / sqrt(summed[0] + strange),
        gain=[1.0, voted_gain, kinds[2] / odds, *shape],
        failure=[1.0, kinds[0] / odds, voted_failure, shape[_WORDS_AT]],
    )


def _left(sign: Sign, similar: float) -> float:
    """Return the share of trust in what was learned that a sign leaves: all, where a kind is strikingly similar."""
    if not sign.general:
        return 1.0
    if sign.sure:
        return 0.0
    return GENERAL_LEFT + (1 - GENERAL_LEFT) * min(max((similar - STRIKING[0]) / (STRIKING[1] - STRIKING[0]), 0.0), 1.0)


def _dot(values: list[float], weights: list[float]) -> float:
    """Return the weighted sum; of so few, numpy is no faster."""
    total: float = sum(map(mul, values, weights))
    return total


def _named(names: tuple[N, ...], shares: list[float]) -> N:
    """Return the name with the greatest share, or the last one, `unknown`."""
    most = max(shares)
    return names[shares.index(most)] if most >= KNOWN_FROM else names[-1]


def logit(probability: float) -> float:
    """Return the log-odds of a probability that is neither 0 nor 1."""
    return log(probability / (1.0 - probability))


def _sigmoid(value: float) -> float:
    return 1.0 / (1.0 + exp(-min(max(value, -30.0), 30.0)))
