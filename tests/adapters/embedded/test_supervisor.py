"""The child of the embedded model is there while it is wanted, comes back when it falls, and is never left behind."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import uvloop

from fakes import FakeClock
from pointsman.adapters.embedded import KNOWN, State, Supervisor, supervise, supervisor
from pointsman.adapters.embedded.supervisor import Patience

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

FAKE_CHILD = """
import signal, sys, time
how = sys.argv[1]
sys.stdin.readline()
if how == "end": sys.exit(3)
if how == "refuse": print("cannot find the weights", flush=True); sys.exit(1)
if how == "mumble": print("hello", flush=True); sys.exit(4)
if how == "hang": time.sleep(60)
print("ready 8123", flush=True)
if how == "cling": time.sleep(60)
sys.stdin.read()
"""


def child(how: str = "serve") -> list[str]:
    """Return the command of a child that speaks the protocol and then serves, or does what else it is told."""
    return [sys.executable, "-S", "-E", "-c", FAKE_CHILD, how]


class Told:
    """Hears of changes of state, and takes the pauses without waiting."""

    def __init__(self) -> None:
        self.changes: list[tuple[State, str]] = []
        self.pauses: list[float] = []
        self._next: asyncio.Queue[State] = asyncio.Queue()

    def say(self, state: State, sentence: str) -> None:
        self.changes.append((state, sentence))
        self._next.put_nowait(state)

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0)

    async def until(self, state: State) -> None:
        """Wait until the state is the next time this one."""
        async with asyncio.timeout(10):
            while await self._next.get() is not state:
                pass


def supervised(command: list[str], told: Told, **changes: Any) -> Supervisor:
    """Return a supervisor of the command that tells `told`."""
    return Supervisor(command, **{"environment": os.environ, "say": told.say, "sleep": told.sleep, **changes})


def pid_of(running: Supervisor) -> int:
    assert running.pid is not None
    return running.pid


def process_state(pid: int) -> str:
    """Return the letter of the process's state, Z for a zombie; empty if there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def seen_by_others(pid: int) -> bytes:
    """Return the arguments and the environment of the process."""
    return b"".join(Path(f"/proc/{pid}/{what}").read_bytes() for what in ("cmdline", "environ"))


async def test_it_is_starting_then_ready_and_leaves_no_process() -> None:
    told = Told()
    async with supervised(child(), told) as running:
        assert (running.state, running.address) == (State.STARTING, None)
        await running.settled()
        pid = pid_of(running)

        assert (running.state, running.address) == (State.READY, "http://127.0.0.1:8123/v1")
        assert told.changes == [(State.READY, "the embedded model is ready on http://127.0.0.1:8123/v1")]
        assert process_state(pid) != ""

    assert process_state(pid) == ""
    assert (running.address, running.pid) == (None, None)


async def test_a_killed_child_comes_back_and_cannot_be_called_meanwhile() -> None:
    told = Told()
    async with supervised(child(), told) as running:
        await told.until(State.READY)
        first = pid_of(running)
        os.kill(first, signal.SIGKILL)
        await told.until(State.RESTARTING)

        assert running.address is None
        assert running.why == "the embedded model was ended by signal 9 (Killed); it is started again in 0.2 s"

        await told.until(State.READY)
        assert running.address is not None
        assert pid_of(running) != first
        assert process_state(first) == ""


async def test_pauses_grow_until_a_child_was_healthy_for_long() -> None:
    told, clock = Told(), FakeClock()
    async with supervised(child(), told, monotonic=clock.monotonic) as running:
        for seconds in (1, 1, 29, 31):
            await told.until(State.READY)
            clock.advance(seconds)
            os.kill(pid_of(running), signal.SIGKILL)
        await told.until(State.READY)

    assert told.pauses == [0.2, 0.4, 0.8, 0.2]


