"""What a replica may spend while the store is lost, and that all of it is entered afterwards."""

from __future__ import annotations

import asyncio
import os
import random
from contextlib import suppress

import pytest

from budgeting import MONEY, hold_of, window
from fakes import FakeClock, Said
from pointsman.adapters.clock import SystemClock
from pointsman.adapters.memory_budgets import MemoryBudgets
from pointsman.adapters.valkey import Valkey
from pointsman.adapters.valkey_budgets import ValkeyBudgets
from pointsman.adapters.valkey_budgets.replicas import Replicas
from pointsman.alone import EVERY_S, RECONCILED_S, SharedBudgets
from pointsman.core.budget import Hold, Levels, Meter, Settled, Taken, meters
from pointsman.core.ledger import HOUR_MS, Entry, Sums
from pointsman.core.tenants import Window
from pointsman.ports import StoreDown, unheard
from valkeys import ValkeyServer

SOAK = bool(os.environ.get("POINTSMAN_TEST_SOAK"))
DAY = window(86_400)


class Store:
    """A store in memory that can be lost: it answers nothing then, whether it was asked or did what it was asked first."""

    def __init__(self, clock: FakeClock) -> None:
        self.kept = MemoryBudgets(clock)
        self.is_lost = self.does_it_first = False
        self.refuses = ""
        """A tenant of whom it keeps something that it cannot use."""

    async def hold(self, tenant: str, hold: Hold) -> Taken:
        if self.is_lost and not self.does_it_first:
            raise StoreDown("lost", was_asked=False)
        taken = await self.kept.hold(tenant, hold)
        self._answer()
        return taken

    async def settle(self, tenant: str, hold: Hold, actual: tuple[int, ...], entry: Entry | None) -> Settled:
        if self.is_lost and not self.does_it_first:
            raise StoreDown("lost", was_asked=False)
        if tenant == self.refuses:
            raise StoreDown("it refused a command", was_refused=True)
        settled = await self.kept.settle(tenant, hold, actual, entry)
        self._answer()
        return settled

    async def levels(self, tenant: str, asked: tuple[Meter, ...]) -> Levels:
        self._answer()
        return await self.kept.levels(tenant, asked)

    def _answer(self) -> None:
        if self.is_lost:
            raise StoreDown("no reply in time")

    async def used(self, *windows: Window) -> list[int]:
        return [level.used for level in (await self.kept.levels("t", meters(windows))).levels]


