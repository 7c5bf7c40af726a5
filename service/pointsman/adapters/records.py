"""Decision records in files of JSON lines, written beside the event loop.

A record waits in memory, encoded, until a batch is full or a moment has passed; a thread writes the batch. A disk that is slow or full
costs records, which are counted, and never a call. A file that has its share of what may be kept is compressed, and the oldest go.
"""

from __future__ import annotations

import asyncio
import fcntl
import gzip
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from msgspec import structs

from pointsman.core.record import BadRecord, DecisionRecord, Feedback, Line, from_json, to_json

FILES = 8
"""Parts of what may be kept: one goes at a time."""

_PLAIN, _PACKED, _UNFINISHED = ".jsonl", ".jsonl.gz", ".packing"


def key_in(folder: Path) -> bytes:
    """Return the key for digests of people that is kept in a folder, a new one where there is none. Raises OSError."""
    path = folder / "key"
    with suppress(FileExistsError):
        new = folder / f"key.{os.getpid()}"
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(secrets.token_bytes(32))
        try:
            os.link(new, path)  # whole, or not at all, whoever else makes one
        finally:
            new.unlink()
    return path.read_bytes()


class RecordLog:
    """Keeps records in a folder, in files that none but their owner may read. To be entered before use; leaving it writes what waits."""

    def __init__(
        self, folder: Path, *, most_bytes: int = 256 << 20, batch: int = 100, every_s: float = 1.0, most_waiting: int = 10_000
    ) -> None:
        """The files take `most_bytes` together; at most `most_waiting` records wait, and those beyond are lost, and counted."""
        self.lost = 0
        self._files = _Files(folder, most_bytes)
        self._batch = batch
        self._every_s = every_s
        self._most_waiting = most_waiting
        self._waiting: list[bytes] = []
        self._full = asyncio.Event()
        self._writing = asyncio.Lock()
        self._writer: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Raises OSError if the folder cannot be written to."""
        await asyncio.to_thread(self._files.open)
        self._writer = asyncio.create_task(self._write_on())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._writer is not None:
            self._writer.cancel()
            with suppress(asyncio.CancelledError):
                await self._writer
        await self.flush()
        await asyncio.to_thread(self._files.close)

    def add(self, line: Line) -> None:
        """Note a record, or what was said of one; it is written soon."""
        if len(self._waiting) >= self._most_waiting:
            self.lost += 1
            return
        self._waiting.append(to_json(line) + b"\n")
        if len(self._waiting) >= self._batch:
            self._full.set()

    async def flush(self) -> None:
        """Write what waits; what cannot be written is lost."""
        async with self._writing:
            batch, self._waiting = self._waiting, []
            self._full.clear()
            try:
                await asyncio.to_thread(self._files.append, b"".join(batch))
            except OSError:
                self.lost += len(batch)

    async def _write_on(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._full.wait(), self._every_s)
            if self._waiting:
                # A batch that a thread has begun to write is not given up when the file is closed: the last flush waits for it.
                await asyncio.shield(self.flush())


class _Files:
    """The files of one folder, of which this process writes one. Whoever writes a file holds a lock on it, so that no other packs it."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder = folder
        self._most = most_bytes
        self._descriptor = -1
        self._path = folder

    def open(self) -> None:
        """Begin a file. Raises OSError."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        began = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        self._path = self._folder / f"decisions-{began}-{os.getpid()}{_PLAIN}"
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def append(self, lines: bytes) -> None:
        """Write lines, and begin another file where this one is full. Raises OSError."""
        if self._descriptor < 0:
            self.open()  # the last time there was no room for one
        size, view = os.fstat(self._descriptor).st_size, memoryview(lines)
        try:
            while view:
                view = view[os.write(self._descriptor, view) :]
        except OSError:
            os.ftruncate(self._descriptor, size)  # half a line would spoil the file
            raise
        if os.fstat(self._descriptor).st_size >= self._most // FILES:
            self.close()
            self.open()

    def close(self) -> None:
        """End the file, pack whatever nobody writes any more, and drop what is too much; an empty file is dropped."""
        if self._descriptor >= 0:
            empty = not os.fstat(self._descriptor).st_size
            os.close(self._descriptor)
            self._descriptor = -1
            if empty:
                self._path.unlink(missing_ok=True)
        for path in self._folder.glob(f"decisions-*{_PLAIN}"):
            with suppress(OSError):
                _pack(path)
        left = self._most
        for path in sorted(self._folder.glob("decisions-*"), reverse=True):
            with suppress(FileNotFoundError):  # another process may have been here first
                left -= path.stat().st_size
                if path.name.endswith(_UNFINISHED) or (left < 0 and path.name.endswith(_PACKED)):
                    path.unlink()


def _pack(path: Path) -> None:
    """Compress a file that nobody writes. Raises OSError, BlockingIOError for one that somebody does."""
    with path.open("rb") as plain:
        fcntl.flock(plain, fcntl.LOCK_EX | fcntl.LOCK_NB)
        packed, unfinished = path.with_suffix(_PACKED), path.with_suffix(_UNFINISHED)
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file, gzip.open(file, "wb", 6) as out:
            while chunk := plain.read(1 << 20):
                out.write(chunk)
        unfinished.rename(packed)
        path.unlink()


def read_records(path: Path) -> Iterator[DecisionRecord]:
    """Yield the records of a file, or of all files of a folder, oldest first, each with the last that was said of it.

    Raises OSError, and BadRecord with file and line in it.
    """
    files = sorted(found for found in path.iterdir() if found.name.endswith((_PLAIN, _PACKED))) if path.is_dir() else [path]
    said: dict[tuple[str, str], Feedback] = {}
    for line in _lines(files):
        if isinstance(line, Feedback):
            said[line.tenant, line.id] = line
    for line in _lines(files):
        if isinstance(line, DecisionRecord):
            feedback = said.get((line.facts.request.tenant, line.id))
            yield line if feedback is None else structs.replace(line, feedback=feedback)


def _lines(files: Iterable[Path]) -> Iterator[Line]:
    for path in files:
        with gzip.open(path, "rb") if path.name.endswith(_PACKED) else path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip() and line.endswith(b"\n"):  # the last one may be being written
                    yield _line(line, number, path)


def _line(line: bytes, number: int, path: Path) -> Line:
    try:
        return from_json(line)
    except BadRecord as error:
        raise BadRecord(f"{path}:{number}: {error}") from error
