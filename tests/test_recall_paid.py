"""Kept and shared answers where tenants pay and models fail: given where no model may be called, and entered for what they are."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from msgspec import structs

from budgeting import window
from fakes import (
    ESTIMATE,
    FakeClock,
    ScriptedProvider,
    StreamingProvider,
    WordCounter,
    catalog_yaml,
    failed,
    model_yaml,
    recall_of,
    ruleset_of,
)
from pointsman.adapters.cache import MemoryCache
from pointsman.adapters.memory_budgets import MemoryBudgets
from pointsman.affinity import Affinity
from pointsman.call import Call
from pointsman.core.catalog import Catalog
from pointsman.core.completion import Completion, TextDelta
from pointsman.core.decision import Decision
from pointsman.core.errors import AllUnavailable, BudgetExhausted, InvalidRequest, NoEligibleModel, StreamInterrupted
from pointsman.core.ledger import HOUR_MS
from pointsman.core.market import ModelState
from pointsman.core.request import CachePolicy, Generation, Request
from pointsman.core.tenants import Tenant, Window
from pointsman.core.vocabulary import CacheMode, CacheStatus
from pointsman.execute import Executor
from pointsman.mirror import Mirror
from pointsman.ports import Provider, unheard
from pointsman.reader import Reader
from pointsman.router import Router
from pointsman.spending import Spending
from pointsman.telemetry import Decided, Happening
from pointsman.upstreams import Upstreams

MODELS = catalog_yaml({"m": model_yaml(ttft_ms=0, tokens_per_s=10**6), "n": model_yaml(ttft_ms=0, tokens_per_s=10**6, tags="eu")})
ROUTING = """
version: 1
constraints: [{id: only-eu, why: w, when: 'has(request.labels.eu)', allow: {tags: [eu]}}]
routes: [{id: default, why: w, use: {candidates: [m, n]}, cache: {mode: exact, ttl: 10m}}]
"""
ASK = structs.replace(Request.of("what is 17 * 23?"), generation=Generation(temperature=0.0))
ONE_REQUEST = window(86_400, kind="requests", limit=1)
ILL = ModelState(healthy=False, note="it fails")
ONE_A_MINUTE = MODELS.replace("api: builtin", "api: builtin, limits: {rpm: 1}")


class House:
    """A router whose models may be ill, and whose tenant may have spent what it has."""

    def __init__(self, *outcomes: str, provider: Provider | None = None, windows: tuple[Window, ...] = (), models: str = MODELS) -> None:
        self.clock = FakeClock()
        self.state = ModelState()
        self.heard: list[Happening] = []
        self._tenant = Tenant(id="t", windows=windows)
        budgets, counter, upstreams, rules = (
            MemoryBudgets(self.clock),
            WordCounter(),
            Upstreams(self, self.clock),
            ruleset_of(models, ROUTING),
        )
        self.budgets = budgets
        self.spending = Spending(budgets, budgets, Mirror(budgets, self.clock, unheard, is_shared=False), self.clock, unheard)
        self.router = Router(
            rules=lambda: rules,
            reader=Reader(counter, ESTIMATE),
            recall=recall_of(Executor({"builtin": provider or ScriptedProvider(*outcomes)}, counter, self.clock, upstreams), self.clock),
            affinity=Affinity(MemoryCache(self.clock), self.clock),
            upstreams=upstreams,
            clock=self.clock,
            longest_s=60,
            spending=self.spending,
        )

    def states(self, catalog: Catalog) -> Mapping[str, ModelState]:
        return dict.fromkeys(catalog.models, self.state)

    def call(self, own_key: str = "", left: float = 30.0, **policy: Any) -> Call:
        tenant, policy_ = self._tenant, CachePolicy(**policy)
        return Call(id="id", tenant=tenant, own_key=own_key, cache=policy_, time_left_s=left, tried_before=1, hear=self.heard.append)

    async def ask(self, request: Request = ASK, own_key: str = "", left: float = 30.0, **policy: Any) -> Completion:
        completion = (await self.router.complete(request, self.call(own_key, left, **policy)))[1]
        await self.spending.settled()
        return completion


def text_of(completion: Completion) -> str:
    assert completion.message is not None
    return completion.message.text


@pytest.mark.parametrize("own_key", ["", "k"])
async def test_what_is_kept_is_given_when_the_budget_is_used_up(own_key: str) -> None:
    house = House("391", windows=(ONE_REQUEST,))
    await house.ask(own_key=own_key)

    again = await house.ask(own_key=own_key)
    assert (text_of(again), again.cache_status, again.usage.cost) == ("391", CacheStatus.HIT, 0)
    with pytest.raises(BudgetExhausted):
        await house.ask(Request.of("something else"), own_key=own_key and "other")


@pytest.mark.parametrize("own_key", ["", "k"])
@pytest.mark.parametrize(("models", "state"), [(MODELS, ILL), (ONE_A_MINUTE, ModelState())])
async def test_what_is_kept_is_given_when_every_model_fails_or_is_full(own_key: str, models: str, state: ModelState) -> None:
    house = House("391", models=models)
    await house.ask(own_key=own_key)
    house.state = state
    with pytest.raises(AllUnavailable):
        await house.ask(Request.of("something else"), left=0.02)

    again = await house.ask(own_key=own_key)
    assert (text_of(again), again.cache_status) == ("391", CacheStatus.HIT)
    *_, decided, completion = (event for event in house.heard if isinstance(event, Decided | Completion))
    assert isinstance(decided, Decided)
    assert isinstance(decided.outcome, Decision)
    assert completion is again


async def test_a_stream_is_given_what_is_kept_too() -> None:
    house = House("seventeen times twenty")
    await house.ask()
    house.state = ILL

    events = [event async for event in house.router.stream(ASK, house.call())]
    assert isinstance(events[0], Decision)
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "seventeen times twenty"
    assert isinstance(last := events[-1], Completion)
    assert (last.cache_status, last.message) == (CacheStatus.HIT, None)


async def test_an_answer_past_its_time_is_not_given_for_want_of_money() -> None:
    house = House("391", windows=(ONE_REQUEST,))
    await house.ask()
    house.clock.advance(900)

    with pytest.raises(BudgetExhausted):
        await house.ask()


async def test_an_answer_past_its_time_is_given_where_every_model_is_known_to_fail() -> None:
    house = House("391")
    await house.ask()
    house.clock.advance(900)
    house.state = ILL

    assert (await house.ask()).cache_status is CacheStatus.STALE
    with pytest.raises(AllUnavailable):
        await house.ask(max_age_ms=600_000)


@pytest.mark.parametrize(
    ("request_", "policy", "error"),
    [
        (ASK, {"mode": CacheMode.BYPASS}, AllUnavailable),
        (ASK, {"mode": CacheMode.REFRESH}, AllUnavailable),
        (structs.replace(ASK, requirements=structs.replace(ASK.requirements, tags=frozenset({"eu"}))), {}, NoEligibleModel),
        (structs.replace(ASK, requirements=structs.replace(ASK.requirements, tags=frozenset({"moon"}))), {}, NoEligibleModel),
        (structs.replace(ASK, context=structs.replace(ASK.context, labels={"eu": "1"})), {}, NoEligibleModel),
    ],
)
async def test_what_is_kept_is_not_given_where_it_could_not_be_otherwise(
    request_: Request, policy: dict[str, Any], error: type[NoEligibleModel]
) -> None:
    house = House("from m")
    await house.ask()
    house.state = ILL

    with pytest.raises(error):
        await house.ask(request_, **policy)


async def test_a_key_that_names_another_request_is_refused_also_then() -> None:
    house = House("391")
    await house.ask(own_key="k")
    house.state = ILL

    with pytest.raises(InvalidRequest, match="another request"):
        await house.ask(Request.of("something else"), own_key="k")


async def test_a_stream_that_broke_is_entered_once_as_what_it_cost_and_as_an_answer_to_nobody() -> None:
    hold = asyncio.Event()

    async def held() -> None:
        await hold.wait()

    house = House(provider=StreamingProvider(["one ", held, failed("connection")]))

    async def read() -> list[object]:
        return [event async for event in house.router.stream(ASK, house.call())]

    tasks = [asyncio.create_task(read()) for _ in range(4)]
    for _ in range(50):
        await asyncio.sleep(0)
    hold.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    await house.spending.settled()

    assert all(isinstance(outcome, StreamInterrupted) for outcome in outcomes)
    rows = await house.budgets.rows("t", 0, house.spending.now_ms() // HOUR_MS)
    assert [(row.sums.requests, row.sums.cache_hits, row.sums.baseline_cost, row.sums.estimated) for row in rows] == [(0, 0, 0, 1)]


async def test_answers_from_the_cache_are_entered_as_requests_that_cost_nothing() -> None:
    house = House("391")
    (first, *again) = [await house.ask() for _ in range(3)]

    rows = await house.budgets.rows("t", 0, house.spending.now_ms() // HOUR_MS)
    assert [(row.model, row.sums.requests, row.sums.cache_hits) for row in rows] == [(first.model, 3, 2)]
    assert rows[0].sums.cost == first.usage.cost > 0
    assert rows[0].sums.baseline_cost == sum(answer.usage.baseline_cost for answer in (first, *again))
