"""Whose turn it is to ask a model, agreed by leases in a Valkey: a replica that dies loses its own within LEASE_MS."""

from __future__ import annotations

import asyncio
import secrets

from pointsman.adapters.cache.names import Names
from pointsman.adapters.valkey import Script, Valkey
from pointsman.core.cachekey import CacheKey
from pointsman.ports import StoreDown

LEASE_MS = 3_000
RENEWED_EACH_S = 1.0

_RENEW = Script("if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) else return 0 end")
_GIVE_BACK = Script("if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) else return 0 end")
"""Only by its holder: a lease that ran out may be another's by now."""


class SharedTurns:
    """Holds leases, and renews them while it does. There are no more than calls under way."""

    def __init__(self, valkey: Valkey, names: Names) -> None:
        self._valkey = valkey
        self._names = names
        self._holder = secrets.token_hex(16)
        self._held: dict[bytes, str] = {}
        self._renewing: asyncio.Task[None] | None = None

    async def take(self, key: CacheKey) -> bool:
        """Return whether it is this process's turn, or nobody can say. Where it has it already it need not wait for itself."""
        if key.digest in self._held:
            return True
        try:
            name = f"pointsman:turn:{await self._names.of(key)}"
            taken = await self._valkey.call("SET", name, self._holder, "NX", "PX", LEASE_MS)
        except StoreDown:
            return True
        if taken is not None:
            self._held[key.digest] = name
            if self._renewing is None:
                self._renewing = asyncio.create_task(self._renew(), name="turns")
        return taken is not None

    async def give_back(self, key: CacheKey) -> None:
        """End this process's turn, if it has it."""
        name = self._held.pop(key.digest, None)
        if name is None:
            return
        try:
            await self._valkey.run(_GIVE_BACK, [name], [self._holder])
        except StoreDown:
            return  # it ends by itself

    async def close(self) -> None:
        """End the renewing."""
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.wait((self._renewing,))

    async def _renew(self) -> None:
        while self._held:
            await asyncio.sleep(RENEWED_EACH_S)
            for name in list(self._held.values()):
                try:
                    await self._valkey.run(_RENEW, [name], [self._holder, LEASE_MS])
                except StoreDown:
                    break
        self._renewing = None
