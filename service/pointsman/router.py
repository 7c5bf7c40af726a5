"""The imperative shell: gathers facts, calls `decide`, carries out what it says.

Each call takes the ruleset once, at its start, and keeps it to its end.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from datetime import datetime

from msgspec import Struct, structs

from pointsman.affinity import Affinity, Known
from pointsman.call import Call
from pointsman.core.cachebook import CacheAccount
from pointsman.core.caching import is_shared_failure
from pointsman.core.catalog import Model
from pointsman.core.completion import Completion, Delta
from pointsman.core.decision import Decision
from pointsman.core.errors import AllUnavailable, DeadlineTooShort, NoEligibleModel
from pointsman.core.ledger import Page, Query
from pointsman.core.market import Market, ModelState
from pointsman.core.pieces import streamed
from pointsman.core.request import Request
from pointsman.core.ruleset import Ruleset
from pointsman.core.vocabulary import CacheStatus, DropReason
from pointsman.deciding import Decider, Made
from pointsman.feedback import FeedbackDesk
from pointsman.kept import Asked
from pointsman.ports import Clock
from pointsman.purse import FREE, Purse
from pointsman.reader import Reader
from pointsman.recall import Recall
from pointsman.recent import Recent
from pointsman.spending import Spending
from pointsman.upstreams import Upstreams
from pointsman.usage import check_tenant, used
from pointsman.work import LONGEST_WAIT_S

_RECALLED = (CacheStatus.HIT, CacheStatus.COALESCED, CacheStatus.STALE)

SHORTEST_S = 0.002
"""Less time than this is gone before a model can be called."""


class ModelStatus(Struct, frozen=True, kw_only=True):
    """A model of the catalog with its state."""

    model: Model
    state: ModelState
    aliases: tuple[str, ...]


class Router:
    """Decides, and calls what it decided on."""

    def __init__(
        self,
        *,
        rules: Callable[[], Ruleset],
        reader: Reader,
        recall: Recall,
        affinity: Affinity,
        upstreams: Upstreams,
        clock: Clock,
        longest_s: float,
        spending: Spending | None = None,
        is_alone: bool = True,
    ) -> None:
        """`rules` returns the ruleset in use; `longest_s` bounds calls whose caller sets none. Without `spending` nothing is counted.

        `is_alone` says whether no other process may have made a decision that feedback is about.
        """
        self._rules = rules
        self._recall = recall
        self._affinity = affinity
        self._upstreams = upstreams
        self._clock = clock
        self._longest_s = longest_s
        self._spending = spending
        self.recent = Recent()
        self.feedback = FeedbackDesk(self.recent, clock, is_alone=is_alone)
        self._decider = Decider(reader=reader, affinity=affinity, spending=spending, clock=clock, recent=self.recent)

    async def route(self, request: Request, call: Call, *, explained: bool = False) -> Decision:
        """Return the decision; no model is called. Raises UnknownModel and NoEligibleModel.

        What is full at present counts only while something else is left: the caller calls later, and perhaps not through this replica.
        """
        ruleset = self._rules()
        known = await self._affinity.known(call.tenant.id, request, ruleset.catalog, ask_others=False)
        market = Market(models=self._upstreams.states(ruleset.catalog))
        made = await self._decider.decide(ruleset, request, call, market, known, explained=explained)
        if isinstance(made.outcome, NoEligibleModel) and DropReason.CAPACITY.name in made.outcome.counts:
            made = await self._decider.decide(ruleset, request, call, market.roomy(), known, explained=explained)
        return made.decision()

    async def complete(self, request: Request, call: Call, *, explained: bool = False) -> tuple[Decision, Completion]:
        """Return the decision and the answer. Raises what `route` and `Recall.complete` raise, and DeadlineTooShort."""
        ruleset, deadline = self._rules(), self._deadline(call)
        known = await self._affinity.known(call.tenant.id, request, ruleset.catalog)
        decision, kept = await self._decide_with_room(ruleset, request, call, deadline, known, explained=explained)
        asked = Asked(request, call, decision, ruleset, deadline)
        completion = (
            kept
            or self._recall.at_hand(asked)
            or await self._recall.complete(structs.replace(asked, purse=self._purse(call, decision, ruleset)))
        )
        call.hear(completion)
        self._note_recalled(completion, decision, call)
        if known is not None:
            self._affinity.note(known, ruleset, decision, completion)
        return decision, completion

    async def stream(self, request: Request, call: Call, *, explained: bool = False) -> AsyncGenerator[Decision | Delta | Completion, None]:
        """Yield the decision, the pieces of the answer as they come, and the completion. Raises as `complete` and `Recall.stream` do."""
        ruleset, deadline = self._rules(), self._deadline(call)
        known = await self._affinity.known(call.tenant.id, request, ruleset.catalog)
        decision, kept = await self._decide_with_room(ruleset, request, call, deadline, known, explained=explained, stream=True)
        yield decision
        asked = Asked(request, call, decision, ruleset, deadline, is_stream=True, purse=self._purse(call, decision, ruleset))
        async with aclosing(self._recall.stream(asked) if kept is None else _given(kept)) as events:
            async for event in events:
                if isinstance(event, Completion):
                    call.hear(event)
                    self._note_recalled(event, decision, call)
                    if known is not None:
                        self._affinity.note(known, ruleset, decision, event)
                yield event

    def cache_account(self, tenant: str = "") -> CacheAccount:
        """Return what the response cache did for a tenant, or for all."""
        return self._recall.account(tenant)

    async def purge_cache(self, tenant: str) -> int:
        """Drop every kept answer of a tenant, and return how many entries of this process that were. Raises StoreDown."""
        return await self._recall.purge(tenant)

    def models(self) -> list[ModelStatus]:
        """Return the catalog with its state, ordered by id."""
        catalog = self._rules().catalog
        market = Market(models=self._upstreams.states(catalog))
        return [
            ModelStatus(
                model=model, state=market.state(name), aliases=tuple(alias for alias, ids in catalog.aliases.items() if name in ids)
            )
            for name, model in sorted(catalog.models.items())
        ]

    def breakers(self) -> dict[str, str]:
        """Return the state of the breaker of each model that has been called."""
        return self._upstreams.breakers(self._rules().catalog)

    async def check_tenant(self, name: str, tenants: Iterable[str]) -> None:
        """Raise InvalidRequest for a name that is none of these, and under which nothing was used."""
        if self._spending is not None:
            await check_tenant(self._spending.usages, tenants, name)

    async def used(self, query: Query, tenants: Iterable[str]) -> Page:
        """Return what was used; where the query names no tenant, by these and those that are no more. Raises StoreUnavailable."""
        if self._spending is None:
            return Page(groups=(), more=False)
        await self._spending.settled()
        return await used(self._spending.usages, tenants, query)

    def tenants_alone(self) -> tuple[str, ...]:
        """Return the tenants that spend only this process's share, because the store is lost."""
        return () if self._spending is None else self._spending.alone()

    def budget_shares(self) -> list[tuple[str, str, float]]:
        """Return tenant, window and spent share of every window of the tenants that are being served."""
        return [] if self._spending is None else self._spending.shares()

    def now(self) -> datetime:
        """Return the time in UTC, as decisions have it."""
        return self._clock.now()

    def _note_recalled(self, completion: Completion, decision: Decision, call: Call) -> None:
        """Count an answer for which no model was called."""
        if self._spending is not None and completion.cache_status in _RECALLED and not is_shared_failure(completion):
            self._spending.recalled(call.tenant.id, completion.model, decision.rule.id, completion.usage.baseline_cost)

    def _purse(self, call: Call, decision: Decision, ruleset: Ruleset) -> Purse:
        return FREE if self._spending is None else self._spending.purse(call.tenant, decision, ruleset.catalog, call.hear)

    def _deadline(self, call: Call) -> float:
        """Return when a call must end, in seconds of the monotonic clock. Raises DeadlineTooShort."""
        left = self._longest_s if call.time_left_s is None else min(call.time_left_s, self._longest_s)
        if left < SHORTEST_S:
            raise DeadlineTooShort(f"{max(0.0, left) * 1000:.1f} ms are left, and no model answers in that; allow more time")
        return self._clock.monotonic() + left

    def _market(self, ruleset: Ruleset, deadline: float) -> Market:
        return Market(models=self._upstreams.states(ruleset.catalog), time_left_ms=(deadline - self._clock.monotonic()) * 1000)

    async def _decide_with_room(
        self, ruleset: Ruleset, request: Request, call: Call, deadline: float, known: Known | None, *, explained: bool, stream: bool = False
    ) -> tuple[Decision, Completion | None]:
        """Return the decision, and where no model may be called now, an answer that is kept. Raises what `route` raises.

        Where models are full and nothing is kept, it waits for room, for half of the time left at most.
        """
        began, looks = self._clock.monotonic(), True
        while True:
            market = self._market(ruleset, deadline)
            made = await self._decider.decide(ruleset, request, call, market, known, explained=explained, stream=stream)
            refused = made.outcome
            if isinstance(refused, Decision):
                return made.decision(), None
            if looks and (kept := await self._kept(made, request, call, deadline, stale=False)) is not None:
                return kept
            looks = False
            until = began + min(LONGEST_WAIT_S, (deadline - began) / 2)  # where it is looked once more, and then there is no use in waiting
            if DropReason.CAPACITY.name in refused.counts and await self._upstreams.room(until):
                continue
            if isinstance(refused, AllUnavailable) and (kept := await self._kept(made, request, call, deadline, stale=True)) is not None:
                return kept
            return made.decision(), None

    async def _kept(self, made: Made, request: Request, call: Call, deadline: float, *, stale: bool) -> tuple[Decision, Completion] | None:
        """Return an answer that is kept, and the decision by which it may be given: the one if models were well and no budget bound."""
        began_s, decision = self._clock.monotonic(), self._decider.untroubled(made)
        if decision is None:
            return None
        completion = await self._recall.kept(Asked(request, call, decision, made.situation.ruleset, deadline), stale=stale)
        if completion is None:
            return None
        return self._decider.takes(made, decision, call, request.requirements.model, began_s=began_s), completion


async def _given(completion: Completion) -> AsyncGenerator[Delta | Completion, None]:
    """Yield a kept answer as a stream."""
    for event in streamed(completion):
        yield event
