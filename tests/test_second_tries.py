"""When a model is asked again, when another is asked beside it, and when neither."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from fakes import AllWell, FakeClock, ScriptedProvider, WordCounter, catalog_yaml, facts_of, failed, model_yaml, ruleset_of
from pointsman.adapters.clock import SystemClock
from pointsman.core.breaker import FAILURES
from pointsman.core.completion import Completion, TextDelta, Usage
from pointsman.core.decide import decide
from pointsman.core.decision import Decision
from pointsman.core.errors import DeadlinePassed, UpstreamUnavailable
from pointsman.core.market import Market
from pointsman.core.request import Message, Request
from pointsman.core.ruleset import RouteSettings, Ruleset
from pointsman.core.vocabulary import AttemptReason, FinishReason, Role
from pointsman.execute import PAUSE_S, PLAIN, Executor
from pointsman.ports import Answer, Clock, Finished, ModelCall, Piece, Provider
from pointsman.upstreams import Upstreams
from pointsman.work import MOST_TRIES

ASKED = Request.of("hi")
MODELS = catalog_yaml({name: model_yaml(price=price) for name, price in (("one", 1), ("two", 2), ("three", 3), ("four", 4))})


def planned(count: int) -> Ruleset:
    names = ("one", "two", "three", "four")[:count]
    return ruleset_of(MODELS, f"version: 1\nroutes: [{{id: all, why: w, use: {{candidates: [{', '.join(names)}]}}}}]\n")


class House:
    """An executor over models of one provider, with the pauses that it made."""

    def __init__(self, provider: Provider, *, models: int = 1, clock: Clock | None = None, settings: RouteSettings = PLAIN) -> None:
        self.clock: Any = clock or FakeClock()
        self.ruleset, self.settings = planned(models), settings
        self.upstreams = Upstreams(AllWell(), self.clock)
        self.pauses: list[float] = []
        self.executor = Executor({"builtin": provider}, WordCounter(), self.clock, self.upstreams, sleep=self._sleep, random=lambda: 0.5)

    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        if isinstance(self.clock, FakeClock):
            self.clock.advance(seconds)

    def decision(self) -> Decision:
        return decide(self.ruleset, facts_of(), Market(models=self.upstreams.states(self.ruleset.catalog)))

    async def run(self, *, again: bool = True, within_s: float = 60.0) -> Completion:
        deadline = self.clock.monotonic() + within_s
        return await self.executor.run(self.decision(), ASKED, self.ruleset.catalog, deadline=deadline, settings=self.settings, again=again)

    async def stream(self, *, within_s: float = 60.0) -> list[object]:
        deadline = self.clock.monotonic() + within_s
        events = self.executor.stream(self.decision(), ASKED, self.ruleset.catalog, deadline=deadline, settings=self.settings)
        return [event async for event in events]


def told(completion: Completion) -> list[tuple[str, AttemptReason, str]]:
    return [(attempt.model, attempt.reason, attempt.error_type) for attempt in completion.attempts]


async def test_a_model_is_asked_again_after_a_pause_when_no_other_is_left() -> None:
    house = House(ScriptedProvider(failed("503"), failed("connection"), "at last"), models=2)

    assert told(await house.run()) == [
        ("one", AttemptReason.PRIMARY, "503"),
        ("two", AttemptReason.FALLBACK, "connection"),
        ("one", AttemptReason.RETRY, ""),
    ]
    assert house.pauses == [PAUSE_S / 2]


@pytest.mark.parametrize("error_type", ["400", "401", "quota", "404", "unsupported", "private_address"])
async def test_what_no_pause_mends_is_not_asked_again(error_type: str) -> None:
    provider = ScriptedProvider(failed(error_type))

    with pytest.raises(UpstreamUnavailable, match=f"one: {error_type}$"):
        await House(provider).run()

    assert len(provider.calls) == 1


async def test_a_caller_who_tries_again_himself_leaves_us_one_try() -> None:
    provider = ScriptedProvider(failed("503"))

    with pytest.raises(UpstreamUnavailable):
        await House(provider).run(again=False)

    assert len(provider.calls) == 1


async def test_there_is_no_pause_for_which_no_time_is_left() -> None:
    house = House(ScriptedProvider(failed("503")))

    with pytest.raises(UpstreamUnavailable):
        await house.run(within_s=PAUSE_S / 4)

    assert house.pauses == []


class Failing:
    """A model that always fails, as it is told, and counts how often it was asked."""

    def __init__(self, error_type: str = "503") -> None:
        self.error_type = error_type
        self.asked = 0

    async def answer(self, call: ModelCall) -> Answer:
        self.asked += 1
        raise failed(self.error_type)

    async def stream(self, call: ModelCall) -> AsyncGenerator[Piece, None]:
        self.asked += 1
        raise failed(self.error_type)
        yield


async def test_when_every_upstream_fails_a_thousand_calls_are_a_few() -> None:
    """The fault table's row 8: at most 1.2 times as many; breakers make it far fewer."""
    provider = Failing()
    house = House(provider, models=2)
    errors = 0
    for _ in range(1000):
        try:
            await house.run()
        except UpstreamUnavailable:
            errors += 1
        except Exception as refused:  # every model is left alone: decide says so
            errors += type(refused).__name__ == "AllUnavailable"
        house.clock.advance(0.01)

    print(f"1000 calls while everything fails: {provider.asked} upstream calls")
    assert errors == 1000
    assert provider.asked <= 60


