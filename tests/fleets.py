"""Replicas as processes of their own, what is between them and their callers, and calls of every kind at a steady rate."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import yaml

from pointsman.client import Client
from pointsman.core.completion import TextDelta
from pointsman.core.decision import Decision
from pointsman.core.errors import PointsmanError
from processes import ROOT
from valkeys import free_port

ENVOY = ROOT / "k8s" / "examples" / "envoy.yaml"


@dataclass(frozen=True, kw_only=True)
class Replica:
    """One server, and where its log is."""

    process: Process
    address: str
    log: Path


@asynccontextmanager
async def replica(rules: Path, log: Path, **environment: str) -> AsyncIterator[Replica]:
    """Run a server on a free port; what still runs in the end is ended."""
    command = (sys.executable, "-m", "pointsman.cli", "serve", "--listen", "127.0.0.1:0", "--rules", str(rules))
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=PIPE, stderr=out, env={**os.environ, **environment})
    assert process.stdout is not None
    try:
        address = (await process.stdout.readline()).decode().rpartition(" ")[2].strip()
        assert address, f"it did not start; {log} says why"
        yield Replica(process=process, address=address, log=log)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


@asynccontextmanager
async def fleet(size: int, rules: Path, logs: Path, **environment: str) -> AsyncIterator[list[Replica]]:
    """Run so many servers with the same rules."""
    async with AsyncExitStack() as stack:
        starting = [stack.enter_async_context(replica(rules, logs / f"{at}.log", **environment)) for at in range(size)]
        yield list(await asyncio.gather(*starting))


def round_robin(replicas: list[Replica]) -> str:
    """Return a target that stands for all of them, as a headless Service does."""
    return f"ipv4:{','.join(replica.address for replica in replicas)}"


@asynccontextmanager
async def envoy(replicas: list[Replica], folder: Path) -> AsyncIterator[str]:
    """Run Envoy before the replicas, by the example but for addresses, and yield its own."""
    config, port = yaml.safe_load(ENVOY.read_text()), free_port()
    resources = config["static_resources"]
    resources["listeners"][0]["address"]["socket_address"] = {"address": "127.0.0.1", "port_value": port}
    cluster = resources["clusters"][0] | {"type": "STATIC"}
    cluster["load_assignment"]["endpoints"] = [{"lb_endpoints": [_endpoint(replica.address) for replica in replicas]}]
    for only_of_names in ("dns_refresh_rate", "respect_dns_ttl"):
        del cluster[only_of_names]
    resources["clusters"] = [cluster]
    (folder / "envoy.yaml").write_text(yaml.safe_dump(config))
    program = shutil.which("envoy")
    assert program, "envoy is not on the path; `make foreign` brings it"
    command = (program, "--config-path", str(folder / "envoy.yaml"), "--disable-hot-restart", "--concurrency", "1", "--log-level", "warn")
    process = await asyncio.create_subprocess_exec(*command, stdout=DEVNULL, stderr=DEVNULL)
    try:
        await _listens(port)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


def _endpoint(address: str) -> dict[str, Any]:
    host, _, port = address.rpartition(":")
    return {"endpoint": {"address": {"socket_address": {"address": host, "port_value": int(port)}}}}


async def _listens(port: int) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one call, by the clock of the machine."""

    kind: str
    began: float
    ended: float
    revision: str = ""
    error: PointsmanError | None = None


@dataclass
class Load:
    """Calls at a steady rate, whatever the answers do."""

    client: Client
    per_s: float
    outcomes: list[Outcome] = field(default_factory=list)

    async def route(self, number: int) -> str:
        request_id = f"route-{number}" if number % 2 else ""  # by which metadata come back before the end of a call
        return (await self.client.route(f"What is {number} + 1?", timeout_s=10, request_id=request_id)).revision

    async def keyed(self, number: int) -> str:
        key = f"{id(self)}-{number}"
        return (await self.client.complete(f"Tell of {number}.", timeout_s=20, request_id=key, idempotency_key=key))[0].revision

    async def complete(self, number: int) -> str:
        return (await self.client.complete(f"Tell of {number}.", timeout_s=20))[0].revision

    async def stream(self, number: int) -> str:
        revision, pieces = "", 0
        async for event in self.client.stream(f"Tell of {number}.", timeout_s=20):
            revision = event.revision if isinstance(event, Decision) else revision
            pieces += isinstance(event, TextDelta)
        assert pieces > 3
        return revision

    async def run(self, until: asyncio.Event) -> None:
        """Call until told otherwise, and wait for the last answers."""
        kinds = [self.route] * 20 + [self.keyed] * 6 + [self.complete] * 2 + [self.stream] * 2
        mixed = [kinds[at * 7 % len(kinds)] for at in range(len(kinds))]
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for number in count():
                await asyncio.sleep(max(0.0, began + number / self.per_s - time.monotonic()))
                if until.is_set():
                    return
                group.create_task(self._one(mixed[number % len(mixed)], number))

    async def _one(self, call: Callable[[int], Awaitable[str]], number: int) -> None:
        kind, began = call.__name__, time.time()
        try:
            revision = await call(number)
            self.outcomes.append(Outcome(kind=kind, began=began, ended=time.time(), revision=revision))
        except PointsmanError as error:
            self.outcomes.append(Outcome(kind=kind, began=began, ended=time.time(), error=error))

    def failed(self, kind: str) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.kind == kind and outcome.error is not None]

    def summary(self) -> str:
        served, failed = Counter[str](), Counter[str]()
        for outcome in self.outcomes:
            (served if outcome.error is None else failed)[outcome.kind] += 1
        spans = sorted(outcome.ended - outcome.began for outcome in self.outcomes if outcome.kind == "route" and outcome.error is None)
        lasted = max(outcome.began for outcome in self.outcomes) - min(outcome.began for outcome in self.outcomes)
        times = ", ".join(f"p{share} {spans[len(spans) * share // 100] * 1000:.0f} ms" for share in (50, 99)) if spans else "none"
        return f"{len(self.outcomes) / lasted:.0f} calls/s: served {dict(served)}, failed {dict(failed)}; Route {times}"
