"""Discrimination: how sharply the complexity of a kind of prompts tells able models from others (the slope of the quality curve)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pointsman.core.estimator.network import Doubles
from pointsman.core.quality import BASE_RATE
from pointsman.learn.rows import Row, source_of
from pointsman.learn.table import Table

SLOPES = np.round(np.arange(0.3, 1.75, 0.05), 2)
DRAWN_TO_ONE = 400.0
"""Answers that speak for a slope of 1 beside those of the kind."""


def slopes(table: Table, complexity: Doubles) -> Doubles:
    """Return the slope of each kind, in the order of their names, by which the quality curve fits the answers of all models best.

    `complexity` must be predicted by weights that did not see the row. Kinds that two models alone answered keep 1.
    """
    abilities = _abilities(table.rows)
    names = sorted(set(table.kinds.tolist()))
    result = np.ones(len(names))
    for at, name in enumerate(names):
        mine = np.flatnonzero((table.kinds == name) & table.reference).tolist()
        answers = [(place, ability, score) for place in mine for ability, score in _answers(table.rows[place], abilities)]
        if answers:
            places, ability, score = (np.array(column) for column in zip(*answers, strict=True))
            result[at] = _best(_logits(complexity[places]) - _logits(np.array(BASE_RATE)), _logits(ability), score)
    return result


def _abilities(rows: Sequence[Row]) -> dict[tuple[str, str], float]:
    """Return the mean score of each model on each source."""
    scores: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        for model, outcome in sorted(row.models.items()):
            scores.setdefault((source_of(row), model), []).append(outcome.score)
    return {key: float(np.mean(found)) for key, found in scores.items()}


def _answers(row: Row, abilities: dict[tuple[str, str], float]) -> list[tuple[float, float]]:
    return [(abilities[source_of(row), model], outcome.score) for model, outcome in sorted(row.models.items())]


def _best(harder: Doubles, ability: Doubles, score: Doubles) -> float:
    losses = [_loss(ability - slope * harder, score) for slope in SLOPES]
    found = float(SLOPES[int(np.argmin(losses))])
    return (len(score) * found + DRAWN_TO_ONE) / (len(score) + DRAWN_TO_ONE)


def _loss(logits: Doubles, score: Doubles) -> float:
    return float((np.logaddexp(0, logits) - score * logits).sum())


def _logits(probability: Doubles) -> NDArray[np.float64]:
    bounded = np.clip(probability, 0.005, 0.995)
    logits: Doubles = np.log(bounded / (1 - bounded))
    return logits
