"""Which files of a directory are rule files."""

from __future__ import annotations

from pathlib import Path

import pytest

from pointsman.adapters.rulefiles import read_directory


def test_yaml_files_directly_in_the_directory_are_read(tmp_path: Path) -> None:
    for name in ("models.yaml", "10-team.yaml", "kustomization.yaml", ".hidden.yaml", "notes.md", "old.yml"):
        (tmp_path / name).write_text(name)
    (tmp_path / "schema.yaml").mkdir()

    assert read_directory(tmp_path) == {"10-team.yaml": b"10-team.yaml", "models.yaml": b"models.yaml"}


def test_links_are_followed_since_a_config_map_is_made_of_them(tmp_path: Path) -> None:
    (tmp_path / "..data").mkdir()
    (tmp_path / "..data" / "models.yaml").write_text("x")
    (tmp_path / "models.yaml").symlink_to("..data/models.yaml")

    assert read_directory(tmp_path) == {"models.yaml": b"x"}


def test_a_directory_that_is_not_there_is_an_error_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_directory(tmp_path / "nowhere")
