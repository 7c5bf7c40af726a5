"""How lengths of answers are foretold, where they are as regular as they can be and where they are not."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec import structs

pytest.importorskip("sklearn", reason="learning needs the extra `learn`: scikit-learn is not installed")

from fakes import ESTIMATE
from pointsman.core.estimator import Estimate
from pointsman.core.lengths import usual
from pointsman.learn.answers import SEEN, answers
from pointsman.learn.rows import Outcome, Row
from pointsman.learn.table import Table, table_of


def counted(rows: int, spread: float) -> tuple[Table, list[Estimate]]:
    """Return rows that two models answered, one in few words and one in many, with lengths spread by so much around the usual."""
    draw, plain = np.random.default_rng(5), ESTIMATE("")
    estimates = [structs.replace(plain, task="math", complexity=(0.2, 0.7)[at % 2]) for at in range(rows)]
    found = []
    for at, estimate in enumerate(estimates):
        median, _ = usual(estimate.task, estimate.complexity)
        lengths = {name: round(median * wordy * float(draw.lognormal(0, spread))) for name, wordy in (("terse", 0.5), ("wordy", 3.0))}
        pair = {"Llama-3.1-8B-Instruct": Outcome(1.0), "gpt-4o-2024-08-06": Outcome(1.0)}
        models = pair | {name: Outcome(1.0, output_tokens=tokens) for name, tokens in lengths.items()}
        found.append(Row("zeroeval", f"zeroeval/{at:04}", f"How many boats are left of {at}?", "gsm", models))
    return table_of(found), estimates


def test_lengths_that_follow_task_and_complexity_are_foretold_to_a_few_percent() -> None:
    found = answers(*counted(600, 0.02))

    assert found is not None
    assert found.models == 2
    assert found.error < 0.05


def test_lengths_that_are_spread_stay_within_their_ninth_decile_as_often_as_they_should() -> None:
    found = answers(*counted(1200, 0.6))

    assert found is not None
    assert 0.85 <= found.covered <= 0.95
    assert found.error > 0.2


def test_lengths_that_follow_the_prompt_are_foretold_closer_than_those_that_do_not() -> None:
    table, estimates = counted(800, 0.1)
    longer = [structs.replace(row, prompt=row.prompt + " apples" * (at % 60)) for at, row in enumerate(table.rows)]
    following = [structs.replace(row, models=_by_prompt(row)) for row in longer]

    apart, along = answers(table_of(longer), estimates), answers(table_of(following), estimates)

    assert apart is not None
    assert along is not None
    assert along.error < 1.5 * apart.error


def _by_prompt(row: Row) -> dict[str, Outcome]:
    """Return the outcomes with answers longer by the root of the prompt."""
    root = len(row.prompt.split()) ** 0.5
    return {
        name: structs.replace(found, output_tokens=found.output_tokens and round(found.output_tokens * root))
        for name, found in row.models.items()
    }


def test_what_was_not_counted_is_not_measured() -> None:
    assert answers(*counted(2 * SEEN - 1, 0.1)) is None
