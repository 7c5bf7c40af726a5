"""Keeps the child process of the embedded model running: starts it, watches it, starts it again after a pause, and ends it.

Rules that it keeps: no child outlives it, in whatever way it ends; at most one child at a time; no call ever waits for it, since `address`
is there or it is not; the child is told the key by stdin, and of the environment what it needs, which no key of a provider is.
"""

from __future__ import annotations

import asyncio
import importlib.util
import secrets
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from threading import Thread
from typing import Self

from pointsman.adapters.embedded.fetch import installed
from pointsman.adapters.embedded.models import EmbeddedModel

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 4.0  # a child that is killed again and again is still back within 5 s
HEALTHY_S = 30.0
"""A child that was ready for so long makes the pauses short again."""
MOST_FAILED_STARTS = 5
READY_WITHIN_S = 20.0
END_WITHIN_S = 1.0

CHILD = Path(__file__).with_name("child.py")
CHILD_MAY_KNOW = ("PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHOME", "SYSTEMROOT")


class State(StrEnum):
    """How the embedded model is."""

    STARTING = "starting"
    READY = "ready"
    RESTARTING = "restarting"
    FAILED = "failed"
    """It cannot run here, and is not tried again."""
    MISSING = "missing"
    """Its file is not in the cache."""


Say = Callable[[State, str], None]
"""Is told of each change of state, with a sentence for people."""
Obstacle = Callable[[], tuple[State, str] | None]
"""Returns why no child can be started now, or None."""


class Patience:
    """Decides how long to wait after a child has ended, and when to give up."""

    def __init__(self) -> None:
        self._pause_s, self._failed_starts = FIRST_PAUSE_S, 0

    def pause_s(self, *, ready_s: float | None) -> float | None:
        """Return the seconds to wait, or None to give up; `ready_s` is for how long the child was ready, None if it never was."""
        self._failed_starts = self._failed_starts + 1 if ready_s is None else 0
        if self._failed_starts == MOST_FAILED_STARTS:
            return None
        if ready_s is not None and ready_s >= HEALTHY_S:
            self._pause_s = FIRST_PAUSE_S
        pause_s = self._pause_s
        self._pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        return pause_s


class _NotReady(Exception):
    """The child did not become ready; the message says why, as the rest of a sentence about it."""


class _Child:
    """One process that speaks the protocol of `child.py`, and a thread that waits for it.

    The event loop could start and await it, but uvloop forks where subprocess does not, and gRPC then complains on stderr at each start.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], key: str) -> None:
        """Start the process and tell it the key. Raises OSError."""
        # In a session of its own, since Ctrl-C in a terminal reaches all of a session, and the server drains first.
        self._process = Popen(  # noqa: S603 - the command is our own
            command, bufsize=0, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=environment, start_new_session=True
        )
        self._loop = asyncio.get_running_loop()
        self._line: asyncio.Future[bytes] = self._loop.create_future()
        self._status: asyncio.Future[int] = self._loop.create_future()
        self.pid = self._process.pid
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it has ended already, as will be seen
            self._process.stdin.write(f"{key}\n".encode())
        Thread(target=self._watch, name="embedded model", daemon=True).start()

    async def port(self, *, within_s: float) -> int:
        """Return the port on which the child serves, once it does. Raises _NotReady."""
        await asyncio.wait((self._line,), timeout=within_s)
        if not self._line.done():
            raise _NotReady(f"was not ready within {within_s:g} s")
        word, _, rest = self._line.result().decode(errors="replace").strip().partition(" ")
        if word == "ready":
            return int(rest)
        raise _NotReady(f"cannot {rest}" if word == "cannot" else await self._farewell())

    async def ended(self) -> str:
        """Return how the child ended, once it has."""
        await asyncio.wait((self._status,))
        return await self._farewell()

    async def end(self) -> None:
        """End the child, politely for a second; it is gone afterwards."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.wait((self._status,), timeout=END_WITHIN_S)
        finally:  # whoever cancels this too must not leave an orphan
            if not self._status.done():
                self._process.kill()
        await asyncio.wait((self._status,))

    async def _farewell(self) -> str:
        await asyncio.wait((self._status,), timeout=END_WITHIN_S)
        if not self._status.done():
            return "closed its output"
        status = self._status.result()
        return f"was ended by signal {-status} ({signal.strsignal(-status)})" if status < 0 else f"ended with status {status}"

    def _watch(self) -> None:
        """Wait, in a thread, for the one line that the child says and for its end."""
        assert self._process.stdout is not None
        with self._process.stdout as output, suppress(RuntimeError):  # the loop has ended, and nobody waits any more
            self._loop.call_soon_threadsafe(self._line.set_result, output.readline())
            self._loop.call_soon_threadsafe(self._status.set_result, self._process.wait())


