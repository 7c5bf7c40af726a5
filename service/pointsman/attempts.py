"""One call of one model while it lasts, and what all calls for one request have in common: the plan, the deadline, the record."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from msgspec import structs

from pointsman.answers import Source, Whole
from pointsman.core.blame import may_heal
from pointsman.core.catalog import Catalog
from pointsman.core.completion import Attempt, Completion, Usage
from pointsman.core.decision import Candidate, Decision
from pointsman.core.errors import BudgetExhausted, DeadlinePassed, StreamInterrupted, UpstreamUnavailable
from pointsman.core.relief import unpaid
from pointsman.core.request import Message, Request
from pointsman.core.vocabulary import AttemptReason, FinishReason
from pointsman.ports import Answer, AttemptFailed, Clock, ModelCall
from pointsman.spending import FREE, Held, Purse, Refused
from pointsman.upstreams import Ticket

T = TypeVar("T")

FIRST_S = 10.0
"""How long a model may take to begin that is expected to do so much sooner."""

PATIENCE = 3.0
"""How many times longer than expected a model may take that is expected to take long."""

LONGEST_WAIT_S = 2.0
"""For room. Whoever waits holds memory, and his caller something of his own."""

MOST_TRIES = 6
"""Of one request, over all its models; callers and proxies try again, too, and their numbers multiply."""


MOST_TOKENS = (1 << 31) - 1
"""What the wire can say."""


class Work:
    """What one plan is run for, and the attempts so far."""

    def __init__(
        self, decision: Decision, request: Request, catalog: Catalog, clock: Clock, deadline: float, *, purse: Purse = FREE
    ) -> None:
        """`deadline` is in seconds of the monotonic clock; `purse` pays."""
        self.decision = decision
        self.request = request
        self.catalog = catalog
        self.clock = clock
        self.attempts: list[Attempt] = []
        self.calls = 0
        self._began, self._deadline = clock.monotonic(), deadline
        self._left = deque(decision.plan)
        self._failed: dict[str, tuple[Candidate, str]] = {}
        self._passed_over: list[str] = []
        self._unpaid: list[Refused] = []
        self.purse = purse

    @property
    def is_unpaid(self) -> bool:
        """Whether the tenant's budget, and nothing else, has kept every model of the plan from being called."""
        return len(self._unpaid) == len(self.decision.plan)

    @property
    def has_more(self) -> bool:
        """Whether a model is left that was not tried."""
        return bool(self._left) and self.calls < MOST_TRIES

    def next_model(self) -> Candidate | None:
        """Return the next model of the plan, None behind the last: first of all those that may still answer in the time left."""
        if not self.has_more:
            return None
        if not (self.calls or self._passed_over):
            return self._left.popleft()  # it was decided a moment ago, by the same time
        left_ms = self.time_left_s() * 1000
        fitting = next((candidate for candidate in self._left if candidate.expected_ttft_ms <= left_ms), self._left[0])
        self._left.remove(fitting)
        return fitting

    def second_chances(self) -> list[Candidate]:
        """Return the models that failed in a way that may be over in a moment, in the order of the plan."""
        return [candidate for candidate, error_type in self._failed.values() if may_heal(error_type)] if self.calls < MOST_TRIES else []

    def time_left_s(self) -> float:
        """Return the seconds until the deadline."""
        return self._deadline - self.clock.monotonic()

    def waits_until(self) -> float:
        """Return until when room may be waited for: half of the time, and not for long."""
        return self._began + min(LONGEST_WAIT_S, (self._deadline - self._began) / 2)

    def start_over(self) -> None:
        """Take up the plan from its beginning: none of it was called, and now there may be room."""
        self._left, self._passed_over = deque(self.decision.plan), []

    def check_time(self) -> None:
        """Raise DeadlinePassed if time is up."""
        if self.time_left_s() <= 0:
            raise self.too_late()

    def passed_over(self, candidate: Candidate) -> None:
        """Note a model that is not to be called now, by what became known since the decision."""
        self._passed_over.append(candidate.model)

    def unpaid(self, candidate: Candidate, refused: Refused) -> None:
        """Note a model for which the tenant's budget has no room."""
        self._passed_over.append(candidate.model)
        self._unpaid.append(refused)

    def call(self, candidate: Candidate) -> ModelCall:
        """Return what a candidate is asked."""
        return ModelCall(
            model=self.catalog.models[candidate.model],
            provider=self.catalog.providers[candidate.provider],
            prompt=self.request.prompt,
            generation=self.request.generation,
            output_cap=max(1, candidate.tokens.output_cap),
            request_id=self.decision.id,
        )

    def record(self, candidate: Candidate, attempt: Attempt) -> None:
        """Keep an attempt that has ended."""
        self.attempts.append(attempt)
        if attempt.error_type:
            self._failed.setdefault(candidate.model, (candidate, attempt.error_type))

    def exhausted(self) -> UpstreamUnavailable | BudgetExhausted:
        """Return the error of a plan of which no model answered."""
        if self.is_unpaid:
            soonest = min((each.heals_in_s for each in self._unpaid if each.heals_in_s is not None), default=None)
            return unpaid(self.decision.rule.id, tuple(self._passed_over), self._unpaid[-1].told, soonest)
        return UpstreamUnavailable(f"no model of the plan answered: {self.told()}")

    def too_late(self) -> DeadlinePassed:
        """Return the error of a deadline that has passed."""
        tried = f" after {self.told()}" if self.attempts or self._passed_over else ""
        return DeadlinePassed(f"the deadline passed{tried}; allow more time, or ask for a faster model with requirements.max_latency")

    def told(self) -> str:
        """Return the attempts in words."""
        tried = [f"{attempt.model}: {attempt.error_type or 'answered'}" for attempt in self.attempts]
        return ", ".join(
            [*tried, *(f"{model}: left alone, as it fails, is full, or the budget has no room for it" for model in self._passed_over)]
        )

    def priced(self, usage: Usage, candidate: Candidate) -> Usage:
        """Return the usage with what it cost, and what it would have cost at the baseline's prices."""
        models = self.catalog.models
        cost = models[candidate.model].price.cost(
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cached_tokens=usage.cached_input_tokens,
            cache_write_tokens=usage.cache_write_tokens,
        )
        baseline = models[self.decision.baseline_model].price.cost(usage.input_tokens, usage.output_tokens)
        return structs.replace(usage, cost=cost, baseline_cost=baseline)


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
        self.is_read = False
        """Whether its reader has the last piece, and has not asked for more."""
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

    async def close(self) -> None:
        """End the call upstream if it has not ended."""
        self._ticket.gave_up()
        await self.source.close()

    def left(self, count: Callable[[], Awaitable[Usage]]) -> None:
        """Settle what was produced when nobody listens any more; `count` counts it."""

        async def priced() -> Usage:
            return self._work.priced(await count(), self.candidate)

        self._held.settle_later(priced)

    def expire(self) -> None:
        """End the call upstream if it is its reader who takes his time: he would hold for ever what others need."""
        if self.is_read:
            self._ticket.gave_up()
            self._expired = asyncio.create_task(self.source.close())

    def dropped(self) -> None:
        """Record that another model was sooner."""
        if not self._is_recorded:
            answer = getattr(self, "first", None)  # both may have answered at the same moment
            known = self._work.priced(answer.usage, self.candidate) if isinstance(answer, Answer) else self._asked_for_nothing()
            self._record("hedged", known)

    def _asked_for_nothing(self) -> Usage:
        """Return the usage of a call of which nothing came: what was asked is likely to be charged for, and is counted as such."""
        return self._work.priced(Usage(input_tokens=self.candidate.tokens.input, estimated=True), self.candidate)

    def interrupted(self, error_type: str, emitted_tokens: int) -> StreamInterrupted:
        """Return the error of an answer that broke off."""
        message = f"{self.candidate.model} broke off after {emitted_tokens} tokens ({error_type}); ask again if a part is of no use"
        return StreamInterrupted(message, emitted_tokens=emitted_tokens)

    def answered(self, finish: FinishReason, usage: Usage, *, message: Message | None = None, first_ms: float | None = None) -> Completion:
        """Return the completion of a call that has ended well."""
        self._ticket.answered()
        self._first_ms = self._first_ms if first_ms is None else first_ms
        return self._completion(finish, usage, message, "")

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

    def _times(self) -> tuple[float, float]:
        """Return the seconds in which the first of the answer is expected, and those that are allowed for it.

        While another model is left, half of the time is kept for it. The last one may use it all; but what comes in pieces has to begin.
        """
        candidate, left_s = self.candidate, self._work.time_left_s()
        is_whole = isinstance(self.source, Whole)
        expected_s = (candidate.expected_latency_ms if is_whole else candidate.expected_ttft_ms) / 1000
        patience_s = max(FIRST_S, PATIENCE * expected_s)
        if self._work.has_more:
            return expected_s, min(patience_s, left_s / 2)
        return expected_s, left_s if is_whole else min(patience_s, left_s)

    def _record(self, error_type: str, usage: Usage | None) -> None:
        self._is_recorded = True
        self._held.settle(usage, answered=not error_type)
        self._work.record(
            self.candidate,
            Attempt(
                model=self.candidate.model,
                provider=self.candidate.provider,
                reason=self._reason,
                error_type=error_type,
                latency_ms=self._elapsed_ms(),
                ttft_ms=self._first_ms,
                usage=usage,
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
