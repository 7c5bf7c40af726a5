"""How tenants stand, as it was a moment ago: decisions look at it, and cost the store nothing.

It is brought up to date by every hold and settlement of this process, and four times a second for tenants that are being served.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from pointsman.core.budget import Levels, Meter, meters
from pointsman.core.duration import spoken
from pointsman.core.standing import Bound, Filled, Standing, layout, name_of, standing
from pointsman.core.tenants import Tenant, Window
from pointsman.ports import Budgets, Clock, Say, StoreDown

FRESH_S = 0.25

FORGOTTEN_S = 60.0
"""After a tenant's last call. The next one then has to ask."""

_UNKNOWN = Standing(at_ms=0)


class _Seen:
    """What is known of one tenant."""

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant
        self.meters: tuple[Meter, ...] = meters(tenant.windows)
        self.layout = layout(tenant.windows)
        self.standing: Standing | None = None
        self.bound: Bound | None = None
        self.told: dict[str, int] = {}
        """When each window will heal whose exhaustion was said."""
        self.seen_s = self.asked_s = 0.0

    def serves(self, windows: tuple[Window, ...]) -> bool:
        """Whether these are the windows that it was made for."""
        return self.tenant.windows is windows or self.tenant.windows == windows


class Mirror:
    """Knows how tenants stand."""

    def __init__(self, budgets: Budgets, clock: Clock, say: Say, *, is_shared: bool) -> None:
        """`say` is told when a window is exhausted. Where budgets are not shared, asking for them costs less than waiting."""
        self._budgets = budgets
        self._clock = clock
        self._say = say
        self._is_shared = is_shared
        self._seen: dict[str, _Seen] = {}

    async def bound(self, tenant: Tenant, now_ms: int) -> Bound:
        """Return how a tenant stands. Where that cannot be known now, no window is: whoever spends is stopped by the hold."""
        seen = self._of(tenant)
        seen.asked_s = self._clock.monotonic()
        if seen.standing is None or (not self._is_shared and seen.asked_s - seen.seen_s >= FRESH_S):
            await self._refresh(seen)
        standing, bound = seen.standing or _UNKNOWN, seen.bound
        if bound is None or bound.standing is not standing or now_ms >= bound.until_ms:
            seen.bound = bound = standing.bound(now_ms)
        return bound

    def saw(self, tenant: Tenant, levels: Levels) -> Standing:
        """Take down what meters showed, asked for in the order of the tenant's windows, and return how he stands by that."""
        seen = self._of(tenant)
        found = standing(seen.layout, levels)
        if seen.standing is None or found.at_ms >= seen.standing.at_ms:
            seen.standing, seen.seen_s = found, self._clock.monotonic()
        return found

    def told(self, tenant: Tenant, levels: Levels) -> Standing:
        """Do the same after a settlement or a refusal, and say which windows are exhausted: a hold alone may only pass through."""
        found = self.saw(tenant, levels)
        self._tell(self._of(tenant), found)
        return found

    def shares(self, now_ms: int) -> list[tuple[str, str, float]]:
        """Return tenant, window and spent share of every window of the tenants that are being served."""
        return [
            (name, name_of(each.window), each.share_and_pace(now_ms)[0])
            for name, seen in self._seen.items()
            for each in (seen.standing.filled if seen.standing is not None else ())
        ]

    async def run(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Keep what is known up to date until cancelled."""
        while True:
            await sleep(FRESH_S)
            await self.refresh()

    async def refresh(self) -> None:
        """Ask once for every tenant that is being served, and forget the others."""
        now = self._clock.monotonic()
        self._seen = {name: seen for name, seen in self._seen.items() if now - seen.asked_s < FORGOTTEN_S}
        await asyncio.gather(*(self._refresh(seen) for seen in self._seen.values() if now - seen.seen_s >= FRESH_S / 2))

    def _of(self, tenant: Tenant) -> _Seen:
        seen = self._seen.get(tenant.id)
        if seen is None or not seen.serves(tenant.windows):
            before, seen = seen, _Seen(tenant)
            seen.asked_s = self._clock.monotonic()
            seen.told = before.told if before is not None else {}
            self._seen[tenant.id] = seen
        return seen

    async def _refresh(self, seen: _Seen) -> None:
        try:
            self.saw(seen.tenant, await self._budgets.levels(seen.tenant.id, seen.meters))
        except StoreDown:
            return  # it is said by the store, and what was known goes on to be shown

    def _tell(self, seen: _Seen, found: Standing) -> None:
        """Say which windows are exhausted, once until they heal."""
        for each in found.filled:
            if each.is_exhausted(found.at_ms) and seen.told.get(name := name_of(each.window), 0) <= found.at_ms:
                seen.told[name] = each.heals_ms()
                self._say(_exhausted(seen.tenant.id, each, found.at_ms), level="warning")


_WHAT_THEN = {"reject": "calls are refused", "degrade": "only the cheapest tier goes on", "warn": "calls go on"}


def _exhausted(tenant: str, filled: Filled, now_ms: int) -> str:
    then, seconds = _WHAT_THEN[filled.window.on_exhausted], (filled.heals_ms() - now_ms) / 1000
    return f"budget of tenant {tenant} is exhausted, {filled.told(now_ms)}; {then}; something is free again in {spoken(seconds)}"