class House:
    """Replicas over one store."""

    def __init__(self, replicas: int = 2) -> None:
        self.clock, self.said = FakeClock(), Said()
        self.store = Store(self.clock)
        self.replicas = [SharedBudgets(self.store, self.clock, self.said, replicas=lambda: replicas) for _ in range(replicas)]

    async def spend(self, replica: int, name: str, tokens: int, *windows: Window) -> bool:
        """Hold and settle, and return whether it was granted."""
        hold = hold_of(name, tokens, windows or (DAY,))
        granted = (await self.replicas[replica].hold("t", hold)).granted
        if granted:
            await self.replicas[replica].settle("t", hold, tuple(share.amount for share in hold.shares), hold.entry)
        return granted

    async def look(self) -> None:
        """Have every replica look at the store, as it does four times a second."""
        for replica in self.replicas:
            await replica.levels("t", meters([DAY]))

    async def come_back(self) -> None:
        """Have the store back, and every replica notice."""
        self.store.is_lost = False
        await self.look()
        self.clock.advance(RECONCILED_S)
        await self.look()

    async def ledger(self) -> int:
        rows = await self.store.kept.rows("t", 0, int(self.clock.now().timestamp() * 1000) // HOUR_MS)
        return sum(row.sums.output_tokens for row in rows)


async def test_while_the_store_is_lost_each_spends_its_share_of_what_was_left() -> None:
    house = House()
    await house.spend(0, "before", 400)
    await house.look()
    house.store.is_lost = True

    spent = [[await house.spend(replica, f"{replica}-{at}", 100) for at in range(5)] for replica in (0, 1)]

    assert spent == [[True, True, True, False, False]] * 2
    assert house.said == ["budget of tenant t cannot be asked for: each of 2 replicas spends its share of what was left"] * 2


async def test_what_was_spent_alone_is_entered_when_the_store_is_back() -> None:
    house = House()
    await house.spend(0, "before", 400)
    await house.look()
    house.store.is_lost = True
    for replica in (0, 1):
        await house.spend(replica, f"alone-{replica}", 250)

    await house.come_back()

    assert await house.store.used(DAY) == [900]
    assert await house.ledger() == 900
    assert house.said[2:] == ["budget of tenant t is shared again, and what was spent meanwhile is entered"] * 2
    assert [replica.alone() for replica in house.replicas] == [(), ()]


async def test_a_hold_that_was_taken_alone_is_held_in_the_store_when_that_is_back_and_settled_there() -> None:
    house, hold = House(1), hold_of("h", 500, (DAY,))
    await house.look()
    house.store.is_lost = True
    assert (await house.replicas[0].hold("t", hold)).granted

    await house.come_back()
    assert await house.store.used(DAY) == [500]
    await house.replicas[0].settle("t", hold, (30,), Entry(model="m", route="r", sums=Sums(output_tokens=30)))

    assert await house.store.used(DAY) == [30]
    assert await house.ledger() == 30


async def test_a_settlement_that_found_the_store_lost_is_made_up_for() -> None:
    house, hold = House(1), hold_of("h", 500, (DAY,))
    await house.replicas[0].hold("t", hold)
    house.store.is_lost = True
    with pytest.raises(StoreDown):
        await house.replicas[0].settle("t", hold, (30,), Entry(model="m", route="r", sums=Sums(output_tokens=30)))

    await house.come_back()

    assert await house.store.used(DAY) == [30]
    assert await house.ledger() == 30


async def test_what_the_store_did_without_an_answer_is_done_once() -> None:
    house = House(1)
    await house.look()
    house.store.is_lost = house.store.does_it_first = True
    assert await house.spend(0, "doubtful", 200)

    await house.come_back()

    assert await house.store.used(DAY) == [200]
    assert await house.ledger() == 200


async def test_a_tenant_that_is_closed_spends_nothing() -> None:
    house, hold = House(), hold_of("h", 1, (DAY,))
    await house.look()
    house.store.is_lost = True

    with pytest.raises(StoreDown):
        await house.replicas[0].hold("t", Hold(id="h", shares=hold.shares, lasts_ms=1000, entry=hold.entry, is_closed=True))


async def test_a_window_that_rolls_meanwhile_is_shared_anew() -> None:
    house, minute = House(), window(60, limit=1000)
    await house.spend(0, "before", 1000, minute)
    house.store.is_lost = True
    assert not await house.spend(0, "full", 1, minute)

    house.clock.advance(60)

    assert [await house.spend(0, f"next-{at}", 250, minute) for at in range(3)] == [True, True, False]


async def test_a_replica_that_never_saw_the_store_spends_its_share_of_the_limit() -> None:
    house = House(4)
    house.store.is_lost = True

    assert [await house.spend(0, f"h{at}", 125) for at in range(3)] == [True, True, False]


async def test_the_share_holds_until_every_replica_has_entered_what_it_spent() -> None:
    house = House()
    await house.spend(0, "before", 400)
    await house.look()
    house.store.is_lost = True
    for replica in (0, 1):
        await house.spend(replica, f"alone-{replica}", 300)
    house.store.is_lost = False
    await house.replicas[0].levels("t", meters([DAY]))  # the other one has not noticed yet

    assert not await house.spend(0, "too early", 1)
    assert house.replicas[0].alone() == ("t",)
    await house.come_back()
    assert await house.store.used(DAY) == [1000]


async def test_what_was_spent_alone_is_entered_though_nobody_calls_any_more() -> None:
    house = House(1)
    await house.look()
    house.store.is_lost = True
    await house.spend(0, "alone", 300)
    house.store.is_lost = False

    async def passes(seconds: float) -> None:
        house.clock.advance(seconds)
        if not house.replicas[0].alone():
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await house.replicas[0].run(passes)

    assert await house.store.used(DAY) == [300]
    assert house.clock.elapsed_s <= RECONCILED_S + 3 * EVERY_S


@pytest.mark.parametrize("seed", range(300 if SOAK else 8))
async def test_whenever_the_store_is_lost_and_comes_back_nothing_is_spent_beyond_the_limit_nor_forgotten(seed: int) -> None:
    draw, house = random.Random(seed), House(3)  # noqa: S311  # the same each time
    holds: list[tuple[int, Hold, int]] = []
    spent = lasts = 0
    for at in range(600):
        lasts += 1
        if lasts > 5 and draw.random() < 0.05:  # whoever does not call notices after a quarter of a second
            lasts = 0
            with suppress(StoreDown):
                await house.look()
            house.store.is_lost, house.store.does_it_first = not house.store.is_lost, draw.random() < 0.5
        house.clock.advance(0.05)
        for replica in (
            replica for replica in range(3) if (at + 2 * replica) % 5 == 0
        ):  # a quarter of a second apart, and not at the same time
            with suppress(StoreDown):
                await house.replicas[replica].levels("t", meters([DAY]))
        replica = draw.randrange(3)
        if holds and draw.random() < 0.5:
            replica, hold, tokens = holds.pop(draw.randrange(len(holds)))
            spent += (used := draw.randint(0, tokens))
            with suppress(StoreDown):
                await house.replicas[replica].settle(
                    "t", hold, (used,), Entry(model="m", route="r", sums=Sums(output_tokens=used, cost=used * MONEY))
                )
        else:
            hold = hold_of(f"h{at}", tokens := draw.randint(1, 60), (DAY,))
            if (await house.replicas[replica].hold("t", hold)).granted:
                holds.append((replica, hold, tokens))
        assert spent + sum(tokens for _, _, tokens in holds) <= 1000
    await house.come_back()

    assert await house.store.used(DAY) == [spent + sum(tokens for _, _, tokens in holds)]
    assert await house.ledger() == spent


async def test_a_real_store_that_is_killed_and_started_again_empty_is_caught_up_with(own_valkey: ValkeyServer) -> None:
    said = Said()
    store = Valkey(own_valkey.url, clock=SystemClock(), say=said, timeout_s=0.2)
    budgets = SharedBudgets(ValkeyBudgets(store), SystemClock(), said, replicas=lambda: 2)
    await budgets.hold("t", hold_of("before", 400, (DAY,)))
    own_valkey.kill()

    granted = [(await budgets.hold("t", hold_of(f"alone-{at}", 100, (DAY,)))).granted for at in range(5)]
    own_valkey.start()
    back_s = asyncio.get_running_loop().time()
    while budgets.alone():
        await asyncio.sleep(0.05)
        try:
            await budgets.levels("t", meters([DAY]))
        except StoreDown:
            continue
    took_s = asyncio.get_running_loop().time() - back_s

    assert granted == [True, True, True, False, False]
    assert took_s <= 2.0
    assert [level.used for level in (await budgets.levels("t", meters([DAY]))).levels] == [700]
    await store.close()


async def test_replicas_notice_each_other(valkey: ValkeyServer) -> None:
    store = Valkey(valkey.url, clock=FakeClock(), say=unheard, timeout_s=5)
    one, other = Replicas(store, 1), Replicas(store, 1)
    for replica in (one, other, one):
        await replica.meet()

    assert (one.count(), other.count()) == (2, 2)
    assert Replicas(store, 5).count() == 5
    await store.close()


async def test_what_the_store_refuses_of_one_tenant_is_not_in_the_way_of_the_others() -> None:
    house = House(replicas=1)
    (replica,) = house.replicas
    holds = {tenant: hold_of(tenant, 100, (DAY,)) for tenant in ("odd", "t")}
    for tenant, hold in holds.items():
        await replica.hold(tenant, hold)
    house.store.is_lost = True
    for tenant, hold in (*holds.items(), ("odd", holds["odd"])):
        with pytest.raises(StoreDown):
            await replica.settle(tenant, hold, (10,), hold.entry)

    house.store.refuses = "odd"
    await house.come_back()

    assert await house.store.used(DAY) == [10]
    assert house.said == [
        "what tenant odd used is not entered, nor tried again: it refused a command; see what is kept under pointsman:{odd}"
    ]
    with pytest.raises(StoreDown):
        await replica.settle("odd", holds["odd"], (10,), None)
    house.store.refuses = ""
    await house.look()
    assert (await house.store.kept.levels("odd", meters([DAY]))).levels[0].used == 100  # it is not tried again
