"""What all calls of models for one request have in common: the plan, the deadline, the purse, the record."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from msgspec import structs

from pointsman.core.blame import may_heal
from pointsman.core.catalog import Catalog
from pointsman.core.completion import Attempt, Usage
from pointsman.core.decision import Candidate, Decision
from pointsman.core.errors import BudgetExhausted, DeadlinePassed, StoreUnavailable, UpstreamUnavailable
from pointsman.core.relief import unpaid
from pointsman.core.request import Request
from pointsman.ports import Clock, ModelCall
from pointsman.purse import FREE, Purse, Refused

LONGEST_WAIT_S = 2.0
"""For room. Whoever waits holds memory, and his caller something of his own."""

TICK_S = 0.002
"""By less than this a timer of the event loop may be early."""

MOST_TRIES = 6
"""Of one request, over all its models; callers and proxies try again, too, and their numbers multiply."""


class Work:
    """What one plan is run for, and the attempts so far."""

    def __init__(
        self,
        decision: Decision,
        request: Request,
        catalog: Catalog,
        clock: Clock,
        deadline: float,
        *,
        purse: Purse = FREE,
        sends_all: bool = True,
        hear: Callable[[Attempt], None] = lambda _: None,
    ) -> None:
        """`deadline` is in seconds of the monotonic clock; `purse` pays; `sends_all` unless something was left out of the prompt.

        `hear` is told of each attempt when it has ended.
        """
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
        self.sends_all = sends_all
        self.hear = hear

    @property
    def is_unpaid(self) -> bool:
        """Whether the tenant's budget, and nothing else, has kept every model of the plan from being called."""
        return not self.calls and len(self._unpaid) == len(self.decision.plan)

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
        self._left, self._passed_over, self._unpaid = deque(self.decision.plan), [], []

    def check_time(self) -> None:
        """Raise DeadlinePassed if time is up, or so nearly that a timer was early which waited for that."""
        if self.time_left_s() <= TICK_S:
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
            prefix_key=self.decision.prefix_key,
            marks_prefix=candidate.writes_prefix,
        )

    def record(self, candidate: Candidate, attempt: Attempt) -> None:
        """Keep an attempt that has ended."""
        self.attempts.append(attempt)
        self.hear(attempt)
        if attempt.error_type:
            self._failed.setdefault(candidate.model, (candidate, attempt.error_type))

    def exhausted(self) -> UpstreamUnavailable | BudgetExhausted | StoreUnavailable:
        """Return the error of a plan of which no model answered."""
        if self.is_unpaid:
            if self._unpaid[-1].is_unknown:
                return StoreUnavailable(self._unpaid[-1].told)
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
