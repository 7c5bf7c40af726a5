"""Learns the weights of the estimator. The same rows give the same weights to the byte, on one machine: all is sorted, seeded and rounded.

Each view is fitted alone; then the mix is fitted to what views say of questions that they were not fitted to (stacking over folds).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_matrix, diags
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import Ridge
from threadpoolctl import threadpool_limits

from pointsman.core.estimator.estimator import logit, views_of
from pointsman.core.estimator.shape import NAMES, RISING
from pointsman.core.estimator.weights import Curves, Doubles, Floats, Weights
from pointsman.core.estimator.wording import POLITE, Vocabulary, ids_of
from pointsman.core.quality import BASE_RATE
from pointsman.core.vocabulary import SUBJECTS, TASKS
from pointsman.learn.discrimination import slopes
from pointsman.learn.kinds import subject_of, task_of
from pointsman.learn.table import FOLDS, Table

SEED = 20
SEEN_OFTEN = 3
"""Prompts that a word must stand in: rarer ones tell nothing, and may be names."""
SHARPNESS = 30.0
SHRINKAGE = 15.0
"""Prompts of average outcome that are added to each kind."""
RIDGE = 8.0
"""Pairs of words beside words added nothing (0.001 APGR)."""
GAIN_SHARES = (2.0, 0.75, 1.5, 1.5)
"""Spread that kind, text, shape and length have in `gain`. By hand: trees that mixed them were no better on known sources."""
NEEDED = 30
"""Answers of the reference model by which a kind's chance of failure is its own; with fewer, it goes through the quality curve."""


def train(table: Table) -> Weights:
    """Return the weights."""
    with threadpool_limits(1):  # sums in one order, whatever the machine's cores
        weights = _views(table)
        return _rounded(_mixed(weights, table))


def _views(table: Table) -> Weights:
    """Return weights whose mix is not fitted yet."""
    vocabulary = _vocabulary(table.words)
    single, idf = _weighted(_matrix((ids_of(words, vocabulary) for words in table.words), len(vocabulary) + 1))
    names = sorted(set(table.kinds.tolist()))
    own = np.searchsorted(names, table.kinds)
    rest = table.peers_failure - _means(table.peers_failure, own, len(names))[own]
    heads, base = _linear(single, np.column_stack((table.gain, rest)))
    return Weights(
        vocabulary=vocabulary,
        words=idf[:, None] * np.hstack((_centroids(single, own, len(names)), heads)),
        squares=idf * idf,
        heads_base=base,
        sharpness=SHARPNESS,
        kinds=_kinds(table, own, names),
        gain_shape=_curves(table.shapes, table.gain),
        failure_shape=_curves(table.shapes, rest),
        gain_mean=_gain_logit(table),
        gain_mix=np.zeros(5),
        failure_mix=np.zeros(5),
        familiar=np.array([0.0, 1.0]),
    )


def _kinds(table: Table, own: NDArray[np.int64], names: list[str]) -> Doubles:
    """Return the table of kinds: gain, logit of failure, slope, and the tasks and subjects that they belong to."""
    return np.column_stack(
        (
            _means(table.gain, own, len(names)),
            _kind_failures(table, own, len(names)),
            np.ones(len(names)),
            _indicator([TASKS.index(task_of(name)) for name in names], len(TASKS)),
            _indicator([SUBJECTS.index(subject_of(name)) for name in names], len(SUBJECTS)),
        )
    )


def _vocabulary(texts: Sequence[list[str]]) -> Vocabulary:
    counts = Counter(word for words in texts for word in set(words))
    often = (word for word, count in counts.items() if count >= SEEN_OFTEN)
    return Vocabulary(sorted(word for word in often if word not in POLITE and not any(map(str.isdigit, word))))


def _matrix(lists: Iterable[NDArray[np.int64]], width: int) -> csr_matrix:
    columns = [np.asarray(found, dtype=np.int64) for found in lists]
    starts = np.cumsum([0, *map(len, columns)])
    return csr_matrix((np.ones(starts[-1], dtype=np.float32), np.concatenate(columns), starts), shape=(len(columns), width))


