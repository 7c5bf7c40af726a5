"""What calls of models spend: held before each attempt, settled after it, entered into the ledger.

Rules that it keeps: no attempt begins before its tenant's windows have room for the most that it may use; each hold is settled once,
whatever becomes of the attempt; settling keeps nobody waiting, and nobody who stops waiting can keep it from being done.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from itertools import count

from msgspec import structs

from pointsman.core.budget import Hold, Levels
from pointsman.core.catalog import Catalog
from pointsman.core.claim import NOTHING, Claim, actual, bounds
from pointsman.core.completion import Usage
from pointsman.core.decision import Candidate, Decision
from pointsman.core.facts import BudgetFacts
from pointsman.core.ledger import Entry, Sums, entry
from pointsman.core.market import Market
from pointsman.core.standing import Standing
from pointsman.core.tenants import Tenant
from pointsman.mirror import Mirror
from pointsman.ports import Budgets, Clock, Say, StoreDown, Usages
from pointsman.purse import Held, Purse, Refused
from pointsman.telemetry import Happening, HoldAsked

GRACE_S = 30.0
"""How much longer than its call a hold lasts. After that, whoever took it has gone, and it counts as spent."""

ENTERED_EACH_S = 0.1
"""What was used without a hold: a task for each such call cost as much as a fifth of an answer from the cache."""

TRIES = 3
"""Of a hold, each with the output that the windows still have room for; others may be faster each time."""

_CLOSED = (
    "the store of the tenant's budget cannot be asked, and store_lost: closed says that nothing is spent meanwhile; try again in a moment"
)


class Spending:
    """Counts what tenants spend."""

    def __init__(
        self,
        budgets: Budgets,
        usages: Usages,
        mirror: Mirror,
        clock: Clock,
        say: Say,
        *,
        alone: Callable[[], tuple[str, ...]] = tuple,
    ) -> None:
        """`say` is told of usage beyond what was held, which should not happen; `alone` returns tenants that spend only a share now."""
        self.budgets = budgets
        self.usages = usages
        self.mirror = mirror
        self.say = say
        self.alone = alone
        self._clock = clock
        self._process = secrets.token_hex(8)
        self._numbers = count()
        self._settling: set[asyncio.Task[None]] = set()
        self._entries: dict[tuple[str, str, str], Sums] = {}
        self._recalled = Counter[tuple[str, str, str, int]]()
        self._is_wanted = asyncio.Event()

    async def bound(self, tenant: Tenant, market: Market) -> tuple[Standing, Market, BudgetFacts]:
        """Return how a tenant with windows stands, a market that is bound by what is left, and the facts of that."""
        bound = await self.mirror.bound(tenant, self.now_ms())
        return bound.standing, bound.market(market), bound.facts

    def purse(self, tenant: Tenant, decision: Decision, catalog: Catalog, hear: Callable[[Happening], None] = lambda _: None) -> Purse:
        """Return what pays for the attempts at a decision; `hear` is told of what is asked of the tenant's windows."""
        return _Purse(self, tenant, decision, catalog, hear)

    def shares(self) -> list[tuple[str, str, float]]:
        """Return tenant, window and spent share of every window of the tenants that are being served."""
        return self.mirror.shares(self.now_ms())

    def monotonic(self) -> float:
        """Return the seconds of the monotonic clock."""
        return self._clock.monotonic()

    def now_ms(self) -> int:
        """Return the time in ms of UTC."""
        return int(self._clock.epoch_s() * 1000)

    def new_id(self) -> str:
        """Return an id that no other process gives."""
        return f"{self._process}{next(self._numbers):x}"

    def in_background(self, settling: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Have something settled while others go on, and return what can be waited for."""
        task = asyncio.create_task(settling)
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)
        return task

    def enter(self, tenant: str, entered: Entry) -> None:
        """Have what was used without a hold entered into the ledger, soon and together with what is like it."""
        self._enter_soon()
        self._add(tenant, entered)

    def recalled(self, tenant: str, model: str, route: str, baseline_cost: int) -> None:
        """Have an answer entered for which no model was called, likewise."""
        if not self._recalled:
            self._enter_soon()
        self._recalled[tenant, model, route, baseline_cost] += 1

    def _add(self, tenant: str, entered: Entry) -> None:
        key = (tenant, entered.model, entered.route)
        known = self._entries.get(key)
        self._entries[key] = entered.sums if known is None else known.plus(entered.sums)

    def _enter_soon(self) -> None:
        if not (self._entries or self._recalled):
            self._entering = self.in_background(self._enter())

    async def _enter(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(ENTERED_EACH_S):
                await self._is_wanted.wait()
        for (tenant, model, route, baseline_cost), times in self._recalled.items():
            sums = Sums(requests=times, cache_hits=times, baseline_cost=times * baseline_cost)
            self._add(tenant, Entry(model=model, route=route, sums=sums))
        self._recalled.clear()
        entries, self._entries = self._entries, {}
        self._is_wanted.clear()
        for (tenant, model, route), sums in entries.items():
            with suppress(StoreDown):  # whoever knows the store enters it later
                await self.budgets.settle(tenant, self._no_hold(), (), Entry(model=model, route=route, sums=sums))

    def _no_hold(self) -> Hold:
        return structs.replace(_NO_HOLD, id=self.new_id())  # whoever does not hear that it was entered says so again

    async def settled(self) -> None:
        """Wait until all that was to be settled and entered is."""
        if self._entries or self._recalled:
            self._is_wanted.set()
        while self._settling:
            await asyncio.wait(self._settling)


_NO_HOLD = Hold(id="", shares=(), lasts_ms=0, entry=Entry(model="", route="", sums=Sums()))
"""For tenants without windows: what they use is entered, and that is all."""


class _Purse:
    def __init__(self, spending: Spending, tenant: Tenant, decision: Decision, catalog: Catalog, hear: Callable[[Happening], None]) -> None:
        self.spending = spending
        self.tenant = tenant
        self.route = decision.rule.id
        self.chosen = decision.chosen
        self._catalog = catalog
        self._hear = hear
        self._settling: set[asyncio.Task[None]] = set()

    async def hold(self, candidate: Candidate, output_cap: int, lasts_s: float) -> Held | Refused:
        """As in `Purse`."""
        if not self.tenant.windows:
            return _Held(self, candidate, output_cap, _NO_HOLD)
        began_s = self.spending.monotonic()
        held = await self._held(candidate, output_cap, lasts_s)
        usage = self._claim(candidate, held.output_cap if isinstance(held, _Held) else output_cap).usage
        self._hear(
            HoldAsked(
                model=candidate.model,
                began_s=began_s,
                ended_s=self.spending.monotonic(),
                tokens=usage.input_tokens + usage.output_tokens,
                cost=usage.cost,
                refused=held.told if isinstance(held, Refused) else "",
            )
        )
        return held

    async def _held(self, candidate: Candidate, output_cap: int, lasts_s: float) -> _Held | Refused:
        if self._settling:
            await asyncio.wait(self._settling)  # what an attempt that failed gives back, the next one may need
        claim, lasts_ms = self._claim(candidate, output_cap), round((lasts_s + GRACE_S) * 1000)
        least = max(1, min(candidate.tokens.output, output_cap))
        for _ in range(TRIES):
            hold = self._hold(claim, candidate, lasts_ms)
            try:
                taken = await self.spending.budgets.hold(self.tenant.id, hold)
            except StoreDown:
                self._release(hold)  # it may have been taken all the same
                return Refused(told=_CLOSED, is_unknown=True)
            except asyncio.CancelledError:
                self._release(hold)  # the caller has gone while the store was asked
                raise
            self.spending.mirror.saw(self.tenant, taken.levels)
            if taken.granted:
                return _Held(self, candidate, claim.output_cap, hold)
            if (cap := claim.affordable(taken.levels)) < least:
                return self._refused(structs.replace(claim, output_cap=least), taken.levels)
            claim = structs.replace(claim, output_cap=cap)
        return self._refused(claim, taken.levels)

    def _claim(self, candidate: Candidate, output_cap: int) -> Claim:
        model = self._catalog.models[candidate.model]
        found = bounds(self.tenant.windows, model.tier, is_cheapest=model.tier == self._catalog.tiers[0])
        return Claim(bounds=found, price=model.price, input_bound=candidate.tokens.input_upper_bound, output_cap=output_cap)

    def _hold(self, claim: Claim, candidate: Candidate, lasts_ms: int) -> Hold:
        lapsed = entry(candidate.model, self.route, claim.usage, answered=False, fallback=False)
        hold = claim.hold(self.spending.new_id(), lasts_ms, lapsed)
        return structs.replace(hold, is_closed=True) if self.tenant.is_closed else hold

    def _refused(self, claim: Claim, levels: Levels) -> Refused:
        standing = self.spending.mirror.told(self.tenant, levels)
        return Refused(told="; ".join(each.told(standing.at_ms) for each in standing.filled), heals_in_s=claim.heals_in_s(levels))

    def _release(self, hold: Hold) -> None:
        self.settle(hold, NOTHING, None)

    def settle(self, hold: Hold, usage: Usage, entered: Entry | None) -> None:
        """Put what was used in the place of a hold, in the background."""
        if hold.shares or entered is None:
            self.in_background(self._settle(hold, usage, entered))
        else:
            self.spending.enter(self.tenant.id, entered)

    def in_background(self, settling: Coroutine[None, None, None]) -> None:
        """Have something settled that the next hold waits for."""
        task = self.spending.in_background(settling)
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)

    async def _settle(self, hold: Hold, usage: Usage, entered: Entry | None) -> None:
        try:
            settled = await self.spending.budgets.settle(self.tenant.id, hold, actual(hold, usage), entered)
        except StoreDown:
            return  # it counts as it was held, until the store has heard of it
        if hold.shares:
            self.spending.mirror.told(self.tenant, settled.levels)
        if settled.beyond:
            self.spending.say(
                f"tenant {self.tenant.id} used more than was held: {usage.input_tokens} + {usage.output_tokens} tokens", level="warning"
            )


class _Held:
    def __init__(self, purse: _Purse, candidate: Candidate, output_cap: int, hold: Hold) -> None:
        self.output_cap = output_cap
        self._purse = purse
        self._candidate = candidate
        self._hold: Hold | None = hold

    def settle(self, usage: Usage | None, *, answered: bool = False) -> None:
        """As in `Held`."""
        hold, self._hold = self._hold, None
        if hold is None or (usage is None and not hold.shares):
            return
        purse, candidate = self._purse, self._candidate
        is_fallback = candidate.model != purse.chosen.model
        entered = None if usage is None else entry(candidate.model, purse.route, usage, answered=answered, fallback=is_fallback)
        purse.settle(hold, usage or NOTHING, entered)

    def settle_later(self, count: Callable[[], Awaitable[Usage]]) -> None:
        """As in `Held`."""
        self._purse.in_background(self._counted(count))

    async def _counted(self, count: Callable[[], Awaitable[Usage]]) -> None:
        self.settle(await count())
