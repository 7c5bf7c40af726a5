"""The README tells the truth: its commands run, its map names what is there."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fakes import AllWell, FakeClock, WordCounter, catalog_yaml, facts_of, model_yaml, ruleset_of
from pointsman.core.completion import TextDelta
from pointsman.core.decide import decide
from pointsman.core.market import Market
from pointsman.core.request import Request
from pointsman.core.rulefile import load
from pointsman.execute import Executor
from pointsman.ports import Provider
from pointsman.upstreams import Upstreams
from processes import serving

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PACKAGE = ROOT / "service" / "pointsman"
PORT_OF_README = "127.0.0.1:50051"


def blocks(language: str) -> list[str]:
    """Return the code blocks of the README in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def commands(program: str) -> list[str]:
    """Return the commands of the README that begin with a program."""
    lines = [line.partition("   #")[0].strip() for block in blocks("console") for line in block.splitlines()]
    return [line for line in lines if line.startswith(program)]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Return the address of a server started as the README says, but on a free port."""
    with serving(POINTSMAN_REFLECTION="1") as address:
        yield address


@pytest.mark.parametrize("command", commands(".venv/bin/pointsman"))
def test_commands_of_the_readme_run(command: str) -> None:
    program = f"{sys.executable} -m pointsman.cli"
    done = subprocess.run(command.replace(".venv/bin/pointsman", program), shell=True, cwd=ROOT, capture_output=True, text=True, timeout=30)

    assert done.returncode == 0, done.stderr
    assert done.stdout


async def test_the_adapter_of_the_readme_answers_and_streams() -> None:
    block = next(block for block in blocks("python") if "async def stream(" in block)
    room: dict[str, Any] = {}
    exec(block, room)  # noqa: S102  # our own text
    provider: Provider = room["Shouting"]()
    ruleset = ruleset_of(catalog_yaml({"m": model_yaml()}), "version: 1\nroutes: [{id: default, why: w, use: {candidates: [m]}}]\n")
    clock = FakeClock()
    executor = Executor({"builtin": provider}, WordCounter(), clock, Upstreams(AllWell(), clock))
    decision = decide(ruleset, facts_of(), Market())

    completion = await executor.run(decision, Request.of("not so loud"), ruleset.catalog, deadline=60)
    events = [event async for event in executor.stream(decision, Request.of("not so loud"), ruleset.catalog, deadline=60)]

    assert completion.message is not None
    assert completion.message.text == "NOT SO LOUD"
    assert [event.text for event in events if isinstance(event, TextDelta)] == ["NOT ", "SO ", "LOUD "]


@pytest.mark.parametrize("block", [block for block in blocks("python") if PORT_OF_README in block])
def test_programs_of_the_readme_run(block: str, server: str) -> None:
    done = subprocess.run([sys.executable, "-c", block.replace(PORT_OF_README, server)], capture_output=True, text=True, timeout=30)

    assert done.returncode == 0, done.stderr
    assert "builtin" in done.stdout


@pytest.mark.foreign
@pytest.mark.parametrize("command", commands("grpcurl"))
def test_grpcurl_commands_of_the_readme_run(command: str, server: str) -> None:
    done = subprocess.run(command.replace(PORT_OF_README, server), shell=True, capture_output=True, text=True, timeout=30)

    assert done.returncode == 0, done.stderr
    assert "pointsman.v1" in done.stdout or "builtin" in done.stdout


@pytest.mark.parametrize("block", blocks("yaml"))
def test_rules_of_the_readme_are_right(block: str) -> None:
    models = (ROOT / "rules" / "models.yaml").read_bytes()

    file = next((kind for kind in ("tenants.yaml", "models.yaml") if f"# rules/{kind}" in block), "routing.yaml")
    whole = f"version: 1\n{block}" if file == "models.yaml" else block

    problems = load({"models.yaml": models, file: whole.encode()}).problems

    # A short example does not name every model of the catalog.
    assert [problem.message for problem in problems if problem.file == file and "there are no routes" not in problem.message] == []


def test_make_targets_of_the_readme_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))

    assert set(re.findall(r"(?:^|`)make ([a-z]+)\b", README, re.MULTILINE)) <= targets
    assert {"setup", "check", "test", "foreign", "soak", "gen", "fmt", "rules", "run", "demo", "bench", "clean", "wheel"} <= targets


def test_the_help_of_make_stands_in_two_columns() -> None:
    done = subprocess.run(["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True, timeout=30)

    lines = done.stdout.splitlines()
    assert len(lines) > 10
    names = re.findall(r"^  [a-z]+ +", done.stdout, re.MULTILINE)
    assert len(names) == len(lines)
    assert len(set(map(len, names))) == 1


def test_the_map_names_every_module_and_only_those() -> None:
    drawn = README.partition("## Map of the house")[2].split("```")[1]
    named = set(re.findall(r"\b([a-z0-9_]+\.py)\b", drawn)) | {f"{name}/" for name in re.findall(r"\b([a-z0-9_]+)/", drawn)}
    there = {path.name for path in PACKAGE.rglob("*.py")} | {f"{path.name}/" for path in PACKAGE.rglob("*") if path.is_dir()}
    rooms = {f"{path.name}/" for path in PACKAGE.iterdir() if path.is_dir() and not path.name.startswith("__")}
    modules = {
        path.name
        for path in [*PACKAGE.glob("*.py"), *(PACKAGE / "wire").glob("*.py")]
        if path.name not in ("__init__.py", "json.py", "local.py")
    }

    assert {name for name in named if name.endswith(".py")} <= there
    assert rooms - {"v1/"} <= named
    assert modules <= named


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:core|wire|adapters)/[a-z0-9_/.]+)`", README))))
def test_places_to_look_at_exist(path: str) -> None:
    assert (PACKAGE / path).exists()


def test_only_settings_reads_the_environment() -> None:
    readers = [path.name for path in PACKAGE.rglob("*.py") if re.search(r"os\.environ|getenv", path.read_text())]

    assert readers == ["settings.py"]


def test_no_file_grew_past_what_a_reader_takes_in_at_once() -> None:
    long = {str(path.relative_to(PACKAGE)): len(path.read_text().splitlines()) for path in PACKAGE.rglob("*.py") if "v1" not in path.parts}

    assert {name: lines for name, lines in long.items() if lines > 320} == {}
