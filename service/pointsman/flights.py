"""Answers under way that more than one call waits for: asked of a model once, given to each from the beginning.

A flight belongs to none of its callers: whoever leaves, the first one included, leaves it to the others, and with the last one it ends. It
brings the answer as fast as it comes, however slowly it is read: all of it is kept anyway. It has as much time as its first caller gave
it: a stream that may take longer is not joined to it, since what was cut then could not be begun anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TypeAlias

from pointsman.core.caching import shared
from pointsman.core.completion import Completion, Delta
from pointsman.core.errors import DeadlinePassed
from pointsman.core.vocabulary import FinishReason
from pointsman.ports import Clock
from pointsman.telemetry import Happening

Event: TypeAlias = Delta | Completion
Events: TypeAlias = AsyncGenerator[Event, None]
Hear: TypeAlias = Callable[[Happening], None]

_AS_LONG = 1.1
"""Times as long as another is still as long: calls of one program differ by what it takes them to get here."""


class Flight:
    """One answer under way, and those who read it."""

    def __init__(self, begin: Callable[[Hear], Events], mark: bytes, lasts_s: float, clock: Clock, landed: Callable[[], None]) -> None:
        """`begin` is given what happens on the way is to be told to, which tells one of those who read: it happens once.

        `mark` says what the answer is to; it may take `lasts_s` seconds; `landed` is called when nothing more will come.
        """
        self.mark = mark
        self.lasts_s = lasts_s
        self._clock = clock
        self._landed = landed
        self._events: list[Event] = []
        self._failure: Exception | None = None
        self._has_ended = False
        self._is_answered = False
        self._is_paid = False
        self._readers = 0
        self._hearing: list[Hear] = []
        """Of those who read; the last one's stays when he leaves, since what ends then is his."""
        self._news = asyncio.Event()
        self._task = asyncio.create_task(self._fly(begin(self._hear)), name="flight")

    async def read(self, deadline: float, hear: Hear) -> Events:
        """Yield the answer from its beginning, the completion last. Raises what the flight raised, and DeadlinePassed at the deadline."""
        at = 0
        self._readers += 1
        self._hearing.append(hear)
        try:
            while not (self._has_ended and at == len(self._events)):
                if at == len(self._events):
                    await self._more(deadline)
                    continue
                event = self._events[at]
                at += 1
                yield self._billed(event) if isinstance(event, Completion) else event
                if isinstance(event, Completion) and self._is_answered:
                    return  # what follows is housekeeping, which nobody waits for
            if self._failure is not None:
                raise self._failure.with_traceback(None)
        finally:
            self._readers -= 1
            if self._readers:
                self._hearing.remove(hear)
            if not self._readers and not self._is_answered:
                self._landed()  # nobody is to join what is about to end
                self._task.cancel()

    async def _fly(self, events: Events) -> None:
        try:
            async with aclosing(events):
                async for event in events:
                    self._events.append(event)
                    self._is_answered = isinstance(event, Completion) and event.finish_reason is not FinishReason.ERROR
                    self._tell()
        except Exception as failure:  # whatever it is, each reader is told
            self._failure = failure
        finally:
            self._has_ended = True
            self._landed()
            self._tell()

    def _hear(self, happening: Happening) -> None:
        if self._hearing:
            self._hearing[0](happening)

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def _more(self, deadline: float) -> None:
        try:
            async with asyncio.timeout(max(0.0, deadline - self._clock.monotonic())):
                await self._news.wait()
        except TimeoutError:
            raise DeadlinePassed(
                "the deadline passed while an identical request was being answered; allow more time, or ask for a faster model"
            ) from None

    def _billed(self, completion: Completion) -> Completion:
        """Return the completion as it is for the first who reads it, and without its costs for the others."""
        if not completion.attempts:
            return completion
        is_paid, self._is_paid = self._is_paid, True
        return shared(completion) if is_paid else completion


class Flights:
    """The flights of this process, by what they answer. There are no more than calls that read them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._flights: dict[bytes, Flight] = {}

    def join(self, key: bytes, mark: bytes, begin: Callable[[Hear], Events], *, lasts_s: float, needs_all: bool) -> tuple[Flight, bool]:
        """Return the flight of a key, and whether it was begun for this call, since there was none. Whoever has it reads it at once.

        A call that has `lasts_s` seconds and `needs_all` of them joins none that has less: later ones then join its own.
        """
        flight = self._flights.get(key)
        if flight is not None and not (needs_all and lasts_s > flight.lasts_s * _AS_LONG):
            return flight, False

        def landed() -> None:
            if self._flights.get(key) is begun:
                del self._flights[key]

        begun = self._flights[key] = Flight(begin, mark, lasts_s, self._clock, landed)
        return begun, True
