"""How well lengths of answers are foretold of a model that has given some: by the code that serves, on answers that were really given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from pointsman.adapters.o200k import O200kCounter, load_encoding
from pointsman.core.estimator import Estimate
from pointsman.core.lengths import Length, Lengths, Ratio, ratio_of, usual
from pointsman.learn.table import Table

SEEN = 200
"""Answers of a model before it is measured."""

DRAWS = 20
"""Of the answers that are seen. From one to the next, the error of a source moves by 0.004."""


class Prompt(Struct, frozen=True):
    """What is known of a prompt before it is answered."""

    estimate: Estimate
    tokens: int

    def usual(self) -> Length:
        """Return the usual length of its answers."""
        return Length(*usual(self.estimate.task, self.estimate.complexity))

    def expected(self, shown: Mapping[str, Ratio]) -> Length:
        """Return the length of its answer by a model that has shown so much."""
        plain, ratio = self.usual(), ratio_of(shown, self.estimate.task, self.estimate.complexity)
        here = ratio.at(self.estimate.complexity, self.tokens)
        return Length(plain.median * ratio.median * here, plain.p90 * ratio.p90 * here)


class Answers(Struct, frozen=True):
    """Of one source, over the models whose answers were counted."""

    models: int
    error: float
    """Median over the models of the median error, as a share of the true length."""
    covered: float
    """Mean share of answers that are no longer than their expected 90th percentile."""


def answers(table: Table, estimates: Sequence[Estimate]) -> Answers | None:
    """Return how well the lengths of one source are foretold; None where fewer than twice SEEN were counted of any model."""
    names, counter = sorted({name for row in table.rows for name in row.models}), O200kCounter(load_encoding())
    prompts = [Prompt(estimate, counter.count(row.prompt).tokens) for row, estimate in zip(table.rows, estimates, strict=True)]
    measured = [errors for name in names if len(errors := list(_measured(table, prompts, name)))]
    if not measured:
        return None
    medians = [float(np.median(np.concatenate([off for off, _ in draws]))) for draws in measured]
    covered = [float(np.mean(np.concatenate([within for _, within in draws]))) for draws in measured]
    return Answers(len(measured), float(np.median(medians)), float(np.mean(covered)))


def _measured(table: Table, prompts: Sequence[Prompt], name: str) -> Iterator[tuple[NDArray[np.float64], NDArray[np.bool_]]]:
    """Yield, for each draw, the errors of a model's answers that were not seen, and whether they are within the 90th percentile."""
    lengths = {at: tokens for at, row in enumerate(table.rows) if name in row.models and (tokens := row.models[name].output_tokens)}
    if len(lengths) < 2 * SEEN:
        return
    for seed in range(DRAWS):
        places = np.random.default_rng(seed).permutation(sorted(lengths)).tolist()
        seen = Lengths()
        for at in places[:SEEN]:
            estimate = prompts[at].estimate
            seen.note(estimate.task, estimate.complexity, lengths[at], prompts[at].usual(), prompt_tokens=prompts[at].tokens)
        shown = seen.shown()
        expected = [prompts[at].expected(shown) for at in places[SEEN:]]
        true = np.array([lengths[at] for at in places[SEEN:]], dtype=float)
        yield np.abs(np.array([length.median for length in expected]) - true) / true, true <= np.array([length.p90 for length in expected])
