"""What attempts hold before they begin, and what is settled afterwards, whatever becomes of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from threading import Event
from typing import Any

import pytest
from msgspec import structs

from budgeting import window

# Prices are dollars per million tokens: a token of `little` costs 1,000 nano-dollars, one of `big` ten times as much. Its answers are long.
from fakes import (
    ESTIMATE,
    AllWell,
    FakeClock,
    Said,
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
from pointsman.core.budget import Hold, Level, Levels, Meter, Settled, Taken, meters
from pointsman.core.completion import Completion, TextDelta, Usage
from pointsman.core.errors import BudgetExhausted, NoEligibleModel, StoreUnavailable, StreamInterrupted, UpstreamUnavailable
from pointsman.core.ledger import HOUR_MS, Entry, Sums
from pointsman.core.reading import Count
from pointsman.core.request import Generation, Request, Requirements
from pointsman.core.tenants import Tenant, Window
from pointsman.core.vocabulary import DecisionReason, DropReason, FinishReason
from pointsman.execute import Executor
from pointsman.mirror import FRESH_S, Mirror
from pointsman.ports import Answer, Finished, ModelCall, Piece, Provider, StoreDown
from pointsman.reader import Reader
from pointsman.router import Router
from pointsman.spending import GRACE_S, Spending
from pointsman.upstreams import Upstreams

MODELS = catalog_yaml(
    {
        "little": model_yaml(price=1, max_output=400, tier="small", ttft_ms=1, tokens_per_s=100_000),
        "big": model_yaml(price=10, max_output=400, tier="large", ability=0.9, ttft_ms=1, tokens_per_s=100_000),
    }
)
ROUTING = """version: 1
routes:
  - {id: big-only, why: w, when: 'has(request.labels.size)', use: {candidates: [big]}}
  - {id: best, why: w, when: 'request.accuracy > 0.01', use: {candidates: [big, little], strategy: best}}
  - {id: default, why: w, use: {candidates: [little, big]}}
