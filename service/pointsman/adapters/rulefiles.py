"""The rule directory on disk.

A ConfigMap's volume is read through its link `..data`, followed once: the files behind it are one set, complete and never changed, while
the names beside it are linked one by one after the set was swapped.
"""

from __future__ import annotations

from pathlib import Path

from pointsman.core.rulefile import is_misnamed, is_rule_file
from pointsman.ports import RuleFiles

SET = "..data"


class RuleDirectory:
    """Reads a rule directory, now and again."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def read(self) -> RuleFiles:
        """Return the files as they are now; a set that is swapped meanwhile is read anew. Raises OSError."""
        while True:
            link = self._link()
            try:
                sources = read_files(self._directory / link)
            except FileNotFoundError:
                if self._link() == link:
                    raise
            else:
                if self._link() == link:  # else the set may have been on its way out, and have lacked files already
                    return RuleFiles(sources=sources, link=link)

    def _link(self) -> str:
        data = self._directory / SET
        return str(data.readlink()) if data.is_symlink() else ""


def read_directory(directory: Path) -> dict[str, bytes]:
    """Return the rule files of the directory by name.

    Raises OSError, with the path in it, if the directory or a file cannot be read.
    """
    return dict(RuleDirectory(directory).read().sources)


def read_files(directory: Path) -> dict[str, bytes]:
    """Return the rule files directly in the directory by name, with those whose name ends in .yml, so that it can be said of them.

    A name that leads to no file is an error: to pass over a tenants.yaml that cannot be followed would let everybody in.
    """
    names = sorted(entry.name for entry in directory.iterdir() if is_rule_file(entry.name) or is_misnamed(entry.name))
    return {name: (directory / name).read_bytes() for name in names}
