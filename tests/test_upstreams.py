"""What is known of upstreams: who is left alone for what, who is full, and that decisions are told so before anything is tried."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from fakes import AllWell, FakeClock, Said, catalog_yaml, model_yaml, ruleset_of
from pointsman.core.breaker import FAILURES, FIRST_S
from pointsman.core.catalog import Catalog
from pointsman.core.experience import SUMMED_EVERY_S, Observation
from pointsman.core.lengths import Length
from pointsman.core.market import ModelState
from pointsman.upstreams import KEY_S, MOST_WAITING, Ticket, Upstreams

PROVIDERS = """{p: {api: openai, base_url: "https://p.example", key: {env: P_API_KEY}, max_in_flight: 3},
  q: {api: openai, base_url: "https://q.example", limits: {rpm: 60, tpm: 6000}}}"""
MODELS = catalog_yaml({"one": model_yaml(), "two": model_yaml(), "far": model_yaml().replace("provider: p", "provider: q")}).replace(
    "{p: {api: builtin}}", PROVIDERS
)
CATALOG = ruleset_of(MODELS, "version: 1\nroutes: [{id: default, why: w, use: {candidates: [one, two, far]}}]\n").catalog


class House:
    """Upstreams that run on a clock of ours."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.said = Said()
        self.upstreams = Upstreams(AllWell(), self.clock, self.said)

    def admit(self, name: str = "one", tokens: int = 1, catalog: Catalog = CATALOG) -> Ticket | None:
        model = catalog.models[name]
        return self.upstreams.admit(model, catalog.providers[model.provider], tokens)

    def fail(self, error_type: str, name: str = "one", times: int = 1, retry_after_s: float | None = None) -> None:
        for _ in range(times):
            ticket = self.admit(name)
            assert ticket is not None
            ticket.failed(error_type, retry_after_s)

    def state(self, name: str = "one") -> ModelState:
        return self.upstreams.states(CATALOG).get(name, ModelState())


def test_a_failing_model_is_left_alone_and_then_tried_by_one_call() -> None:
    house = House()
    house.fail("503", times=FAILURES)

    assert (house.admit(), house.state().healthy, house.state("two").healthy) == (None, False, True)
    assert house.state().note == "it failed or asked for a pause, and is left alone for now"
    house.clock.advance(FIRST_S)
    assert house.state().healthy
    probe = house.admit()
    assert probe is not None
    assert (house.admit(), house.state().healthy) == (None, False)
    probe.answered()
    assert house.state().healthy
    assert house.said == [
        "model one is not called: it failed or asked for a pause, and is left alone for now",
        *["model one is called again", house.said[0]],
        "model one is called again",
    ]


@pytest.mark.parametrize("error_type", ["400", "422", "413", "bad_request", "unsupported"])
def test_what_is_the_requests_fault_is_not_held_against_a_model(error_type: str) -> None:
    house = House()
    house.fail(error_type, times=50)

    assert house.state().healthy


def test_a_model_that_is_asked_too_often_is_left_alone_for_as_long_as_it_says() -> None:
    house = House()
    house.fail("429", retry_after_s=7)

    house.clock.advance(6.9)
    assert (house.admit(), house.state().healthy) == (None, False)
    house.clock.advance(0.1)
    assert house.state().healthy
    house.fail("429")
    house.clock.advance(1)
    assert house.state().healthy


@pytest.mark.parametrize(("error_type", "others"), [("401", False), ("quota", False), ("403", True)])
def test_a_key_that_is_refused_is_not_tried_again_for_a_while(error_type: str, others: bool) -> None:
    house = House()
    house.fail(error_type)

    assert (house.state().healthy, house.state("two").healthy, house.state("far").healthy) == (False, others, True)
    assert house.admit() is None
    house.clock.advance(KEY_S)
    assert house.state().healthy
    assert house.state("two").healthy


def test_a_provider_bears_so_many_calls_at_once_over_all_its_models() -> None:
    house = House()
    tickets = [house.admit("one"), house.admit("two"), house.admit("one")]

    assert None not in tickets
    assert house.admit("two") is None
    assert [(house.state(name).has_room, house.state(name).healthy) for name in ("one", "two", "far")] == [(False, True)] * 2 + [
        (True, True)
    ]
    assert house.state().note == "its provider takes 3 calls at once"
    assert tickets[0] is not None
    tickets[0].gave_up()
    tickets[0].failed("500")  # what is said first counts
    assert house.state().has_room
    assert house.admit("two") is not None


