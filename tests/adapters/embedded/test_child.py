"""The child process itself, around a stand-in of llama.cpp: what it tells its parent, what it keeps to itself, and that it never outlives it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pointsman.adapters.embedded.supervisor import CHILD

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

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

WAITS = "import sys; sys.stdin.readline(); print('ready 1', flush=True); sys.stdin.read()"
"""A child that knows of its parent's end by its stdin alone."""


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


@pytest.mark.parametrize("command", [pytest.param(["-S", "-E", "-c", WAITS], id="by stdin alone"), pytest.param(None, id="the true child")])
def test_the_child_is_gone_when_its_parent_is_killed(llama_cpp: Path, command: list[str] | None) -> None:
    command = [sys.executable, *(command or ["-P", str(CHILD), str(llama_cpp)])]
    with subprocess.Popen([sys.executable, "-c", PARENT, *command], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert process_state(pid) not in ("", "Z")
        parent.kill()

    assert gone_within(pid, 2)
