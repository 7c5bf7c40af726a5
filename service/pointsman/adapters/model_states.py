"""The state of every model at present: is its provider's key there, is its child process ready."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pointsman.adapters.credentials import Keys
from pointsman.core.catalog import Catalog, Provider
from pointsman.core.market import ModelState


class KnownStates:
    """Knows keys as they were when the catalog was first asked about, and asks `is_ready` of embedded providers each time."""

    def __init__(self, keys: Keys, is_ready: Callable[[Provider], bool]) -> None:
        self._keys = keys
        self._is_ready = is_ready
        self._catalog: Catalog | None = None
        self._able: frozenset[str] = frozenset()
        self._embedded: list[Provider] = []
        self._unready: frozenset[str] | None = None
        self._states: Mapping[str, ModelState] = {}

    def states(self, catalog: Catalog) -> Mapping[str, ModelState]:
        """Return the state of each model by id, the same value until something changes."""
        if catalog is not self._catalog:
            self._meet(catalog)
        unready = frozenset(provider.id for provider in self._embedded if not self._is_ready(provider))
        if unready != self._unready:
            self._unready = unready
            self._states = {
                model.id: ModelState(has_credential=model.provider in self._able, healthy=model.provider not in unready)
                for model in catalog.models.values()
            }
        return self._states

    def _meet(self, catalog: Catalog) -> None:
        """Look at another catalog. Only one is remembered, since calls that begin ask only about that of the rules in use."""
        providers = catalog.providers.values()
        self._able = frozenset(provider.id for provider in providers if not provider.needs_key or self._keys.key(provider))
        self._embedded = [provider for provider in providers if provider.api == "embedded"]
        self._catalog, self._unready = catalog, None
