"""Names of what is kept for all replicas: none of them says to whoever reads the store what was asked.

They are HMACs under a secret that the first replica makes and the others find in the store, so that nothing needs to be configured.
"""

from __future__ import annotations

import hmac
import secrets

from pointsman.adapters.valkey import Valkey
from pointsman.core.cachekey import CacheKey
from pointsman.ports import StoreDown

SECRET = "pointsman:secret"  # noqa: S105  # where it is kept


class Names:
    """Makes names. Raises StoreDown until the secret has been read once."""

    def __init__(self, valkey: Valkey) -> None:
        self._valkey = valkey
        self._secret = b""

    async def of(self, key: CacheKey) -> str:
        """Return the name of an answer, without a prefix for its kind."""
        return self._digest(await self._known(), key.digest)

    async def of_tenant(self, tenant: str) -> str:
        """Return the name of a tenant."""
        return self._digest(await self._known(), b"tenant\0" + tenant.encode())

    async def settle(self) -> None:
        """Agree on the secret with the other replicas: a store that was started again has forgotten it, and each would make its own."""
        ours = self._secret or secrets.token_bytes(32)
        _, found = await self._valkey.pipeline([("SET", SECRET, ours, "NX"), ("GET", SECRET)])
        if not isinstance(found, bytes):
            raise StoreDown("the secret of the store cannot be read")
        self._secret = found

    async def _known(self) -> bytes:
        if not self._secret:
            await self.settle()
        return self._secret

    @staticmethod
    def _digest(secret: bytes, what: bytes) -> str:
        return hmac.digest(secret, what, "sha256").hex()