def _weighted(present: csr_matrix) -> tuple[csr_matrix, Floats]:
    """Return rows at length 1, weighted by inverse document frequency, and that."""
    documents, seen_in = present.shape[0], np.asarray(present.sum(axis=0)).ravel()
    idf = np.where(seen_in >= 2, np.log((documents + 1) / (seen_in + 1)) + 1, 0.0).astype(np.float32)
    weighted = present @ diags(idf)
    lengths = np.sqrt(np.asarray(weighted.multiply(weighted).sum(axis=1)).ravel())
    return csr_matrix(diags(1 / np.maximum(lengths, 1e-9)) @ weighted), idf


def _centroids(single: csr_matrix, own: NDArray[np.int64], count: int) -> Floats:
    sums = np.asarray((_indicator_sparse(own, count).T @ single).todense())
    return np.ascontiguousarray((sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9)).T, dtype=np.float32)


def _indicator_sparse(own: NDArray[np.int64], count: int) -> csr_matrix:
    return csr_matrix((np.ones(len(own)), (np.arange(len(own)), own)), shape=(len(own), count))


def _indicator(columns: Sequence[int], width: int) -> Doubles:
    rows: Doubles = np.eye(width)[np.array(columns)]
    return rows


def _means(values: Doubles, own: NDArray[np.int64], count: int) -> Doubles:
    """Return the mean of each kind, drawn towards the mean of all."""
    sums, sizes = np.bincount(own, values, count), np.bincount(own, minlength=count)
    means: Doubles = (sums + SHRINKAGE * values.mean()) / (sizes + SHRINKAGE)
    return means


def _linear(single: csr_matrix, targets: Doubles) -> tuple[Floats, Doubles]:
    """Return ridge regressions of the targets: weights of words, and intercepts."""
    model = Ridge(alpha=RIDGE, solver="sparse_cg", tol=1e-3, random_state=SEED).fit(single, targets)
    return model.coef_.T.astype(np.float32), np.asarray(model.intercept_, dtype=np.float64)


