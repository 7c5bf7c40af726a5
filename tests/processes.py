"""The server as a process of its own, for tests that meet it as a stranger does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pytest

ROOT = Path(__file__).parents[1]

TRANSPORT = os.environ.get("POINTSMAN_TRANSPORT", "grpcio")
"""What servers are tested over, those of other processes as well."""

GRPCIO_ALONE = pytest.mark.skipif(
    TRANSPORT == "native", reason="native leaves it to a proxy: TLS, the end of connections, bounds of what is sent"
)


@contextmanager
def serving(*arguments: str, log: BinaryIO | int = subprocess.DEVNULL, prefix: tuple[str, ...] = (), **environment: str) -> Iterator[str]:
    """Run `pointsman serve` on a free port, with the shipped rules unless told otherwise, and yield its address; end it afterwards. `prefix` is a
    program that starts it."""
    with subprocess.Popen(
        [*prefix, sys.executable, "-m", "pointsman.cli", "serve", "--listen", "127.0.0.1:0", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        env={**os.environ, "POINTSMAN_LEAVE_S": "0.01", **environment},
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().rpartition(" ")[2].strip()
        finally:
            process.terminate()
            process.wait(timeout=10)
