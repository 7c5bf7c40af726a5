"""Answers what was answered before without asking a model, and what is asked twice at once by asking one.

    kept here? -> under way here? -> kept by another replica? -> under way there? -> a model, and what it says is kept

A call that looks for no answer and names none goes straight to its models. One that comes with a key of the caller's own is given the first
result of that key for a day, whatever its route says of caching.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing

from msgspec import structs

from pointsman.core.cachebook import CacheAccount, Cachebook
from pointsman.core.cachekey import CacheKey
from pointsman.core.caching import Entry, Use, entry_from, fits, is_shared_failure, recalled
from pointsman.core.completion import Completion
from pointsman.core.errors import DeadlinePassed, PointsmanError, UpstreamUnavailable
from pointsman.core.optimise import Optimisation
from pointsman.core.pieces import Gathering, streamed
from pointsman.core.vocabulary import CacheStatus, FinishReason
from pointsman.economy import Economy
from pointsman.execute import Executor
from pointsman.flights import Events, Flight, Flights
from pointsman.kept import Asked, Kept, by_own_key, by_request, names_another, not_cached
from pointsman.ports import Answers, Clock, Turns
from pointsman.telemetry import Happening, LookedUp

_FIRST_LOOK_S, _LONGEST_LOOK_S = 0.01, 0.1
"""Between looks for what another replica is about to answer."""

_SLACK_S = 0.25
"""For whoever asks a model to say itself that time is up: it knows what was tried."""


class Recall:
    """Gives answers: kept ones where they fit, else those of models."""

    def __init__(
        self,
        executor: Executor,
        economy: Economy,
        cache: Answers,
        turns: Turns,
        clock: Clock,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._executor = executor
        self._economy = economy
        self._cache = cache
        self._turns = turns
        self._clock = clock
        self._sleep = sleep
        self._flights = Flights(clock)
        self._book = Cachebook()

    async def complete(self, asked: Asked) -> Completion:
        """Return the answer. Raises what `Executor.run` raises, NotCached, and InvalidRequest for a key that names another request."""
        return self._told(await _gathered(self._events(asked, asked.use)), asked)

    def at_hand(self, asked: Asked) -> Completion | None:
        """Return an answer that is kept here, None where there is none: `complete` without what is needed by those who must wait.

        It is most of what a cache is for. Whoever finds nothing makes the key twice, which is little beside a call of a model.
        """
        use = asked.use
        if not use.looks or asked.call.own_key:
            return None
        entry = self._near(by_request(asked, use))
        return None if entry is None else self._told(self._recalled(entry, asked, CacheStatus.HIT), asked)

    async def stream(self, asked: Asked) -> Events:
        """Yield the answer as it comes, and last the completion without its message. Raises as `complete` and `Executor.stream` do."""
        async with aclosing(self._events(asked, asked.use)) as events:
            async for event in events:
                if isinstance(event, Completion):
                    for piece in streamed(self._told(event, asked)):
                        yield piece
                else:
                    yield event

    async def kept(self, asked: Asked, *, stale: bool) -> Completion | None:
        """Return an answer for a call for which no model can be asked now; None where none is kept. One past its time only where `stale`.

        Raises InvalidRequest for a key that names another request.
        """
        if asked.call.own_key and (entry := await self._looked_up(by_own_key(asked))) is not None:
            return self._told(self._recalled(entry, asked, CacheStatus.HIT), asked)
        if not asked.use.looks:
            return None
        kept = by_request(asked, asked.use)
        if (entry := await self._looked_up(kept)) is not None:
            return self._told(self._recalled(entry, asked, CacheStatus.HIT), asked)
        if stale and (entry := await self._past_its_time(asked, kept.key)) is not None:
            return self._told(self._recalled(entry, asked, CacheStatus.STALE), asked)
        return None

    def account(self, tenant: str = "") -> CacheAccount:
        """Return what the cache did for a tenant, or for all."""
        entries, size = self._cache.near
        return self._book.account(tenant, entries=entries, size=size)

    async def purge(self, tenant: str) -> int:
        """Drop every kept answer of a tenant, and return how many of this process those were. Raises StoreDown where others keep theirs."""
        return await self._cache.purge(tenant)

    def _told(self, completion: Completion, asked: Asked) -> Completion:
        """Take down what the cache did for a call, and return its completion."""
        status, tenant, rule = completion.cache_status, asked.tenant, asked.decision.rule.id
        if not status or is_shared_failure(completion):
            return completion
        if completion.attempts:
            self._book.count(tenant, rule, status)
            if status is CacheStatus.MISS:
                self._book.missed(tenant, asked.request, asked.decision, self._clock.now())
        else:
            model = asked.ruleset.catalog.models.get(completion.model)  # by the caller's own key also one that has left the catalog
            self._book.count(tenant, rule, status, completion.usage, None if model is None else model.price)
        return completion

    def _events(self, asked: Asked, use: Use) -> Events:
        """Return what an answer consists of: pieces, and a completion, which has the message unless the pieces carried it."""
        if not asked.call.own_key:
            return self._answer(asked, use)
        return self._shared(asked, by_own_key(asked), lambda asked: self._answer(asked, use))

    def _answer(self, asked: Asked, use: Use) -> Events:
        if use.required and not use.looks:
            raise not_cached()
        if use.is_off:
            return self._asked(asked, use.status)
        kept = by_request(asked, use)
        if use.required:
            return self._recalled_only(asked, kept)
        return self._shared(asked, kept, lambda asked: self._or_stale(asked, kept.key)) if use.looks else self._refreshed(asked, kept)

    async def _shared(self, asked: Asked, kept: Kept, ask: Callable[[Asked], Events]) -> Events:
        """Yield a kept answer, or one under way for all who ask the same. Where that fails, they share one more."""
        if (entry := self._near(kept)) is not None:
            yield self._recalled(entry, asked, CacheStatus.HIT)
            return
        may_try, coming = 2, kept.coming()
        while may_try:
            flight, is_first = self._flights.join(
                coming.digest,
                kept.mark,
                lambda hear: self._flight(_heard_by(asked, hear), kept, coming, ask),
                lasts_s=asked.deadline - self._clock.monotonic(),
                needs_all=asked.is_stream and not kept.mark,  # what has a key of the caller's own is never done twice
            )
            if flight.mark != kept.mark:
                raise names_another()
            has_begun = False
            try:
                async with aclosing(self._read(flight, asked, is_first=is_first)) as events:
                    async for event in events:
                        has_begun = True
                        yield event
            except PointsmanError as failed:
                may_try -= not isinstance(failed, DeadlinePassed)  # that of another call says nothing about this one
                if is_first or has_begun or not may_try or self._clock.monotonic() >= asked.deadline:
                    raise
            else:
                return

    async def _read(self, flight: Flight, asked: Asked, *, is_first: bool) -> Events:
        """Yield what a flight brings; to whoever wants no stream in one, so that it may still fail."""
        events = flight.read(asked.deadline + (_SLACK_S if is_first else 0.0), asked.call.hear)
        if not asked.is_stream:
            yield await _gathered(events)
            return
        async with aclosing(events):
            async for event in events:
                yield event

    async def _flight(self, asked: Asked, kept: Kept, coming: CacheKey, ask: Callable[[Asked], Events]) -> Events:
        """Yield the answer that those who ask the same share: kept by another replica, under way there, or asked for here."""
        if (entry := await self._anywhere(kept)) is not None:
            yield self._recalled(entry, asked, CacheStatus.HIT)
            return
        is_ours, entry = await self._awaited(asked, kept, coming)
        try:
            if is_ours:
                entry = await self._anywhere(kept)  # what came between the last look and the turn
            if entry is not None:
                yield self._recalled(entry, asked, CacheStatus.COALESCED)
                return
            async with aclosing(self._kept(kept, lambda: ask(asked))) as events:
                async for event in events:
                    yield event
        finally:
            if is_ours:
                await self._turns.give_back(coming)

    async def _awaited(self, asked: Asked, kept: Kept, coming: CacheKey) -> tuple[bool, Entry | None]:
        """Wait for another replica's answer, for half of the time at most; return whether it is now this one's turn, and that answer."""
        now = self._clock.monotonic()
        until, pause_s = now + (asked.deadline - now) / 2, _FIRST_LOOK_S
        while not (is_ours := await self._turns.take(coming)) and self._clock.monotonic() < until:
            await self._sleep(pause_s)
            pause_s = min(_LONGEST_LOOK_S, pause_s * 1.5)
            if (entry := await self._anywhere(kept)) is not None:
                return False, entry
        return is_ours, None

    async def _kept(self, kept: Kept, ask: Callable[[], Events]) -> Events:
        """Yield the answer that is asked for, and keep it when it is whole."""
        gathering, asked_s = Gathering(), self._clock.epoch_s()
        async with aclosing(ask()) as events:
            async for event in events:
                yield event
                if not isinstance(event, Completion):
                    gathering.add(event)
                elif event.finish_reason is not FinishReason.ERROR:
                    entry = kept.keep(gathering.whole(event), self._clock.epoch_s())
                    if entry is not None:
                        await self._cache.put(kept.key, entry.encoded(), ttl_s=kept.ttl_s, asked_s=asked_s)

    async def _refreshed(self, asked: Asked, kept: Kept) -> Events:
        async with aclosing(self._kept(kept, lambda: self._asked(asked, CacheStatus.BYPASS))) as events:
            async for event in events:
                yield event

    async def _recalled_only(self, asked: Asked, kept: Kept) -> Events:
        entry = await self._looked_up(kept)
        if entry is None:
            raise not_cached()
        yield self._recalled(entry, asked, CacheStatus.HIT)

    def _near(self, kept: Kept) -> Entry | None:
        return kept.known(self._cache.peek(kept.key), self._clock.epoch_s())

    async def _anywhere(self, kept: Kept) -> Entry | None:
        return kept.known(await self._cache.get(kept.key), self._clock.epoch_s())

    async def _looked_up(self, kept: Kept) -> Entry | None:
        return self._near(kept) or await self._anywhere(kept)

    async def _past_its_time(self, asked: Asked, key: CacheKey) -> Entry | None:
        """Return a kept answer of whatever age, unless the caller has said how old it may be."""
        entry = entry_from(await self._cache.get(key))
        return entry if entry is not None and asked.call.cache.max_age_ms is None and fits(entry, asked.decision) else None

    async def _or_stale(self, asked: Asked, key: CacheKey) -> Events:
        """Yield what a model says, and where none says anything a kept answer that is past its time."""
        has_begun = False
        try:
            async with aclosing(self._asked(asked, CacheStatus.MISS)) as events:
                async for event in events:
                    has_begun = True
                    yield event
        except UpstreamUnavailable:
            entry = None if has_begun else await self._past_its_time(asked, key)
            if entry is None:
                raise
            yield self._recalled(entry, asked, CacheStatus.STALE)

    async def _asked(self, asked: Asked, status: CacheStatus) -> Events:
        """Yield what the models of the plan say."""
        if status:
            asked.call.hear(LookedUp(status, self._clock.monotonic()))
        decision, catalog, executor = asked.decision, asked.ruleset.catalog, self._executor
        settings = asked.ruleset.settings(decision.rule.id)
        request, spared = await self._economy.spared(asked.request, settings)
        if not asked.is_stream:
            whole = await executor.run(
                decision,
                request,
                catalog,
                deadline=asked.deadline,
                settings=settings,
                again=not asked.call.tried_before,
                purse=asked.purse,
                hear=asked.call.hear,
            )
            yield _marked(whole, status, spared)
            return
        answer = executor.stream(
            decision,
            request,
            catalog,
            deadline=asked.deadline,
            settings=settings,
            again=not asked.call.tried_before,
            purse=asked.purse,
            hear=asked.call.hear,
        )
        async with aclosing(answer) as events:
            async for event in events:
                yield _marked(event, status, spared) if isinstance(event, Completion) else event

    def _recalled(self, entry: Entry, asked: Asked, status: CacheStatus) -> Completion:
        asked.call.hear(LookedUp(status, self._clock.monotonic()))
        dearest = asked.ruleset.catalog.models[asked.decision.baseline_model].price
        return recalled(entry, status, baseline_cost=dearest.cost(entry.input_tokens, entry.output_tokens))


def _heard_by(asked: Asked, hear: Callable[[Happening], None]) -> Asked:
    return structs.replace(asked, call=structs.replace(asked.call, hear=hear))


def _marked(completion: Completion, status: CacheStatus, spared: Optimisation | None) -> Completion:
    return structs.replace(completion, cache_status=status, optimisation=spared) if status or spared else completion


async def _gathered(events: Events) -> Completion:
    """Return an answer as a whole. Raises what its events raise, also behind a completion that says that it broke off."""
    gathering, completion = Gathering(), None
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Completion):
                completion = gathering.whole(event)
            else:
                gathering.add(event)
    assert completion is not None  # an answer without one has raised
    return completion
