"""Work: what each number of the shape tells of gain within a source."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

pytest.importorskip("sklearn", reason="learning needs the extra `learn`: scikit-learn is not installed")

from pointsman.core.estimator.shape import NAMES
from pointsman.learn.rows import Outcome, Row
from pointsman.learn.table import table_of
from pointsman.learn.work import work_of

MMLU = ("mixtral-8x7b-instruct-v0.1", "gpt-4-1106-preview")
PRO = ("Llama-3.1-8B-Instruct", "gemini-1.5-pro-002")


def row(source: str, at: int, words: int, weak: float) -> Row:
    """Return a prompt of so many words that the strong model gets right."""
    pair = MMLU if source == "routellm_mmlu" else PRO
    return Row(source, f"{source}/{at}", "boat " * words, f"{source}/law", {pair[0]: Outcome(weak), pair[1]: Outcome(1.0)})


def counts(rows: list[Row]) -> dict[str, float]:
    return dict(zip(NAMES, work_of(table_of(rows)).tolist(), strict=True))


def test_what_gain_rises_with_within_a_source_counts() -> None:
    rows = [row("mmlu_pro", at, at % 40 + 1, float(at % 40 < 20)) for at in range(200)]

    assert counts(rows)["words"] > 0


def test_what_gain_falls_with_does_not_count_against() -> None:
    rows = [row("mmlu_pro", at, at % 40 + 1, float(at % 40 >= 20)) for at in range(200)]

    found = counts(rows)
    assert found["words"] == 0
    assert min(found.values()) >= 0


def test_what_differs_from_source_to_source_alone_does_not_count() -> None:
    draw = np.random.default_rng(2)
    short = [row("routellm_mmlu", at, 10, 1.0) for at in range(100)]
    long = [row("mmlu_pro", at, 100, 0.0) for at in range(100)]
    noise = [msgspec.structs.replace(each, prompt=each.prompt + "boat " * int(draw.integers(3))) for each in short + long]

    assert max(counts(noise).values()) == pytest.approx(0, abs=1e-6)
