"""Measures of routers: what chance, the best and the worst reach."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="learning needs the extra `learn`: scikit-learn is not installed")

from pointsman.learn.answers import Answers
from pointsman.learn.measure import (
    apgr,
    apgr_interval,
    calls_for,
    curve,
    error_of_perfect,
    expected_calibration_error,
    ranked,
    saving,
)
from pointsman.learn.ranking import Ranking
from pointsman.learn.report import Calibration, Report, Score, draw, table_text

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


def test_chance_leaves_less_error_the_more_rows_there_are() -> None:
    few, many = (error_of_perfect(np.linspace(0.1, 0.9, rows), draws=50) for rows in (50, 2_000))

    assert 0 < many < few < 0.3


def test_ranks_are_of_each_group_alone() -> None:
    need, groups = np.array([1.0, 2.0, 11.0, 12.0]), np.array([0, 0, 1, 1])

    assert ranked(need, groups).tolist() == [0.25, 0.75, 0.25, 0.75]


def test_the_oracle_recovers_half_of_the_gap_with_half_of_the_calls_that_matter() -> None:
    need = STRONG - WEAK + np.linspace(0, 0.01, 200)

    assert calls_for(0.5, need, WEAK, STRONG) == pytest.approx(0.125, abs=0.01)
    assert calls_for(0.8, need, WEAK, STRONG) == pytest.approx(0.2, abs=0.01)


def test_saving_is_against_always_strong_at_the_quality_that_is_kept() -> None:
    need, costs = STRONG - WEAK + np.linspace(0, 0.01, 200), (np.full(200, 0.1), np.full(200, 1.0))

    assert saving(1.0, need, WEAK, STRONG, costs) == pytest.approx(1 - (0.25 * 1.0 + 0.75 * 0.1), abs=0.01)
    assert saving(0.9, need, WEAK, STRONG, costs) > saving(1.0, need, WEAK, STRONG, costs)
    assert np.isnan(saving(0.9, need, WEAK, STRONG, (costs[0], np.full(200, np.nan))))


SCORE = Score(apgr=0.6, low=0.55, high=0.65, auc=0.7, cpt50=0.4, cpt80=0.7, saving95=float("nan"))
REPORT = Report(
    known={"length": {"zeroeval": SCORE}},
    rows={},
    unseen={"length": {"zeroeval": SCORE}},
    calibration={"pooled": Calibration(1420, 0.03, 0.02, 0.04, 0.018)},
    calibration_unseen={"pooled": Calibration(1420, 0.1, 0.09, 0.12, 0.018)},
    models={"zeroeval": Ranking(21, 0.06, 0.09, 0.04, 0.8)},
    answers={"zeroeval": Answers(21, 0.24, 0.92)},
    rewording={"spelling": 0.9},
    curves={"zeroeval": {"length": ([0.0, 1.0], [0.5, 0.8])}},
)


def test_a_report_is_written_as_tables() -> None:
    text = table_text(REPORT)

    assert "| length | 0.600 (0.55-0.65) | 0.600 |" in text
    assert "| length | 40% / 70% / - / 0.700 |" in text
    assert "| pooled | 1,420 | 0.030 (0.020-0.040) | 0.018 | 0.100 |" in text
    assert "| zeroeval | 21 | 0.060 | 0.090 | 0.040 | 0.80 |" in text
    assert "| zeroeval | 21 | 24.0% | 92.0% |" in text
    assert "| spelling | 90.0% |" in text


def test_the_same_report_draws_the_same_plot(tmp_path: Path) -> None:
    draw(REPORT, tmp_path / "a.svg")
    draw(REPORT, tmp_path / "b.svg")

    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
