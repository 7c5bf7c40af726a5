"""Weights of the estimator made by hand."""

from __future__ import annotations

import numpy as np

from pointsman.core.estimator import Forest, Weights
from pointsman.core.estimator.estimator import OF_KIND
from pointsman.core.estimator.shape import NAMES, RISING
from pointsman.core.estimator.wording import Vocabulary
from pointsman.core.vocabulary import SUBJECTS, TASKS

_WORDS = sorted("apples are contract court how is law left many sold statute the which".split())


def weights() -> Weights:
    """Return weights of two kinds: sums of apples, and law."""
    vocabulary = Vocabulary(_WORDS)
    words = np.full((len(vocabulary) + 1, 3), 0.1, dtype=np.float32)
    for kind, known in enumerate(("apples how many sold left", "contract court law statute which")):
        words[[vocabulary[word] for word in known.split()], kind] = 1.0
    kinds = np.zeros((2, OF_KIND + len(TASKS) + len(SUBJECTS)))
    kinds[:, :OF_KIND] = (-1.0, 1.0, 0.1), (1.0, 0.8, 0.3)
    for kind, (task, subject) in enumerate((("math", "math"), ("knowledge", "law"))):
        kinds[kind, [OF_KIND + TASKS.index(task), OF_KIND + len(TASKS) + SUBJECTS.index(subject)]] = 1.0
    return Weights(
        vocabulary=vocabulary, words=words, squares=np.ones(len(words), dtype=np.float32), sharpness=10.0, kinds=kinds, forest=_stumps(),
        gain_mix=np.array([-1.5, 1.0, 0.0, 0.01, *[0.0] * (len(NAMES) - 1)]), failure_mix=np.array([0.0, 1.0, 1.0, 0.1]), familiar=np.array([0.2, 1.0]),
    )  # fmt: skip


def _stumps() -> Forest:
    """Return trees of one level, one for each number of RISING, whose votes rise above 1."""
    rising = [place for place, name in enumerate(NAMES) if name in RISING]
    edges = np.ones(2 * len(rising), dtype=np.float32)
    return Forest(np.array(2 * rising, dtype=np.uint8), edges, np.tile(np.array([0.0, 0.5], dtype=np.float32), (2, len(rising))))
