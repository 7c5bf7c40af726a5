"""How models are foretold: by one number each, and on questions that the number does not come from."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec import structs

pytest.importorskip("sklearn", reason="learning needs the extra `learn`: scikit-learn is not installed")

from fakes import ESTIMATE
from pointsman.core.estimator import Estimate
from pointsman.core.quality import BASE_RATE, quality
from pointsman.learn.evaluate import Protocol
from pointsman.learn.ranking import ranking
from pointsman.learn.rows import Outcome, Row
from pointsman.learn.table import Table, table_of

ABILITIES = {"Llama-3.1-8B-Instruct": 0.5, "gpt-4o-2024-08-06": 0.85, "between": 0.7}


def answered(*, opposite: bool = False) -> tuple[Table, list[Estimate]]:
    """Return rows, and estimates that the models follow: their answers are right as often as the quality curve says."""
    draw = np.random.default_rng(3)
    unknown, rows, estimates = ESTIMATE(""), [], []
    for at in range(600):
        estimate = structs.replace(unknown, complexity=(0.2, BASE_RATE, 0.67)[at % 3], discrimination=1.0)
        models = {
            name: Outcome(float(draw.random() < quality(1 - ability if opposite else ability, estimate.complexity)))
            for name, ability in ABILITIES.items()
        }
        estimates.append(estimate)
        rows.append(Row("zeroeval", f"zeroeval/{at:04}", f"How many boats are left of {at}?", "gsm", models))
    return table_of(rows), estimates


def test_models_that_follow_the_curve_are_foretold_as_well_as_chance_allows() -> None:
    found = ranking(*answered())

    assert found.models == 3
    assert found.tau == pytest.approx(1.0)
    assert found.error < found.perfect + 0.03


def test_complexity_that_says_the_opposite_is_an_error() -> None:
    table, estimates = answered()
    turned = [structs.replace(estimate, complexity=0.87 - estimate.complexity) for estimate in estimates]

    assert ranking(table, turned).error > ranking(table, estimates).error + 0.05


def test_the_order_of_models_comes_from_answers_not_from_names() -> None:
    assert ranking(*answered(opposite=True)).tau == pytest.approx(1.0)


def test_no_row_is_scored_by_weights_that_saw_what_it_shares() -> None:
    protocol = Protocol(np.array([0, 0, 1, 1, 2]), np.array([7, 8, 7, 9, 5]))
    parts = [(unseen.nonzero()[0].tolist(), others.nonzero()[0].tolist()) for unseen, others in protocol.parts()]

    assert parts == [([0, 1], [3, 4]), ([2, 3], [1, 4]), ([4], [0, 1, 2, 3])]
