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
from sklearn.decomposition import TruncatedSVD
from threadpoolctl import threadpool_limits

from pointsman.core.estimator.estimator import BEFORE_SHAPE, logit, views_of
from pointsman.core.estimator.network import Doubles
from pointsman.core.estimator.shape import NAMES
from pointsman.core.estimator.weights import Floats, Weights
from pointsman.core.estimator.wording import POLITE, Vocabulary, Wording, ids_of
from pointsman.core.quality import BASE_RATE
from pointsman.core.vocabulary import SUBJECTS, TASKS
from pointsman.learn.discrimination import slopes
from pointsman.learn.distil import taught
from pointsman.learn.kinds import subject_of, task_of
from pointsman.learn.table import Table
from pointsman.learn.trees import SEED
from pointsman.learn.work import work_of

SEEN_OFTEN = 3
"""Prompts that a word must stand in: rarer ones tell nothing, and may be names."""
SHARPNESS = 30.0
SHRINKAGE = 15.0
"""Prompts of average outcome that are added to each kind."""
TOPICS = 32
"""With 16 or 64, APGR was no higher."""
GAIN_SHARES = (1.0, 0.2, 0.3)
"""Spread that the vote, kind and work have in `gain`. By hand: with 0.2 of work, APGR is 0.003 lower on sources never seen; with 0.4, 0.002
lower on known ones, as with no kind. To weigh work more where a prompt is unfamiliar helped one source and cost others."""
NEEDED = 30
"""Answers of the reference model by which a kind's chance of failure is its own; with fewer, it goes through the quality curve."""


def train(table: Table) -> Weights:
    """Return the weights."""
    with threadpool_limits(1):  # sums in one order, whatever the machine's cores
        weights = _views(table)
        return _mixed(weights, table)


def _views(table: Table) -> Weights:
    """Return weights whose mix is not fitted yet."""
    vocabulary = _vocabulary(table.seen)
    present = _matrix((ids_of(seen, vocabulary) for seen in table.seen), len(vocabulary) + 1)
    single, idf = _weighted(present)
    names = sorted(set(table.kinds.tolist()))
    own = np.searchsorted(names, table.kinds)
    squares, topics = _halved(idf * idf), _halved(idf[:, None] * _topics(single))
    rest = table.peers_failure - _means(table.peers_failure, own, len(names))[own]
    return Weights(
        vocabulary=vocabulary,
        words=np.hstack((squares[:, None], _halved(idf[:, None] * _centroids(single, own, len(names))), topics)),
        strange=float(_idf(len(table.rows), np.array(SEEN_OFTEN - 1.0)) ** 2) / 2,
        sharpness=SHARPNESS,
        kinds=_kinds(table, own, names),
        network=taught(
            np.hstack((table.shapes, _brought_to_length_1(present, squares) @ topics)).astype(np.float32), table.gain, rest, kinds=own
        ),
        gain_mix=np.zeros(BEFORE_SHAPE + len(NAMES)),
        failure_mix=np.zeros(4),
        familiar=np.array([0.0, 1.0]),
    )


def _halved(array: NDArray[np.floating]) -> Floats:
    """Return an array as the artifact keeps it: in half precision, so that what is measured is what is shipped."""
    return array.astype(np.float16).astype(np.float32)


def _kinds(table: Table, own: NDArray[np.int64], names: list[str]) -> Floats:
    """Return the table of kinds: logit of failure, slope, gain, and the tasks and subjects that they belong to."""
    return np.column_stack(
        (
            _kind_failures(table, own, len(names)),
            np.ones(len(names)),
            _means(table.gain, own, len(names)),
            _indicator([TASKS.index(task_of(name)) for name in names], len(TASKS)),
            _indicator([SUBJECTS.index(subject_of(name)) for name in names], len(SUBJECTS)),
        )
    ).astype(np.float32)


def _vocabulary(texts: Sequence[Wording]) -> Vocabulary:
    """Return the words that stand in enough texts, the most frequent first: what is looked up often lies close together in memory."""
    counts = Counter(word for seen in texts for word in seen.distinct)
    often = (word for word, count in counts.items() if count >= SEEN_OFTEN)
    known = (word for word in often if word not in POLITE and not any(map(str.isdigit, word)))
    return Vocabulary(sorted(known, key=lambda word: (-counts[word], word)))


