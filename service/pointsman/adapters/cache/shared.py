"""Answers kept for all replicas in a Valkey, and for a moment in this process, too.

The store holds answers in the clear, under names that say nothing of what was asked. Whatever it does not answer in time, or answers with
something else, counts as not kept.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from pointsman.adapters.cache.memory import MemoryCache
from pointsman.adapters.cache.names import Names
from pointsman.adapters.valkey import Valkey
from pointsman.core.cachekey import CacheKey
from pointsman.ports import Clock, StoreDown

NEAR_S = 10.0
"""For so long this process trusts what it has: by then it also knows that a tenant's answers were dropped."""

LARGEST = 1 << 20
"""Bytes of an answer that is still shared: a larger one would hold up everybody's commands."""

_PURGED_S = 172_800
"""For so long it is remembered that a tenant's answers were dropped: longer than any is kept."""

_WHEN = struct.Struct(">d")


class SharedCache:
    """Keeps answers in a Valkey, with what was used last near by."""

    def __init__(self, valkey: Valkey, names: Names, near: MemoryCache, clock: Clock, *, kind: str = "answer") -> None:
        """`kind` keeps what is kept for one purpose apart from what is kept for another."""
        self._kind = kind
        self._valkey = valkey
        self._names = names
        self._near = near
        self._clock = clock
        self.peek: Callable[[CacheKey], bytes | None] = near.peek

    @property
    def near(self) -> tuple[int, int]:
        """Entries and bytes of this process."""
        return self._near.near

    async def get(self, key: CacheKey) -> bytes | None:
        """Return what is kept, by this process or by another."""
        if (near := self._near.peek(key)) is not None:
            return near
        try:
            tenant = await self._names.of_tenant(key.tenant)
            found = await self._valkey.call("MGET", f"pointsman:{self._kind}:{await self._names.of(key)}", f"pointsman:purged:{tenant}")
        except StoreDown:
            return None
        kept = _kept(found)
        if kept is None:
            return None
        asked_s, data = kept
        self._near.keep(key, data, ttl_s=NEAR_S, asked_s=asked_s)
        return data

    async def put(self, key: CacheKey, data: bytes, *, ttl_s: float, asked_s: float | None = None) -> None:
        """Keep this for at most so long; near by for all of it while the store is down, since nobody else has it then."""
        asked_s = self._now_s() if asked_s is None else asked_s
        near_s = min(ttl_s, asked_s + NEAR_S - self._now_s()) if self._valkey.is_well else ttl_s
        if near_s > 0:
            self._near.keep(key, data, ttl_s=near_s, asked_s=asked_s)
        if len(data) > LARGEST:
            return
        try:
            await self._names.settle()
            name, value = f"pointsman:{self._kind}:{await self._names.of(key)}", _WHEN.pack(asked_s) + data
            await self._valkey.call("SET", name, value, "PX", max(1, round(ttl_s * 1000)))
        except StoreDown:
            return

    async def purge(self, tenant: str) -> int:
        """Drop all that is a tenant's, and return how many entries near by that were. Raises StoreDown.

        The store is told the time before which no answer of the tenant was asked for that counts; other replicas follow within NEAR_S.
        """
        dropped = await self._near.purge(tenant)
        await self._names.settle()
        name = f"pointsman:purged:{await self._names.of_tenant(tenant)}"
        await self._valkey.call("SET", name, _WHEN.pack(self._now_s()), "EX", _PURGED_S)
        return dropped

    def _now_s(self) -> float:
        return self._clock.epoch_s()


def _kept(found: object) -> tuple[float, bytes] | None:
    """Return when an answer was asked for, and its data; None for one before the tenant's answers were dropped, and for whatever else."""
    if not isinstance(found, list) or len(found) != 2 or not isinstance(found[0], bytes) or len(found[0]) < _WHEN.size:
        return None
    (asked_s,) = _WHEN.unpack_from(found[0])
    if isinstance(found[1], bytes) and len(found[1]) == _WHEN.size and (asked_s,) <= _WHEN.unpack(found[1]):
        return None
    return asked_s, found[0][_WHEN.size :]