def test_a_child_that_is_killed_for_ever_is_back_within_five_seconds_each_time() -> None:
    patience = Patience()
    pauses = [patience.pause_s(ready_s=0) for _ in range(50)]

    assert pauses[:6] == [0.2, 0.4, 0.8, 1.6, 3.2, 4.0]
    assert set(pauses[6:]) == {4.0}


def test_only_failed_starts_in_a_row_count() -> None:
    patience = Patience()
    tried = [patience.pause_s(ready_s=ready_s) for ready_s in (None, None, None, None, 0, None, None, None, None, None)]

    assert None not in tried[:-1]
    assert tried[-1] is None


@pytest.mark.parametrize(
    ("command", "why"),
    [
        pytest.param(child("end"), "ended with status 3", id="ends at once"),
        pytest.param(child("refuse"), "cannot find the weights", id="says that it cannot"),
        pytest.param(child("mumble"), "ended with status 4", id="says something else"),
        pytest.param(["/no/such/program"], "cannot be started: No such file or directory", id="is not there"),
    ],
)
async def test_a_child_that_never_gets_ready_is_given_up(command: list[str], why: str) -> None:
    told = Told()
    async with supervised(command, told) as running:
        await told.until(State.FAILED)

        assert running.why == f"the embedded model is given up after 5 failed starts; at the last it {why}"
        assert told.pauses == [0.2, 0.4, 0.8, 1.6]
        assert [state for state, _ in told.changes] == [State.RESTARTING] * 4 + [State.FAILED]
        assert (running.address, running.pid) == (None, None)


async def test_a_child_that_hangs_before_it_is_ready_is_killed_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "END_WITHIN_S", 0.05)
    told = Told()
    async with supervised(child("hang"), told, ready_within_s=0.05) as running:
        await told.until(State.RESTARTING)

        assert running.why == "the embedded model was not ready within 0.05 s; it is started again in 0.2 s"


async def test_a_child_that_clings_to_life_is_killed_within_two_seconds() -> None:
    told = Told()
    async with supervised(child("cling"), told) as running:
        await told.until(State.READY)
        pid, began = pid_of(running), time.monotonic()

    assert time.monotonic() - began < 2
    assert process_state(pid) == ""


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
async def test_it_can_be_closed_at_any_moment_of_the_start(turns: int) -> None:
    running = supervised(child(), Told())
    await running.close()
    running.start()
    for _ in range(turns):
        await asyncio.sleep(0)
    pid = running.pid
    await running.close()

    assert pid is None or process_state(pid) == ""


def test_it_works_on_uvloop_too() -> None:
    async def killed_once() -> list[State]:
        told = Told()
        async with supervised(child(), told) as running:
            await told.until(State.READY)
            os.kill(pid_of(running), signal.SIGKILL)
            await told.until(State.READY)
            pid = pid_of(running)
        assert process_state(pid) == ""
        return [state for state, _ in told.changes]

    assert uvloop.run(killed_once()) == [State.READY, State.RESTARTING, State.READY]


async def test_key_and_credentials_are_not_for_others_to_read() -> None:
    told = Told()
    async with supervised(child(), told, environment={**os.environ, "OPENAI_API_KEY": "sk-of-a-provider"}) as running:
        await told.until(State.READY)
        seen = seen_by_others(pid_of(running))

        assert len(running.key) >= 32
        assert running.key.encode() not in seen
        assert b"sk-of-a-provider" not in seen


async def test_a_model_that_is_not_fetched_is_missing_and_it_is_said_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())
    told = Told()
    async with supervise(KNOWN["smollm2-135m"], tmp_path, environment={}, say=told.say) as running:
        await told.until(State.MISSING)

        assert running.why == f"smollm2-135m is not in {tmp_path}; fetch it once with: pointsman fetch"


async def test_without_llama_cpp_nothing_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    told = Told()
    async with supervise(KNOWN["smollm2-135m"], tmp_path, environment={}, say=told.say) as running:
        await told.until(State.FAILED)

        assert running.why == "the embedded model needs llama.cpp; install it with: pip install 'pointsman[embedded]'"
