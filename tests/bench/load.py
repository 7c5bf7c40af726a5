"""Servers as processes, calls in bulk, and the CPU seconds that a server spent on them."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc

CONNECTIONS = 32
CALLS = 6_000
LONGEST_S = 120


@dataclass(frozen=True, slots=True)
class Target:
    """A method of a server that runs, and the request to send."""

    pid: int
    address: str
    method: str
    payload: bytes


@contextmanager
def running(command: Sequence[str], **environment: str) -> Iterator[tuple[int, str]]:
    """Run a server, and yield its process id and address; end it afterwards."""
    process = subprocess.Popen(
        [sys.executable, *command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env={**os.environ, **environment}
    )
    assert process.stdout is not None
    try:
        yield process.pid, process.stdout.readline().rpartition(" ")[2].strip()
    finally:
        process.terminate()
        process.wait(timeout=10)


def cpu_per_call(target: Target, calls: int = CALLS) -> float:
    """Return the CPU microseconds, user and system, that the server spends on one call."""
    before = _cpu_s(target.pid)
    if shutil.which("h2load"):
        _h2load(target, calls)
    else:
        asyncio.run(_grpc(target, calls))
    return (_cpu_s(target.pid) - before) / calls * 1e6


def driver() -> str:
    """Return what drives the load, for the report."""
    return "h2load" if shutil.which("h2load") else "grpc.aio client (h2load is not installed)"


def rss_mb(pid: int) -> float:
    """Return the resident memory of a process in MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _h2load(target: Target, calls: int) -> None:
    with tempfile.NamedTemporaryFile() as body:
        body.write(b"\0" + len(target.payload).to_bytes(4, "big") + target.payload)
        body.flush()
        command = ["h2load", "-n", str(calls), "-c", str(CONNECTIONS), "-m", "1", "-d", body.name]
        headers = ["-H", "content-type: application/grpc", "-H", "te: trailers"]
        done = subprocess.run(
            [*command, *headers, f"http://{target.address}{target.method}"], capture_output=True, text=True, timeout=LONGEST_S, check=True
        )
    if f"{calls} succeeded, 0 failed" not in done.stdout:
        raise RuntimeError(f"h2load: not every call of {target.method} succeeded:\n{done.stdout}")


async def _grpc(target: Target, calls: int) -> None:
    """Send the calls from one client with as many connections as h2load would open."""
    channels = [grpc.aio.insecure_channel(target.address, options=[("grpc.use_local_subchannel_pool", 1)]) for _ in range(CONNECTIONS)]

    async def send(channel: grpc.aio.Channel) -> None:
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(target.method)
        for _ in range(calls // CONNECTIONS):
            await call(target.payload)

    try:
        await asyncio.gather(*(send(channel) for channel in channels))
    finally:
        await asyncio.gather(*(channel.close() for channel in channels))
