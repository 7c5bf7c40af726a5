"""Weights of the estimator made by hand."""

from __future__ import annotations

import numpy as np

from pointsman.core.estimator import Curves, Weights
from pointsman.core.estimator.shape import NAMES, RISING
from pointsman.core.estimator.wording import Vocabulary
from pointsman.core.vocabulary import SUBJECTS, TASKS

_WORDS = sorted("apples are contract court how is law left many sold statute the which".split())


def weights() -> Weights:
    """Return weights of two kinds: sums of apples, and law."""
    vocabulary = Vocabulary(_WORDS)
    words = np.full((len(vocabulary) + 1, 4), 0.1, dtype=np.float32)
    for kind, known in enumerate(("apples how many sold left", "contract court law statute which")):
        words[[vocabulary[word] for word in known.split()], kind] = 1.0
    kinds = np.zeros((2, 3 + len(TASKS) + len(SUBJECTS)))
    kinds[:, :3] = (0.1, -1.0, 1.0), (0.3, 1.0, 0.8)
    for kind, (task, subject) in enumerate((("math", "math"), ("knowledge", "law"))):
        kinds[kind, [3 + TASKS.index(task), 3 + len(TASKS) + SUBJECTS.index(subject)]] = 1.0
    rising = [((1.0, 2.0), (0.0, 0.1, 0.2)) if name in RISING else ((), (0.0,)) for name in NAMES]
    curves = Curves(edges=tuple(edges for edges, _ in rising), heights=tuple(heights for _, heights in rising), base=0.0)
    return Weights(
        vocabulary=vocabulary, words=words, squares=np.ones(len(words), dtype=np.float32),
        heads_base=np.zeros(2), sharpness=10.0, kinds=kinds, gain_shape=curves, failure_shape=curves,
        gain_mean=-1.5, gain_mix=np.array([0.0, 1.0, 0.0, 1.0, 0.01]), failure_mix=np.array([0.0, 1.0, 0.0, 1.0, 0.1]), familiar=np.array([0.2, 1.0]),
    )  # fmt: skip
