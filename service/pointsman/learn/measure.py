"""Measures of routers and of calibration."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

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


def ranked(need: Doubles, groups: NDArray[np.int64]) -> Doubles:
    """Return the rank of each score in its group, as a share.

    What different weights said of different folds cannot be ranked together: weights that saw fewer easy rows expect harder ones, and were
    asked of easier ones. Pooled scores therefore look worse than any of the weights are, by up to 0.05 APGR where little can be told.
    """
    ranks = np.zeros(len(need))
    for group in np.unique(groups):
        mine = groups == group
        ranks[mine] = (rankdata(need[mine]) - 0.5) / mine.sum()
    return ranks


def area(need: Doubles, weak: Doubles, strong: Doubles) -> float:
    """Return the area under the curve: the mean accuracy over all shares of strong calls."""
    share, accuracy = curve(need, weak, strong)
    return float(np.trapezoid(accuracy, share) / (share[-1] - share[0]))


def apgr(need: Doubles, weak: Doubles, strong: Doubles) -> float:
    """Return the average performance gap recovered: 0 is always weak, 1 always strong, 0.5 what chance does."""
    return float((area(need, weak, strong) - weak.mean()) / (strong.mean() - weak.mean()))


def apgr_interval(need: Doubles, weak: Doubles, strong: Doubles, *, resamples: int = 200, seed: int = 0) -> tuple[float, float]:
    """Return the 95 % bootstrap interval."""
    draws = np.random.default_rng(seed).integers(0, len(need), (resamples, len(need)))
    low, high = np.nanquantile([apgr(need[draw], weak[draw], strong[draw]) for draw in draws], [0.025, 0.975])
    return float(low), float(high)


def calls_for(recovered: float, need: Doubles, weak: Doubles, strong: Doubles) -> float:
    """Return the least share of strong calls that recovers a share of the gap (CPT50, CPT80), where the curve first crosses it."""
    share, accuracy = curve(need, weak, strong)
    return float(np.interp(weak.mean() + recovered * (strong.mean() - weak.mean()), np.maximum.accumulate(accuracy), share))


def saving(of_strong: float, need: Doubles, weak: Doubles, strong: Doubles, costs: tuple[Doubles, Doubles]) -> float:
    """Return the saving against always strong at the cheapest threshold that keeps a share of the strong model's quality.

    `costs` are those of the weak and of the strong model. NaN where a cost is not known, or no threshold keeps the quality.
    """
    order = np.argsort(-need, kind="stable")
    quality = np.concatenate(([weak.sum()], weak.sum() + np.cumsum((strong - weak)[order])))
    cost = np.concatenate(([costs[0].sum()], costs[0].sum() + np.cumsum((costs[1] - costs[0])[order])))
    tied = np.concatenate(([False], np.diff(need[order]) == 0, [False]))  # a threshold cannot part equal scores
    kept = (quality >= of_strong * strong.sum() - 1e-9) & ~tied
    return float(1 - cost[kept].min() / costs[1].sum()) if kept.any() else float("nan")


def expected_calibration_error(predicted: Doubles, happened: Doubles, bins: int = 10) -> float:
    """Return the mean distance of prediction and outcome over equally wide bins, weighted by their prompts (Naeini et al., 2015)."""
    place = np.minimum((predicted * bins).astype(int), bins - 1)
    distances = np.abs(np.bincount(place, predicted - happened, bins))
    return float(distances.sum() / len(predicted))


def error_of_perfect(predicted: Doubles, *, draws: int = 200, seed: int = 0) -> float:
    """Return the mean calibration error if every outcome came exactly as likely as predicted: what chance leaves at this many rows."""
    chance = np.random.default_rng(seed).random((draws, len(predicted)))
    return float(np.mean([expected_calibration_error(predicted, (row < predicted).astype(float)) for row in chance]))


def calibration_interval(predicted: Doubles, happened: Doubles, *, resamples: int = 200, seed: int = 0) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of the expected calibration error. Resampling adds noise, so it lies rather high."""
    draws = np.random.default_rng(seed).integers(0, len(predicted), (resamples, len(predicted)))
    low, high = np.quantile([expected_calibration_error(predicted[draw], happened[draw]) for draw in draws], [0.025, 0.975])
    return float(low), float(high)
