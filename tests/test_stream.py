"""Streams: free to fall back before the first piece, honest after it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fakes import ESTIMATE, AllWell, FakeClock, StreamingProvider, WordCounter, catalog_yaml, failed, model_yaml, recall_of, ruleset_of
from pointsman.adapters.cache import MemoryCache
from pointsman.adapters.clock import SystemClock
from pointsman.affinity import Affinity
from pointsman.call import Call
from pointsman.core.completion import Completion, TextDelta, Usage
from pointsman.core.decision import Decision
from pointsman.core.errors import DeadlinePassed, DeadlineTooShort, PointsmanError, StreamInterrupted, UpstreamUnavailable
from pointsman.core.request import Request
from pointsman.core.vocabulary import AttemptReason, FinishReason
from pointsman.execute import Executor
from pointsman.ports import Clock, Finished
from pointsman.reader import Reader
from pointsman.router import Router
from pointsman.upstreams import Upstreams

RULES = ruleset_of(
    catalog_yaml(
        {"first": model_yaml(price=1, ttft_ms=0, tokens_per_s=1000000), "second": model_yaml(price=2, ttft_ms=0, tokens_per_s=1000000)}
    ),
    "version: 1\nroutes: [{id: default, why: w, use: {candidates: [first, second]}}]\n",
)
END = Finished(finish_reason=FinishReason.STOP, usage=Usage(input_tokens=10, output_tokens=5))


def router_over(provider: StreamingProvider, *, longest_s: float = 10, clock: Clock | None = None) -> Router:
    """Return a router whose models all stream from one provider."""
    clock = clock or FakeClock()
    upstreams = Upstreams(AllWell(), clock)
    executor = Executor({"builtin": provider}, WordCounter(), clock, upstreams)
    return Router(
        rules=lambda: RULES,
        reader=Reader(WordCounter(), ESTIMATE),
        recall=recall_of(executor, clock),
        affinity=Affinity(MemoryCache(clock), clock),
        upstreams=upstreams,
        clock=clock,
        longest_s=longest_s,
    )


async def streamed(
    provider: StreamingProvider, *, longest_s: float = 10, clock: Clock | None = None
) -> tuple[list[object], PointsmanError | None]:
    """Return the events of one stream, of a caller who tries himself, and the error that ended it."""
    events: list[object] = []
    try:
        async for event in router_over(provider, longest_s=longest_s, clock=clock).stream(
            Request.of("Hi there"), Call(id="id", tried_before=1)
        ):
            events.append(event)  # noqa: PERF401  # what came before an error counts
    except PointsmanError as error:
        return events, error
    return events, None


def completion_of(events: list[object]) -> Completion:
    """Return the completion that ends the events."""
    assert isinstance(events[-1], Completion)
    return events[-1]


async def test_a_stream_is_decision_deltas_completion() -> None:
    events, error = await streamed(StreamingProvider(["Good ", "day", END]))

    assert error is None
    assert isinstance(events[0], Decision)
    assert events[1:3] == [TextDelta("Good "), TextDelta("day")]
    completion = completion_of(events)
    assert (completion.message, completion.finish_reason, completion.model) == (None, FinishReason.STOP, "first")
    assert (completion.usage.cost, completion.usage.baseline_cost) == (15_000, 30_000)
    assert completion.attempts[0].ttft_ms is not None


async def test_before_the_first_piece_a_failure_moves_on_for_free() -> None:
    provider = StreamingProvider([failed("429")], ["Hello", END])
    events, error = await streamed(provider)

    assert error is None
    assert [event for event in events if isinstance(event, TextDelta)] == [TextDelta("Hello")]
    attempts = completion_of(events).attempts
    assert [(attempt.model, attempt.reason, attempt.error_type) for attempt in attempts] == [
        ("first", AttemptReason.PRIMARY, "429"),
        ("second", AttemptReason.FALLBACK, ""),
    ]
    assert provider.closed == 2


async def test_after_the_first_piece_a_failure_is_an_honest_end() -> None:
    provider = StreamingProvider(["one two ", "three", failed("connection")], ["never", END])
    events, error = await streamed(provider)

    assert isinstance(error, StreamInterrupted)
    assert error.emitted_tokens == 3
    completion = completion_of(events)
    assert (completion.finish_reason, completion.usage.estimated, completion.usage.output_tokens) == (FinishReason.ERROR, True, 3)
    assert [attempt.error_type for attempt in completion.attempts] == ["connection"]
    assert len(provider.calls) == 1


async def test_a_stream_that_just_stops_is_incomplete() -> None:
    events, error = await streamed(StreamingProvider(["one"]))

    assert isinstance(error, StreamInterrupted)
    assert completion_of(events).attempts[0].error_type == "incomplete"


async def test_when_no_model_begins_the_error_says_how_each_failed() -> None:
    events, error = await streamed(StreamingProvider([failed("connection")], [failed("500")]))

    assert isinstance(error, UpstreamUnavailable)
    assert "first: connection, second: 500" in str(error)
    assert len(events) == 1


async def test_usage_that_is_not_reported_is_counted_and_marked() -> None:
    events, _ = await streamed(StreamingProvider(["one two", Finished(finish_reason=FinishReason.LENGTH, usage=None)]))

    usage = completion_of(events).usage
    assert (usage.output_tokens, usage.estimated, usage.input_tokens > 0) == (2, True, True)


async def hangs() -> None:
    await asyncio.get_running_loop().create_future()


@pytest.mark.parametrize(("script", "calls"), [([hangs], 2), (["one", hangs], 1)])
async def test_a_deadline_ends_the_stream_wherever_it_is(script: list[Any], calls: int) -> None:
    """Real time, since asyncio's own timer ends the wait: 200 ms. Half of the time is kept for the second model."""
    provider = StreamingProvider(script, [hangs])
    events, error = await streamed(provider, longest_s=0.2, clock=SystemClock())

    assert isinstance(error, DeadlinePassed)
    assert sum(isinstance(event, TextDelta) for event in events) == 2 - calls
    assert provider.closed == len(provider.calls) == calls


async def test_too_little_time_calls_nobody() -> None:
    provider = StreamingProvider(["never", END])
    events, error = await streamed(provider, longest_s=0.001)

    assert isinstance(error, DeadlineTooShort)
    assert (events, provider.calls) == ([], [])


async def test_leaving_a_stream_closes_it_upstream() -> None:
    provider = StreamingProvider(["one", "two", "three", END])
    events = router_over(provider).stream(Request.of("Hi"), Call(id="id"))
    await anext(events)
    await anext(events)
    await events.aclose()

    assert provider.closed == 1
