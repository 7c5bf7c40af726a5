"""`pointsman learn build|evaluate`: an estimator from outcomes, and how it compares. Needs the extra `learn`; serving does not."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pointsman.learn.rows import BadRows
from pointsman.settings import Settings

DRAWN = (".svg", ".png")


def build(options: argparse.Namespace, _settings: Settings) -> int:
    """Write an artifact, and its card beside it."""
    try:
        from pointsman.learn.run import learn  # noqa: PLC0415  # scikit-learn is for those alone who learn
    except ImportError as error:
        return _missing(error)
    if not _has_folder(options.out):
        return 1
    try:
        print(learn(options.data, options.out, measure=options.measure))
    except (BadRows, OSError) as error:
        return _refused(error)
    return 0


def evaluate(options: argparse.Namespace, _settings: Settings) -> int:
    """Show how routers compare on questions and sources held out."""
    try:
        from pointsman.learn.run import measured  # noqa: PLC0415  # as above
    except ImportError as error:
        return _missing(error)
    if options.plot and options.plot.suffix not in DRAWN:
        print(f"pointsman: cannot draw {options.plot}: expected a name that ends in {' or '.join(DRAWN)}", file=sys.stderr)
        return 1
    if not all(map(_has_folder, filter(None, (options.plot, options.json)))):
        return 1
    try:
        print(measured(options.data, plot=options.plot, json=options.json), end="")
    except (BadRows, OSError) as error:
        return _refused(error)
    return 0


def _has_folder(path: Path) -> bool:
    """Return whether a file may be written there, or say why not: before the work, which takes minutes."""
    if path.parent.is_dir():
        return True
    print(f"pointsman: cannot write {path}: there is no folder {path.parent}", file=sys.stderr)
    return False


def _refused(error: Exception) -> int:
    for line in str(error).splitlines():
        print(f"pointsman: {line}", file=sys.stderr)
    return 1


def _missing(error: ImportError) -> int:
    print(f"pointsman: learning needs {error.name}; install it with: pip install 'pointsman[learn]'", file=sys.stderr)
    return 1
