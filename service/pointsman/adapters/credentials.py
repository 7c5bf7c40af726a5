"""Keys of providers: from the environment or from files, never kept, never shown."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pointsman.core.catalog import Catalog, Provider
from pointsman.core.market import ModelState


class Keys:
    """Finds the key of a provider where the catalog says that it is."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def __repr__(self) -> str:
        return "<Keys: not shown>"

    def key(self, provider: Provider) -> str:
        """Return the key, empty where none is needed or none is there. A file is read anew each time, so that it may change."""
        if provider.key_file:
            try:
                return Path(provider.key_file).read_text().strip()
            except (OSError, UnicodeDecodeError):
                return ""
        return self._environment.get(provider.key_env, "") if provider.key_env else ""


class KeyStates:
    """Knows which models can be called because the key of their provider is there, as it was at the start."""

    def __init__(self, catalog: Catalog, keys: Keys) -> None:
        able = {provider.id for provider in catalog.providers.values() if not provider.needs_key or keys.key(provider)}
        self._states = {model.id: ModelState(has_credential=model.provider in able) for model in catalog.models.values()}

    def states(self) -> Mapping[str, ModelState]:
        """Return the state of each model by id."""
        return self._states
