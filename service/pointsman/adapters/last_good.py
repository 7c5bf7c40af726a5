"""The last good rules on disk, for a start that finds the rule directory broken.

One file for each rule directory, by the digest of its absolute path, so that several servers may share a state directory. The name holds
the version of the format, too: what another version wrote is not found, rather than misread.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct

FORMAT = 1
"""Of the file here, and of the rules in it."""


class _Kept(Struct):
    directory: str
    """For people who look into the file; the name tells which directory it is."""
    sources: dict[str, bytes]


class LastGood:
    """Keeps the files of the last good ruleset of one rule directory."""

    def __init__(self, state_dir: Path, rules: Path) -> None:
        self._directory = str(rules.absolute())
        digest = hashlib.blake2b(os.fsencode(self._directory), digest_size=8).hexdigest()
        self.path = state_dir / f"rules-{digest}.v{FORMAT}.msgpack"

    def read(self) -> Mapping[str, bytes] | None:
        """Return the files, None if none were kept. Raises OSError."""
        try:
            return msgspec.msgpack.decode(self.path.read_bytes(), type=_Kept).sources
        except FileNotFoundError:
            return None
        except msgspec.DecodeError as error:
            raise OSError(f"{self.path} is damaged") from error

    def write(self, sources: Mapping[str, bytes]) -> None:
        """Keep the files in place of those before, so that a crash at any moment leaves the one or the other. Raises OSError."""
        text = msgspec.msgpack.encode(_Kept(directory=self._directory, sources=dict(sources)))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=self.path.stem, suffix=".new", dir=self.path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(text)
                file.flush()
                os.fsync(descriptor)
            Path(name).replace(self.path)
        except OSError:
            with suppress(OSError):
                Path(name).unlink()
            raise
