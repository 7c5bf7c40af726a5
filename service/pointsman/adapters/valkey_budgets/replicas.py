"""How many replicas there are: each says now and then that it is here."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from importlib.resources import files

from pointsman.adapters.valkey import Script, Valkey
from pointsman.ports import StoreDown

EVERY_S = 1.0
"""A replica that is not known yet when the store is lost would have its share spent by the others."""

GONE_S = 30.0

_MEET = Script(files(__package__).joinpath("meet.lua").read_text())
_KEY = "pointsman:replicas"


class Replicas:
    """Counts those that share a store."""

    def __init__(self, valkey: Valkey, least: int) -> None:
        """`least` is how many there are, whatever is seen of them."""
        self._valkey = valkey
        self._least = least
        self._name = secrets.token_hex(8)
        self._seen = 0

    def count(self) -> int:
        """Return how many there were when the store could last be asked."""
        return max(self._least, self._seen)

    async def meet(self) -> None:
        """Say that this one is here, and see who else is. Where the store is lost, what was seen before stays."""
        try:
            found = await self._valkey.run(_MEET, [_KEY], [self._name, round(GONE_S * 1000)])
        except StoreDown:
            return
        assert isinstance(found, int)
        self._seen = found

    async def run(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Meet again and again until cancelled."""
        while True:
            await self.meet()
            await sleep(EVERY_S)
