"""What most do not need is not loaded for them."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("library", ["valkey"])
def test_a_server_that_shares_nothing_loads_no_client_of_a_store(library: str) -> None:
    """It takes 90 ms and 7 MB."""
    code = f"import sys, pointsman.server; print(any(name.split('.')[0] == {library!r} for name in sys.modules))"

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
