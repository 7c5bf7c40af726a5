"""A model is callable if its provider's key is there; keys themselves stay where they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakes import catalog_yaml, model_yaml, ruleset_of
from pointsman.adapters.credentials import Keys
from pointsman.adapters.model_states import KnownStates
from pointsman.core.catalog import Provider

ROUTING = "version: 1\nroutes: [{id: default, why: w, use: {candidates: [m]}}]\n"


def has_credential(key: str, environment: dict[str, str]) -> bool:
    """Return whether the model of a provider with such a `key:` is callable."""
    models = catalog_yaml({"m": model_yaml()}).replace("{api: builtin}", f"{{api: openai, base_url: 'https://x', {key}}}")
    return KnownStates(Keys(environment), lambda _: True).states(ruleset_of(models, ROUTING).catalog)["m"].has_credential


@pytest.mark.parametrize(
    ("key", "environment", "expected"),
    [
        pytest.param("key: {env: X_API_KEY}", {"X_API_KEY": "k"}, True, id="set"),
        pytest.param("key: {env: X_API_KEY}", {}, False, id="not set"),
        pytest.param("key: {env: X_API_KEY}", {"X_API_KEY": ""}, False, id="empty"),
        pytest.param("internal: true", {}, True, id="none needed"),
        pytest.param("key: {file: /nowhere/key}", {}, False, id="no such file"),
    ],
)
def test_keys(key: str, environment: dict[str, str], expected: bool) -> None:
    assert has_credential(key, environment) is expected


def test_a_key_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("k")

    assert has_credential(f"key: {{file: {tmp_path}/key}}", {})


def test_keys_are_never_shown() -> None:
    assert "canary" not in repr(Keys({"X_API_KEY": "canary"}))


def test_a_key_file_is_read_anew_and_trimmed(tmp_path: Path) -> None:
    provider = Provider(id="p", api="openai", key_file=str(tmp_path / "key"))
    keys = Keys({})

    before = keys.key(provider)
    (tmp_path / "key").write_text("first\n")
    first = keys.key(provider)
    (tmp_path / "key").write_text("second\n")

    assert [before, first, keys.key(provider)] == ["", "first", "second"]
