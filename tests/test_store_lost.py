"""A whole router whose Valkey is killed, hangs, and comes back empty: routing notices nothing, and nobody spends beyond the policy."""

from __future__ import annotations

import asyncio
import os
import statistics
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

import pytest

from budgeting import window
from fakes import Said
from pointsman.call import Call
from pointsman.core.errors import BudgetExhausted, StoreUnavailable
from pointsman.core.request import Generation, Message, Prompt, Request
from pointsman.core.ruleset import Ruleset
from pointsman.core.tenants import Tenant
from pointsman.core.vocabulary import Role
from pointsman.offline import open_router
from pointsman.router import Router
from pointsman.settings import Settings
from valkeys import ValkeyServer

SOAK = bool(os.environ.get("POINTSMAN_TEST_SOAK"))
HANGS_S = 5.0 if SOAK else 0.5
ROUTES = 300
ASKED = Request(prompt=Prompt(messages=(Message(role=Role.USER, parts=("2+2?",)),)), generation=Generation(max_output_tokens=5))
DAY = window(86_400, kind="requests", limit=40)
LOCAL, CLOSED = Tenant(id="local", windows=(DAY,)), Tenant(id="closed", windows=(DAY,), is_closed=True)
ROOMY = Tenant(id="roomy", windows=(window(86_400, kind="requests", limit=10**9),))

pytestmark = pytest.mark.timeout(60)


@dataclass
class House:
    """A router that shares budgets with another replica, which does nothing."""

    router: Router
    said: Said = field(default_factory=Said)

    async def p50_of_routes(self) -> float:
        """Return the median time in ms of a Route for a tenant with money left; one that fails fails the test."""
        took = []
        for _ in range(ROUTES):
            began = perf_counter()
            await self.router.route(ASKED, Call(id="id", tenant=ROOMY))
            took.append((perf_counter() - began) * 1000)
        return statistics.median(took)

    async def completes(self, tenant: Tenant, times: int) -> int:
        """Return how many of so many calls the budget lets through."""
        served = 0
        for _ in range(times):
            try:
                await self.router.complete(ASKED, Call(id="id", tenant=tenant))
                served += 1
            except (BudgetExhausted, StoreUnavailable):
                continue
        return served

    async def back_in_s(self) -> float:
        """Wait until nobody spends alone any more, and return how long that took."""
        began = perf_counter()
        while self.router.tenants_alone():  # noqa: ASYNC110  # as whoever asks the server would
            await asyncio.sleep(0.02)
        return perf_counter() - began


@pytest.fixture
async def house(own_valkey: ValkeyServer, ruleset: Ruleset, rules_dir: Path) -> AsyncIterator[House]:
    said = Said()
    settings = Settings(rules=rules_dir, valkey_url=own_valkey.url, replicas=2)
    async with open_router(ruleset, settings, said, embedded=False) as (router, _):
        yield House(router, said)


async def test_killed_and_started_again_empty(house: House, own_valkey: ValkeyServer) -> None:
    assert [await house.completes(tenant, 10) for tenant in (LOCAL, CLOSED)] == [10, 10]
    await house.back_in_s()  # a machine that is busy may have made the store seem lost before
    before = await house.p50_of_routes()
    own_valkey.kill()

    assert [await house.completes(tenant, 30) for tenant in (LOCAL, CLOSED)] == [(40 - 10) // 2, 0]
    assert await house.p50_of_routes() <= before + 1.0
    assert house.router.tenants_alone() == ("local",)
    own_valkey.start()
    assert await house.back_in_s() <= 2.0

    assert [await house.completes(tenant, 40) for tenant in (LOCAL, CLOSED)] == [40 - 10 - 15, 30]
    told = [line for line in house.said if line.startswith("budget of tenant local") and "share" in line]
    assert "each of 2 replicas spends its share" in told[0]
    assert "is shared again" in told[1]


async def test_hung_for_a_while(house: House, own_valkey: ValkeyServer) -> None:
    await house.completes(LOCAL, 10)
    await house.back_in_s()  # as above
    before = await house.p50_of_routes()
    own_valkey.hang()
    hung = perf_counter()

    served = await house.completes(LOCAL, 30)
    assert await house.p50_of_routes() <= before + 1.0
    await asyncio.sleep(max(0.0, HANGS_S - (perf_counter() - hung)))
    own_valkey.resume()
    assert await house.back_in_s() <= 2.0

    assert served == (40 - 10) // 2
    assert await house.completes(LOCAL, 40) == 40 - 10 - 15
