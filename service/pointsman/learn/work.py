"""Work: how much each number of the shape tells of gain within a source, whatever the source is about.

Sources differ in their models, frames and topics, so only what stands out within a source counts, and nothing counts against: a regression
whose weights are not negative, and which is shrunk so far that each number counts nearly by itself. On a source never seen it reaches 0.582
APGR, where length alone reaches 0.578, and the same regression with weights of either sign, less shrunk, 0.563.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from pointsman.core.estimator.network import Doubles
from pointsman.learn.rows import source_of
from pointsman.learn.table import Table

SHRUNK = 10.0
"""Ridge, beside numbers of spread 1. From 3 to 30, APGR is the same."""


def work_of(table: Table) -> Doubles:
    """Return what each number of the shape counts for."""
    sources = np.unique([source_of(row) for row in table.rows], return_inverse=True)[1]
    spread = np.maximum(table.shapes.std(axis=0), 1e-9)
    numbers, gain = _within(table.shapes / spread, sources), _within(table.gain[:, None], sources)[:, 0]
    root = np.linalg.cholesky(numbers.T @ numbers / len(gain) + SHRUNK * np.eye(len(spread))).T
    found: Doubles = nnls(root, np.linalg.solve(root.T, numbers.T @ gain / len(gain)))[0] / spread
    return found


def _within(values: Doubles, sources: NDArray[np.int64]) -> Doubles:
    """Return columns less their mean in each source."""
    sizes = np.bincount(sources)
    means = np.column_stack([np.bincount(sources, column) / sizes for column in values.T])
    found: Doubles = values - means[sources]
    return found
