"""Which files of a directory are rule files."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from shutil import rmtree
from threading import Event, Thread

import pytest

from pointsman.adapters.rulefiles import RuleDirectory, read_directory


def test_yaml_files_directly_in_the_directory_are_read(tmp_path: Path) -> None:
    for name in ("models.yaml", "10-team.yaml", "kustomization.yaml", ".hidden.yaml", "notes.md", "old.yml", ".hidden.yml"):
        (tmp_path / name).write_text(name)
    (tmp_path / "schema").mkdir()

    assert read_directory(tmp_path) == {name: name.encode() for name in ("10-team.yaml", "models.yaml", "old.yml")}


def test_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "models.yaml").write_text("x")
    (tmp_path / "models.yaml").symlink_to("elsewhere/models.yaml")

    assert read_directory(tmp_path) == {"models.yaml": b"x"}


def test_the_set_behind_the_link_of_a_config_map_counts(tmp_path: Path) -> None:
    """The kubelet swaps the link first, and links the names beside it one by one afterwards."""
    for revision in ("..1", "..2"):
        (tmp_path / revision).mkdir()
        (tmp_path / revision / "models.yaml").write_text(revision)
    (tmp_path / "..2" / "new.yaml").write_text("not linked yet")
    (tmp_path / "models.yaml").symlink_to("..data/models.yaml")
    (tmp_path / "gone.yaml").symlink_to("..data/gone.yaml")
    directory = RuleDirectory(tmp_path)

    swap(tmp_path, "..1")
    first = directory.read()
    swap(tmp_path, "..2")
    second = directory.read()

    assert (first.sources, first.link) == ({"models.yaml": b"..1"}, "..1")
    assert (second.sources, second.link) == ({"models.yaml": b"..2", "new.yaml": b"not linked yet"}, "..2")


def test_a_set_that_is_swapped_and_removed_meanwhile_is_read_anew(tmp_path: Path) -> None:
    """Thousands of reads against a writer: each is of one set, whole."""
    ended = Event()

    def keep_swapping() -> None:
        for number in count():
            mine = tmp_path / f"..{number}"
            mine.mkdir()
            for name in ("a.yaml", "b.yaml"):
                (mine / name).write_text(str(number))
            swap(tmp_path, mine.name)
            if number:
                rmtree(tmp_path / f"..{number - 1}")
            if ended.is_set():
                return

    writer = Thread(target=keep_swapping)
    writer.start()
    try:
        directory = RuleDirectory(tmp_path)
        while not (tmp_path / "..data").is_symlink():
            pass
        found = [tuple(directory.read().sources.values()) for _ in range(500)]
    finally:
        ended.set()
        writer.join()

    assert all(len(texts) == 2 and texts[0] == texts[1] for texts in found)
    assert len(set(found)) > 1


def test_a_link_to_nowhere_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "..data").symlink_to("..1")

    with pytest.raises(FileNotFoundError):
        read_directory(tmp_path)


def swap(directory: Path, to: str) -> None:
    """Turn the link of a ConfigMap's volume, as the kubelet does."""
    (directory / "..data_tmp").symlink_to(to)
    (directory / "..data_tmp").rename(directory / "..data")


def test_a_directory_that_is_not_there_is_an_error_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_directory(tmp_path / "nowhere")


def test_a_name_that_leads_to_no_file_is_an_error_and_not_passed_over(tmp_path: Path) -> None:
    """A tenants.yaml that cannot be followed must not look like none: then everybody could call."""
    for kind in ("dangling", "loop", "directory"):
        directory = tmp_path / kind
        directory.mkdir()
        (directory / "models.yaml").write_text("models")
        if kind == "directory":
            (directory / "tenants.yaml").mkdir()
        else:
            (directory / "tenants.yaml").symlink_to("tenants.yaml" if kind == "loop" else "nowhere")
        with pytest.raises(OSError, match=r"tenants\.yaml"):
            read_directory(directory)