async def test_without_breakers_a_fifth_is_all_that_is_tried_again() -> None:
    """What says nothing of the upstream opens no breaker; each second try is paid for by five calls."""
    provider = Failing()
    house = House(provider)
    for _ in range(1000):
        house.upstreams = Upstreams(AllWell(), house.clock)
        house.executor._upstreams = house.upstreams
        with pytest.raises(UpstreamUnavailable):
            await house.run()

    assert 1000 <= provider.asked <= 1201


async def test_a_call_tries_no_more_often_than_it_may() -> None:
    provider = Failing("connection")
    house = House(provider, models=4)
    for _ in range(60):
        house.executor._second_tries.called()

    with pytest.raises(UpstreamUnavailable):
        await house.run()

    assert provider.asked == MOST_TRIES


async def test_a_model_of_the_plan_that_is_known_to_fail_by_now_is_passed_over() -> None:
    provider = ScriptedProvider(*[failed("503")] * FAILURES, "from two")
    house = House(provider, models=2)
    decision = house.decision()
    catalog = house.ruleset.catalog
    for _ in range(FAILURES):
        ticket = house.upstreams.admit(catalog.models["one"], catalog.providers["p"], 1)
        assert ticket is not None
        ticket.failed("503")
    provider._outcomes = ["from two"]

    completion = await house.executor.run(decision, ASKED, catalog, deadline=60)

    assert told(completion) == [("two", AttemptReason.FALLBACK, "")]


# Hedging, in real time: tenths of a second at most.


class Paced:
    """Models that answer after so many seconds each, by id; `ended` names those whose call was over, answered or not."""

    def __init__(self, **seconds: float) -> None:
        self._seconds = seconds
        self.begun: list[str] = []
        self.both = asyncio.Event()
        """Set when two were begun."""
        self.ended: list[str] = []

    async def answer(self, call: ModelCall) -> Answer:
        pieces = [piece async for piece in self.stream(call)]
        assert isinstance(pieces[0], TextDelta)
        message = Message(role=Role.ASSISTANT, parts=(pieces[0].text,))
        return Answer(message=message, finish_reason=FinishReason.STOP, usage=Usage(input_tokens=100, output_tokens=1), ttft_ms=1)

    async def stream(self, call: ModelCall) -> AsyncGenerator[Piece, None]:
        self.begun.append(call.model.id)
        if len(self.begun) > 1:
            self.both.set()
        try:
            await asyncio.sleep(self._seconds[call.model.id])
            yield TextDelta(call.model.id)
            yield Finished(finish_reason=FinishReason.STOP, usage=Usage(input_tokens=100, output_tokens=1))
        finally:
            self.ended.append(call.model.id)


def hedged(provider: Provider, after_s: float = 0.03, models: int = 2) -> House:
    return House(provider, models=models, clock=SystemClock(), settings=RouteSettings(hedge_after_s=after_s))


async def test_when_the_first_is_slow_the_next_is_asked_and_the_sooner_counts() -> None:
    provider = Paced(one=5, two=0.01)
    completion = await hedged(provider).run()

    assert completion.message is not None
    assert completion.message.text == "two"
    assert told(completion) == [("one", AttemptReason.PRIMARY, "hedged"), ("two", AttemptReason.HEDGE, "")]
    assert sorted(provider.ended) == ["one", "two"]


async def test_what_the_slower_one_was_asked_is_counted_as_spent() -> None:
    usage = (await hedged(Paced(one=5, two=0.01)).run()).usage

    # 100 tokens of input to `one` at 1 dollar a million, 100 + 1 to `two` at 2.
    assert (usage.input_tokens, usage.output_tokens, usage.estimated, usage.cost) == (200, 1, True, 100_000 + 202_000)


async def test_who_is_asked_second_may_still_be_slower() -> None:
    provider = Paced(one=0.1, two=5)

    assert told(await hedged(provider).run()) == [("two", AttemptReason.HEDGE, "hedged"), ("one", AttemptReason.PRIMARY, "")]
    assert provider.ended[-1] == "two"


async def test_nobody_else_is_asked_while_the_first_is_in_time_or_is_the_only_one() -> None:
    for provider, models in ((Paced(one=0.01, two=5), 2), (Paced(one=0.1), 1)):
        assert told(await hedged(provider, models=models).run()) == [("one", AttemptReason.PRIMARY, "")]


async def test_a_stream_is_hedged_until_its_first_piece() -> None:
    provider = Paced(one=5, two=0.01)
    *pieces, completion = await hedged(provider).stream()

    assert pieces == [TextDelta("two")]
    assert isinstance(completion, Completion)
    assert completion.model == "two"
    assert sorted(provider.ended) == ["one", "two"]


async def test_a_caller_who_leaves_ends_both() -> None:
    provider = Paced(one=5, two=5)
    calling = asyncio.create_task(hedged(provider).run())
    await provider.both.wait()

    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling

    assert sorted(provider.ended) == ["one", "two"]
    assert len(asyncio.all_tasks()) == 1


async def test_the_deadline_ends_both() -> None:
    provider = Paced(one=5, two=5)

    with pytest.raises(DeadlinePassed):
        await hedged(provider).run(within_s=0.2)

    assert sorted(provider.ended) == ["one", "two"]


async def test_a_route_may_end_a_call_before_its_caller_does() -> None:
    house = House(Paced(one=5), clock=SystemClock(), settings=RouteSettings(timeout_s=0.05))

    with pytest.raises(DeadlinePassed):
        await house.run()
