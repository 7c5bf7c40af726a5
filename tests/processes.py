"""The server as a process of its own, for tests that meet it as a stranger does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]


@contextmanager
def serving(**environment: str) -> Iterator[str]:
    """Run `pointsman serve` with the shipped rules on a free port, and yield its address; end it afterwards."""
    with subprocess.Popen(
        [sys.executable, "-m", "pointsman.cli", "serve", "--listen", "127.0.0.1:0"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, **environment},
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().rpartition(" ")[2].strip()
        finally:
            process.terminate()
            process.wait(timeout=10)
