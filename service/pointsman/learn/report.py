"""What an evaluation found: as a value, as tables of Markdown, and as a plot."""

from __future__ import annotations

from collections.abc import Mapping
from math import isnan
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from msgspec import Struct

from pointsman.learn.answers import SEEN, Answers
from pointsman.learn.ranking import Ranking


class Score(Struct, frozen=True, kw_only=True):
    """What one router reaches on one source. Shares are 0..1."""

    apgr: float
    low: float
    high: float
    """95 % bootstrap interval of the APGR."""
    auc: float
    """Area under accuracy over the share of strong calls."""
    cpt50: float
    """Share of strong calls that recovers half of the gap in accuracy."""
    cpt80: float
    saving95: float
    """Of the cost of always strong, at 95 % of its quality; NaN where costs are not known."""


class Calibration(Struct, frozen=True):
    """Expected calibration error of "the small model fails"."""

    rows: int
    error: float
    low: float
    high: float
    perfect: float
    """What predictions that are perfectly calibrated would get at this number of rows."""


Scores = Mapping[str, Mapping[str, Score]]
"""By router and source."""


class Report(Struct, frozen=True, kw_only=True):
    """All that was measured."""

    known: Scores
    """Trained on other questions of all sources."""
    rows: Scores
    """Trained on other rows of all sources, among which the same question may stand with other models' outcomes or other options."""
    unseen: Scores
    """Trained on the other sources only, without the questions that they share."""
    calibration: Mapping[str, Calibration]
    """By source, and `pooled` over those that the reference model answered; trained on other questions of all sources."""
    calibration_unseen: Mapping[str, Calibration]
    """The same, trained on the other sources only."""
    models: Mapping[str, Ranking]
    """By source that more than two models answered."""
    answers: Mapping[str, Answers]
    """By source whose answers were counted."""
    rewording: Mapping[str, float]
    """Share of decisions that stay, by change of the wording."""
    curves: Mapping[str, Mapping[str, tuple[list[float], list[float]]]]
    """By source and router: share of strong calls, and accuracy."""


def table_text(report: Report) -> str:
    """Return the report as tables of Markdown."""
    titles = {
        "APGR, known sources, new questions": report.known,
        "APGR, known sources, new rows (a question may stand in another source)": report.rows,
        "APGR, sources never seen": report.unseen,
    }
    tables = [_apgr(title, scores) for title, scores in titles.items() if scores]
    tables += [
        _operating(report.known),
        _calibration(report),
        _models(report.models),
        _answers(report.answers),
        _rewording(report.rewording),
    ]
    return "\n\n".join("\n".join(lines) for lines in tables if lines) + "\n"


def _apgr(title: str, scores: Scores) -> list[str]:
    names = list(next(iter(scores.values())))
    lines = _head(title, *names, "mean")
    for router, by_source in scores.items():
        cells = [f"{score.apgr:.3f} ({score.low:.2f}-{score.high:.2f})" for score in by_source.values()]
        lines.append(_row(router, *cells, f"{np.mean([score.apgr for score in by_source.values()]):.3f}"))
    return lines


def _operating(scores: Scores) -> list[str]:
    if not scores:
        return []
    names = list(next(iter(scores.values())))
    lines = _head("new questions: CPT50 / CPT80 / saving at 95 % of strong quality / AUC", *names)
    return lines + [_row(router, *(_points(score) for score in by_source.values())) for router, by_source in scores.items()]


def _points(score: Score) -> str:
    saved = "-" if isnan(score.saving95) else f"{score.saving95:.0%}"
    return f"{score.cpt50:.0%} / {score.cpt80:.0%} / {saved} / {score.auc:.3f}"


def _calibration(report: Report) -> list[str]:
    if not report.calibration:
        return []
    lines = _head('calibration error of "small fails"', "rows", "new questions", "if perfectly calibrated", "source never seen")
    for source, found in report.calibration.items():
        unseen = report.calibration_unseen.get(source)
        error = f"{found.error:.3f} ({found.low:.3f}-{found.high:.3f})"
        lines.append(_row(source, f"{found.rows:,}", error, f"{found.perfect:.3f}", f"{unseen.error:.3f}" if unseen else "-"))
    return lines


def _models(models: Mapping[str, Ranking]) -> list[str]:
    if not models:
        return []
    lines = _head('"this model is right", ability from one number', "models", "calibration error", "worst", "if perfect", "Kendall's tau")
    rows = [
        _row(source, str(found.models), f"{found.error:.3f}", f"{found.worst:.3f}", f"{found.perfect:.3f}", f"{found.tau:.2f}")
        for source, found in models.items()
    ]
    return lines + rows


def _answers(found: Mapping[str, Answers]) -> list[str]:
    if not found:
        return []
    lines = _head(f"length of answers, after {SEEN} of a model", "models", "median error", "within the 90th percentile")
    return lines + [_row(source, str(each.models), f"{each.error:.1%}", f"{each.covered:.1%}") for source, each in found.items()]


def _rewording(rewording: Mapping[str, float]) -> list[str]:
    if not rewording:
        return []
    return _head("decisions at accuracy 0.8 that stay", "") + [_row(change, f"{share:.1%}") for change, share in rewording.items()]


def _head(*cells: str) -> list[str]:
    return [_row(*cells), f"|---|{'--:|' * (len(cells) - 1)}"]


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def draw(report: Report, path: Path) -> None:
    """Write the plot of quality against the share of calls that the strong model gets; the suffix says the format."""
    figure = Figure(figsize=(4 * len(report.curves), 3.4))
    axes = figure.subplots(1, len(report.curves), squeeze=False)
    for place, (source, by_router) in zip(axes[0], report.curves.items(), strict=True):
        for router, (share, accuracy) in by_router.items():
            place.plot(share, accuracy, label=router, linewidth=2 if router == "pointsman" else 1)
        place.set(title=source, xlabel="share of calls to the strong model", ylabel="accuracy")
    axes[0][-1].legend(fontsize=7)
    figure.tight_layout()
    with rc_context({"svg.hashsalt": "pointsman"}):  # the same report gives the same bytes
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
