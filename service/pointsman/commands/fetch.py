"""`pointsman fetch`: the one command that downloads; `serve` never does."""

from __future__ import annotations

import argparse
import sys

from pointsman.offline import fetch_models
from pointsman.settings import Settings


def fetch(_options: argparse.Namespace, settings: Settings) -> int:
    """Bring the embedded models into the cache; 0 if they are there and right, fetched now or before."""
    failed = fetch_models(settings, say=lambda told: print(told, file=sys.stderr))
    for why in failed:
        print(f"pointsman: {why}", file=sys.stderr)
    return 1 if failed else 0
