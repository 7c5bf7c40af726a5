"""One call of one model while it lasts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from msgspec import structs

from pointsman.answers import Source, Whole
from pointsman.core.completion import Attempt, Completion, Expected, Usage
from pointsman.core.decision import Candidate
from pointsman.core.errors import StreamInterrupted
from pointsman.core.experience import COUNTED, Observation
from pointsman.core.lengths import Length
from pointsman.core.request import Message
from pointsman.core.tokenisers import factor
from pointsman.core.vocabulary import AttemptReason, FinishReason
from pointsman.ports import Answer, AttemptFailed
from pointsman.purse import Held
from pointsman.upstreams import Ticket
from pointsman.work import Work

T = TypeVar("T")

FIRST_S = 10.0
"""How long a model may take to begin that is expected to do so much sooner."""

PATIENCE = 3.0
"""How many times longer than expected a model may take that is expected to take long."""

CANCELLED = "cancelled"
"""The error type of a call whose caller did not wait for its end."""

MOST_TOKENS = (1 << 31) - 1
"""What the wire can say."""


MOST_LENT = 0.2
"""Share of the time of an answer that its reader may take without hiding how fast the model is."""

_TELLING = frozenset({FinishReason.STOP, FinishReason.LENGTH, FinishReason.TOOL_CALLS, FinishReason.UNSPECIFIED})
"""Ends of answers that are as long as the model made them."""


class Attempting(Generic[T]):
    """One call of one model. Whoever has begun it closes it."""

    first: T

    def __init__(self, work: Work, candidate: Candidate, reason: AttemptReason, ticket: Ticket, source: Source[T], *, held: Held) -> None:
        self.candidate = candidate
        self._held = held
        self.source = source
        self._work = work
        self._reason = reason
        self._ticket = ticket
        self._began = work.clock.monotonic()
        self._first_ms: float | None = None
        self._is_recorded = False
        self._lent_at: float | None = None
        self._lent_ms = 0.0
        work.calls += 1

    async def begin(self) -> bool:
        """Take the first of the answer, and return whether it came. Raises DeadlinePassed if time is up."""
        expected_s, allowed_s = self._times()
        try:
            async with asyncio.timeout(allowed_s):
                self.first = await self.source.first()
        except TimeoutError:
            failed = AttemptFailed("timeout")
            if allowed_s < PATIENCE * expected_s:  # it had little more time than it was known to need
                self._ticket.gave_up()
        except AttemptFailed as found:
            failed = found
        except BaseException:
            self._held.settle(self._asked_for_nothing())
            await self.close()
            raise
        else:
            self._first_ms = self._elapsed_ms()
            return True
        late = failed.error_type == "timeout"
        self._record(self.blamed(failed).error_type, self._asked_for_nothing() if late else None)
        await self.close()
        self._work.check_time()
        return False

    async def call_off(self) -> None:
        """Give back what is held for a call that is not to begin any more."""
        self._work.calls -= 1
        self._held.settle(None)
        await self.close()

    async def close(self) -> None:
        """End the call upstream if it has not ended."""
        self._ticket.gave_up()
        await self.source.close()

    def left(self, count: Callable[[], Awaitable[Usage]]) -> None:
        """Settle what was produced when nobody listens any more, unless it is settled; `count` counts it."""

        async def priced() -> Usage:
            usage = self._work.priced(await count(), self.candidate)
            self._work.hear(structs.replace(attempt, usage=usage))
            return usage

        if not self._is_recorded:
            attempt = self._attempt(CANCELLED, None)
            self._work.hear(attempt)
            self._held.settle_later(priced)

    def expire(self) -> None:
        """End the call upstream if it is its reader who takes his time: he would hold for ever what others need."""
        if self._lent_at is not None:
            self._ticket.gave_up()
            self._expired = asyncio.create_task(self.source.close())

    def lend(self) -> None:
        """Note that its reader has the last piece, until he asks for more."""
        self._lent_at = self._work.clock.monotonic()

    def asked(self) -> None:
        """Note that its reader asks for more."""
        if self._lent_at is not None:
            self._lent_ms += (self._work.clock.monotonic() - self._lent_at) * 1000
            self._lent_at = None

    def dropped(self, error_type: str) -> None:
        """Record why it was not waited for: "hedged" where another model was sooner, or CANCELLED."""
        if not self._is_recorded:
            answer = getattr(self, "first", None)  # both may have answered at the same moment
            known = self._work.priced(answer.usage, self.candidate) if isinstance(answer, Answer) else self._asked_for_nothing()
            self._record(error_type, known)

    def _asked_for_nothing(self) -> Usage:
        """Return the usage of a call of which nothing came: what was asked is likely to be charged for, and is counted as such."""
        return self._work.priced(Usage(input_tokens=self.candidate.tokens.input, estimated=True), self.candidate)

    def interrupted(self, error_type: str, emitted_tokens: int) -> StreamInterrupted:
        """Return the error of an answer that broke off."""
        message = f"{self.candidate.model} broke off after {emitted_tokens} tokens ({error_type}); ask again if a part is of no use"
        return StreamInterrupted(message, emitted_tokens=emitted_tokens)

    def answered(self, finish: FinishReason, usage: Usage, *, message: Message | None = None, first_ms: float | None = None) -> Completion:
        """Return the completion of a call that has ended well."""
        self._ticket.answered(self._observed(finish, usage))
        self._first_ms = self._first_ms if first_ms is None else first_ms
        return self._completion(finish, usage, message, "")

    def _observed(self, finish: FinishReason, usage: Usage) -> Observation | None:
        """Return what the answer shows of its model; nothing where it was held back."""
        if finish not in _TELLING:
            return None
        decision, elapsed_ms = self._work.decision, self._elapsed_ms()
        return Observation(
            task=decision.features.task,
            complexity=decision.features.complexity,
            text_class=decision.features.text_class,
            latency_ms=elapsed_ms,
            ttft_ms=None if self._is_whole() else self._first_ms,
            prompt_tokens=decision.tokens.input,
            output_tokens=usage.output_tokens,
            usual=Length(decision.tokens.output, decision.tokens.output_p90),
            is_cut=finish is FinishReason.LENGTH,
            is_paced=self._lent_ms <= elapsed_ms * MOST_LENT,
            counts_as=self._counts_as(usage),
        )

    def _counts_as(self, usage: Usage) -> float | None:
        """Return how many tokens the model counts for one of ours; None where it does not say, or was sent other things than we counted."""
        work = self._work
        counted, features = work.decision.tokens.input, work.decision.features
        if counted < COUNTED or not usage.input_tokens or usage.estimated or work.request.prompt.shows_pictures or not work.sends_all:
            return None
        frame = factor(work.catalog.models[self.candidate.model].tokenizer, features.text_class).frame
        return max(0, usage.input_tokens - frame) / counted

    def blamed(self, failed: AttemptFailed) -> AttemptFailed:
        """Note against the upstream how the call failed, and return that."""
        self._ticket.failed(failed.error_type, failed.retry_after_s)
        return failed

    def broke_off(self, error_type: str, usage: Usage) -> Completion:
        """Return the completion of a call that has ended before its time, with what was used so far."""
        return self._completion(FinishReason.ERROR, usage, None, error_type)

    def _completion(self, finish: FinishReason, usage: Usage, message: Message | None, error_type: str) -> Completion:
        priced = self._work.priced(usage, self.candidate)
        others = [attempt.usage for attempt in self._work.attempts if attempt.usage is not None]
        self._record(error_type, priced)
        total = _sum(priced, others) if others else priced
        attempts = tuple(self._work.attempts)
        return Completion(message=message, finish_reason=finish, usage=total, attempts=attempts, model=self.candidate.model)

    def _is_whole(self) -> bool:
        return isinstance(self.source, Whole)

    def _times(self) -> tuple[float, float]:
        """Return the seconds in which the first of the answer is expected, and those that are allowed for it.

        While another model is left, half of the time is kept for it. The last one may use it all; but what comes in pieces has to begin.
        """
        candidate, left_s = self.candidate, self._work.time_left_s()
        is_whole = self._is_whole()
        expected_s = (candidate.expected_latency_ms if is_whole else candidate.expected_ttft_ms) / 1000
        patience_s = max(FIRST_S, PATIENCE * expected_s)
        if self._work.has_more:
            return expected_s, min(patience_s, left_s / 2)
        return expected_s, left_s if is_whole else min(patience_s, left_s)

    def _record(self, error_type: str, usage: Usage | None) -> None:
        self._is_recorded = True
        self._held.settle(usage, answered=not error_type)
        self._work.record(self.candidate, self._attempt(error_type, usage))

    def _attempt(self, error_type: str, usage: Usage | None) -> Attempt:
        candidate = self.candidate
        return Attempt(
            model=candidate.model,
            provider=candidate.provider,
            reason=self._reason,
            error_type=error_type,
            latency_ms=self._elapsed_ms(),
            began_s=self._began,
            ttft_ms=self._first_ms,
            usage=usage,
            expected=Expected(
                input_tokens=candidate.tokens.input,
                output_tokens=candidate.tokens.output,
                cost=candidate.expected_cost,
                latency_ms=candidate.expected_latency_ms,
            ),
        )

    def _elapsed_ms(self) -> float:
        return (self._work.clock.monotonic() - self._began) * 1000


def _sum(usage: Usage, others: list[Usage]) -> Usage:
    """Return a usage with what other attempts used; what it would have cost elsewhere is that of the answer alone."""
    every = [usage, *others]
    return structs.replace(
        usage,
        input_tokens=min(MOST_TOKENS, sum(each.input_tokens for each in every)),
        output_tokens=min(MOST_TOKENS, sum(each.output_tokens for each in every)),
        cost=sum(each.cost for each in every),
        estimated=any(each.estimated for each in every),
    )
