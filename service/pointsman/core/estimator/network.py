"""A small neural network: one hidden layer of tanh, and votes that are sums of it. It takes a few calls of numpy, and 3 us.

It learned to vote as forests of hundreds of trees do (see `learn/`), to ask which takes more than ten times as long.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Network:
    """N numbers, H hidden units, V votes. In double precision, where rounding never turns a vote that rises into one that falls."""

    lowest: Doubles
    """N: a number below counts as this, as nothing was seen beyond, where a tree says the same, too."""
    highest: Doubles
    """N: a number above counts as this."""
    hidden: Doubles
    """N x H: weights of the numbers in each unit."""
    biases: Doubles
    """H."""
    votes: Doubles
    """H x V: weights of the units in each vote."""
    offsets: Doubles
    """V."""

    def vote(self, numbers: Doubles) -> Doubles:
        """Return the votes on these numbers, or on each row of them."""
        bounded = np.minimum(np.maximum(numbers, self.lowest), self.highest)
        votes: Doubles = np.tanh(bounded.dot(self.hidden) + self.biases).dot(self.votes)
        return votes + self.offsets