"""
HI = Request.of("Hi there")
INPUT = 8
SCRIPTED = Usage(input_tokens=100, output_tokens=2)
"""What `ScriptedProvider` says of an answer of two words: its input is more than there was."""

DAY = window(86_400, limit=10_000)
DOLLARS = window(86_400, kind="usd", limit=10**9)


@dataclass
class House:
    """A router whose calls are paid for, its clock, and what was said."""

    provider: Provider
    windows: tuple[Window, ...] = (DAY, DOLLARS)
    routing: str = ROUTING
    said: Said = field(default_factory=Said)
    clock: FakeClock = field(default_factory=FakeClock)
    budgets: Any = None
    counter: WordCounter = field(default_factory=WordCounter)

    def __post_init__(self) -> None:
        self.tenant = Tenant(id="t", windows=self.windows)
        self.budgets = self.budgets or MemoryBudgets(self.clock)
        self.mirror = Mirror(self.budgets, self.clock, self.said, is_shared=False)
        self.spending = Spending(self.budgets, self.budgets, self.mirror, self.clock, self.said)
        rules, upstreams = ruleset_of(MODELS, self.routing), Upstreams(AllWell(), self.clock)
        executor = Executor({"builtin": self.provider}, self.counter, self.clock, upstreams, random=lambda: 0.0)
        self.router = Router(
            rules=lambda: rules, reader=Reader(WordCounter(), ESTIMATE), recall=recall_of(executor, self.clock), affinity=Affinity(MemoryCache(self.clock), self.clock), upstreams=upstreams, clock=self.clock,
            longest_s=60, spending=self.spending,
        )  # fmt: skip

    @property
    def call(self) -> Call:
        return Call(id="id", tenant=self.tenant, tried_before=1)

    async def complete(self, request: Request = HI) -> Completion:
        return (await self.router.complete(request, self.call))[1]

    async def read(self) -> None:
        async for _ in self.router.stream(HI, self.call):
            pass

    async def used(self, *windows: Window) -> list[int]:
        """Return what counts in the windows, all of the tenant's if none is named."""
        await self.spending.settled()
        return [level.used for level in (await self.budgets.levels("t", meters(windows or self.windows))).levels]

    async def ledger(self) -> list[tuple[str, str, Sums]]:
        await self.spending.settled()
        rows = await self.budgets.rows("t", 0, self.spending.now_ms() // HOUR_MS)
        return [(row.model, row.route, row.sums) for row in rows]


def asked(output: int | None = None, **requirements: Any) -> Request:
    return structs.replace(HI, generation=Generation(max_output_tokens=output), requirements=Requirements(**requirements))


class Watching(ScriptedProvider):
    """Notes what counts while it is being called."""

    def __init__(self, *outcomes: str | Exception) -> None:
        super().__init__(*outcomes)
        self.seen: list[list[int]] = []
        self.house: House

    async def answer(self, call: ModelCall) -> Answer:
        levels = await self.house.budgets.levels("t", meters(self.house.windows))
        self.seen.append([level.used for level in levels.levels])
        return await super().answer(call)


async def test_an_attempt_holds_the_most_that_it_may_use_and_then_what_it_used_is_settled() -> None:
    provider = Watching("two words")
    provider.house = house = House(provider)

    completion = await house.complete()

    (call,) = provider.calls
    assert call.output_cap == 400  # nobody asked for a maximum: the model's own is sent
    assert provider.seen == [[INPUT + 400, (INPUT + 400) * 1000]]
    assert await house.used() == [102, completion.usage.cost]
    assert completion.usage.cost == 102_000


async def test_what_is_held_is_what_the_caller_asked_for_where_that_is_less() -> None:
    provider = Watching("two words")
    provider.house = house = House(provider)

    await house.complete(asked(50))

    assert provider.calls[0].output_cap == 50
    assert provider.seen[0][0] == INPUT + 50


async def test_where_less_is_left_the_model_is_asked_for_less() -> None:
    house = House(provider := ScriptedProvider("two words"), (window(86_400, limit=380),))

    await house.complete()

    assert provider.calls[0].output_cap == 380 - INPUT


async def test_money_that_is_left_caps_the_output_too() -> None:
    house = House(provider := ScriptedProvider("two words"), (window(86_400, kind="usd", limit=380_000),))

    await house.complete()

    assert provider.calls[0].output_cap == 380 - INPUT


async def test_a_failed_attempt_without_usage_leaves_nothing_and_the_next_holds_anew() -> None:
    provider = Watching(failed("503"), "two words")
    provider.house = house = House(provider)

    completion = await house.complete()

    assert [seen[1] for seen in provider.seen] == [408_000, 4_080_000]
    assert await house.used() == [102, 1_020_000]
    assert await house.ledger() == [
        ("big", "default", Sums(requests=1, input_tokens=100, output_tokens=2, cost=1_020_000, baseline_cost=1_020_000, fallbacks=1))
    ]
    assert completion.model == "big"


async def test_when_every_attempt_fails_nothing_is_left() -> None:
    house = House(ScriptedProvider(failed("503"), failed("429")))

    with pytest.raises(UpstreamUnavailable):
        await house.complete()

    assert await house.used() == [0, 0]
    assert await house.ledger() == []


async def test_nothing_is_called_when_the_budget_is_spent_and_the_refusal_says_when_it_heals() -> None:
    house = House(provider := ScriptedProvider("two words", "never"), (window(60, kind="requests", limit=1),))
    await house.complete()
    await house.spending.settled()
    house.clock.advance(15)

    with pytest.raises(BudgetExhausted) as refused:
        await house.complete()

    assert len(provider.calls) == 1
    assert refused.value.heals_in_s == 45
    assert refused.value.counts == {"BUDGET": 2}


async def test_a_window_that_heals_serves_again() -> None:
    house = House(ScriptedProvider("two words", "two words"), (window(60, kind="requests", limit=1),))
    await house.complete()
    house.clock.advance(60)

    assert (await house.complete()).model == "little"


async def test_the_hold_refuses_what_the_decision_could_not_know() -> None:
    """The decision looks at what to expect; many at once all see the same budget, and only holds tell them apart."""
    house = House(provider := ScriptedProvider(*["two words"] * 20), (window(86_400, kind="requests", limit=3),))

    outcomes = await asyncio.gather(*(house.complete() for _ in range(10)), return_exceptions=True)

    assert sum(isinstance(outcome, Completion) for outcome in outcomes) == len(provider.calls) == 3
    assert all(isinstance(outcome, BudgetExhausted) for outcome in outcomes if not isinstance(outcome, Completion))
    assert await house.used() == [3]


async def test_what_calls_under_way_hold_may_be_asked_for_in_a_moment(hanging: Any) -> None:
    house = House(hanging, (window(86_400, limit=2 * (INPUT + 400)),))
    calls = [asyncio.create_task(house.complete()) for _ in range(2)]
    await hanging.begun.wait()

    with pytest.raises(BudgetExhausted) as refused:
        await house.complete()

    assert refused.value.heals_in_s == 1
    for call in calls:
        call.cancel()
    await asyncio.wait(calls)
    assert await house.used() == [2 * INPUT]


def test_a_window_is_said_to_be_exhausted_when_it_is_spent_and_not_when_it_is_held() -> None:
    house = House(ScriptedProvider(), (window(86_400, limit=800),))
    bucket = house.spending.now_ms() // 86_400_000

    held = house.mirror.told(house.tenant, Levels(house.spending.now_ms(), (Level(800, bucket, 1),)))
    assert house.said == []
    assert held.filled[0].told(held.at_ms) == "tokens per 1d: 0 of 800 left, 1 held by calls under way"

    house.mirror.told(house.tenant, Levels(house.spending.now_ms(), (Level(800, bucket),)))
    assert house.said == [
        "budget of tenant t is exhausted, tokens per 1d: 0 of 800 left; calls are refused; something is free again in 12 h"
    ]


async def test_exhausted_windows_that_degrade_leave_the_cheapest_tier() -> None:
    house = House(ScriptedProvider(*["two words"] * 3), (window(86_400, kind="requests", limit=1, on_exhausted="degrade"),))
    accurate = asked(accuracy=0.02)
    first = await house.router.complete(accurate, house.call)
    await house.spending.settled()
    house.clock.advance(FRESH_S)

    second = await house.router.complete(accurate, house.call)

    assert (first[0].chosen.model, first[0].reason) == ("big", DecisionReason.RULE_MATCH)
    assert (second[0].chosen.model, second[0].reason) == ("little", DecisionReason.DEGRADED)
    assert [(drop.model, drop.reason) for drop in second[0].dropped] == [("big", DropReason.BUDGET)]
    assert await house.used() == [2]


async def test_a_route_without_the_cheapest_tier_has_nothing_to_degrade_to() -> None:
    house = House(ScriptedProvider("two words"), (window(86_400, kind="requests", limit=1, on_exhausted="degrade"),))
    big = structs.replace(HI, context=structs.replace(HI.context, labels={"size": "big"}))
    await house.router.complete(big, house.call)
    await house.spending.settled()
    house.clock.advance(FRESH_S)

    with pytest.raises(BudgetExhausted, match="only the cheapest tier goes on"):
        await house.router.complete(big, house.call)


async def test_exhausted_windows_that_warn_stop_nobody_and_it_is_said_once() -> None:
    house = House(ScriptedProvider(*["two words"] * 3), (window(86_400, kind="requests", limit=1, on_exhausted="warn"),))

    for _ in range(3):
        await house.complete()

    assert await house.used() == [3]
    assert house.said == ["budget of tenant t is exhausted, requests per 1d: 0 of 1 left; calls go on; something is free again in 12 h"]


async def test_a_window_of_a_tier_binds_only_its_models() -> None:
    house = House(ScriptedProvider(*["two words"] * 3), (window(86_400, kind="requests", limit=1, tier="large"),))
    accurate = asked(accuracy=0.02)

    models = []
    for _ in range(3):
        models.append((await house.complete(accurate)).model)
        await house.spending.settled()
        house.clock.advance(FRESH_S)

    assert models == ["big", "little", "little"]
    assert await house.used() == [1]


async def test_a_budget_that_is_raised_serves_at_once() -> None:
    house = House(ScriptedProvider("two words", "two words"), (window(86_400, kind="requests", limit=1),))
    await house.complete()
    await house.spending.settled()
    with pytest.raises(BudgetExhausted):
        await house.complete()

    house.tenant = Tenant(id="t", windows=(window(86_400, kind="requests", limit=2),))

    assert (await house.complete()).model == "little"


async def test_usage_beyond_what_was_held_is_settled_and_said() -> None:
    house = House(ScriptedProvider("two words"))  # it says 100 tokens of input, where 8 were sent

    await house.complete(asked(5))

    assert (await house.used())[0] == 102
    assert house.said == ["tenant t used more than was held: 100 + 2 tokens"]


async def test_a_call_that_is_cancelled_before_its_first_token_settles_what_was_asked(hanging: Any) -> None:
    house = House(hanging)
    call = asyncio.create_task(house.complete())
    await hanging.begun.wait()
    call.cancel()
    await asyncio.wait((call,))

    assert await house.used() == [INPUT, INPUT * 1000]
    assert await house.ledger() == [("little", "default", Sums(input_tokens=INPUT, cost=INPUT * 1000, estimated=1))]


async def test_a_stream_whose_reader_leaves_settles_what_was_produced() -> None:
    house = House(StreamingProvider(["three ", "words ", "here ", "and more"]))
    events = house.router.stream(HI, house.call)
    got = 0
    async for event in events:
        got += isinstance(event, TextDelta)
        if got == 3:
            break
    await events.aclose()

    assert await house.used() == [INPUT + 3, (INPUT + 3) * 1000]


async def test_a_stream_that_breaks_settles_what_was_produced() -> None:
    house = House(StreamingProvider(["three ", "words ", "here", failed("connection")]))

    with pytest.raises(StreamInterrupted):
        async for _ in house.router.stream(HI, house.call):
            pass

    assert await house.used() == [INPUT + 3, (INPUT + 3) * 1000]
    assert [sums.requests for _, _, sums in await house.ledger()] == [0]


class Pausing(WordCounter):
    """Counts an answer only when it may."""

    def __init__(self) -> None:
        self.begun, self.may = Event(), Event()

    def count(self, text: str) -> Count:
        if "three" in text:
            self.begun.set()
            assert self.may.wait(10)
        return super().count(text)


async def test_a_stream_whose_caller_leaves_while_it_is_counted_settles_what_was_produced() -> None:
    counter = Pausing()
    house = House(StreamingProvider(["three ", "words ", "here", failed("connection")]), counter=counter)
    reading = asyncio.create_task(house.read())
    await asyncio.to_thread(counter.begun.wait, 10)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    counter.may.set()

    assert await house.used() == [INPUT + 3, (INPUT + 3) * 1000]


async def test_a_stream_settles_what_the_provider_says() -> None:
    end = Finished(finish_reason=FinishReason.STOP, usage=Usage(input_tokens=2, output_tokens=90))
    house = House(StreamingProvider(["few ", "words", end]))

    async for _ in house.router.stream(HI, house.call):
        pass

    assert await house.used() == [92, 92_000]


class Racing:
    """`little` never answers; `big` does at once."""

    async def answer(self, call: ModelCall) -> Answer:
        if call.model.id == "little":
            await asyncio.get_running_loop().create_future()
        return await ScriptedProvider("two words").answer(call)

    async def stream(self, call: ModelCall) -> AsyncGenerator[Piece, None]:
        raise NotImplementedError
        yield


async def test_the_loser_of_a_race_is_settled_with_what_it_was_asked() -> None:
    house = House(Racing(), routing="version: 1\nroutes: [{id: default, why: w, use: {candidates: [little, big]}, hedge: {after: 1ms}}]\n")

    completion = await house.complete()

    assert completion.model == "big"
    assert await house.used() == [102 + INPUT, 1_020_000 + INPUT * 1000]
    assert sorted((model, sums.requests, sums.estimated) for model, _, sums in await house.ledger()) == [("big", 1, 0), ("little", 0, 1)]


class EndingSlowly(Racing):
    """`little` takes its time to end, too."""

    def __init__(self) -> None:
        self.is_ending = asyncio.Event()

    async def answer(self, call: ModelCall) -> Answer:
        try:
            return await super().answer(call)
        finally:
            if call.model.id == "little":
                self.is_ending.set()
                await asyncio.Event().wait()


async def test_a_race_whose_caller_leaves_while_its_loser_is_ended_settles_both() -> None:
    provider = EndingSlowly()
    house = House(provider, routing="version: 1\nroutes: [{id: default, why: w, use: {candidates: [little, big]}, hedge: {after: 1ms}}]\n")
    calling = asyncio.create_task(house.complete())
    await provider.is_ending.wait()
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling

    assert await house.used() == [102 + INPUT, 1_020_000 + INPUT * 1000]


class AskedSlowly(MemoryBudgets):
    """A store whose second hold is taken when the first model has answered."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.holds = 0
        self.is_asked_again, self.has_answered = asyncio.Event(), asyncio.Event()

    async def hold(self, tenant: str, hold: Hold) -> Taken:
        self.holds += 1
        if self.holds == 2:
            self.is_asked_again.set()
            await self.has_answered.wait()
        return await super().hold(tenant, hold)


class AnsweringMeanwhile(ScriptedProvider):
    """Answers while room for the second model is being asked for."""

    budgets: AskedSlowly

    async def answer(self, call: ModelCall) -> Answer:
        await self.budgets.is_asked_again.wait()
        self.budgets.has_answered.set()
        return await super().answer(call)


async def test_a_second_model_is_not_called_where_the_first_answers_while_room_is_asked_for() -> None:
    clock, provider = FakeClock(), AnsweringMeanwhile("two words", "never")
    provider.budgets = AskedSlowly(clock)
    routing = "version: 1\nroutes: [{id: default, why: w, use: {candidates: [little, big]}, hedge: {after: 1ms}}]\n"
    house = House(provider, clock=clock, budgets=provider.budgets, routing=routing)

    completion = await house.complete()

    assert (completion.model, [call.model.id for call in provider.calls]) == ("little", ["little"])
    assert await house.used() == [102, 102_000]
    assert provider.budgets.holds == 2


async def test_the_sum_of_the_ledger_is_the_sum_of_what_was_settled_to_the_nano_dollar() -> None:
    outcomes: list[str | Exception] = [failed("503") if at % 5 == 1 else "word " * (1 + at % 7) for at in range(60)]
    house = House(ScriptedProvider(*outcomes, *["end"] * 60))

    completions = [completion for _ in range(40) for completion in [await house.complete(asked(50 + _))]]

    tokens, money = await house.used()
    rows = await house.ledger()
    assert sum(sums.cost for _, _, sums in rows) == money == sum(completion.usage.cost for completion in completions)
    assert sum(sums.input_tokens + sums.output_tokens for _, _, sums in rows) == tokens
    assert sum(sums.requests for _, _, sums in rows) == 40


async def test_what_tenants_without_windows_use_is_entered_too() -> None:
    house = House(ScriptedProvider("two words"), ())

    await house.complete()

    assert await house.ledger() == [
        ("little", "default", Sums(requests=1, input_tokens=100, output_tokens=2, cost=102_000, baseline_cost=1_020_000))
    ]


class Listening(MemoryBudgets):
    """Notes by what ids it is asked to settle."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.ids: list[str] = []

    async def settle(self, tenant: str, hold: Hold, actual: tuple[int, ...], entry: Entry | None) -> Settled:
        self.ids.append(hold.id)
        return await super().settle(tenant, hold, actual, entry)


async def test_each_entry_without_a_hold_can_be_told_from_all_others() -> None:
    clock = FakeClock()
    listening = Listening(clock)
    house = House(ScriptedProvider("two words", "two words"), (), clock=clock, budgets=listening)

    for _ in range(2):
        await house.complete()
        await house.spending.settled()

    assert len(set(listening.ids)) == 2
    assert "" not in listening.ids


async def test_rules_see_how_much_is_spent() -> None:
    routing = """version: 1
routes:
  - {id: thrifty, why: w, when: budget.spend_ratio >= 0.5 && budget.pace >= 0.9 && has(budget.usd_left), use: {candidates: [little]}}
  - {id: default, why: w, use: {candidates: [big]}}
"""
    house = House(
        ScriptedProvider("two words", "two words"),
        (window(86_400, kind="usd", limit=4_100_000), window(86_400, kind="requests", limit=2)),
        routing=routing,
    )

    rules = []
    for _ in range(2):
        rules.append((await house.router.complete(HI, house.call))[0].rule.id)
        await house.spending.settled()
        house.clock.advance(FRESH_S)

    assert rules == ["default", "thrifty"]


async def test_how_far_budgets_are_spent_is_told_for_metrics() -> None:
    house = House(ScriptedProvider("two words"))
    await house.complete()
    await house.spending.settled()

    assert house.router.budget_shares() == [("t", "tokens per 1d", 0.0102), ("t", "usd per 1d", pytest.approx(0.000102))]


async def test_route_holds_nothing() -> None:
    house = House(ScriptedProvider())

    await house.router.route(HI, house.call)

    assert await house.used() == [0, 0]


async def test_a_request_cannot_cost_more_than_it_may() -> None:
    house = House(provider := ScriptedProvider("two words"))

    await house.complete(asked(max_cost=350_000))

    assert provider.calls[0].output_cap == 350 - INPUT


async def test_a_limit_on_cost_that_its_input_may_take_up_drops_a_model() -> None:
    house = House(ScriptedProvider("two words"))

    with pytest.raises(NoEligibleModel, match="COST"):
        await house.complete(asked(1, max_cost=8_999))


async def test_a_limit_on_all_tokens_caps_the_output() -> None:
    house = House(provider := ScriptedProvider("two words"))

    await house.complete(asked(max_total_tokens=360))

    assert provider.calls[0].output_cap == 360 - INPUT


class Lost:
    """A store that is down, or goes down after the hold."""

    def __init__(self, budgets: MemoryBudgets, *, holds: bool) -> None:
        self._budgets = budgets
        self._holds = holds

    async def hold(self, tenant: str, hold: Hold) -> Taken:
        if not self._holds:
            raise StoreDown("it is down")
        return await self._budgets.hold(tenant, hold)

    async def settle(self, tenant: str, hold: Hold, actual: tuple[int, ...], entry: Entry | None) -> Settled:
        raise StoreDown("it is down")

    async def levels(self, tenant: str, asked: tuple[Meter, ...]) -> Levels:
        return await self._budgets.levels(tenant, asked)


async def test_without_a_store_nothing_is_spent() -> None:
    clock = FakeClock()
    house = House(provider := ScriptedProvider("two words"), clock=clock, budgets=Lost(MemoryBudgets(clock), holds=False))

    with pytest.raises(StoreUnavailable, match="store_lost: closed"):
        await house.complete()

    assert provider.calls == []


async def test_a_hold_that_cannot_be_settled_counts_in_full_after_its_time() -> None:
    clock = FakeClock()
    house = House(ScriptedProvider("two words"), clock=clock, budgets=Lost(MemoryBudgets(clock), holds=True))

    await house.complete()
    clock.advance(60 + GRACE_S)

    assert await house.used() == [408, 408_000]


class Slow(MemoryBudgets):
    """A store that takes a hold at once, and says so never."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.took = asyncio.Event()

    async def hold(self, tenant: str, hold: Hold) -> Taken:
        await super().hold(tenant, hold)
        self.took.set()
        return await asyncio.Event().wait()  # type: ignore[return-value]  # not reached


async def test_what_was_held_for_a_caller_who_left_meanwhile_is_given_back() -> None:
    clock = FakeClock()
    slow = Slow(clock)
    house = House(ScriptedProvider("two words"), clock=clock, budgets=slow)
    calling = asyncio.create_task(house.complete())
    await slow.took.wait()
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling

    assert await house.used() == [0, 0]


async def test_what_is_known_of_tenants_is_forgotten_when_they_no_longer_call() -> None:
    house = House(ScriptedProvider("two words"))
    await house.complete()
    await house.spending.settled()
    assert len(house.mirror._seen) == 1

    house.clock.advance(61)
    await house.mirror.refresh()

    assert house.mirror._seen == {}
