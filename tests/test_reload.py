"""Rules change under a server that is called all the while, in every way in which editors and Kubernetes change them.

No call fails; each is decided by rules that were live while it ran; a good change is seen within 1.5 s, and a bad one is told and not seen.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import time
from bisect import bisect_right
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count, cycle, islice
from pathlib import Path

import pytest

from pointsman import Client
from pointsman.adapters.rulefiles import read_directory
from pointsman.core.errors import PointsmanError
from pointsman.core.rulefile import load
from processes import serving
from volumes import swap

SOAK = bool(os.environ.get("POINTSMAN_TEST_SOAK"))
RULES = Path(__file__).parent / "data" / "rules"
CALLS_PER_S = 200 if SOAK else 60
PAUSE_S = 2.0 if SOAK else 0.0
"""From one change to the next, at least; a change is always waited for."""
ROUNDS = 5 if SOAK else 1
SWAPS = 200 if SOAK else 20
SEEN_WITHIN_S = 1.5

pytestmark = pytest.mark.timeout(180 if SOAK else 40)


class Editor:
    """Changes a rule directory. Each good change makes another revision."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._numbers = count(1)
        shutil.copytree(RULES, directory)
        self._good = (RULES / "routing.yaml").read_text()
        self._routing = directory / "routing.yaml"

    def text(self) -> str:
        return f"{self._good}\n# change {next(self._numbers)}\n"

    def in_place(self) -> None:
        """As a simple editor or a shell redirection does."""
        self._routing.write_text(self.text())

    def renamed(self) -> None:
        """As vim and most other editors do, with a backup and a swap file beside it."""
        written = self.directory / ".routing.yaml.swp"
        written.write_text(self.text())
        shutil.copy(self._routing, self.directory / "routing.yaml~")
        written.replace(self._routing)

    def copied(self) -> None:
        """As `cp` over the file does: cut to nothing, then filled."""
        new = self.directory.parent / "new.yaml"
        new.write_text(self.text())
        subprocess.run(["cp", new, self._routing], check=True)

    def in_parts(self) -> None:
        """As a slow disk does: each part is at rest for a moment, and not all of them are rules."""
        text = self.text()
        with self._routing.open("w") as file:
            for part in (text[: len(text) // 3], text[len(text) // 3 :]):
                file.write(part)
                file.flush()
                time.sleep(0.05)

    def broken(self) -> None:
        self._routing.write_text(self.text().replace("candidates: [builtin]", "candidates: [nobody]"))

    def truncated(self) -> None:
        text = self.text()
        self._routing.write_text(text[: text.index("routes:") + 60])

    def swapped(self, *, good: bool = True) -> None:
        """As the kubelet does."""
        text = self.text()
        files = {file.name: file.read_bytes() for file in RULES.glob("*.yaml")}
        files["routing.yaml"] = (text if good else text.replace("features.task", "features.tsk")).encode()
        swap(self.directory, files)

    def swapped_for_broken(self) -> None:
        self.swapped(good=False)

    def revision(self) -> str:
        """Return the revision of what the directory holds, empty if that is no good."""
        ruleset = load(read_directory(self.directory)).ruleset
        return ruleset.revision if ruleset else ""


@dataclass(frozen=True, slots=True)
class Call:
    began: float
    ended: float
    revision: str


@dataclass(slots=True)
class Traffic:
    """What came of calls sent at a steady rate."""

    calls: list[Call] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def first_of(self, revision: str) -> float | None:
        """Return when the first answer of a revision was there."""
        return min((call.ended for call in self.calls if call.revision == revision), default=None)


@asynccontextmanager
async def calling(client: Client) -> AsyncIterator[Traffic]:
    """Call at a steady rate, whatever the answers do, and wait for the last ones."""
    traffic = Traffic()

    async def call() -> None:
        began = time.time()
        try:
            decision = await client.route("What is 17 * 23?", timeout_s=5)
        except PointsmanError as error:
            traffic.failed.append(repr(error))
        else:
            traffic.calls.append(Call(began, time.time(), decision.revision))

    async def call_on() -> None:
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for number in count():
                await asyncio.sleep(max(0.0, began + number / CALLS_PER_S - time.monotonic()))
                if ended.is_set():
                    return
                group.create_task(call())

    ended = asyncio.Event()
    calls = asyncio.create_task(call_on())
    try:
        yield traffic
    finally:
        ended.set()
        await calls


async def until(holds: Callable[[], Awaitable[bool]], what: str) -> None:
    """Wait until something holds."""
    try:
        async with asyncio.timeout(5):
            while not await holds():  # noqa: ASYNC110  # servers tell of nothing
                await asyncio.sleep(0.02)
    except TimeoutError:
        pytest.fail(f"never {what}")


def lives(log: Path, first: str) -> tuple[list[float], list[str]]:
    """Return when each revision went live, and which: the server's own account, from its log."""
    notes = [line for line in map(json.loads, log.read_text().splitlines()) if line["event"] == "note"]
    found = [(line["time"], re.match(r"rules (\w+) are live", line["message"])) for line in notes]
    swaps = [(datetime.fromisoformat(moment).timestamp(), match[1]) for moment, match in found if match]
    return [0.0, *(moment for moment, _ in swaps)], [first, *(revision for _, revision in swaps)]


async def test_rules_change_under_calls_and_none_of_them_notices(tmp_path: Path) -> None:
    editor, log = Editor(tmp_path / "rules"), tmp_path / "log"
    first = editor.revision()
    plain = [editor.broken, editor.renamed, editor.truncated, editor.copied]
    changes = [*islice(cycle([*plain, editor.in_place, editor.in_parts] if SOAK else plain), 4 * ROUNDS)]
    changes += [*islice(cycle([editor.swapped, editor.swapped_for_broken]), 2 * ROUNDS)]
    took: list[float] = []

    with log.open("wb") as out, serving("--rules", str(editor.directory), log=out) as address:
        async with Client(address) as client, calling(client) as traffic:
            for change in changes:
                await asyncio.to_thread(change)
                written = time.time()
                expected = await asyncio.to_thread(editor.revision)

                async def seen(expected: str = expected) -> bool:
                    return traffic.first_of(expected) is not None if expected else (await client.rules()).stale

                await until(seen, f"seen after {change.__name__}")
                if expected:
                    took.append((traffic.first_of(expected) or 0.0) - written)
                await asyncio.sleep(max(0.0, written + PAUSE_S - time.time()))
            burst = time.monotonic()
            for number in range(SWAPS):
                await asyncio.to_thread(editor.swapped)
                await asyncio.sleep(max(0.0, burst + number * 0.01 - time.monotonic()))
            written, last = time.time(), editor.revision()

            async def settled() -> bool:
                return traffic.first_of(last) is not None

            await until(settled, "seen after the burst")
            took.append((traffic.first_of(last) or 0.0) - written)

    moments, revisions = lives(log, first)
    distinct = {call.revision for call in traffic.calls}
    slowest = max(call.ended - call.began for call in traffic.calls)
    print(
        f"{len(traffic.calls)} calls, {len(traffic.failed)} failed, {len(changes)} changes, {len(distinct)} revisions; "
        f"seen after {min(took):.2f} to {max(took):.2f} s; slowest call {slowest * 1000:.0f} ms"
    )
    assert traffic.failed == []
    assert max(took) < SEEN_WITHIN_S
    assert len(distinct) >= (15 if SOAK else 5)
    assert distinct <= set(revisions)
    for call in traffic.calls:
        live = revisions[bisect_right(moments, call.began) - 1 : bisect_right(moments, call.ended)]
        assert call.revision in live, f"{call.revision} was not live from {call.began} to {call.ended}"
