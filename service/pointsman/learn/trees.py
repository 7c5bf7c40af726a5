"""Grows the forests that teach the network: extremely randomized trees (Geurts et al., 2006).

Each alone is a poor guess, their mean is smooth, and rewording moves few of them.
"""

from __future__ import annotations

from sklearn.ensemble import ExtraTreesRegressor

from pointsman.core.estimator.network import Doubles
from pointsman.core.estimator.shape import NAMES, RISING
from pointsman.core.estimator.weights import Floats

DEPTH = 10
"""With 8, APGR was 0.002 lower."""
SMALLEST = 20
"""Prompts of a leaf."""
LOOKED_AT = 0.2
"""Share of the numbers that a split chooses from. More of them know the sources better, and others worse."""
SEED = 20
WORK = RISING | {"stem", "code", "questions", "negations", "commas", "brackets", "slashes", "relations"}
"""Numbers with which the vote on gain never falls: counts of work beyond RISING. Without these, on sources never seen APGR is 0.01 lower,
and on known ones 0.002 higher: there, a falling vote tells one kind of question from another."""


def grown(numbers: Floats, outcome: Doubles, *, rising: frozenset[str], trees: int) -> ExtraTreesRegressor:
    """Return a forest that predicts the outcome, and whose prediction never falls as a number named in `rising` grows.

    `numbers` are those of the shape, and topics after them.
    """
    return ExtraTreesRegressor(
        trees,
        max_depth=DEPTH,
        min_samples_leaf=min(SMALLEST, max(1, len(outcome) // 10)),
        max_features=LOOKED_AT,
        monotonic_cst=[int(name in rising) for name in NAMES] + [0] * (numbers.shape[1] - len(NAMES)),
        random_state=SEED,
    ).fit(numbers, outcome)
