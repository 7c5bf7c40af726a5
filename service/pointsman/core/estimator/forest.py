"""A forest: many decision trees that vote. All have the same depth, so that numpy walks all of them at once, level by level.

Extremely randomized trees (Geurts et al., 2006): each alone is a poor guess, their mean is smooth, and rewording moves few of them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


class Forest:
    """Trees for several outcomes, as many for each.

    Arrays are kept by level, and within a level by tree; so the children of node n stand at 2n and 2n + 1 in the next level.
    """

    def __init__(self, looks_at: NDArray[np.uint8], edges: Floats, leaves: Floats) -> None:
        """Take, of each node, which number it looks at, and above which edge it goes right; of each outcome, the leaves of its trees."""
        self.looks_at, self.edges, self.leaves = looks_at, edges, leaves  # bytes are widened at each step, yet miss the cache less often
        trees = leaves.size - len(edges)
        self._roots = np.arange(trees)
        self._votes = leaves.ravel()
        bounds = [(trees * (2**level - 1), trees * (2 ** (level + 1) - 1)) for level in range((leaves.size // trees).bit_length() - 1)]
        self._levels = [(looks_at[start:end], edges[start:end]) for start, end in bounds]

    def vote(self, numbers: Floats) -> NDArray[np.float64]:
        """Return the mean vote on each outcome."""
        at = self._roots
        for looks_at, edges in self._levels:
            right = numbers.take(looks_at.take(at)) > edges.take(at)
            at = at + at + right
        sums: NDArray[np.float64] = self._votes.take(at).reshape(len(self.leaves), -1).sum(axis=1, dtype=np.float64)
        return sums / (len(at) // len(self.leaves))
