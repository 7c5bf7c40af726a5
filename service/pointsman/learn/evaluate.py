"""How well the estimator routes: beside simple routers, on questions and on whole sources that it was not trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge

from pointsman.core.estimator import Estimate, Estimator
from pointsman.core.quality import quality
from pointsman.learn import keywords
from pointsman.learn.answers import answers
from pointsman.learn.measure import (
    apgr,
    apgr_interval,
    area,
    calibration_interval,
    calls_for,
    curve,
    error_of_perfect,
    expected_calibration_error,
    ranked,
    saving,
)
from pointsman.learn.ranking import ranking
from pointsman.learn.report import Calibration, Report, Score
from pointsman.learn.rewording import CHANGES, agreeing
from pointsman.learn.rows import PAIRS, Row, source_of
from pointsman.learn.table import FOLDS, Table, folds_of, table_of
from pointsman.learn.train import OTHER_ABILITY, train
from pointsman.learn.trees import WORK, grown

Doubles = NDArray[np.float64]
Fit = Callable[[Table], Callable[[Table], Doubles]]
"""Takes rows to train on, returns what scores others by their need for the strong model."""
Asked = tuple[NDArray[np.int64], Estimator]
"""An estimator, and the rows that it is asked of."""


@dataclass(frozen=True, slots=True, eq=False)
class Protocol:
    """Which rows are scored by weights that saw which others."""

    groups: NDArray[np.int64]
    """Of each row; those of one group are scored by the same weights."""
    apart: NDArray[np.int64]
    """Rows that share a number here with one of the group are not trained on."""

    def parts(self) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
        """Return the rows to score and those to train on, group by group."""
        for group in np.unique(self.groups):
            unseen = self.groups == group
            yield unseen, ~unseen & ~np.isin(self.apart, self.apart[unseen])


def routers() -> dict[str, Fit]:
    """Return the simple routers."""
    return {
        "random": lambda _: lambda table: np.random.default_rng(0).random(len(table.rows)),
        "length": lambda _: lambda table: np.array([float(len(row.prompt)) for row in table.rows]),
        "keywords": lambda _: lambda table: np.array([keywords.complexity(row.prompt) for row in table.rows]),
        "task only": _task_only,
        "tf-idf": _tf_idf,
        "shape only": _shape_only,
    }


def evaluate(rows: Sequence[Row], *, progress: Callable[[str], None] = lambda _: None) -> Report:
    """Return what all routers reach. Takes some minutes."""
    table = table_of(rows)
    sources = np.array([source_of(row) for row in rows])
    lines = np.arange(len(rows))
    by_source = np.unique(sources, return_inverse=True)[1]
    protocols = {
        "known": Protocol(folds_of(table), table.keys),
        "rows": Protocol(np.random.default_rng(0).permutation(len(rows)) % FOLDS, lines),
    } | ({"unseen": Protocol(by_source, table.keys)} if by_source.any() else {})
    needs: dict[str, dict[str, Doubles]] = {}
    ours: dict[str, list[Estimate]] = {}
    for title, protocol in protocols.items():
        progress(title)
        estimators = [(np.flatnonzero(unseen), Estimator(train(table.take(others)))) for unseen, others in protocol.parts()]
        ours[title] = _estimates(table, estimators)
        if title == "known":
            rewording = _rewording(table, estimators)
        needs[title] = {name: _need(fit, table, protocol) for name, fit in routers().items()}
        needs[title]["pointsman"] = _ranked(np.array([estimate.gain for estimate in ours[title]]), table, protocol)
        needs[title]["oracle"] = table.gain
    scores = {title: {name: _scores(need, table, sources) for name, need in by_name.items()} for title, by_name in needs.items()}
    return Report(
        known=scores["known"],
        rows=scores["rows"],
        unseen=scores.get("unseen", {}),
        calibration=_calibration(ours["known"], table, sources),
        calibration_unseen=_calibration(ours["unseen"], table, sources) if "unseen" in ours else {},
        models={
            source: ranking(table.take(sources == source), [ours["known"][at] for at in np.flatnonzero(sources == source)])
            for source in _present(sources)
            if len(rows[int(np.flatnonzero(sources == source)[0])].models) > 2
        },
        answers={
            source: found
            for source in _present(sources)
            if (found := answers(table.take(sources == source), [ours["known"][at] for at in np.flatnonzero(sources == source)]))
        },
        rewording=rewording,
        curves={
            source: {name: _curve(need, table, sources == source) for name, need in needs["known"].items()} for source in _present(sources)
        },
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


def _shape_only(table: Table) -> Callable[[Table], Doubles]:
    """A forest without topics, and no work beside it: what words add is what pointsman has beyond this."""
    forest = grown(table.shapes.astype(np.float32), table.gain, rising=WORK, trees=100)
    return lambda other: np.asarray(forest.predict(other.shapes.astype(np.float32)))


def _need(fit: Fit, table: Table, protocol: Protocol) -> Doubles:
    """Return the need of each row for the strong model, as ranks among the rows of its source that the same weights scored."""
    need = np.zeros(len(table.rows))
    for unseen, others in protocol.parts():
        need[unseen] = fit(table.take(others))(table.take(unseen))
    return _ranked(need, table, protocol)


def _ranked(need: Doubles, table: Table, protocol: Protocol) -> Doubles:
    sources = np.unique([source_of(row) for row in table.rows], return_inverse=True)[1]
    return ranked(need, protocol.groups * (sources.max() + 1) + sources)


def _estimates(table: Table, estimators: Sequence[Asked]) -> list[Estimate]:
    """Return the estimate of each row."""
    found = {at: estimator.estimate(table.rows[at].prompt) for unseen, estimator in estimators for at in unseen.tolist()}
    return [found[at] for at in range(len(table.rows))]


def _rewording(table: Table, estimators: Sequence[Asked]) -> dict[str, float]:
    """Return the share of decisions that survive each change of wording."""
    stays: dict[str, list[bool]] = {name: [] for name in CHANGES}
    for unseen, estimator in estimators:
        for at in unseen.tolist():
            for name, same in agreeing(table.rows[at].prompt, estimator.estimate).items():
                stays[name].append(same)
    return {name: float(np.mean(same)) for name, same in stays.items() if same}


def _present(sources: NDArray[np.str_]) -> Iterator[str]:
    """Return the sources, public ones first."""
    own = sorted(set(sources.tolist()) - set(PAIRS))
    return (source for source in (*PAIRS, *own) if (sources == source).any())


def _scores(need: Doubles, table: Table, sources: NDArray[np.str_]) -> dict[str, Score]:
    found = {}
    for source in _present(sources):
        mine = sources == source
        outcome = need[mine], *_outcome(table, mine)
        low, high = apgr_interval(*outcome)
        costs = table.costs[mine, 0], table.costs[mine, 1]
        found[source] = Score(
            apgr=apgr(*outcome),
            low=low,
            high=high,
            auc=area(*outcome),
            cpt50=calls_for(0.5, *outcome),
            cpt80=calls_for(0.8, *outcome),
            saving95=saving(0.95, *outcome, costs),
        )
    return found


def _outcome(table: Table, mine: NDArray[np.bool_]) -> tuple[Doubles, Doubles]:
    """Return the scores of the weak and of the strong model."""
    weak = 1 - table.failure[mine]
    return weak, weak + table.gain[mine]


def _curve(need: Doubles, table: Table, mine: NDArray[np.bool_]) -> tuple[list[float], list[float]]:
    share, accuracy = curve(need[mine], *_outcome(table, mine))
    return share.tolist(), accuracy.tolist()


def _calibration(estimates: Sequence[Estimate], table: Table, sources: NDArray[np.str_]) -> dict[str, Calibration]:
    """Where another small model answered, its failure is predicted through the quality curve at its ability."""
    curved = np.array(
        [
            estimate.complexity if reference else 1 - quality(OTHER_ABILITY, estimate.complexity, estimate.discrimination)
            for estimate, reference in zip(estimates, table.reference.tolist(), strict=True)
        ]
    )
    parts = {source: sources == source for source in _present(sources)} | {"pooled": table.reference}
    return {name: _calibrated(curved[mine], table.failure[mine]) for name, mine in parts.items() if mine.any()}


def _calibrated(predicted: Doubles, happened: Doubles) -> Calibration:
    error = expected_calibration_error(predicted, happened)
    return Calibration(len(predicted), error, *calibration_interval(predicted, happened), error_of_perfect(predicted))
