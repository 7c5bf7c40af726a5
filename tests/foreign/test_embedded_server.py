"""The server with a real language model: llama.cpp answers through it, comes back when it is killed, and dies with the server."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from pointsman.adapters.embedded import KNOWN
from pointsman.client import Client
from pointsman.core.completion import Completion, TextDelta
from pointsman.core.errors import NoEligibleModel, PointsmanError, UpstreamUnavailable
from pointsman.core.request import Generation, Request
from pointsman.settings import Settings

MODEL = "smollm2-135m"
ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.foreign,
    pytest.mark.timeout(120),
    pytest.mark.skipif(
        find_spec("xllamacpp") is None, reason="llama.cpp (xllamacpp) is not installed; `make foreign` brings it where it can"
    ),
    pytest.mark.skipif(
        not KNOWN[MODEL].path(Settings.read().cache_dir).is_file(), reason="the model is not in the cache; `pointsman fetch` brings it"
    ),
]


class Server:
    """A server process with the shipped rules and no key of anybody."""

    def __init__(self) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
        command = [sys.executable, "-m", "pointsman.cli", "serve", "--listen", "127.0.0.1:0"]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment)
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().rpartition(" ")[2].strip()

    def child(self) -> int | None:
        """Return the process id of the child that runs the model."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        found = [pid for task in children.parents[1].glob("*/children") for pid in task.read_text().split()]
        return int(found[0]) if found else None

    def end(self) -> None:
        """End the process, and close what belongs to it."""
        self.process.kill()
        self.process.wait(timeout=10)
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """Return a server whose embedded model is ready."""
    running = Server()
    try:
        await until_ready(running)
        yield running
    finally:
        running.end()


async def until_ready(server: Server, *, within_s: float = 20) -> float:
    """Wait until the model can be chosen, and return after how many seconds."""
    began = time.monotonic()
    async with Client(server.address) as client:
        while time.monotonic() - began < within_s:
            try:
                await client.route(asking("Hi"))
            except NoEligibleModel:
                await asyncio.sleep(0.05)
            else:
                return time.monotonic() - began
    raise TimeoutError(f"the embedded model was not ready within {within_s} s")


async def until_another(server: Server, child: int) -> float:
    """Wait until another child has taken the place of this one, and return after how many seconds."""
    began = time.monotonic()
    async with asyncio.timeout(5):
        while server.child() in (None, child):  # noqa: ASYNC110  # processes tell of nothing
            await asyncio.sleep(0.02)
    return time.monotonic() - began


async def is_gone(pid: int, *, within_s: float) -> bool:
    """Return whether a process ends within so many seconds."""
    until = time.monotonic() + within_s
    while (alive := runs(pid)) and time.monotonic() < until:  # noqa: ASYNC110  # as above
        await asyncio.sleep(0.05)
    return not alive


def runs(pid: int) -> bool:
    """Return whether there is a process of that id."""
    return Path(f"/proc/{pid}").exists()


def asking(text: str, *, tokens: int = 24) -> Request:
    """Return a request that only the embedded model may answer."""
    request = Request.of(text, model=MODEL)
    return Request(prompt=request.prompt, requirements=request.requirements, generation=Generation(max_output_tokens=tokens))


async def test_it_answers_whole_and_as_it_comes_with_its_usage(server: Server) -> None:
    async with Client(server.address) as client:
        _, whole = await client.complete(asking("What is gravity?"), timeout_s=30)
        events = [event async for event in client.stream(asking("What is gravity?"), timeout_s=30)]

    assert whole.message is not None
    assert "gravity" in whole.message.text.lower()
    assert (whole.model, whole.usage.estimated) == (MODEL, False)
    assert 0 < whole.usage.output_tokens <= 24
    assert whole.usage.cost > 0
    assert sum(isinstance(event, TextDelta) for event in events) > 5
    assert isinstance(events[-1], Completion)
    assert events[-1].usage.output_tokens > 0


async def test_a_child_that_is_killed_during_a_call_is_back_within_five_seconds(server: Server) -> None:
    child = server.child()
    assert child is not None
    async with Client(server.address) as client:
        calling = asyncio.create_task(client.complete(asking("Tell me a long story.", tokens=120), timeout_s=30))
        await asyncio.sleep(0.5)
        os.kill(child, signal.SIGKILL)
        with pytest.raises(UpstreamUnavailable):
            await calling
        took_s = await until_another(server, child) + await until_ready(server, within_s=5)
        _, again = await client.complete(asking("Hello"), timeout_s=30)

    print(f"back after {took_s:.1f} s")
    assert took_s < 5
    assert again.model == MODEL
    assert server.child() != child


async def test_others_answer_while_it_is_away(server: Server) -> None:
    child = server.child()
    assert child is not None
    os.kill(child, signal.SIGKILL)
    async with Client(server.address) as client:
        _, completion = await client.complete("What is 6 * 7?", timeout_s=5)

    assert completion.model == "builtin"


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
async def test_no_orphan_is_left_however_the_server_ends(server: Server, how: signal.Signals) -> None:
    child = server.child()
    assert child is not None
    os.kill(server.process.pid, how)
    server.process.wait(timeout=10)

    assert await is_gone(child, within_s=3)


async def test_a_stream_that_is_left_frees_its_place(server: Server) -> None:
    """The child has two places; more streams than that are left after their first word, and the next one still gets its turn at once."""
    async with Client(server.address) as client:
        for _ in range(6):
            events = client.stream(asking("Tell me a long story.", tokens=120), timeout_s=30)
            async for event in events:
                if isinstance(event, TextDelta):
                    break
            await events.aclose()
        began = time.monotonic()
        try:
            await client.complete(asking("Hi", tokens=4), timeout_s=10)
        except PointsmanError as error:
            pytest.fail(f"no place was left: {error}")

    print(f"answered after {time.monotonic() - began:.1f} s")
