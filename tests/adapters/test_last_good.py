"""The last good rules outlive the process, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from pointsman.adapters.last_good import LastGood

SOURCES = {"models.yaml": "version: 1 # ü".encode(), "routing.yaml": b"\xff\x00 whatever"}


def test_what_was_kept_last_is_there_for_the_next_process(tmp_path: Path) -> None:
    state = tmp_path / "not" / "there yet"
    LastGood(state, Path("/etc/rules")).write({"models.yaml": b"before"})
    LastGood(state, Path("/etc/rules")).write(SOURCES)

    assert LastGood(state, Path("/etc/rules")).read() == SOURCES
    assert len(list(state.iterdir())) == 1


def test_each_rule_directory_has_its_own(tmp_path: Path) -> None:
    LastGood(tmp_path, Path("/etc/rules")).write(SOURCES)

    assert LastGood(tmp_path, Path("/etc/other")).read() is None


def test_a_relative_path_is_the_directory_that_it_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert LastGood(Path("state"), Path("rules")).path.name == LastGood(Path("state"), tmp_path / "rules").path.name


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    kept = LastGood(tmp_path, Path("rules"))
    kept.write(SOURCES)

    assert kept.path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("text", [b"", b"\x82", b"nonsense", b"\x80"])
def test_a_damaged_file_is_an_error_with_its_name(tmp_path: Path, text: bytes) -> None:
    kept = LastGood(tmp_path, Path("rules"))
    kept.path.write_bytes(text)

    with pytest.raises(OSError, match=rf"{kept.path} is damaged"):
        kept.read()


def test_a_write_that_fails_leaves_what_was_there_and_no_litter(tmp_path: Path) -> None:
    kept = LastGood(tmp_path, Path("rules"))
    kept.path.mkdir()  # so that nothing can take its place

    with pytest.raises(OSError, match="directory"):
        kept.write(SOURCES)

    assert list(tmp_path.iterdir()) == [kept.path]
