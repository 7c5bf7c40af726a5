"""Keys of providers: from the environment or from files, never kept, never shown."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pointsman.core.catalog import Provider


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
            except (OSError, ValueError):
                return ""
        return self._environment.get(provider.key_env, "") if provider.key_env else ""
