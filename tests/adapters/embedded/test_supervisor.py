"""The child of the embedded model is there while it is wanted, comes back when it falls, and is never left behind."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop

from fakes import FakeClock
from pointsman.adapters.embedded import KNOWN, State, Supervisor, supervise, supervisor
from pointsman.adapters.embedded.supervisor import CHILD, Patience

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


def gone_within(pid: int, seconds: float) -> bool:
    """Tell whether the process ends in time; a zombie has ended, where it is for others to bury it."""
    deadline = time.monotonic() + seconds
    while process_state(pid) not in ("", "Z"):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


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
        seen = b"".join(Path(f"/proc/{running.pid}/{what}").read_bytes() for what in ("cmdline", "environ"))

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


# From here on the true child, around a stand-in of llama.cpp.

LLAMA_CPP = """
import json, os, signal
from types import SimpleNamespace

class CommonParams(SimpleNamespace):
    def __init__(self):
        super().__init__(model=SimpleNamespace(), cpuparams=SimpleNamespace(), cpuparams_batch=SimpleNamespace(), sampling=SimpleNamespace())

ggml_type = SimpleNamespace(GGML_TYPE_Q8_0=8)

class Server:
    def __init__(self, params):
        print("the prompt was: secret", flush=True)
        os.write(2, b"the prompt was: secret")
        signal.signal(signal.SIGTERM, lambda *_: None)
        if "damaged" in params.model.path:
            raise RuntimeError("Failed to init server")
        self.listening_address = "http://127.0.0.1:4711"
        with open(params.model.path, "w") as seen:
            json.dump(vars(params), seen, default=lambda each: sorted(each) if isinstance(each, set) else vars(each))
"""

PARENT = """
import asyncio, os, sys
from pointsman.adapters.embedded import Supervisor

async def main():
    async with Supervisor(sys.argv[1:], environment=os.environ) as running:
        await running.settled()
        print(running.pid, flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.fixture
def llama_cpp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a stand-in of llama.cpp where children import from, and return where it writes down the parameters that it is given."""
    (tmp_path / "xllamacpp.py").write_text(LLAMA_CPP)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path / "model.gguf"


@pytest.fixture
def true_child(llama_cpp: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Yield the true child, told its key and ready."""
    with subprocess.Popen(
        [sys.executable, "-P", CHILD, llama_cpp], bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"the key\n")
        assert process.stdout.readline() == b"ready 4711\n"
        yield process
        process.kill()


def test_the_child_ends_with_its_stdin_and_nothing_that_llama_cpp_writes_is_seen(true_child: subprocess.Popen[bytes]) -> None:
    out, err = true_child.communicate(timeout=2)

    assert (true_child.returncode, out, err) == (0, b"", b"")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_child_leaves_signals_of_the_group_to_its_parent(true_child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    time.sleep(0.05)  # the handlers were set before it said that it is ready
    true_child.send_signal(number)
    with pytest.raises(subprocess.TimeoutExpired):
        true_child.wait(timeout=0.1)


def test_the_child_tells_llama_cpp_to_stay_small_quiet_and_at_home(true_child: subprocess.Popen[bytes], llama_cpp: Path) -> None:
    params = json.loads(llama_cpp.read_text())

    assert (params["hostnames"], params["port"], params["api_keys"]) == (["127.0.0.1"], 0, ["the key"])
    assert (params["endpoint_slots"], params["ui"], params["verbosity"]) == (False, False, -1)
    assert params["cpuparams"] == params["cpuparams_batch"] == {"n_threads": 1}
    assert params["model_alias"] == ["model"]
    assert params["sampling"] == {"temp": 0.2, "top_p": 0.9, "penalty_repeat": 1.1}


@pytest.mark.parametrize(
    ("stdin", "stdout"),
    [
        pytest.param(b"the key\n", b"cannot load damaged.gguf: it is damaged, or there is too little memory\n", id="a damaged model"),
        pytest.param(b"", b"", id="no key, since the parent is gone"),
    ],
)
def test_a_child_that_cannot_serve_says_why_and_ends(llama_cpp: Path, stdin: bytes, stdout: bytes) -> None:
    done = subprocess.run([sys.executable, "-P", CHILD, "damaged.gguf"], input=stdin, capture_output=True, timeout=5)

    assert (done.returncode, done.stdout, done.stderr) == (1, stdout, b"")


def test_a_llama_cpp_that_cannot_be_imported_is_named(llama_cpp: Path) -> None:
    (llama_cpp.parent / "xllamacpp.py").write_text("raise ImportError('libgomp.so.1: no such file')")
    done = subprocess.run([sys.executable, "-P", CHILD, "x.gguf"], input=b"the key\n", capture_output=True, timeout=5)

    assert done.stdout == b"cannot import xllamacpp: libgomp.so.1: no such file\n"


@pytest.mark.parametrize("command", [pytest.param(child(), id="by stdin alone"), pytest.param(None, id="the true child")])
def test_the_child_is_gone_when_its_parent_is_killed(llama_cpp: Path, command: list[str] | None) -> None:
    command = command or [sys.executable, "-P", str(CHILD), str(llama_cpp)]
    with subprocess.Popen([sys.executable, "-c", PARENT, *command], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert process_state(pid) not in ("", "Z")
        parent.kill()

    assert gone_within(pid, 2)
