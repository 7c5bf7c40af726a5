"""How well lengths of answers are foretold of a model that has given some: by the code that serves, on answers that were really given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from pointsman.core.estimator import Estimate
from pointsman.core.lengths import Length, Lengths, ratio_of, usual
from pointsman.learn.table import Table

SEEN = 200
"""Answers of a model before it is measured."""

DRAWS = 3


class Answers(Struct, frozen=True):
    """Of one source, over the models whose answers were counted."""

    models: int
    error: float
    """Median over the models of the median error, as a share of the true length."""
    covered: float
    """Mean share of answers that are no longer than their expected 90th percentile."""


def answers(table: Table, estimates: Sequence[Estimate]) -> Answers | None:
    """Return how well the lengths of one source are foretold; None where fewer than twice SEEN were counted of any model."""
    names = sorted({name for row in table.rows for name in row.models})
    measured = [errors for name in names if len(errors := list(_measured(table, estimates, name)))]
    if not measured:
        return None
    medians = [float(np.median(np.concatenate([off for off, _ in draws]))) for draws in measured]
    covered = [float(np.mean(np.concatenate([within for _, within in draws]))) for draws in measured]
    return Answers(len(measured), float(np.median(medians)), float(np.mean(covered)))


def _measured(table: Table, estimates: Sequence[Estimate], name: str) -> Iterator[tuple[NDArray[np.float64], NDArray[np.bool_]]]:
    """Yield, for each draw, the errors of a model's answers that were not seen, and whether they are within the 90th percentile."""
    lengths = {at: tokens for at, row in enumerate(table.rows) if name in row.models and (tokens := row.models[name].output_tokens)}
    if len(lengths) < 2 * SEEN:
        return
    for seed in range(DRAWS):
        places = np.random.default_rng(seed).permutation(sorted(lengths)).tolist()
        seen = Lengths()
        for at in places[:SEEN]:
            seen.note(estimates[at].task, estimates[at].complexity, lengths[at], _usual(estimates[at]))
        shown = seen.shown()
        expected = [_expected(estimates[at], shown) for at in places[SEEN:]]
        true = np.array([lengths[at] for at in places[SEEN:]], dtype=float)
        yield np.abs(np.array([length.median for length in expected]) - true) / true, true <= np.array([length.p90 for length in expected])


def _usual(estimate: Estimate) -> Length:
    return Length(*usual(estimate.task, estimate.complexity))


def _expected(estimate: Estimate, shown: Mapping[str, Length]) -> Length:
    plain, ratio = _usual(estimate), ratio_of(shown, estimate.task, estimate.complexity)
    return Length(plain.median * ratio.median, plain.p90 * ratio.p90)
