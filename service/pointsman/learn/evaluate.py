"""How well the estimator routes: beside simple routers, on questions and on whole sources that it was not trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from msgspec import Struct
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge

from pointsman.core.estimator import Estimator
from pointsman.core.quality import quality
from pointsman.learn import keywords
from pointsman.learn.measure import apgr, apgr_interval, curve, expected_calibration_error
from pointsman.learn.rows import PAIRS, Row, source_of
from pointsman.learn.table import Table, folds_of, table_of
from pointsman.learn.train import OTHER_ABILITY, train

Doubles = NDArray[np.float64]
Fit = Callable[[Table], Callable[[Table], Doubles]]
"""Takes rows to train on, returns what scores others by their need for the strong model."""


class Score(Struct, frozen=True):
    """APGR of one router on one source."""

    apgr: float
    low: float
    high: float


class Report(Struct, frozen=True):
    """All that was measured."""

    known: Mapping[str, Mapping[str, Score]]
    """By router and source: trained on other questions of all sources."""
    unseen: Mapping[str, Mapping[str, Score]]
    """By router and source: trained on the other sources only, without the questions that they share."""
    calibration: Mapping[str, float]
    """Expected calibration error of "the small model fails" by source, and `pooled` over those that the reference model answered."""
    curves: Mapping[str, Mapping[str, tuple[list[float], list[float]]]]
    """By source and router: share of strong calls, and accuracy."""


def routers() -> dict[str, Fit]:
    """Return the routers that are compared."""
    return {
        "random": lambda _: lambda table: np.random.default_rng(0).random(len(table.rows)),
        "length": lambda _: lambda table: np.array([float(len(row.prompt)) for row in table.rows]),
        "keywords": lambda _: lambda table: np.array([keywords.complexity(row.prompt) for row in table.rows]),
        "task only": _task_only,
        "tf-idf": _tf_idf,
        "pointsman": _ours,
        "oracle": lambda _: lambda table: table.gain,
    }


def evaluate(rows: Sequence[Row], *, progress: Callable[[str], None] = lambda _: None) -> Report:
    """Return what all routers reach. Takes some minutes."""
    table = table_of(rows)
    sources = np.array([source_of(row) for row in rows])
    known, unseen = {}, {}
    for name, fit in routers().items():
        progress(name)
        known[name] = _over_folds(fit, table)
        unseen[name] = _over_sources(fit, table, sources)
    progress("calibration")
    complexity = _over_folds(_complexity, table)
    return Report(
        known={name: _scores(need, table, sources) for name, need in known.items()},
        unseen={name: _scores(need, table, sources) for name, need in unseen.items()},
        calibration=_calibration(complexity, table, sources),
        curves={source: {name: _curve(need, table, sources == source) for name, need in known.items()} for source in _present(sources)},
    )


def _task_only(table: Table) -> Callable[[Table], Doubles]:
    """Knows the true label of the field, which no router does."""
    total = table.gain.mean()
    means = {kind: (table.gain[table.kinds == kind].sum() + 10 * total) / ((table.kinds == kind).sum() + 10) for kind in set(table.kinds)}
    return lambda other: np.array([means.get(kind, total) for kind in other.kinds])


def _tf_idf(table: Table) -> Callable[[Table], Doubles]:
    words = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    seen: csr_matrix = words.fit_transform([row.prompt for row in table.rows])
    model = Ridge(alpha=3.0, solver="sparse_cg", random_state=0).fit(seen, table.gain)
    return lambda other: np.asarray(model.predict(words.transform([row.prompt for row in other.rows])))


def _ours(table: Table) -> Callable[[Table], Doubles]:
    estimator = Estimator(train(table))
    return lambda other: np.array([estimator.estimate(row.prompt).gain for row in other.rows])


def _complexity(table: Table) -> Callable[[Table], Doubles]:
    estimator = Estimator(train(table))
    return lambda other: np.array([estimator.estimate(row.prompt).complexity for row in other.rows])


def _over_folds(fit: Fit, table: Table) -> Doubles:
    folds, need = folds_of(table), np.zeros(len(table.rows))
    for fold in sorted(set(folds.tolist())):
        unseen = folds == fold
        need[unseen] = fit(table.take(~unseen))(table.take(unseen))
    return need


def _over_sources(fit: Fit, table: Table, sources: NDArray[np.str_]) -> Doubles:
    need = np.zeros(len(table.rows))
    for source in _present(sources):
        unseen = sources == source
        others = ~unseen & ~np.isin(table.keys, table.keys[unseen])
        need[unseen] = fit(table.take(others))(table.take(unseen))
    return need


def _present(sources: NDArray[np.str_]) -> Iterator[str]:
    return (source for source in PAIRS if (sources == source).any())


def _scores(need: Doubles, table: Table, sources: NDArray[np.str_]) -> dict[str, Score]:
    found = {}
    for source in _present(sources):
        mine = sources == source
        outcome = need[mine], 1 - table.failure[mine], 1 - table.failure[mine] + table.gain[mine]
        found[source] = Score(apgr(*outcome), *apgr_interval(*outcome))
    return found


def _curve(need: Doubles, table: Table, mine: NDArray[np.bool_]) -> tuple[list[float], list[float]]:
    share, accuracy = curve(need[mine], 1 - table.failure[mine], 1 - table.failure[mine] + table.gain[mine])
    return share.tolist(), accuracy.tolist()


def _calibration(complexity: Doubles, table: Table, sources: NDArray[np.str_]) -> dict[str, float]:
    """Where another small model answered, its failure is predicted through the quality curve at its ability."""
    curved = np.array([1 - quality(OTHER_ABILITY, value) for value in complexity])
    predicted = np.where(table.reference, complexity, curved)
    found = {
        source: expected_calibration_error(predicted[sources == source], table.failure[sources == source]) for source in _present(sources)
    }
    found["pooled"] = expected_calibration_error(complexity[table.reference], table.failure[table.reference])
    return found


def table_text(report: Report) -> str:
    """Return the report as tables of Markdown."""
    lines: list[str] = []
    for title, scores in (("known sources, new questions", report.known), ("sources never seen", report.unseen)):
        names = list(next(iter(scores.values())))
        lines += [f"| APGR, {title} | {' | '.join(names)} | mean |", f"|---|{'--:|' * (len(names) + 1)}"]
        for router, by_source in scores.items():
            cells = [f"{score.apgr:.3f} ({score.low:.2f}-{score.high:.2f})" for score in by_source.values()]
            lines.append(f"| {router} | {' | '.join(cells)} | {np.mean([score.apgr for score in by_source.values()]):.3f} |")
        lines.append("")
    lines += ['| calibration error of "small fails" | |', "|---|--:|"]
    lines += [f"| {source} | {error:.3f} |" for source, error in report.calibration.items()]
    return "\n".join(lines) + "\n"


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
