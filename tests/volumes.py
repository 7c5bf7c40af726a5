"""Volumes of ConfigMaps and Secrets, as the kubelet writes them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from itertools import count
from pathlib import Path

_NUMBERS = count(1)


def swap(directory: Path, files: Mapping[str, bytes]) -> None:
    """Put a new set beside the old one, turn one link to it, and see to names that point through the link."""
    directory.mkdir(exist_ok=True)
    new, data = directory / f"..{next(_NUMBERS)}", directory / "..data"
    new.mkdir()
    for name, content in files.items():
        (new / name).write_bytes(content)
    before = data.resolve() if data.is_symlink() else None
    (directory / "..data_tmp").symlink_to(new.name)
    (directory / "..data_tmp").replace(data)
    for name in files:
        if not (directory / name).is_symlink():
            (directory / name).unlink(missing_ok=True)
            (directory / name).symlink_to(f"..data/{name}")
    if before is not None:
        shutil.rmtree(before)
