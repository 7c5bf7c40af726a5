"""Budgets that replicas share, and what this one may spend while it cannot ask: its share of what was left, entered afterwards.

So all replicas together spend no more than was left, but for what the others had spent since they were last heard of, a quarter of a second
at most. The share also binds for a moment after the store is back, until every replica has entered what it spent. A tenant whose policy is
`closed` spends nothing meanwhile. What was held or settled in doubt is settled again: each is done once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

from pointsman.core.budget import Hold, Levels, Meter, Settled, Taken
from pointsman.core.ledger import Entry
from pointsman.core.portion import Alone, nothing, unbound
from pointsman.ports import Budgets, Clock, Say, StoreDown

MOST_PENDING = 5_000
"""Settlements that wait for the store. What is beyond counts in full: those holds end unsettled."""

EVERY_S = 0.1
"""A store that was lost is looked for."""

RECONCILED_S = 0.8
"""After the store answers again here, until every other replica has noticed, too: each looks half a second apart at most."""

Step = tuple[str, Callable[[], Awaitable[object]]]
"""Whose it is, and how it is done."""


class SharedBudgets:
    """The budgets of a store, with a share of them for the time when it is lost."""

    def __init__(self, store: Budgets, clock: Clock, say: Say, *, replicas: Callable[[], int]) -> None:
        """`replicas` returns how many share the store. `say` is told when a tenant begins to spend alone, and when no longer."""
        self._store = store
        self._clock = clock
        self._say = say
        self._replicas = replicas
        self._shown: dict[str, tuple[tuple[Meter, ...], Levels]] = {}
        self._alone: dict[str, Alone] = {}
        self._pending: deque[Step] = deque(maxlen=MOST_PENDING)
        self._owed: deque[Step] = deque()
        self._dropped: set[str] = set()
        """Tenants of whom it was said that the store refuses what they used."""
        self._catching_up = asyncio.Lock()
        self._back_s: float | None = None
        """Since when the store answers again; None while it is lost."""

    def alone(self) -> tuple[str, ...]:
        """Return the tenants that spend their share at present."""
        return tuple(tenant for tenant, alone in self._alone.items() if alone.is_told)

    async def hold(self, tenant: str, hold: Hold) -> Taken:
        """As in `ports.Budgets`; where the store is lost from the share, unless the hold says that this is not to be."""
        try:
            await self._catch_up(tenant)
            alone = self._alone.get(tenant)
            part = alone.hold(hold, self._count(), self._now_ms()) if alone is not None else None
            if part is not None and not part.granted:
                return part
            taken = await self._store.hold(tenant, hold)
            if alone is not None and not taken.granted:
                alone.count(hold, nothing(hold), self._now_ms())
        except StoreDown as down:
            self._lose(down)
            if hold.is_closed:
                if down.was_asked:
                    self._release(tenant, hold)
                raise
            return self._hold_alone(tenant, hold, is_doubtful=down.was_asked)
        self._shown[tenant] = tuple([share.meter for share in hold.shares]), taken.levels
        return taken

    async def settle(self, tenant: str, hold: Hold, actual: tuple[int, ...], entry: Entry | None) -> Settled:
        """As in `ports.Budgets`; where the store is lost it is done later."""
        alone = self._alone.get(tenant)
        if alone is not None and hold.id in alone.open:
            if hold.id in alone.doubtful:
                self._release(tenant, hold)
            return alone.settle(hold, actual, entry, self._now_ms())
        if alone is not None:
            alone.count(hold, actual, self._now_ms())  # it may have been taken here, and handed over
        try:
            settled = await self._store.settle(tenant, hold, actual, entry)
        except StoreDown as down:
            self._lose(down)
            if down.was_refused:
                self._drop(tenant, down)
            else:
                self._pending.append((tenant, partial(self._store.settle, tenant, hold, actual, entry)))
            raise
        if hold.shares:
            self._shown[tenant] = tuple([share.meter for share in hold.shares]), settled.levels
        return settled

    async def levels(self, tenant: str, meters: tuple[Meter, ...]) -> Levels:
        """As in `ports.Budgets`. It also enters what was spent alone."""
        try:
            await self._catch_up(tenant)
            found = await self._store.levels(tenant, meters)
        except StoreDown as down:
            self._lose(down)
            self._alone_now(tenant)  # though it may not spend: others may, and enter it later
            raise
        self._shown[tenant] = meters, found
        return found

    def _release(self, tenant: str, hold: Hold) -> None:
        """Have the store give back a hold that it may have taken, when it can be asked again."""
        self._pending.append((tenant, partial(self._store.settle, tenant, hold, nothing(hold), None)))

    def _hold_alone(self, tenant: str, hold: Hold, *, is_doubtful: bool) -> Taken:
        alone = self._alone_now(tenant)
        if not alone.is_told:
            alone.is_told = True
            self._say(
                f"budget of tenant {tenant} cannot be asked for: each of {self._count()} replicas spends its share of what was left",
                level="warning",
            )
        taken = alone.hold(hold, self._count(), self._now_ms())
        if taken.granted:
            alone.open[hold.id] = hold
            alone.doubtful |= {hold.id} if is_doubtful else set()
        elif is_doubtful:
            self._release(tenant, hold)
        return taken

    def _alone_now(self, tenant: str) -> Alone:
        if tenant not in self._alone:
            self._alone[tenant] = Alone(*self._shown.get(tenant, ((), Levels(0, ()))))
        return self._alone[tenant]

    def _lose(self, down: StoreDown) -> None:
        """Note that the store is lost, unless it is only one thing that it refuses."""
        if self._back_s is not None and not down.was_refused:
            self._back_s = None
            for tenant, alone in self._alone.items():
                if tenant in self._shown:
                    alone.again(*self._shown[tenant], self._now_ms())

    async def run(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Catch up with the store when it is back, until cancelled."""
        while True:
            await sleep(EVERY_S)
            for tenant in tuple(self._alone) or ("",):
                with suppress(StoreDown):
                    await self._catch_up(tenant)

    async def _catch_up(self, tenant: str) -> None:
        """Enter what was done without the store. Raises StoreDown where it is still lost; what is left is done the next time."""
        if self._pending or self._owed or tenant in self._alone:
            async with self._catching_up:  # one after the other, as each step is to be done once
                try:
                    await self._do(self._pending)
                    await self._enter(tenant)
                except StoreDown as down:
                    self._lose(down)
                    raise

    async def _do(self, steps: deque[Step]) -> None:
        """Do steps one after the other. Each may have been tried before: it is done once, however often that is.

        One that the store refuses would be in the way of all behind it for ever, and is dropped.
        """
        while steps:
            tenant, do = step = steps[0]
            try:
                await do()
            except StoreDown as down:
                if not down.was_refused:
                    raise
                self._drop(tenant, down)
            if steps and steps[0] is step:
                steps.popleft()

    def _drop(self, tenant: str, refused: StoreDown) -> None:
        if tenant not in self._dropped:
            self._dropped.add(tenant)
            self._say(
                f"what tenant {tenant} used is not entered, nor tried again: {refused}; see what is kept under pointsman:{{{tenant}}}",
                level="warning",
            )

    async def _enter(self, tenant: str) -> None:
        """Take from the store what was taken here, and have it settled where that was done; then, in time, share again."""
        alone = self._alone.get(tenant)
        while self._owed or (alone is not None and (alone.open or alone.spent)):
            if alone is not None:
                await self._hand_over(tenant, alone)
            await self._do(self._owed)
        if alone is None:
            return
        await self._store.levels(tenant, ())
        now_s = self._clock.monotonic()
        self._back_s = now_s if self._back_s is None else self._back_s
        if now_s - self._back_s >= RECONCILED_S and self._alone.pop(tenant, None) is not None and alone.is_told:
            self._say(f"budget of tenant {tenant} is shared again, and what was spent meanwhile is entered")

    async def _hand_over(self, tenant: str, alone: Alone) -> None:
        for hold in list(alone.open.values()):
            await self._store.hold(tenant, unbound(hold))  # once, if it has it already
            if alone.open.pop(hold.id, None) is None:  # it was settled here meanwhile
                self._release(tenant, hold)
        for key, spent in list(alone.spent.items()):
            del alone.spent[key]
            self._owed.append((tenant, partial(self._store.hold, tenant, spent.hold)))
            self._owed.append((tenant, partial(self._store.settle, tenant, spent.hold, spent.actual, spent.entry)))

    def _count(self) -> int:
        return max(1, self._replicas())

    def _now_ms(self) -> int:
        return int(self._clock.epoch_s() * 1000)
