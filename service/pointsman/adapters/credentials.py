"""Which models have what they need to be called: the key of their provider."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pointsman.core.catalog import Catalog, Provider
from pointsman.core.market import ModelState


class KeyStates:
    """Knows which providers have their key. Keys themselves are not kept here."""

    def __init__(self, catalog: Catalog, environment: Mapping[str, str]) -> None:
        able = {provider.id for provider in catalog.providers.values() if _has_key(provider, environment)}
        self._states = {model.id: ModelState(has_credential=model.provider in able) for model in catalog.models.values()}

    def states(self) -> Mapping[str, ModelState]:
        """Return the state of each model by id."""
        return self._states


def _has_key(provider: Provider, environment: Mapping[str, str]) -> bool:
    if provider.key_file:
        return Path(provider.key_file).is_file()
    return not provider.key_env or bool(environment.get(provider.key_env))