def _matrix(lists: Iterable[NDArray[np.int64]], width: int) -> csr_matrix:
    columns = [np.asarray(found, dtype=np.int64) for found in lists]
    starts = np.cumsum([0, *map(len, columns)])
    return csr_matrix((np.ones(starts[-1], dtype=np.float32), np.concatenate(columns), starts), shape=(len(columns), width))


def _weighted(present: csr_matrix) -> tuple[csr_matrix, Floats]:
    """Return rows at length 1, weighted by inverse document frequency, and that."""
    documents, seen_in = present.shape[0], np.asarray(present.sum(axis=0)).ravel()
    idf = np.where(seen_in >= 2, _idf(documents, np.maximum(seen_in, 1)), 0.0).astype(np.float32)
    return csr_matrix(_brought_to_length_1(present, idf * idf) @ diags(idf)), idf


def _idf(documents: int, seen_in: NDArray[np.floating]) -> Doubles:
    """Return the inverse document frequency of words that stand in so many documents."""
    found: Doubles = np.log((documents + 1) / (seen_in + 1)) + 1
    return found


def _brought_to_length_1(present: csr_matrix, squares: Floats) -> csr_matrix:
    """Return rows that give, multiplied by the weights of words, sums of texts at length 1."""
    return csr_matrix(diags(1 / np.maximum(np.sqrt(present @ squares), 1e-9)) @ present)


def _topics(single: csr_matrix) -> Floats:
    """Return the directions along which texts differ most: words x TOPICS, or fewer where there are not as many words."""
    found: Floats = TruncatedSVD(min(TOPICS, single.shape[1]), random_state=SEED).fit(single).components_.T
    return found


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


INNER_FOLDS = 4


def _inner_folds(table: Table) -> NDArray[np.int64]:
    """Return folds that cut across those of `folds_of`, which evaluation trains on."""
    return table.keys // 1_000 % INNER_FOLDS


def views_gathered(weights: Weights, table: Table) -> tuple[Doubles, Doubles, Doubles]:
    """Return what the views say of each row: of gain, of failure, and the greatest similarity."""
    found = [views_of(weights, seen, shape.tolist()) for seen, shape in zip(table.seen, table.shapes, strict=True)]
    return np.array([views.gain for views in found]), np.array([views.failure for views in found]), np.array([v.similar for v in found])


def _mixed(weights: Weights, table: Table) -> Weights:
    """Return the weights with the mix fitted to rows that the views did not see."""
    folds = _inner_folds(table)
    gain, failure = np.zeros((len(table.rows), BEFORE_SHAPE + len(NAMES))), np.zeros((len(table.rows), 4))
    similar = np.zeros(len(table.rows))
    for fold in range(INNER_FOLDS):
        unseen = folds == fold
        gain[unseen], failure[unseen], similar[unseen] = views_gathered(_views(table.take(~unseen)), table.take(unseen))
    failure_mix = _logistic(failure[table.reference], table.failure[table.reference])
    kinds = weights.kinds.copy()
    kinds[:, 1] = slopes(table, 1 / (1 + np.exp(-failure @ failure_mix)))
    return replace(
        weights,
        kinds=kinds,
        gain_mix=_gain_mix(gain, table.gain, work_of(table)),
        failure_mix=failure_mix,
        familiar=np.quantile(similar, [0.01, 0.25]) * (0.5, 1.0),
    )


def _gain_mix(views: Doubles, gain: Doubles, work: Doubles) -> Doubles:
    """Return the mix in which each view has its share of the spread; at the mean its logistic curve has the slope that fits best.

    `work` is what each number of the shape counts for in the view of work.
    """
    mean = logit(min(max(float(gain.mean()), 0.02), 0.98))
    spread = np.column_stack((views[:, 1:BEFORE_SHAPE], views[:, BEFORE_SHAPE:] @ work))
    vote, kind, worked = np.array(GAIN_SHARES) / np.maximum(spread.std(axis=0), 1e-9)
    shares = np.array([vote, kind, *(worked * work)])
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

    found = minimize(loss, np.array([0.0, 1.0, 1.0, 0.0]), jac=True, bounds=[(None, None), *[(0.0, None)] * 3], method="L-BFGS-B")
    return np.asarray(found.x)