def test_requests_and_tokens_a_minute_are_kept_to() -> None:
    house = House()
    for _ in range(10):
        ticket = house.admit("far")
        assert ticket is not None
        ticket.answered()
    assert (house.admit("far"), house.state("far").has_room) == (None, False)
    house.clock.advance(1)
    assert house.state("far").has_room
    ticket = house.admit("far", tokens=3000)
    assert ticket is not None
    ticket.answered()
    house.clock.advance(15)
    assert house.admit("far") is None
    house.clock.advance(10)
    assert house.admit("far") is not None


def test_nothing_is_worked_out_anew_while_nothing_changes() -> None:
    house = House()
    first = house.upstreams.states(CATALOG)
    ticket = house.admit()
    assert ticket is not None
    ticket.answered()

    assert house.upstreams.states(CATALOG) is first


def test_what_is_known_beside_calls_is_passed_on() -> None:
    class NoKey:
        def states(self, catalog: Catalog) -> Mapping[str, ModelState]:
            return {"one": ModelState(has_credential=False)}

    upstreams = Upstreams(NoKey(), FakeClock())

    assert upstreams.states(CATALOG)["one"] == ModelState(has_credential=False)


def test_a_model_that_comes_back_under_another_name_is_the_same_upstream() -> None:
    house = House()
    house.fail("500", times=FAILURES)
    renamed = ruleset_of(
        MODELS.replace("  one:", "  uno:"), "version: 1\nroutes: [{id: default, why: w, use: {candidates: [uno, two, far]}}]\n"
    ).catalog

    assert not house.upstreams.states(renamed)["uno"].healthy


async def test_who_waits_for_room_looks_again_whenever_a_call_ends() -> None:
    house = House()
    tickets = [house.admit() for _ in range(3)]
    waiting = [asyncio.create_task(house.upstreams.room(until=60)) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    ticket = tickets[0]
    assert ticket is not None

    ticket.gave_up()
    done = await asyncio.gather(*waiting, return_exceptions=True)

    assert isinstance(done[0], asyncio.CancelledError)
    assert done[1:] == [True, True]


async def test_waiting_has_an_end() -> None:
    house = House()
    house.clock.advance(5)
    assert not await house.upstreams.room(until=5)

    crowd = [asyncio.create_task(house.upstreams.room(until=60)) for _ in range(MOST_WAITING)]
    await asyncio.sleep(0)
    assert not await house.upstreams.room(until=60)
    for one in crowd:
        one.cancel()


def test_room_at_a_provider_is_seen_by_all_its_models() -> None:
    house = House()
    tickets = [house.admit("one") for _ in range(3)]
    assert not house.state("two").has_room
    for ticket in tickets:
        assert ticket is not None
        ticket.failed("503")

    assert house.state("two").has_room


def seen(output_tokens: int = 300, ttft_ms: float = 40.0) -> Observation:
    return Observation(
        task="chat",
        complexity=0.4,
        text_class="english",
        latency_ms=500.0,
        ttft_ms=ttft_ms,
        prompt_tokens=50,
        output_tokens=output_tokens,
        usual=Length(100, 300),
    )


def answer(house: House, observation: Observation | None, name: str = "one", times: int = 20) -> None:
    for _ in range(times):
        ticket = house.admit(name)
        assert ticket is not None
        ticket.answered(observation)


def test_decisions_are_told_what_answers_have_shown() -> None:
    house = House()
    answer(house, seen())

    shown = house.state()
    assert (shown.ttft_ms, shown.answers["chat"].median) == (40, 3)
    assert house.state("two") == ModelState()


def test_what_answers_have_shown_is_told_anew_once_a_second_and_stays_one_value_meanwhile() -> None:
    house = House()
    answer(house, seen())
    before = house.upstreams.states(CATALOG)
    answer(house, seen(ttft_ms=5.0), times=100)

    assert house.upstreams.states(CATALOG) is before
    house.clock.advance(SUMMED_EVERY_S)
    assert house.state().ttft_ms == 5


def test_a_model_that_is_left_alone_keeps_what_it_has_shown() -> None:
    house = House()
    answer(house, seen())
    house.fail("503", times=FAILURES)

    assert (house.state().healthy, house.state().ttft_ms) == (False, 40)


def test_an_answer_that_shows_nothing_changes_nothing() -> None:
    house = House()
    answer(house, None)

    assert house.state() == ModelState()
