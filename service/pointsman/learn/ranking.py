"""How well the quality curve foretells many models, each of which it knows by one number: its accuracy on other questions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from scipy.stats import kendalltau

from pointsman.core.estimator import Estimate
from pointsman.core.estimator.network import Doubles
from pointsman.core.quality import quality
from pointsman.learn.measure import error_of_perfect, expected_calibration_error
from pointsman.learn.table import Table


class Ranking(Struct, frozen=True):
    """Of one source: means over its models and both halves of its questions; abilities come from the half that is not measured."""

    models: int
    error: float
    """Expected calibration error of "this model is right"."""
    worst: float
    """That of the worst model."""
    perfect: float
    """That of predictions that are perfectly calibrated."""
    tau: float
    """Kendall's rank correlation of expected and true accuracy of the models, mean over tasks."""


def ranking(table: Table, estimates: Sequence[Estimate]) -> Ranking:
    """Return how well models are foretold on the rows of one source, all of which the same models answered."""
    names = sorted(table.rows[0].models)
    right = np.array([[row.models[name].score for name in names] for row in table.rows])
    halves, errors, perfect, taus = table.keys // 7 % 2, [], [], []
    for half in (0, 1):
        mine = np.flatnonzero(halves == half)
        abilities = right[halves != half].mean(axis=0).tolist()
        expected = np.array(
            [[quality(ability, estimates[at].complexity, estimates[at].discrimination) for ability in abilities] for at in mine.tolist()]
        )
        errors.append([expected_calibration_error(expected[:, at], right[mine, at]) for at in range(len(names))])
        perfect.append([error_of_perfect(expected[:, at], draws=20) for at in range(len(names))])
        taus.extend(_taus(expected, right[mine], table.kinds[mine]))
    error = np.mean(errors, axis=0)
    return Ranking(len(names), float(error.mean()), float(error.max()), float(np.mean(perfect)), float(np.mean(taus)))


def _taus(expected: Doubles, right: Doubles, kinds: NDArray[np.str_]) -> list[float]:
    tasks = [kinds == kind for kind in sorted(set(kinds.tolist()))]
    return [float(kendalltau(expected[task].mean(axis=0), right[task].mean(axis=0)).statistic) for task in tasks]
