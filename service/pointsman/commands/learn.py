"""`pointsman learn build|evaluate`: an estimator from outcomes, and how it compares. Needs the extra `learn`; serving does not."""

from __future__ import annotations

import argparse
import sys

from pointsman.settings import Settings


def build(options: argparse.Namespace, _settings: Settings) -> int:
    """Write an artifact, and its card beside it."""
    try:
        from pointsman.learn.run import learn  # noqa: PLC0415  # scikit-learn is for those alone who learn
    except ImportError as error:
        return _missing(error)
    print(learn(options.data, options.out, measure=options.measure))
    return 0


def evaluate(options: argparse.Namespace, _settings: Settings) -> int:
    """Show how routers compare on questions and sources held out."""
    try:
        from pointsman.learn.run import measured  # noqa: PLC0415  # as above
    except ImportError as error:
        return _missing(error)
    print(measured(options.data, plot=options.plot, json=options.json), end="")
    return 0


def _missing(error: ImportError) -> int:
    print(f"pointsman: learning needs {error.name}; install it with: pip install 'pointsman[learn]'", file=sys.stderr)
    return 1
