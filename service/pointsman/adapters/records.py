"""Decision records in a file of JSON lines, written beside the event loop.

A record waits in memory, encoded, until a batch is full or a moment has passed; a thread writes the batch. A disk that is slow or full
costs records, which are counted, and never a call.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from pointsman.core.record import BadRecord, DecisionRecord, from_json, to_json


class RecordFile:
    """Appends records to a file that none but its owner may read. To be entered before use; what waits is written on leaving."""

    def __init__(self, path: Path, *, batch: int = 100, every_s: float = 1.0, most_waiting: int = 10_000) -> None:
        """At most `most_waiting` records wait; those beyond are lost, and counted."""
        self.lost = 0
        self._path = path
        self._batch = batch
        self._every_s = every_s
        self._most_waiting = most_waiting
        self._waiting: list[bytes] = []
        self._full = asyncio.Event()
        self._writing = asyncio.Lock()
        self._writer: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Raises OSError if the file cannot be written."""
        await asyncio.to_thread(_append, self._path, b"")
        self._writer = asyncio.create_task(self._write_on())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._writer is not None:
            self._writer.cancel()
            with suppress(asyncio.CancelledError):
                await self._writer
        await self.flush()

    def add(self, record: DecisionRecord) -> None:
        """Note a record; it is written soon."""
        if len(self._waiting) >= self._most_waiting:
            self.lost += 1
            return
        self._waiting.append(to_json(record) + b"\n")
        if len(self._waiting) >= self._batch:
            self._full.set()

    async def flush(self) -> None:
        """Write what waits; what cannot be written is lost."""
        async with self._writing:
            batch, self._waiting = self._waiting, []
            self._full.clear()
            try:
                await asyncio.to_thread(_append, self._path, b"".join(batch))
            except OSError:
                self.lost += len(batch)

    async def _write_on(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._full.wait(), self._every_s)
            if self._waiting:
                # A batch that a thread has begun to write is not given up when the file is closed: the last flush waits for it.
                await asyncio.shield(self.flush())


def _append(path: Path, lines: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "ab") as file:
        file.write(lines)


def read_records(path: Path) -> Iterator[DecisionRecord]:
    """Yield the records of a file. Raises OSError, and BadRecord with the line's number in it."""
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield _record(line, number, path)


def _record(line: bytes, number: int, path: Path) -> DecisionRecord:
    try:
        return from_json(line)
    except BadRecord as error:
        raise BadRecord(f"{path}:{number}: {error}") from error
