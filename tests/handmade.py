"""Weights of the estimator made by hand."""

from __future__ import annotations

import numpy as np

from pointsman.core.estimator import Network, Weights
from pointsman.core.estimator.estimator import OF_KIND
from pointsman.core.estimator.shape import NAMES, RISING
from pointsman.core.estimator.wording import Vocabulary
from pointsman.core.vocabulary import SUBJECTS, TASKS

_WORDS = sorted("apples are contract court how is law left many sold statute the which".split())


def weights() -> Weights:
    """Return weights of two kinds: sums of apples, and law."""
    vocabulary = Vocabulary(_WORDS)
    words = np.full((len(vocabulary) + 1, 4), 0.1, dtype=np.float32)
    words[:, 0] = 1.0
    for kind, known in enumerate(("apples how many sold left", "contract court law statute which")):
        words[[vocabulary[word] for word in known.split()], 1 + kind] = 1.0
    kinds = np.zeros((2, OF_KIND + len(TASKS) + len(SUBJECTS)), dtype=np.float32)
    kinds[:, :OF_KIND] = (-1.0, 1.0, 0.1), (1.0, 0.8, 0.3)
    for kind, (task, subject) in enumerate((("math", "math"), ("knowledge", "law"))):
        kinds[kind, [OF_KIND + TASKS.index(task), OF_KIND + len(TASKS) + SUBJECTS.index(subject)]] = 1.0
    return Weights(
        vocabulary=vocabulary, words=words, strange=1.0, sharpness=10.0, kinds=kinds, network=_network(),
        gain_mix=np.array([-1.5, 1.0, 0.0, 0.01, *[0.0] * (len(NAMES) - 1)]), failure_mix=np.array([0.0, 1.0, 1.0, 0.1]), familiar=np.array([0.2, 1.0]),
    )  # fmt: skip


def _network() -> Network:
    """Return a network of one unit for each number of RISING, which turns about 1; a topic is not looked at."""
    rising = [place for place, name in enumerate(NAMES) if name in RISING]
    hidden = np.zeros((len(NAMES) + 1, len(rising)))
    hidden[rising, np.arange(len(rising))] = 1.0
    return Network(
        lowest=np.zeros(len(hidden)), highest=np.full(len(hidden), 100.0), hidden=hidden, biases=np.full(len(rising), -1.0),
        votes=np.full((len(rising), 2), 0.25 / len(rising)), offsets=np.full(2, 0.25),
    )  # fmt: skip
