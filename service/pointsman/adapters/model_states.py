"""The state of every model at present: is its provider's key there, is its child process ready."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pointsman.adapters.credentials import Keys
from pointsman.core.catalog import Catalog, Provider
from pointsman.core.market import ModelState


class KnownStates:
    """Knows keys as they were at the start, and asks `is_ready` of embedded providers each time."""

    def __init__(self, catalog: Catalog, keys: Keys, is_ready: Callable[[Provider], bool]) -> None:
        self._catalog = catalog
        self._able = frozenset(provider.id for provider in catalog.providers.values() if not provider.needs_key or keys.key(provider))
        self._embedded = [provider for provider in catalog.providers.values() if provider.api == "embedded"]
        self._is_ready = is_ready
        self._unready: frozenset[str] | None = None
        self._states: Mapping[str, ModelState] = {}

    def states(self) -> Mapping[str, ModelState]:
        """Return the state of each model by id, the same value until something changes."""
        unready = frozenset(provider.id for provider in self._embedded if not self._is_ready(provider))
        if unready != self._unready:
            self._unready = unready
            self._states = {
                model.id: ModelState(has_credential=model.provider in self._able, healthy=model.provider not in unready)
                for model in self._catalog.models.values()
            }
        return self._states
