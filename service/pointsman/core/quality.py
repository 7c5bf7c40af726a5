"""Predicted quality: the probability that a model answers a prompt acceptably.

An item-response curve joins what the catalog knows of the model with what the facts know of the prompt:

    logit P = logit(ability) - discrimination x (logit(complexity) - logit(BASE_RATE))

A prompt of average complexity gives the model its ability; a harder one less, in the same step for all models. It rises with ability by
construction. `complexity` is already pulled towards the base rate where confidence is low (`features.py`).
(Two-parameter logistic model: Birnbaum in Lord and Novick, Statistical Theories of Mental Test Scores, 1968.)
"""

from __future__ import annotations

from functools import lru_cache
from math import exp, log

BASE_RATE = 0.42
"""Share of prompts that a 7-9B model fails, over public benchmarks of 2024: what is assumed of a prompt that nothing is known of."""

_EDGE = 0.005  # keeps the logit finite; nothing is predicted to be surer than this


def quality(ability: float, complexity: float, discrimination: float = 1.0) -> float:
    """Return the probability, 0..1, that a model of this ability (0..1) answers a prompt of this complexity (0..1) acceptably."""
    return 1.0 / (1.0 + exp(discrimination * (_logit(complexity) - _AVERAGE) - _logit(ability)))


@lru_cache(maxsize=1024)
def _logit(probability: float) -> float:
    bounded = min(max(probability, _EDGE), 1.0 - _EDGE)
    return log(bounded / (1.0 - bounded))


_AVERAGE = log(BASE_RATE / (1.0 - BASE_RATE))