class Supervisor:
    """Runs a command that speaks the protocol of `child.py` for as long as it is wanted."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        obstacle: Obstacle = lambda: None,
        say: Say = lambda _state, _sentence: None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        ready_within_s: float = READY_WITHIN_S,
    ) -> None:
        self._command, self._obstacle, self._say = command, obstacle, say
        # llama.cpp that crashes would start a debugger on itself, where there is one.
        self._environment = {name: environment[name] for name in CHILD_MAY_KNOW if name in environment} | {"GGML_NO_BACKTRACE": "1"}
        self._sleep, self._monotonic, self._ready_within_s = sleep, monotonic, ready_within_s
        self._running: asyncio.Task[None] | None = None
        self.state = State.STARTING
        self.why = ""
        """The sentence that was said with the state."""
        self.key = secrets.token_urlsafe(32)
        self.address: str | None = None
        """Base URL of the OpenAI protocol while the model can be called. It changes with each start."""
        self.pid: int | None = None
        self._settled = asyncio.Event()

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def start(self) -> None:
        """Start the child, and keep it running, in the background of the running event loop. Only once."""
        self._running = asyncio.create_task(self._keep_running(), name="embedded model")

    async def settled(self) -> None:
        """Wait until the first start has come to something: the child is ready, or it is said why not."""
        await self._settled.wait()

    async def close(self) -> None:
        """End the child and start no other. It takes a little over a second at most, and is harmless if nothing was started."""
        if self._running is None:
            return
        self._running.cancel()
        await asyncio.wait((self._running,))
        if not self._running.cancelled():
            self._running.result()

    async def _keep_running(self) -> None:
        patience = Patience()
        while not self._is_obstructed():
            why, ready_s = await self._run_once()
            pause_s = patience.pause_s(ready_s=ready_s)
            if pause_s is None:
                self._be(State.FAILED, f"the embedded model is given up after {MOST_FAILED_STARTS} failed starts; at the last it {why}")
                return
            self._be(State.RESTARTING, f"the embedded model {why}; it is started again in {pause_s:g} s")
            await self._sleep(pause_s)

    def _is_obstructed(self) -> bool:
        found = self._obstacle()
        if found:
            self._be(*found)
        return found is not None

    async def _run_once(self) -> tuple[str, float | None]:
        """Return how a child came to its end, as the rest of a sentence, and for how many seconds it was ready, None if it never was."""
        try:
            child = _Child(self._command, self._environment, self.key)
        except OSError as error:
            return f"cannot be started: {error.strerror}", None
        self.pid = child.pid
        try:
            port = await child.port(within_s=self._ready_within_s)
            began, self.address = self._monotonic(), f"http://127.0.0.1:{port}/v1"
            self._be(State.READY, f"the embedded model is ready on {self.address}")
            return await child.ended(), self._monotonic() - began
        except _NotReady as error:
            return str(error), None
        finally:
            self.address = None
            await child.end()
            self.pid = None

    def _be(self, state: State, why: str) -> None:
        self.state, self.why = state, why
        self._settled.set()
        self._say(state, why)


def supervise(model: EmbeddedModel, cache_dir: Path, *, environment: Mapping[str, str], say: Say) -> Supervisor:
    """Return the supervisor of a child that runs the model out of the cache, not yet started."""

    def obstacle() -> tuple[State, str] | None:
        if importlib.util.find_spec("xllamacpp") is None:
            return State.FAILED, "the embedded model needs llama.cpp; install it with: pip install 'pointsman[embedded]'"
        if installed(model, cache_dir) is None:
            return State.MISSING, f"{model.id} is not in {cache_dir}; fetch it once with: pointsman fetch"
        return None

    # By its path rather than by -m, which would import the package around it; -P keeps the files beside it from being imported.
    command = (sys.executable, "-P", str(CHILD), str(model.path(cache_dir)))
    return Supervisor(command, environment=environment, obstacle=obstacle, say=say)
