"""What an answer shows of its model: told to the decisions that follow, by way of the upstreams."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
from msgspec import Struct

from fakes import AllWell, FakeClock, WordCounter, catalog_yaml, facts_of, model_yaml, ruleset_of
from pointsman.core.completion import Attempt, TextDelta, Usage
from pointsman.core.decide import decide
from pointsman.core.experience import SUMMED_EVERY_S
from pointsman.core.market import Market, ModelState
from pointsman.core.request import Image, Message, Prompt, Request
from pointsman.core.ruleset import RouteSettings
from pointsman.core.vocabulary import FinishReason, Role
from pointsman.execute import PLAIN, Executor
from pointsman.ports import Answer, Finished, ModelCall, Piece
from pointsman.upstreams import Upstreams

RULES = ruleset_of(
    catalog_yaml({"only": model_yaml(ttft_ms=100, tokens_per_s=100)}),
    "version: 1\nroutes: [{id: all, why: w, use: {candidates: [only]}}]\n",
)
ASKED = Request.of("hi")
PICTURED = Request(prompt=Prompt(messages=(Message(role=Role.USER, parts=(Image(url="https://x.example/a.png"),)),)))


class Timed(Struct, frozen=True):
    """A provider that begins after 0.4 s and takes 2 s more, as its clock says; what it used is said at the end."""

    clock: FakeClock
    usage: Usage | None = Usage(input_tokens=150, output_tokens=400)
    finish: FinishReason = FinishReason.STOP

    async def answer(self, call: ModelCall) -> Answer:
        self.clock.advance(2.4)
        message = Message(role=Role.ASSISTANT, parts=("well",))
        return Answer(message=message, finish_reason=self.finish, usage=self.usage or Usage(), ttft_ms=2400.0)

    async def stream(self, call: ModelCall) -> AsyncGenerator[Piece, None]:
        self.clock.advance(0.4)
        yield TextDelta("well")
        self.clock.advance(2.0)
        yield Finished(finish_reason=self.finish, usage=self.usage)


async def shown(
    provider: Timed, *, streams: bool, request: Request = ASKED, reader_takes_s: float = 0.0, settings: RouteSettings = PLAIN
) -> ModelState:
    """Return what is known of the model after some calls of it."""
    clock = provider.clock
    upstreams = Upstreams(AllWell(), clock)
    executor = Executor({"builtin": provider}, WordCounter(), clock, upstreams)
    decision = decide(RULES, facts_of(features_task="chat"), Market())
    for _ in range(30):
        deadline = clock.monotonic() + 3600
        if not streams:
            await executor.run(decision, request, RULES.catalog, deadline=deadline, settings=settings)
            continue
        async for _event in executor.stream(decision, request, RULES.catalog, deadline=deadline):
            clock.advance(reader_takes_s)
    clock.advance(SUMMED_EVERY_S)
    return upstreams.states(RULES.catalog).get("only", ModelState())


async def test_a_stream_that_its_caller_leaves_is_heard_of_before_what_it_used_is_counted() -> None:
    clock, heard = FakeClock(), list[Attempt]()
    executor = Executor({"builtin": Timed(clock)}, WordCounter(), clock, Upstreams(AllWell(), clock))
    decision = decide(RULES, facts_of(features_task="chat"), Market())
    events = executor.stream(decision, ASKED, RULES.catalog, deadline=clock.monotonic() + 3600, hear=heard.append)
    async for _ in events:
        break
    await events.aclose()

    assert [(attempt.model, attempt.error_type) for attempt in heard] == [("only", "cancelled")]


async def test_a_stream_shows_its_first_token_its_pace_its_length_and_its_counting() -> None:
    state = await shown(Timed(FakeClock()), streams=True)

    assert state.ttft_ms == pytest.approx(400)
    assert state.tokens_per_s == pytest.approx(200)
    assert state.answers["chat"].median == 4
    assert state.counts["english"].middle == 1.5


async def test_a_whole_answer_shows_all_but_its_first_token() -> None:
    state = await shown(Timed(FakeClock()), streams=False)

    assert state.ttft_ms == 100
    assert state.tokens_per_s == pytest.approx(400 / 2.3)
    assert state.answers["chat"].median == 4


async def test_a_reader_who_takes_his_time_hides_the_pace_of_the_model() -> None:
    state = await shown(Timed(FakeClock()), streams=True, reader_takes_s=60.0)

    assert (state.ttft_ms, state.tokens_per_s) == (100, 100)
    assert state.answers["chat"].median == 4


@pytest.mark.parametrize(
    ("usage", "request_"),
    [
        pytest.param(None, ASKED, id="the provider does not say"),
        pytest.param(Usage(input_tokens=150, output_tokens=400, estimated=True), ASKED, id="we counted"),
        pytest.param(Usage(input_tokens=150, output_tokens=400), PICTURED, id="pictures count in a way of their own"),
    ],
)
async def test_counting_is_learned_from_what_providers_say_of_text(usage: Usage | None, request_: Request) -> None:
    assert (await shown(Timed(FakeClock(), usage), streams=True, request=request_)).counts == {}


async def test_what_was_left_out_of_a_prompt_hides_how_the_model_counts() -> None:
    assert (await shown(Timed(FakeClock()), streams=False, settings=RouteSettings(optimize="lossless"))).counts == {}


async def test_an_answer_that_was_held_back_shows_nothing() -> None:
    assert await shown(Timed(FakeClock(), finish=FinishReason.CONTENT_FILTER), streams=True) == ModelState()


async def test_an_answer_that_was_cut_short_is_no_short_answer() -> None:
    cut = Timed(FakeClock(), Usage(input_tokens=100, output_tokens=20), FinishReason.LENGTH)

    assert (await shown(cut, streams=True)).answers["chat"].median == 2  # nine in ten of what is usual, 200 tokens for 100
