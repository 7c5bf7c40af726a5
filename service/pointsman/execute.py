"""Runs a plan: calls its models until one answers, within one deadline.

A failed attempt moves on to the next model at once: the plan is the alternative, waiting is not. Only when none is left is one asked again,
after a pause drawn at random, and for a fifth of the calls at most. Where the route says so, the next model is asked, too, when the first
is slow. Every attempt is recorded, with what it used, for the answer and for whoever pays. The deadline is the caller's; when it
passes, the call under way is cancelled, which ends it upstream.

A stream commits at its first piece: before it, moving on is free; after it, a failure is a failure, since the caller has seen a part.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from random import Random
from typing import TypeAlias, TypeVar

from msgspec import structs

from pointsman.answers import Source, Streamed, Whole
from pointsman.attempts import CANCELLED, Attempting
from pointsman.core.catalog import Catalog
from pointsman.core.claim import NOTHING
from pointsman.core.completion import Attempt, Completion, Delta, TextDelta, Usage
from pointsman.core.decision import Candidate, Decision
from pointsman.core.limits import SecondTries
from pointsman.core.request import Request
from pointsman.core.ruleset import RouteSettings
from pointsman.core.vocabulary import AttemptReason
from pointsman.ports import Answer, AttemptFailed, Clock, Finished, ModelCall, Piece, Provider, TokenCounter
from pointsman.purse import FREE, Purse, Refused
from pointsman.upstreams import Upstreams
from pointsman.work import Work

PAUSE_S, LONGEST_PAUSE_S = 0.1, 2.0
"""Before a model is asked again: a random time up to the first, twice as long for each further time, up to the second."""

T = TypeVar("T")

Start: TypeAlias = Callable[[Provider, ModelCall], Source[T]]

PLAIN = RouteSettings()

_RANDOM = Random()  # noqa: S311  # spreads pauses


class Executor:
    """Calls the models of a plan through the provider of each."""

    def __init__(
        self,
        providers: Mapping[str, Provider],
        counter: TokenCounter,
        clock: Clock,
        upstreams: Upstreams,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        random: Callable[[], float] = _RANDOM.random,
    ) -> None:
        """`providers` are by API, as in `Provider.api` of the catalog; the counter counts what a provider does not."""
        self._providers = providers
        self._counter = counter
        self._clock = clock
        self._upstreams = upstreams
        self._sleep = sleep
        self._random = random
        self._second_tries = SecondTries()

    async def run(
        self,
        decision: Decision,
        request: Request,
        catalog: Catalog,
        *,
        deadline: float,
        settings: RouteSettings = PLAIN,
        again: bool = True,
        purse: Purse = FREE,
        hear: Callable[[Attempt], None] = lambda _: None,
    ) -> Completion:
        """Return the first answer; `deadline` is in seconds of the monotonic clock. Unless `again`, no model is asked twice. `purse` pays.
        `hear` is told of each attempt when it has ended.

        Raises DeadlinePassed when time is up, UpstreamUnavailable when every model of the plan failed, and BudgetExhausted.
        """
        attempt = await self._first(
            self._work(decision, request, catalog, settings, deadline=deadline, purse=purse, hear=hear), Whole, settings, again=again
        )
        answer = attempt.first
        return attempt.answered(answer.finish_reason, answer.usage, message=answer.message, first_ms=answer.ttft_ms)

    async def stream(
        self,
        decision: Decision,
        request: Request,
        catalog: Catalog,
        *,
        deadline: float,
        settings: RouteSettings = PLAIN,
        again: bool = True,
        purse: Purse = FREE,
        hear: Callable[[Attempt], None] = lambda _: None,
    ) -> AsyncGenerator[Delta | Completion, None]:
        """Yield the answer as it comes, and last the completion without its message.

        Raises what `run` raises before the first piece; after it, yields a completion with what was used so far and FinishReason.ERROR, and
        raises StreamInterrupted, or DeadlinePassed when time was up.
        """
        work = self._work(decision, request, catalog, settings, deadline=deadline, purse=purse, hear=hear)
        attempt = await self._first(work, Streamed, settings, again=again)
        source, piece, texts = attempt.source, attempt.first, [""]
        failed: AttemptFailed | None = None
        assert isinstance(source, Streamed)
        expiry = asyncio.get_running_loop().call_later(max(0.0, work.time_left_s()), attempt.expire)
        try:
            try:
                while not isinstance(piece, Finished):
                    texts += (piece.text,) if isinstance(piece, TextDelta) else (piece.name, piece.arguments_json)
                    attempt.lend()
                    yield piece
                    attempt.asked()
                    async with asyncio.timeout(work.time_left_s()):
                        piece = await source.next()
                yield attempt.answered(piece.finish_reason, piece.usage or await self._counted(attempt.candidate, texts))
            except TimeoutError:
                failed = AttemptFailed("timeout")  # our deadline: no fault of a model that has begun
            except AttemptFailed as found:
                failed = attempt.blamed(found)
            finally:
                expiry.cancel()
                await attempt.close()
            usage = NOTHING if failed is None else await self._counted(attempt.candidate, texts)
        except BaseException:  # the caller may leave at any time, also while a failure is dealt with: his deadline is ours
            attempt.left(lambda: self._counted(attempt.candidate, texts))
            raise
        if failed is not None:
            yield attempt.broke_off(failed.error_type, usage)
            work.check_time()
            raise attempt.interrupted(failed.error_type, usage.output_tokens)

    def _work(
        self,
        decision: Decision,
        request: Request,
        catalog: Catalog,
        settings: RouteSettings,
        *,
        deadline: float,
        purse: Purse,
        hear: Callable[[Attempt], None],
    ) -> Work:
        self._second_tries.called()
        if settings.timeout_s is not None:
            deadline = min(deadline, self._clock.monotonic() + settings.timeout_s)
        return Work(decision, request, catalog, self._clock, deadline, purse=purse, sends_all=not settings.optimize, hear=hear)

    async def _first(self, work: Work, start: Start[T], settings: RouteSettings, *, again: bool) -> Attempting[T]:
        """Return the first attempt of which something came. Raises DeadlinePassed and UpstreamUnavailable."""
        if settings.hedge_after_s is not None:
            return await self._raced(work, start, settings.hedge_after_s, again=again)
        while True:
            attempt = await self._next(work, start, again=again)
            try:
                if await attempt.begin():
                    return attempt
            except BaseException:
                attempt.dropped(CANCELLED)
                raise

    async def _raced(self, work: Work, start: Start[T], hedge_after_s: float, *, again: bool) -> Attempting[T]:
        """As `_first`, but where the first model is slow the next one is asked, too, and the sooner counts."""
        running: dict[asyncio.Task[bool], Attempting[T]] = {}
        won: Attempting[T] | None = None
        try:
            while True:
                if not running:
                    attempt = await self._next(work, start, again=again)
                    running[asyncio.create_task(attempt.begin())] = attempt
                patience_s = hedge_after_s if len(running) == 1 and work.has_more else None
                done, _ = await asyncio.wait(running, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
                if not done:
                    hedge = await self._hedge(work, start) if self._second_tries.take() else None
                    if hedge is None:
                        done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                    elif any(task.done() for task in running):  # it answered while room for the hedge was asked for
                        await hedge.call_off()
                        continue
                    else:
                        running[asyncio.create_task(hedge.begin())] = hedge
                for task in done:
                    attempt = running.pop(task)
                    if task.result():
                        won = attempt
                        return attempt
        finally:
            await _drop(running, won)

    async def _hedge(self, work: Work, start: Start[T]) -> Attempting[T] | None:
        candidate = work.next_model()
        return await self._admitted(work, candidate, AttemptReason.HEDGE, start) if candidate is not None else None

    async def _next(self, work: Work, start: Start[T], *, again: bool) -> Attempting[T]:
        """Return the next attempt. Raises UpstreamUnavailable where none is left, and DeadlinePassed."""
        while True:
            work.check_time()
            while (candidate := work.next_model()) is not None:
                reason = AttemptReason.FALLBACK if candidate is not work.decision.chosen else AttemptReason.PRIMARY
                if (attempt := await self._admitted(work, candidate, reason, start)) is not None:
                    return attempt
            if work.calls or work.is_unpaid or not await self._upstreams.room(work.waits_until()):
                break
            work.start_over()
        chances = work.second_chances() if again else []
        if not chances or not self._second_tries.take():
            raise work.exhausted()
        await self._pause(work)
        for candidate in chances:
            if (attempt := await self._admitted(work, candidate, AttemptReason.RETRY, start)) is not None:
                return attempt
        raise work.exhausted()

    async def _pause(self, work: Work) -> None:
        """Wait a random time. Raises UpstreamUnavailable where there is none left for that."""
        repeats = sum(attempt.reason is AttemptReason.RETRY for attempt in work.attempts)
        pause_s = min(LONGEST_PAUSE_S, PAUSE_S * 2**repeats) * self._random()
        if pause_s >= work.time_left_s():
            raise work.exhausted()
        await self._sleep(pause_s)
        work.check_time()

    async def _admitted(self, work: Work, candidate: Candidate, reason: AttemptReason, start: Start[T]) -> Attempting[T] | None:
        """Return an attempt at a model, None where it is not to be called now."""
        call = work.call(candidate)
        held = await work.purse.hold(candidate, call.output_cap, work.time_left_s())
        if isinstance(held, Refused):
            work.unpaid(candidate, held)
            return None
        ticket = self._upstreams.admit(call.model, call.provider, candidate.tokens.input + candidate.tokens.output)
        if ticket is None:
            held.settle(None)
            work.passed_over(candidate)
            return None
        if held.output_cap != call.output_cap:
            call = structs.replace(call, output_cap=held.output_cap)
        provider = self._providers.get(call.provider.api) or _UNSUPPORTED
        return Attempting(work, candidate, reason, ticket, start(provider, call), held=held)

    async def _counted(self, candidate: Candidate, texts: list[str]) -> Usage:
        """Return the usage of an answer whose provider does not say; on a thread, since answers can be long."""
        output = await asyncio.to_thread(self._counter.count, "".join(texts))
        return Usage(input_tokens=candidate.tokens.input, output_tokens=output.tokens, estimated=True)


async def _drop(running: Mapping[asyncio.Task[bool], Attempting[T]], won: Attempting[T] | None) -> None:
    """End the attempts that another was sooner than; that one, too, where the caller leaves meanwhile."""
    for task in running:
        task.cancel()
    try:
        await asyncio.gather(*running, return_exceptions=True)
        await _end(*running.values(), why=CANCELLED if won is None else "hedged")
    except BaseException:
        await _end(*running.values(), *([won] if won is not None else []), why=CANCELLED)
        raise


async def _end(*attempts: Attempting[T], why: str) -> None:
    for attempt in attempts:
        attempt.dropped(why)
    for attempt in attempts:
        await attempt.close()


class _Unsupported:
    """Stands for an API that this version cannot call."""

    async def answer(self, _call: ModelCall) -> Answer:
        raise AttemptFailed("unsupported")

    async def stream(self, _call: ModelCall) -> AsyncGenerator[Piece, None]:
        raise AttemptFailed("unsupported")
        yield


_UNSUPPORTED = _Unsupported()
