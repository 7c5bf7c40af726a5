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
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from msgspec import structs

from pointsman.core.record import BadRecord, DecisionRecord, Feedback, Line, from_json, is_about, is_answered, to_json
from pointsman.ports import Say, unheard

FOLDER = "records"
"""Where they are in the folder of a server's state."""

KEY_BYTES = 32

FILES = 8
"""A file is packed when it has this part of what may be kept; packed, many more have room."""

_PLAIN, _PACKED, _UNFINISHED = ".jsonl", ".jsonl.gz", ".packing"


def key_in(folder: Path, say: Say = unheard) -> bytes:
    """Return the key for digests of people that is kept in a folder, a new one where there is none.

    Where it cannot be read, or kept, it is one that lasts as long as the process, and `say` is told: digests then differ from those before.
    """
    path, new = folder / "key", secrets.token_bytes(KEY_BYTES)
    try:
        known = path.read_bytes() if path.exists() else b""
        if not known:
            known = _kept(new, path)
        if len(known) == KEY_BYTES:
            return known
        why = f"{KEY_BYTES} bytes are expected in it"
    except OSError as error:
        why = error.strerror or str(error)
    say(f"the key in {path} cannot be used: {why}; people in records have other digests until this process ends", level="warning")
    return new


def _kept(key: bytes, path: Path) -> bytes:
    """Keep a key, whole or not at all, and return what is kept: of two processes that make one, the later has it. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix="key.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(key)
        Path(name).rename(path)
    finally:
        Path(name).unlink(missing_ok=True)
    return path.read_bytes()


class RecordLog:
    """Keeps records in a folder, in files that none but their owner may read. To be entered before use; leaving it writes what waits."""

    def __init__(
        self,
        folder: Path,
        say: Say = unheard,
        *,
        most_bytes: int = 256 << 20,
        batch: int = 100,
        every_s: float = 1.0,
        most_waiting: int = 10_000,
    ) -> None:
        """The files take `most_bytes` together; at most `most_waiting` records wait, and those beyond are lost, and counted.

        `say` is told when they cannot be written, and when they can again.
        """
        self.lost = 0
        self._folder = folder
        self._say = say
        self._is_well = True
        self._files = _Files(folder, most_bytes)
        self._batch = batch
        self._every_s = every_s
        self._most_waiting = most_waiting
        self._waiting: list[bytes] = []
        self._full = asyncio.Event()
        self._writing = asyncio.Lock()
        self._writer: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """A folder that cannot be written to costs records, and no start."""
        await self._tried(self._files.open)
        self._writer = asyncio.create_task(self._write_on())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._writer is not None:
            self._writer.cancel()
            with suppress(asyncio.CancelledError):
                await self._writer
        await self.flush()
        with suppress(OSError):
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
            if batch and not await self._tried(partial(self._files.append, b"".join(batch))):
                self.lost += len(batch)

    async def _tried(self, write: Callable[[], None]) -> bool:
        """Do something on a thread, and return whether it could be done."""
        try:
            await asyncio.to_thread(write)
        except OSError as error:
            if self._is_well:
                why = error.strerror or error
                self._say(f"decision records cannot be kept in {self._folder}: {why}; they are lost until they can", level="warning")
            self._is_well = False
            return False
        if not self._is_well:
            self._say(f"decision records are kept again in {self._folder}; {self.lost} were lost so far")
        self._is_well = True
        return True

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
        while self._is_gone():  # another process may pack it away before it is locked
            self._forget()
            began = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
            self._path = self._folder / f"decisions-{began}-{os.getpid()}{_PLAIN}"
            self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            except OSError:
                self._forget()
                raise

    def _is_gone(self) -> bool:
        """Return whether no name leads to the file any more."""
        return self._descriptor < 0 or not os.fstat(self._descriptor).st_nlink

    def _forget(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def append(self, lines: bytes) -> None:
        """Write lines, and begin another file where this one is full. Raises OSError."""
        if self._is_gone():
            self.open()  # the last time there was no room for one, or somebody has cleared the folder
        size, view = os.fstat(self._descriptor).st_size, memoryview(lines)
        try:
            while view:
                view = view[os.write(self._descriptor, view) :]
        except OSError:
            os.ftruncate(self._descriptor, size)  # half a line would spoil the file
            raise
        if os.fstat(self._descriptor).st_size >= self._most // FILES:
            with suppress(OSError):  # of packing: the lines are written
                self.close()  # the next ones begin another file

    def close(self) -> None:
        """End the file, pack whatever nobody writes any more, and drop what is too much; an empty file is dropped."""
        if self._descriptor >= 0:
            empty = not os.fstat(self._descriptor).st_size
            self._forget()
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

    Of calls with one id, as a Route and the Complete after it, what is said is about the one that a model answered.

    Raises OSError, and BadRecord with file and line in it, or if there is none at all.
    """
    files = sorted(found for found in path.iterdir() if found.name.endswith((_PLAIN, _PACKED))) if path.is_dir() else [path]
    if not any(isinstance(line, DecisionRecord) for line in _lines(files)):
        hint = f"; did you mean {path / FOLDER}?" if (path / FOLDER).is_dir() else ""
        raise BadRecord(f"{path} holds no decision records{hint}")
    said = {(line.tenant, line.id): line for line in _lines(files) if isinstance(line, Feedback)}
    answered = {_name(line) for line in _lines(files) if said and isinstance(line, DecisionRecord) and is_answered(line)}
    for line in _lines(files):
        if isinstance(line, DecisionRecord):
            feedback = said.get(_name(line))
            is_meant = feedback is not None and is_about(feedback, line) and (is_answered(line) or _name(line) not in answered)
            yield structs.replace(line, feedback=feedback) if is_meant else line


def _name(record: DecisionRecord) -> tuple[str, str]:
    return record.facts.request.tenant, record.id


def _lines(files: Iterable[Path]) -> Iterator[Line]:
    for path in files:
        with gzip.open(path, "rb") if path.name.endswith(_PACKED) else path.open("rb") as lines:
            try:
                for number, line in enumerate(lines, start=1):
                    if line.strip() and line.endswith(b"\n"):  # the last one may be being written
                        yield _line(line, number, path)
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                raise BadRecord(f"{path} is cut off, or no gzip file: {error}") from error


def _line(line: bytes, number: int, path: Path) -> Line:
    try:
        return from_json(line)
    except BadRecord as error:
        raise BadRecord(f"{path}:{number}: {error}") from error