def _curves(shapes: Doubles, target: Doubles) -> Curves:
    """Return step functions by boosting stumps; those of RISING never fall."""
    model = HistGradientBoostingRegressor(
        max_iter=300, learning_rate=0.05, max_leaf_nodes=2, max_depth=1, min_samples_leaf=min(60, len(target) // 4), l2_regularization=5,
        monotonic_cst=[int(name in RISING) for name in NAMES], random_state=SEED, early_stopping=False,
    ).fit(shapes, target)  # fmt: skip
    stumps = [tree[0].nodes for tree in model._predictors]  # noqa: SLF001  # the only door to the trees; tests/learn tries it, where the extra is installed
    steps: list[dict[float, float]] = [{} for _ in NAMES]
    lowest = [0.0] * len(NAMES)
    base = float(np.ravel(model._baseline_prediction)[0])  # noqa: SLF001  # as above
    for nodes in stumps:
        if len(nodes) == 1:
            base += float(nodes[0]["value"])
            continue
        left, right = float(nodes[nodes[0]["left"]]["value"]), float(nodes[nodes[0]["right"]]["value"])
        column, edge = int(nodes[0]["feature_idx"]), float(nodes[0]["num_threshold"])
        lowest[column] += left
        steps[column][edge] = steps[column].get(edge, 0.0) + right - left
    edges = tuple(tuple(sorted(step)) for step in steps)
    heights = tuple(
        tuple(np.cumsum([low, *(step[edge] for edge in sorted(step))]).tolist()) for low, step in zip(lowest, steps, strict=True)
    )
    return Curves(edges=edges, heights=heights, base=base)


def _kind_failures(table: Table, own: NDArray[np.int64], count: int) -> Doubles:
    """Return the logit of the reference model's chance to fail each kind.

    Kinds that it never answered come through the quality curve: logit P(right) = logit ability - (logit complexity - logit BASE_RATE),
    solved for complexity, with the ability at which the other weak model has its mean over all kinds at the base rate of complexity.
    """
    result = np.zeros(count)
    answered = np.bincount(own, table.reference, count)
    known = answered >= NEEDED
    overall = table.failure[table.reference].mean() if table.reference.any() else BASE_RATE
    for kind in range(count):
        mine = (own == kind) & (table.reference if known[kind] else ~table.reference)
        average = overall if known[kind] else (table.failure[~table.reference].mean() if (~table.reference).any() else BASE_RATE)
        rate = (table.failure[mine].sum() + SHRINKAGE * average) / (mine.sum() + SHRINKAGE)
        rate = min(max(rate, 0.02), 0.98)
        result[kind] = logit(rate) if known[kind] else logit(rate) + logit(BASE_RATE) - logit(1 - OTHER_ABILITY)
    return result


OTHER_ABILITY = 0.62
"""Ability of Mixtral-8x7B where complexity is at the base rate."""


def _inner_folds(table: Table) -> NDArray[np.int64]:
    """Return folds that cut across those of `folds_of`, which evaluation trains on."""
    return table.keys // 1_000 % FOLDS


def views_gathered(weights: Weights, table: Table) -> tuple[Doubles, Doubles, Doubles]:
    """Return what the views say of each row: of gain, of failure, and the greatest similarity."""
    found = [views_of(weights, words, shape.tolist()) for words, shape in zip(table.words, table.shapes, strict=True)]
    return np.array([views.gain for views in found]), np.array([views.failure for views in found]), np.array([v.similar for v in found])


def _mixed(weights: Weights, table: Table) -> Weights:
    """Return the weights with the mix fitted to rows that the views did not see."""
    folds = _inner_folds(table)
    gain, failure = np.zeros((len(table.rows), 5)), np.zeros((len(table.rows), 5))
    similar = np.zeros(len(table.rows))
    for fold in range(FOLDS):
        unseen = folds == fold
        gain[unseen], failure[unseen], similar[unseen] = views_gathered(_views(table.take(~unseen)), table.take(unseen))
    failure_mix = _logistic(failure[table.reference], table.failure[table.reference])
    kinds = weights.kinds.copy()
    kinds[:, 2] = slopes(table, 1 / (1 + np.exp(-failure @ failure_mix)))
    return replace(
        weights,
        kinds=kinds,
        gain_mix=_gain_mix(gain, table.gain, weights.gain_mean),
        failure_mix=failure_mix,
        familiar=np.quantile(similar, [0.01, 0.25]) * (0.5, 1.0),
    )


def _gain_logit(table: Table) -> float:
    return logit(min(max(float(table.gain.mean()), 0.02), 0.98))


def _gain_mix(views: Doubles, gain: Doubles, mean: float) -> Doubles:
    """Return the mix in which each view has its share of the spread; at the mean its logistic curve has the slope that fits best."""
    shares = np.array(GAIN_SHARES) / np.maximum(views[:, 1:].std(axis=0), 1e-9)
    mixed = views[:, 1:] @ shares
    at_mean = 1 / (1 + np.exp(-mean))
    slope = max(float(np.cov(mixed, gain)[0, 1] / mixed.var()), 0.0) / (at_mean * (1 - at_mean))
    return np.array([mean - slope * mixed.mean(), *(slope * shares)])


def _logistic(views: Doubles, failure: Doubles) -> Doubles:
    """Return the mix of a logistic regression whose weights are not negative: no view may count backwards."""

    def loss(mix: Doubles) -> tuple[float, Doubles]:
        score = views @ mix
        error = 1 / (1 + np.exp(-score)) - failure
        return float(np.logaddexp(0, score).sum() - failure @ score + 0.5 * mix @ mix), views.T @ error + mix

    found = minimize(loss, np.array([0.0, 1.0, 1.0, 1.0, 0.0]), jac=True, bounds=[(None, None), *[(0.0, None)] * 4], method="L-BFGS-B")
    return np.asarray(found.x)


def _rounded(weights: Weights) -> Weights:
    """Return the weights as the artifact keeps them: the large arrays in half precision, so that what is measured is what is shipped."""
    halved = {name: getattr(weights, name).astype(np.float16).astype(np.float32) for name in ("words", "squares")}
    return replace(weights, **halved)
