"""Budgets that replicas share, and what this one may spend while it cannot ask: its share of what was left, entered afterwards.

    share of a window = (limit - what counted when it was last seen) / replicas, and after the window has rolled limit / replicas

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

from msgspec import Struct, structs

from pointsman.core.budget import Account, Hold, Levels, Meter, Settled, Share, Taken
from pointsman.core.ledger import Entry, Sums
from pointsman.ports import Budgets, Clock, StoreDown

MOST_PENDING = 5_000
"""Settlements that wait for the store. What is beyond counts in full: those holds end unsettled."""

EVERY_S = 0.1
"""A store that was lost is looked for."""

RECONCILED_S = 0.8
"""After the store answers again here, until every other replica has noticed, too: each looks half a second apart at most."""

MOST_SHARES = 16
"""That bind at the same time, while the store comes and goes."""

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


class _Share:
    """A replica's share of what was left at one time."""

    def __init__(self, meters: tuple[Meter, ...], shown: Levels) -> None:
        """`shown` is what the meters showed then."""
        self.account = Account()
        self._shown = dict(zip(meters, shown.levels, strict=True))
        self._shown_ms = shown.now_ms

    def hold(self, hold: Hold, replicas: int, now_ms: int) -> Taken:
        """Take a hold from the share, and return what the meters would show if the others had spent all of theirs."""
        parts = tuple([self._part(share, replicas, now_ms) for share in hold.shares])
        taken = self.account.hold(structs.replace(hold, shares=parts), now_ms)
        return Taken(taken.granted, _as_of_all(hold, parts, taken.levels))

    def _part(self, share: Share, replicas: int, now_ms: int) -> Share:
        if share.limit is None:
            return share
        return structs.replace(share, limit=max(0, share.limit - self._before(share.meter, now_ms)) // replicas)

    def _before(self, meter: Meter, now_ms: int) -> int:
        """Return what counted in a meter when it was seen, and still may."""
        still = meter in self._shown and meter.leaves_ms(self._shown_ms // meter.width_ms) > now_ms
        return self._shown[meter].used if still else 0


class _Alone:
    """What one tenant spends while the store cannot be asked."""

    def __init__(self, meters: tuple[Meter, ...], shown: Levels) -> None:
        """`shown` is what the meters showed last."""
        self.open: dict[str, Hold] = {}
        """Holds that were taken here and are not settled, by id."""
        self.doubtful: set[str] = set()
        """Those among them that the store may have taken, too."""
        self.spent: dict[tuple[str, ...], _Spent] = {}
        """By model, route and meters: there are no more than those."""
        self._shares = [_Share(meters, shown)]
        self.is_told = False
        """Whether it was said that the tenant spends alone."""

    def again(self, meters: tuple[Meter, ...], shown: Levels, now_ms: int) -> None:
        """Note that the store was back for a moment, and is lost again: what was left then binds, beside what was left before."""
        later = _Share(meters, shown)
        for hold in (*self.open.values(), *(spent.hold for spent in self.spent.values())):
            later.account.hold(_unbound(hold), now_ms)  # the store does not know of it yet
        self._shares = [*self._shares[:1], *self._shares[1:][-MOST_SHARES:], later]

    def hold(self, hold: Hold, replicas: int, now_ms: int) -> Taken:
        """Take a hold from every share that binds, or nothing."""
        for at, share in enumerate(self._shares):
            taken = share.hold(hold, replicas, now_ms)
            if not taken.granted:
                for earlier in self._shares[:at]:
                    earlier.account.settle(hold, _nothing(hold), now_ms)
                break
        return taken

    def settle(self, hold: Hold, actual: tuple[int, ...], entry: Entry | None, now_ms: int) -> Settled:
        """Settle a hold that was taken here, and keep it to be entered."""
        del self.open[hold.id]
        self.doubtful.discard(hold.id)
        if entry is not None:
            key = (entry.model, entry.route, *(share.meter.name for share in hold.shares))
            nothing = _Spent(hold=_emptied(hold), entry=structs.replace(entry, sums=Sums()))
            self.spent[key] = self.spent.get(key, nothing).plus(actual, entry)
        return self.count(hold, actual, now_ms)

    def count(self, hold: Hold, actual: tuple[int, ...], now_ms: int) -> Settled:
        """Count what was used instead of what was held."""
        first, *_ = [share.account.settle(hold, actual, now_ms) for share in self._shares]
        return first


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
                alone.count(hold, _nothing(hold), self._now_ms())
        except StoreDown as down:
            self._lose()
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
        except StoreDown:
            self._lose()
            self._pending.append(partial(self._store.settle, tenant, hold, actual, entry))
            raise
        if hold.shares:
            self._shown[tenant] = tuple([share.meter for share in hold.shares]), settled.levels
        return settled

    async def levels(self, tenant: str, meters: tuple[Meter, ...]) -> Levels:
        """As in `ports.Budgets`. It also enters what was spent alone."""
        try:
            await self._catch_up(tenant)
            found = await self._store.levels(tenant, meters)
        except StoreDown:
            self._lose()
            self._alone_now(tenant)  # though it may not spend: others may, and enter it later
            raise
        self._shown[tenant] = meters, found
        return found

    def _release(self, tenant: str, hold: Hold) -> None:
        """Have the store give back a hold that it may have taken, when it can be asked again."""
        self._pending.append(partial(self._store.settle, tenant, hold, _nothing(hold), None))

    def _hold_alone(self, tenant: str, hold: Hold, *, is_doubtful: bool) -> Taken:
        alone = self._alone_now(tenant)
        if not alone.is_told:
            alone.is_told = True
            self._say(f"budget of tenant {tenant} cannot be asked for: each of {self._count()} replicas spends its share of what was left")
        taken = alone.hold(hold, self._count(), self._now_ms())
        if taken.granted:
            alone.open[hold.id] = hold
            alone.doubtful |= {hold.id} if is_doubtful else set()
        elif is_doubtful:
            self._release(tenant, hold)
        return taken

    def _alone_now(self, tenant: str) -> _Alone:
        if tenant not in self._alone:
            self._alone[tenant] = _Alone(*self._shown.get(tenant, ((), Levels(0, ()))))
        return self._alone[tenant]

    def _lose(self) -> None:
        """Note that the store is lost."""
        if self._back_s is not None:
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
                    await _done(self._pending)
                    await self._enter(tenant)
                except StoreDown:
                    self._lose()
                    raise

    async def _enter(self, tenant: str) -> None:
        """Take from the store what was taken here, and have it settled where that was done; then, in time, share again."""
        alone = self._alone.get(tenant)
        while self._owed or (alone is not None and (alone.open or alone.spent)):
            if alone is not None:
                await self._hand_over(tenant, alone)
            await _done(self._owed)
        if alone is None:
            return
        await self._store.levels(tenant, ())
        now_s = self._clock.monotonic()
        self._back_s = now_s if self._back_s is None else self._back_s
        if now_s - self._back_s >= RECONCILED_S and self._alone.pop(tenant, None) is not None and alone.is_told:
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


def _nothing(hold: Hold) -> tuple[int, ...]:
    return (0,) * len(hold.shares)


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
