"""What tenants spend, kept in memory and in a real Valkey: the same promises, by the same tests."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from budgeting import MONEY, START_MS, BudgetLife, SteppedClock, entry_of, hold_of, window
from fakes import FakeClock
from pointsman.adapters.memory_budgets import MemoryBudgets
from pointsman.adapters.valkey import Valkey
from pointsman.adapters.valkey_budgets import ValkeyBudgets
from pointsman.alone import SharedBudgets
from pointsman.core.budget import MOST_METERS, Account, Hold, Level, Settled, meters
from pointsman.core.ledger import HOUR_MS, KEPT_DAYS, Entry, Row, Sums
from pointsman.core.tenants import Window
from pointsman.ports import StoreDown, unheard
from valkeys import ValkeyServer

SOAK = bool(os.environ.get("POINTSMAN_TEST_SOAK"))
PATIENT_S = 5.0
HOUR = START_MS // HOUR_MS

Kept = MemoryBudgets | ValkeyBudgets


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture(params=["memory", "valkey"])
async def budgets(request: pytest.FixtureRequest, clock: SteppedClock) -> AsyncIterator[Kept]:
    if request.param == "memory":
        yield MemoryBudgets(clock)
        return
    store = _store(request.getfixturevalue("valkey"))
    yield ValkeyBudgets(store, clock)
    await store.close()


def no_hold(id_: str) -> Hold:
    return Hold(id=id_, shares=(), lasts_ms=0, entry=Entry(model="", route="", sums=Sums()))


class AnsweringLate:
    """A store whose first reply to a settlement comes when nobody waits for it any more."""

    def __init__(self, budgets: Kept) -> None:
        self.hold, self.levels, self._settle = budgets.hold, budgets.levels, budgets.settle
        self._is_late = True

    async def settle(self, tenant: str, hold: Hold, actual: tuple[int, ...], entry: Entry | None) -> Settled:
        settled = await self._settle(tenant, hold, actual, entry)
        if self._is_late:
            self._is_late = False
            raise StoreDown("no reply in time")
        return settled


def _store(server: ValkeyServer) -> Valkey:
    return Valkey(server.url, clock=FakeClock(), say=unheard, timeout_s=PATIENT_S)


async def used(budgets: Kept, *windows: Window, tenant: str = "t") -> list[int]:
    return [level.used for level in (await budgets.levels(tenant, meters(windows))).levels]


async def test_holds_are_taken_until_the_limit_and_not_beyond(budgets: Kept) -> None:
    granted = [(await budgets.hold("t", hold_of(f"h{at}", 300, (window(),)))).granted for at in range(5)]

    assert granted == [True, True, True, False, False]
    assert await used(budgets, window()) == [900]


async def test_the_last_token_may_be_taken_and_no_other(budgets: Kept) -> None:
    assert (await budgets.hold("t", hold_of("all", 1000, (window(),)))).granted
    assert not (await budgets.hold("t", hold_of("one", 1, (window(),)))).granted


async def test_a_hold_that_one_window_refuses_takes_nothing_from_the_others(budgets: Kept) -> None:
    day, minute = window(86_400, limit=10_000), window(limit=100)

    assert not (await budgets.hold("t", hold_of("h", 101, (day, minute)))).granted
    assert await used(budgets, day, minute) == [0, 0]


async def test_what_was_used_takes_the_place_of_what_was_held(budgets: Kept) -> None:
    hold = hold_of("h", 700, (window(),))
    await budgets.hold("t", hold)

    settled = await budgets.settle("t", hold, (20,), entry_of(20))

    assert (settled.beyond, settled.late) == (False, False)
    assert settled.levels.levels == (Level(20, START_MS // 60_000),)


async def test_a_released_hold_leaves_nothing(budgets: Kept) -> None:
    hold = hold_of("h", 700, (window(),))
    await budgets.hold("t", hold)
    await budgets.settle("t", hold, (0,), None)

    assert (await budgets.levels("t", meters([window()]))).levels == (Level(0, -1),)
    assert await budgets.rows("t", HOUR, HOUR) == []


async def test_a_hold_is_settled_once(budgets: Kept) -> None:
    hold = hold_of("h", 700, (window(),))
    await budgets.hold("t", hold)
    await budgets.settle("t", hold, (20,), entry_of(20))

    again = await budgets.settle("t", hold, (500,), entry_of(500))

    assert again.late
    assert await used(budgets, window()) == [20]
    assert [row.sums.output_tokens for row in await budgets.rows("t", HOUR, HOUR)] == [20]


async def test_usage_beyond_the_hold_is_settled_and_told(budgets: Kept) -> None:
    hold = hold_of("h", 10, (window(),))
    await budgets.hold("t", hold)

    assert (await budgets.settle("t", hold, (1200,), entry_of(1200))).beyond
    assert await used(budgets, window()) == [1200]
    assert not (await budgets.hold("t", hold_of("more", 1, (window(),)))).granted


async def test_a_hold_that_ends_unsettled_stays_spent_and_is_entered_as_estimated(budgets: Kept, clock: SteppedClock) -> None:
    day = window(86_400)
    hold = hold_of("h", 400, (day,), lasts_ms=1000)
    await budgets.hold("t", hold)
    clock.ms += 1000

    assert await used(budgets, day) == [400]
    assert (await budgets.settle("t", hold, (1,), entry_of(1))).late
    assert await used(budgets, day) == [400]
    sums = Sums(output_tokens=400, cost=400 * MONEY, estimated=1)
    assert await budgets.rows("t", HOUR, HOUR) == [Row(tenant="t", hour=HOUR, model="m", route="r", sums=sums)]


async def test_a_settlement_is_charged_to_the_window_of_its_hold(budgets: Kept, clock: SteppedClock) -> None:
    clock.ms = START_MS // 60_000 * 60_000 + 59_000
    hold = hold_of("h", 800, (window(),))
    await budgets.hold("t", hold)
    clock.ms += 2000

    await budgets.settle("t", hold, (500,), entry_of(500))

    assert await used(budgets, window()) == [0]


async def test_a_limit_that_is_raised_counts_at_once_and_what_was_spent_stays(budgets: Kept) -> None:
    low, high = window(86_400, limit=100), window(86_400, limit=150)
    await budgets.hold("t", hold_of("first", 90, (low,)))

    assert not (await budgets.hold("t", hold_of("second", 20, (low,)))).granted
    assert (await budgets.hold("t", hold_of("second", 20, (high,)))).granted
    assert await used(budgets, low) == [110]


async def test_a_sliding_window_lets_go_bit_by_bit_and_never_early(budgets: Kept, clock: SteppedClock) -> None:
    sliding, began = window(sliding=True), START_MS // 1000 * 1000
    for at, second in enumerate((0, 20, 40)):
        clock.ms = began + second * 1000 + 999
        await budgets.hold("t", hold_of(f"h{at}", 300, (sliding,)))

    shown = {}
    for second in (59, 60, 61, 80, 81, 101):
        clock.ms = began + second * 1000 + 998
        shown[second] = (await used(budgets, sliding))[0]

    assert shown == {59: 900, 60: 900, 61: 600, 80: 600, 81: 300, 101: 0}


async def test_tenants_do_not_share(budgets: Kept) -> None:
    await budgets.hold("one", hold_of("h", 1000, (window(),)))

    assert (await budgets.hold("other", hold_of("h", 1000, (window(),)))).granted


async def test_amounts_are_exact_to_the_nano_dollar_up_to_millions(budgets: Kept) -> None:
    month = window(30 * 86_400, kind="usd", limit=9_000_000 * 10**9)
    hold = hold_of("h", 8_999_999, (month,))
    await budgets.hold("t", hold)
    await budgets.settle("t", hold, (8_999_998_999_999_999,), entry_of(1))

    assert await used(budgets, month) == [8_999_998_999_999_999]


async def test_what_holds_no_budget_is_entered_all_the_same(budgets: Kept) -> None:
    for at in range(2):
        await budgets.settle("t", no_hold(f"n{at}"), (), entry_of(7))

    assert [(row.model, row.route, row.sums.output_tokens) for row in await budgets.rows("t", HOUR, HOUR)] == [("m", "r", 14)]


async def test_what_holds_no_budget_is_entered_once_where_the_first_reply_came_too_late(valkey: ValkeyServer, clock: SteppedClock) -> None:
    store = _store(valkey)
    budgets, alone_clock = ValkeyBudgets(store, clock), FakeClock()
    shared = SharedBudgets(AnsweringLate(budgets), alone_clock, unheard, replicas=lambda: 1)
    tenant = "late"

    with pytest.raises(StoreDown):
        await shared.settle(tenant, no_hold("n"), (), entry_of(7))
    await shared.levels(tenant, ())

    assert [row.sums.output_tokens for row in await budgets.rows(tenant, HOUR, HOUR)] == [7]
    await store.close()


async def test_those_who_used_something_are_known_by_name(budgets: Kept) -> None:
    for tenant in ("one", "other", "one"):
        await budgets.settle(tenant, no_hold(f"{tenant}-names"), (), entry_of(7))

    assert {"one", "other"} <= set(await budgets.tenants())


async def test_those_of_whom_nothing_is_kept_any_more_are_not(valkey: ValkeyServer, clock: SteppedClock) -> None:
    store = _store(valkey)
    for tenant in ("gone", "here"):
        await ValkeyBudgets(store, clock).settle(tenant, no_hold(f"{tenant}-names"), (), entry_of(7))
        clock.ms += (KEPT_DAYS + 2) * 24 * HOUR_MS

    assert "here" in (known := await ValkeyBudgets(store, clock).tenants())
    assert "gone" not in known
    await store.close()


async def test_usage_is_told_by_the_hour_and_only_of_those_asked_for(budgets: Kept, clock: SteppedClock) -> None:
    for hours in range(4):
        clock.ms = START_MS + hours * HOUR_MS
        await budgets.settle("t", no_hold(f"n{hours}"), (), entry_of(10**hours))

    rows = await budgets.rows("t", HOUR + 1, HOUR + 2)

    assert sorted((row.hour - HOUR, row.sums.output_tokens) for row in rows) == [(1, 10), (2, 100)]
    assert await budgets.rows("nobody", HOUR, HOUR + 3) == []


async def test_hundreds_at_once_take_no_more_than_there_is(budgets: Kept) -> None:
    holds = [hold_of(f"h{at}", 7, (window(),)) for at in range(300)]

    taken = await asyncio.gather(*(budgets.hold("t", hold) for hold in holds))

    assert sum(each.granted for each in taken) == 1000 // 7


class MemoryLife(BudgetLife):
    def open(self) -> tuple[MemoryBudgets, MemoryBudgets]:
        return (kept := MemoryBudgets(self.clock)), kept


def test_whatever_happens_in_memory_counts_are_right() -> None:
    run_state_machine_as_test(MemoryLife, settings=settings(max_examples=2000 if SOAK else 25, stateful_step_count=40, deadline=None))


@pytest.fixture
def valkey_life(valkey: ValkeyServer) -> type[BudgetLife]:
    class ValkeyLife(BudgetLife):
        def open(self) -> tuple[ValkeyBudgets, ValkeyBudgets]:
            self.store = _store(valkey)
            return (kept := ValkeyBudgets(self.store, self.clock)), kept

        def teardown(self) -> None:
            self.do(self.store.close())
            super().teardown()

    return ValkeyLife


def test_whatever_happens_in_valkey_counts_are_right(valkey_life: type[BudgetLife]) -> None:
    run_state_machine_as_test(
        valkey_life,
        settings=settings(
            max_examples=500 if SOAK else 8,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=[HealthCheck.function_scoped_fixture],
        ),
    )


async def test_one_round_trip_each_by_the_clock_of_the_server_and_nothing_that_stays_for_ever(valkey: ValkeyServer) -> None:
    store = _store(valkey)
    budgets = ValkeyBudgets(store)
    hold = hold_of("h", 5, (window(), window(sliding=True, kind="usd", limit=10**15)))
    await budgets.hold("t", hold)  # the first one sends the script, too
    await budgets.settle("t", hold, (5, 5 * MONEY), entry_of(5))
    before = await _commands(store)

    second = hold_of("i", 5, (window(), window(sliding=True, kind="usd", limit=10**15)))
    taken = await budgets.hold("t", second)
    await budgets.settle("t", second, (5, 5 * MONEY), entry_of(5))
    third = hold_of("j", 5, (window(), window(sliding=True, kind="usd", limit=10**15)))
    await budgets.hold("t", third)

    assert await _commands(store) - before == 4  # and one to ask for the number
    time = await store.call("TIME")
    assert isinstance(time, list)
    assert abs(int(bytes(str(time[0]), "ascii").decode().strip("b'")) - taken.levels.now_ms // 1000) < 5
    keys = await store.call("KEYS", "*")
    assert isinstance(keys, list)
    ends = {key: await store.call("PTTL", key) for key in keys if isinstance(key, bytes)}
    names = {key.removeprefix(b"pointsman:").removeprefix(b"{t}:").split(b":")[0] for key in ends}
    assert names == {b"spent", b"holds", b"ends", b"usage", b"tenants"}
    assert all(isinstance(ttl, int) and 0 < ttl <= (KEPT_DAYS + 1) * 24 * HOUR_MS for ttl in ends.values())
    await store.close()


async def _commands(store: Valkey) -> int:
    stats = await store.call("INFO", "commandstats")
    assert isinstance(stats, bytes)
    lines = [line for line in stats.decode().splitlines() if line.startswith(("cmdstat_evalsha", "cmdstat_eval:", "cmdstat_info"))]
    return sum(int(line.partition("calls=")[2].partition(",")[0]) for line in lines)


async def test_a_server_that_was_started_again_empty_learns_what_each_replica_knew(own_valkey: ValkeyServer, clock: SteppedClock) -> None:
    day, hour = window(86_400, limit=1000), window(3600, sliding=True, limit=1000)
    stores = [_store(own_valkey) for _ in range(2)]
    one, other = (ValkeyBudgets(store, clock) for store in stores)
    await one.hold("t", hold_of("a", 300, (day, hour)))
    await other.hold("t", hold_of("b", 500, (day, hour)))  # which `one` has not heard of
    own_valkey.kill()
    own_valkey.start()
    for store in stores:
        with suppress(StoreDown):
            await store.call("PING")  # the connections that have ended are found out

    assert await used(one, day, hour) == [300, 300]
    assert await used(other, day, hour) == [800, 800]
    assert await used(one, day, hour) == [800, 800]
    assert not (await one.hold("t", hold_of("c", 201, (day, hour)))).granted
    assert (await one.hold("t", hold_of("d", 200, (day, hour)))).granted
    clock.ms += 86_400_000 - START_MS % 86_400_000
    assert await used(other, day, hour) == [0, 0]
    for store in stores:
        await store.close()


async def test_a_hold_that_is_asked_for_again_is_taken_once(budgets: Kept) -> None:
    hold = hold_of("h", 600, (window(),))

    assert [(await budgets.hold("t", hold)).granted for _ in range(3)] == [True] * 3
    assert await used(budgets, window()) == [600]


async def test_a_server_that_is_gone_is_told_as_such(own_valkey: ValkeyServer) -> None:
    store = _store(own_valkey)
    own_valkey.kill()

    with pytest.raises(StoreDown):
        await ValkeyBudgets(store).hold("t", hold_of("h", 1))
    await store.close()


async def test_meters_of_windows_that_are_gone_are_let_go(clock: SteppedClock) -> None:
    account = Account()
    for at in range(500):
        account.hold(hold_of(f"h{at}", 1, (window(60 + at),), lasts_ms=1), START_MS + at * 1_000_000)

    assert len(account._gauges) <= MOST_METERS + 2
