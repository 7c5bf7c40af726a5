"""What training found, as arrays: the one value that turns the estimator's code into an estimator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pointsman.core.estimator.wording import Vocabulary

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Curves:
    """A sum of step functions, one of each shape number: a generalized additive model, as boosting with stumps finds it."""

    edges: tuple[tuple[float, ...], ...]
    """Of each number, where its function steps, rising."""
    heights: tuple[tuple[float, ...], ...]
    """Of each number, the value up to and with each edge, and the one above the last."""
    base: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Weights:
    """Everything that is learned. W words, K kinds of prompts."""

    vocabulary: Vocabulary
    words: Floats
    """W x (K + 2): what a word adds to the similarity with each kind, to gain, and to the chance of failure."""
    squares: Floats
    """W: squares of inverse document frequencies, by which texts are brought to length 1."""
    heads_base: Doubles
    """2: intercepts of the text heads."""
    sharpness: float
    """By how much a similarity (cosine) is multiplied before the softmax over kinds."""
    kinds: Doubles
    """K x (3 + tasks + subjects): mean gain, logit of the chance that a 7-9B model fails, slope of the quality curve, and shares."""
    gain_shape: Curves
    failure_shape: Curves
    gain_mean: float
    """Logit of the mean gain."""
    gain_mix: Doubles
    """Of the logit of gain: intercept, and weights of: gain of kind, text, shape, and log of length."""
    failure_mix: Doubles
    """The same for the logit of failure."""
    familiar: Doubles
    """2: similarity at which nothing is known of a prompt, and at which all is."""
