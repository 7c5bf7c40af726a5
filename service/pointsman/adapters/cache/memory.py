"""Answers kept in this process, bounded by number and by bytes; what was used longest ago goes first."""

from __future__ import annotations

from math import inf

from cachetools import LRUCache
from msgspec import Struct

from pointsman.core.cachekey import CacheKey
from pointsman.ports import Clock

MOST_BYTES = 16 << 20
MOST_ENTRIES = 50_000

OVERHEAD = 450
"""Bytes that an entry takes beside its data: the key, the places in two mappings, the objects themselves."""

_LARGEST_SHARE = 8
"""An entry that would take more than this part of the bytes is not kept: it would drive out all others."""


_TENANTS = 1_024


class _Held(Struct, frozen=True):
    tenant: str
    data: bytes
    until: float


class MemoryCache:
    """Keeps answers in this process."""

    def __init__(self, clock: Clock, *, most_bytes: int = MOST_BYTES, most_entries: int = MOST_ENTRIES) -> None:
        self._clock = clock
        self._most_entries = most_entries
        self._held: LRUCache[bytes, _Held] = LRUCache(most_bytes, getsizeof=_size)
        self._purged: LRUCache[str, float] = LRUCache(_TENANTS)
        """When answers of a tenant were dropped, in seconds of the epoch: those that were under way then are not kept."""

    @property
    def used_bytes(self) -> int:
        """What is kept takes, as far as it is known here."""
        return int(self._held.currsize)

    @property
    def near(self) -> tuple[int, int]:
        """Entries and bytes."""
        return len(self), self.used_bytes

    def __len__(self) -> int:
        """Return how many entries are kept, those past their time included."""
        return len(self._held)

    def peek(self, key: CacheKey) -> bytes | None:
        """Return what is kept, None where nothing is, or its time is over."""
        held = self._held.get(key.digest)
        if held is None:
            return None
        if held.until <= self._clock.monotonic():
            del self._held[key.digest]
            return None
        return held.data

    async def get(self, key: CacheKey) -> bytes | None:
        """Return what `peek` returns: nobody else keeps anything."""
        return self.peek(key)

    async def put(self, key: CacheKey, data: bytes, *, ttl_s: float, asked_s: float | None = None) -> None:
        """Keep this for at most so long, unless the tenant's answers were dropped since it was asked for."""
        self.keep(key, data, ttl_s=ttl_s, asked_s=asked_s)

    def keep(self, key: CacheKey, data: bytes, *, ttl_s: float, asked_s: float | None = None) -> None:
        """As `put`, at once."""
        if asked_s is not None and asked_s <= self._purged.get(key.tenant, -inf):
            return
        held = _Held(key.tenant, data, self._clock.monotonic() + ttl_s)
        self._held.pop(key.digest, None)
        if _size(held) > self._held.maxsize / _LARGEST_SHARE:
            return
        while len(self._held) >= self._most_entries:
            self._held.popitem()
        self._held[key.digest] = held

    async def purge(self, tenant: str) -> int:
        """Drop all that is a tenant's, and return how many entries that were."""
        theirs = [digest for digest, held in self._held.items() if held.tenant == tenant]
        for digest in theirs:
            del self._held[digest]
        self._purged[tenant] = self._clock.epoch_s()
        return len(theirs)


class Alone:
    """A process without others: it is always its turn."""

    async def take(self, _key: CacheKey) -> bool:
        """Return True."""
        return True

    async def give_back(self, key: CacheKey) -> None:
        """Do nothing."""


def _size(held: _Held) -> int:
    return len(held.data) + OVERHEAD
