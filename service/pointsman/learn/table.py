"""Rows, read once for all that is fitted to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pointsman.core.estimator.network import Doubles
from pointsman.core.estimator.shape import shape_of
from pointsman.core.estimator.wording import Wording, wording_of
from pointsman.learn.kinds import kind_of
from pointsman.learn.rows import REFERENCE, Outcome, Row, is_reference, pairs_of, question_key, source_of

FOLDS = 5

_PEERS = frozenset(
    (REFERENCE, "Llama-3-8B-Instruct", "Qwen2-7B-Instruct", "gemma-2-9b-it", "Phi-3.5-mini-instruct", "Mistral-7B-Instruct-v0.2",
     "Phi-3-mini-4k-instruct")
)  # fmt: skip
"""Small models: within a kind, the mean of their failures is less noisy than one model's."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Table:
    """Rows, read once: what views look at, and what they are to tell."""

    rows: Sequence[Row]
    seen: Sequence[Wording]
    shapes: Doubles
    kinds: NDArray[np.str_]
    gain: Doubles
    failure: Doubles
    peers_failure: Doubles
    costs: Doubles
    """Two columns: of the weak and of the strong model, in dollars; NaN where not known."""
    reference: NDArray[np.bool_]
    """Whether the weak model of the pair is the one that complexity is about."""
    keys: NDArray[np.int64]

    def take(self, at: NDArray[np.int64] | NDArray[np.bool_]) -> Table:
        """Return some of the rows."""
        places = np.arange(len(self.rows))[at]
        return Table(
            rows=[self.rows[place] for place in places],
            seen=[self.seen[place] for place in places],
            **{
                name: getattr(self, name)[places]
                for name in ("shapes", "kinds", "gain", "failure", "peers_failure", "costs", "reference", "keys")
            },
        )


def table_of(rows: Sequence[Row]) -> Table:
    """Return the rows, read."""
    seen = [wording_of(row.prompt) for row in rows]
    pairs = pairs_of(rows)
    outcomes = [(row.models[pairs[source_of(row)][0]], row.models[pairs[source_of(row)][1]]) for row in rows]
    return Table(
        rows=rows,
        seen=seen,
        shapes=np.array([shape_of(each) for each in seen]),
        kinds=np.array([kind_of(row.task) for row in rows]),
        gain=np.array([strong.score - weak.score for weak, strong in outcomes]),
        failure=np.array([1.0 - weak.score for weak, _ in outcomes]),
        peers_failure=np.array([_peers_failure(row, weak) for row, (weak, _) in zip(rows, outcomes, strict=True)]),
        costs=np.array([(_cost(weak), _cost(strong)) for weak, strong in outcomes]),
        reference=np.array([is_reference(row) for row in rows]),
        keys=np.array([question_key(row) for row in rows]),
    )


def folds_of(table: Table, count: int = FOLDS) -> NDArray[np.int64]:
    """Return the fold of each row; a question is in one fold, whatever the source."""
    return table.keys % count


def _peers_failure(row: Row, weak: Outcome) -> float:
    scores = [outcome.score for model, outcome in sorted(row.models.items()) if model in _PEERS] or [weak.score]
    return 1.0 - sum(scores) / len(scores)


def _cost(outcome: Outcome) -> float:
    return float("nan") if outcome.cost_usd is None else outcome.cost_usd
