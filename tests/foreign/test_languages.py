"""Callers in other languages: the examples for Node and Go, as somebody who takes them from the folder would build and run them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from processes import ROOT, serving

EXAMPLES = ROOT / "k8s" / "examples"
RULES = ROOT / "tests" / "data" / "rules"
BUILT = ("node_modules", "bin", "call", "pointsman")

pytestmark = [pytest.mark.foreign, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with serving("--rules", str(RULES)) as address:
        yield address


@pytest.fixture
def examples(tmp_path: Path) -> Path:
    """Return a copy of the examples to build in, without what was built before, where all that they look for is as far away as here."""
    (tmp_path / "protos").symlink_to(ROOT / "protos")
    (tmp_path / ".venv").symlink_to(sys.prefix)
    return Path(shutil.copytree(EXAMPLES, tmp_path / "k8s" / "examples", ignore=shutil.ignore_patterns(*BUILT)))


def run(*command: str, cwd: Path, **environment: str) -> str:
    """Return what a command writes; it must succeed."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("POINTSMAN_")}
    done = subprocess.run(command, cwd=cwd, env=inherited | environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def check(told: str) -> None:
    """Assert what an example tells."""
    lines: list[dict[str, Any]] = [json.loads(line) for line in told.splitlines()]
    assert [line["call"] for line in lines] == ["Route"] * 3 + ["Complete"] * 2 + ["StreamComplete", "refused"]
    assert all(line["model"].startswith("builtin") and int(line["nanoUsd"]) > 0 for line in lines[:3])
    once, again, streamed, refused = lines[3:]
    assert once["text"] == again["text"] == "391"
    assert again["cache"] == "CACHE_STATUS_HIT"
    assert streamed["pieces"] > 3
    assert streamed["finish"] == "FINISH_REASON_STOP"
    assert (refused["reason"], refused["domain"]) == ("NO_ELIGIBLE_MODEL", "pointsman")
    assert int(refused["counts"]["tags"]) > 0


@pytest.mark.skipif(not (shutil.which("node") and shutil.which("npm")), reason="there is no Node on this machine")
def test_node(server: str, examples: Path) -> None:
    folder = examples / "node"
    assert "resolved" not in (folder / "package-lock.json").read_text()
    run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=folder)
    check(run("node", "call.mjs", server, cwd=folder, PROTOS=f"{ROOT / 'protos'}/"))


@pytest.mark.skipif(not (shutil.which("go") and shutil.which("make")), reason="there is no Go on this machine")
def test_go(server: str, examples: Path) -> None:
    folder = examples / "go"
    run("make", cwd=folder)
    check(run("./call", server, cwd=folder))
