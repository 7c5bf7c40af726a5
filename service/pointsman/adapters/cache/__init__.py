"""Kept answers, and whose turn it is to make one: in this process, and for all replicas in a Valkey."""

from pointsman.adapters.cache.memory import Alone, MemoryCache
from pointsman.adapters.cache.names import Names
from pointsman.adapters.cache.shared import SharedCache
from pointsman.adapters.cache.turns import SharedTurns

__all__ = ["Alone", "MemoryCache", "Names", "SharedCache", "SharedTurns"]
