"""One supervisor for each embedded provider that the rules in use name: started when they first name it, ended when they no longer do.

Ended late, because calls that began with the rules before may still want it; and if rules name it again by then, it never went.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Self

from pointsman.adapters.embedded.supervisor import Supervisor
from pointsman.core.catalog import Catalog, Provider


class Fleet:
    """Holds the supervisors. It needs a running event loop, and is to be closed there."""

    def __init__(
        self, launch: Callable[[Provider], Supervisor], *, linger_s: float, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        """`launch` returns a supervisor that is not yet started; one that is no longer wanted is ended `linger_s` later."""
        self._launch, self._linger_s, self._sleep = launch, linger_s, sleep
        self._supervisors: dict[Provider, Supervisor] = {}
        self._leaving: dict[Provider, asyncio.Task[None]] = {}
        self._closing: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def follow(self, catalog: Catalog) -> None:
        """Start what the catalog names and is not there yet; what is there and not named goes after a while."""
        named = {provider for provider in catalog.providers.values() if provider.api == "embedded"}
        for provider in named & self._leaving.keys():
            self._leaving.pop(provider).cancel()
        for provider in named - self._supervisors.keys():
            self._supervisors[provider] = self._launch(provider)
            self._supervisors[provider].start()
        for provider in self._supervisors.keys() - named - self._leaving.keys():
            self._leaving[provider] = asyncio.create_task(self._end_later(provider), name=f"end of {provider.id}")

    def of(self, provider: Provider) -> Supervisor | None:
        """Return the supervisor of a provider, None if no rules name it any more."""
        return self._supervisors.get(provider)

    def is_ready(self, provider: Provider) -> bool:
        """Return whether the provider's model can be called."""
        supervisor = self.of(provider)
        return supervisor is not None and supervisor.address is not None

    async def settled(self) -> None:
        """Wait until the first start of each has come to something."""
        for supervisor in list(self._supervisors.values()):
            await supervisor.settled()

    async def close(self) -> None:
        """End all of them, and those that are about to end."""
        for leaving in self._leaving.values():
            leaving.cancel()
        self._leaving.clear()
        for provider in list(self._supervisors):
            self._end(provider)
        if self._closing:
            await asyncio.wait(self._closing)

    async def _end_later(self, provider: Provider) -> None:
        await self._sleep(self._linger_s)
        del self._leaving[provider]
        self._end(provider)

    def _end(self, provider: Provider) -> None:
        """Begin to end a supervisor, in a task of its own: once begun, nothing that is named again may stop it halfway."""
        closing = asyncio.create_task(self._supervisors.pop(provider).close())
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
