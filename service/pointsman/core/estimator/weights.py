"""What training found, as arrays: the one value that turns the estimator's code into an estimator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pointsman.core.estimator.network import Doubles, Network
from pointsman.core.estimator.wording import Vocabulary

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Weights:
    """Everything that is learned. W words, K kinds of prompts, T topics."""

    vocabulary: Vocabulary
    words: Floats
    """W x (1 + K + T): what a word adds to the square of a text's length, by which all else is divided, to the similarity with each kind,
    and to each topic."""
    strange: float
    """What a word that is not known adds to the square of a text's length: half of what a rare one does, since it may be misspelled."""
    sharpness: float
    """By how much a similarity (cosine) is multiplied before the softmax over kinds; up to 80, powers of it are within single precision."""
    kinds: Floats
    """K x (3 + tasks + subjects): logit of the chance that a 7-9B model fails, slope of the quality curve, gain, and shares."""
    network: Network
    """Of the numbers of the shape and the T topics: votes on gain, and on failure beside what is usual for the kind."""
    gain_mix: Doubles
    """Of the logit of gain: intercept, and weights of: the vote, the kind, and each number of the shape."""
    failure_mix: Doubles
    """Of the logit of failure: intercept, and weights of: the kind, the vote, and log of length."""
    familiar: Doubles
    """2: similarity at which nothing is known of a prompt, and at which all is."""
