"""Budgets that replicas share, and what this one may spend while it cannot ask: its share of what was left, entered afterwards.

    share of a window = (limit - what counted when it was last seen) / replicas, and after the window has rolled limit / replicas

So all replicas together spend no more than was left, but for what the others had spent since they were last heard of, a quarter of a second
at most. A tenant whose policy is `closed` spends nothing meanwhile. What was held or settled in doubt is settled again: each is done once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial

from msgspec import Struct, structs

from pointsman.core.budget import Account, Hold, Levels, Meter, Settled, Share, Taken
from pointsman.core.ledger import Entry, Sums
from pointsman.ports import Budgets, Clock, StoreDown

MOST_PENDING = 5_000
"""Settlements that wait for the store. What is beyond counts in full: those holds end unsettled."""

Step = Callable[[], Awaitable[object]]


class _Spent(Struct, frozen=True, kw_only=True):
    """What was settled here: a hold that is to be taken from the store, whatever its limits, and then settled with all of it."""

    hold: Hold
    entry: Entry

    @property
    def actual(self) -> tuple[int, ...]:
        return tuple([share.amount for share in self.hold.shares])

    def plus(self, actual: tuple[int, ...], entry: Entry) -> _Spent:
        """Return it with more of the same model, route and meters."""
        shares = [structs.replace(share, amount=share.amount + more) for share, more in zip(self.hold.shares, actual, strict=True)]
        entered = structs.replace(entry, sums=self.entry.sums.plus(entry.sums))
        return _Spent(hold=structs.replace(self.hold, shares=tuple(shares)), entry=entered)


class _Alone:
    """What one tenant spends while the store cannot be asked."""

    def __init__(self, meters: tuple[Meter, ...], shown: Levels) -> None:
        """`shown` is what the meters showed last."""
        self.account = Account()
        self.open: dict[str, Hold] = {}
        """Holds that were taken here and are not settled, by id."""
        self.doubtful: set[str] = set()
        """Those among them that the store may have taken, too."""
        self.spent: dict[tuple[str, ...], _Spent] = {}
        """By model, route and meters: there are no more than those."""
        self._shown = dict(zip(meters, shown.levels, strict=True))
        self._shown_ms = shown.now_ms

    def before(self, meter: Meter, now_ms: int) -> int:
        """Return what counted in a meter when it was last seen, and still may."""
        still = meter in self._shown and meter.leaves_ms(self._shown_ms // meter.width_ms) > now_ms
        return self._shown[meter].used if still else 0

    def settle(self, hold: Hold, actual: tuple[int, ...], entry: Entry | None, now_ms: int) -> Settled:
        """Settle a hold that was taken here."""
        del self.open[hold.id]
        self.doubtful.discard(hold.id)
        if entry is not None:
            key = (entry.model, entry.route, *(share.meter.name for share in hold.shares))
            nothing = _Spent(hold=_emptied(hold), entry=structs.replace(entry, sums=Sums()))
            self.spent[key] = self.spent.get(key, nothing).plus(actual, entry)
        return self.account.settle(hold, actual, now_ms)


def _emptied(hold: Hold) -> Hold:
    """Return a hold of nothing, and of another id, that no limit refuses."""
    shares = tuple([structs.replace(share, amount=0, limit=None) for share in hold.shares])
    return structs.replace(hold, id=f"{hold.id}+", shares=shares)


class SharedBudgets:
    """The budgets of a store, with a share of them for the time when it is lost."""

    def __init__(self, store: Budgets, clock: Clock, say: Callable[[str], None], *, replicas: Callable[[], int]) -> None:
        """`replicas` returns how many share the store. `say` is told when a tenant begins to spend alone, and when no longer."""
        self._store = store
        self._clock = clock
        self._say = say
        self._replicas = replicas
        self._shown: dict[str, tuple[tuple[Meter, ...], Levels]] = {}
        self._alone: dict[str, _Alone] = {}
        self._pending: deque[Step] = deque(maxlen=MOST_PENDING)
        self._owed: deque[Step] = deque()
        self._catching_up = asyncio.Lock()

    def alone(self) -> tuple[str, ...]:
        """Return the tenants that spend their share at present."""
        return tuple(self._alone)

    async def hold(self, tenant: str, hold: Hold) -> Taken:
        """As in `ports.Budgets`; where the store is lost from the share, unless the hold says that this is not to be."""
        try:
            await self._catch_up(tenant)
            taken = await self._store.hold(tenant, hold)
        except StoreDown as down:
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
        try:
            settled = await self._store.settle(tenant, hold, actual, entry)
        except StoreDown:
            self._pending.append(partial(self._store.settle, tenant, hold, actual, entry))
            raise
        if hold.shares:
            self._shown[tenant] = tuple([share.meter for share in hold.shares]), settled.levels
        return settled

    async def levels(self, tenant: str, meters: tuple[Meter, ...]) -> Levels:
        """As in `ports.Budgets`. It also enters what was spent alone."""
        await self._catch_up(tenant)
        found = await self._store.levels(tenant, meters)
        self._shown[tenant] = meters, found
        return found

    def _release(self, tenant: str, hold: Hold) -> None:
        """Have the store give back a hold that it may have taken, when it can be asked again."""
        self._pending.append(partial(self._store.settle, tenant, hold, (0,) * len(hold.shares), None))

    def _hold_alone(self, tenant: str, hold: Hold, *, is_doubtful: bool) -> Taken:
        alone, now_ms = self._alone.get(tenant), self._now_ms()
        if alone is None:
            alone = self._alone[tenant] = _Alone(*self._shown.get(tenant, ((), Levels(0, ()))))
            self._say(f"budget of tenant {tenant} cannot be asked for: each of {self._count()} replicas spends its share of what was left")
        parts = tuple([self._part(share, alone.before(share.meter, now_ms)) for share in hold.shares])
        taken = alone.account.hold(structs.replace(hold, shares=parts), now_ms)
        if taken.granted:
            alone.open[hold.id] = hold
            alone.doubtful |= {hold.id} if is_doubtful else set()
        elif is_doubtful:
            self._release(tenant, hold)
        return Taken(taken.granted, _as_of_all(hold, parts, taken.levels))

    def _part(self, share: Share, before: int) -> Share:
        """Return a share of a hold with its limit lowered to what this replica may spend alone."""
        return share if share.limit is None else structs.replace(share, limit=max(0, share.limit - before) // self._count())

    async def _catch_up(self, tenant: str) -> None:
        """Enter what was done without the store. Raises StoreDown where it is still lost; what is left is done the next time."""
        if self._pending or self._owed or tenant in self._alone:
            async with self._catching_up:  # one after the other, as each step is to be done once
                await _done(self._pending)
                await self._enter(tenant)

    async def _enter(self, tenant: str) -> None:
        """Take from the store what was taken here, and have it settled where that was done."""
        alone = self._alone.get(tenant)
        while self._owed or (alone is not None and (alone.open or alone.spent)):
            if alone is not None:
                await self._hand_over(tenant, alone)
            await _done(self._owed)
        if self._alone.pop(tenant, None) is not None:
            self._say(f"budget of tenant {tenant} is shared again, and what was spent meanwhile is entered")

    async def _hand_over(self, tenant: str, alone: _Alone) -> None:
        for hold in list(alone.open.values()):
            await self._store.hold(tenant, _unbound(hold))  # once, if it has it already
            if alone.open.pop(hold.id, None) is None:  # it was settled here meanwhile
                self._release(tenant, hold)
        for key, spent in list(alone.spent.items()):
            del alone.spent[key]
            self._owed.append(partial(self._store.hold, tenant, spent.hold))
            self._owed.append(partial(self._store.settle, tenant, spent.hold, spent.actual, spent.entry))

    def _count(self) -> int:
        return max(1, self._replicas())

    def _now_ms(self) -> int:
        return int(self._clock.now().timestamp() * 1000)


async def _done(steps: deque[Step]) -> None:
    """Do steps one after the other. Each may have been tried before: a hold is taken once and settled once, however often that is tried."""
    while steps:
        step = steps[0]
        await step()
        if steps and steps[0] is step:
            steps.popleft()


def _unbound(hold: Hold) -> Hold:
    """Return a hold that no limit refuses: it has been granted."""
    return structs.replace(hold, shares=tuple([structs.replace(share, limit=None) for share in hold.shares]))


def _as_of_all(hold: Hold, parts: tuple[Share, ...], levels: Levels) -> Levels:
    """Return what meters would show if all that others may spend were spent."""
    shown = [
        structs.replace(
            level, used=level.used if share.limit is None or part.limit is None else share.limit - max(0, part.limit - level.used)
        )
        for share, part, level in zip(hold.shares, parts, levels.levels, strict=True)
    ]
    return Levels(levels.now_ms, tuple(shown))
