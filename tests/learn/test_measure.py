"""Measures of routers: what chance, the best and the worst reach."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="learning needs the extra `learn`: scikit-learn is not installed")

from pointsman.learn.evaluate import Report, Score, draw, table_text
from pointsman.learn.measure import apgr, apgr_interval, curve, expected_calibration_error

WEAK, STRONG = np.tile([1.0, 0.0, 0.0, 1.0], 50), np.tile([1.0, 1.0, 0.0, 1.0], 50)


def test_the_oracle_beats_chance_and_its_opposite() -> None:
    need = STRONG - WEAK + np.linspace(0, 0.01, 200)

    assert apgr(need, WEAK, STRONG) > 0.8
    assert apgr(-need, WEAK, STRONG) < 0.2
    assert apgr(np.random.default_rng(0).random(200), WEAK, STRONG) == pytest.approx(0.5, abs=0.1)


def test_the_curve_runs_from_always_weak_to_always_strong() -> None:
    share, accuracy = curve(np.linspace(0, 1, 200), WEAK, STRONG)

    assert (share[0], share[-1], len(share)) == (0.0, 1.0, 11)
    assert (accuracy[0], accuracy[-1]) == (0.5, 0.75)


def test_the_interval_holds_the_value() -> None:
    need = np.random.default_rng(1).random(200)
    low, high = apgr_interval(need, WEAK, STRONG)

    assert low < apgr(need, WEAK, STRONG) < high


def test_calibration_error_is_the_distance_of_what_was_said_and_what_came() -> None:
    assert expected_calibration_error(np.full(100, 0.3), np.tile([1.0] * 3 + [0.0] * 7, 10)) == pytest.approx(0.0)
    assert expected_calibration_error(np.full(100, 0.9), np.zeros(100)) == pytest.approx(0.9)


def test_a_report_is_written_as_tables() -> None:
    score = {"length": {"zeroeval": Score(0.6, 0.55, 0.65)}}
    text = table_text(Report(score, score, {"pooled": 0.03}, {}))

    assert "| length | 0.600 (0.55-0.65) | 0.600 |" in text
    assert "| pooled | 0.030 |" in text


def test_the_same_report_draws_the_same_plot(tmp_path: Path) -> None:
    report = Report({}, {}, {}, {"zeroeval": {"length": ([0.0, 1.0], [0.5, 0.8])}})
    draw(report, tmp_path / "a.svg")
    draw(report, tmp_path / "b.svg")

    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
