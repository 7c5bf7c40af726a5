"""The rule directory on disk."""

from __future__ import annotations

from pathlib import Path

NO_RULES = frozenset({"kustomization.yaml"})


def read_directory(directory: Path) -> dict[str, bytes]:
    """Return the rule files directly in the directory by name: every *.yaml but kustomization.yaml and names that begin with a dot.

    Raises OSError, with the path in it, if the directory or a file cannot be read.
    """
    names = sorted(entry.name for entry in directory.iterdir() if entry.suffix == ".yaml" and entry.is_file())
    return {name: (directory / name).read_bytes() for name in names if name not in NO_RULES and not name.startswith(".")}
