"""Measures of routers and of calibration."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]


def curve(need: Doubles, weak: Doubles, strong: Doubles, bins: int = 10) -> tuple[Doubles, Doubles]:
    """Return shares of calls to the strong model, 0..1, and the accuracy at each.

    As RouteLLM (arXiv 2406.18665) draws it: thresholds at the edges of equally filled bins of the scores. Equal edges, which RouteLLM
    refuses, are merged, and the highest score itself is a threshold.
    """
    edges = np.unique(np.quantile(need, np.linspace(0, 1, bins + 1)))
    inner = edges[:-1] if len(edges) == bins + 1 else edges
    descending = np.sort(-need)
    calls = np.unique([*np.searchsorted(descending, -inner, side="right"), np.searchsorted(descending, -edges[-1], side="left")])
    gains = np.concatenate(([0.0], np.cumsum((strong - weak)[np.argsort(-need, kind="stable")])))
    return calls / len(need), weak.mean() + gains[calls] / len(need)


def apgr(need: Doubles, weak: Doubles, strong: Doubles) -> float:
    """Return the average performance gap recovered: 0 is always weak, 1 always strong, 0.5 what chance does."""
    share, accuracy = curve(need, weak, strong)
    width = share[-1] - share[0]
    return float((np.trapezoid(accuracy, share) - weak.mean() * width) / ((strong.mean() - weak.mean()) * width))


def apgr_interval(need: Doubles, weak: Doubles, strong: Doubles, *, resamples: int = 200, seed: int = 0) -> tuple[float, float]:
    """Return the 95 % bootstrap interval."""
    draws = np.random.default_rng(seed).integers(0, len(need), (resamples, len(need)))
    low, high = np.nanquantile([apgr(need[draw], weak[draw], strong[draw]) for draw in draws], [0.025, 0.975])
    return float(low), float(high)


def expected_calibration_error(predicted: Doubles, happened: Doubles, bins: int = 10) -> float:
    """Return the mean distance of prediction and outcome over equally wide bins, weighted by their prompts (Naeini et al., 2015)."""
    place = np.minimum((predicted * bins).astype(int), bins - 1)
    distances = [abs((predicted[place == at] - happened[place == at]).sum()) for at in range(bins)]
    return float(sum(distances) / len(predicted))
