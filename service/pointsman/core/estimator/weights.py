"""What training found, as arrays: the one value that turns the estimator's code into an estimator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pointsman.core.estimator.forest import Floats, Forest
from pointsman.core.estimator.wording import Vocabulary

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Weights:
    """Everything that is learned. W words, K kinds of prompts, T topics."""

    vocabulary: Vocabulary
    words: Floats
    """W x (K + T): what a word adds to the similarity with each kind, and to each topic."""
    squares: Floats
    """W: squares of inverse document frequencies, by which texts are brought to length 1."""
    sharpness: float
    """By how much a similarity (cosine) is multiplied before the softmax over kinds."""
    kinds: Doubles
    """K x (3 + tasks + subjects): logit of the chance that a 7-9B model fails, slope of the quality curve, gain, and shares."""
    forest: Forest
    """Of the numbers of the shape and the T topics: votes on gain, of which the mean counts, and one on failure beside what is usual for
    the kind."""
    gain_mix: Doubles
    """Of the logit of gain: intercept, and weights of: the forest's vote, the kind, and each number of the shape."""
    failure_mix: Doubles
    """Of the logit of failure: intercept, and weights of: the kind, the forest's vote, and log of length."""
    familiar: Doubles
    """2: similarity at which nothing is known of a prompt, and at which all is."""
