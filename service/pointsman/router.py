"""The imperative shell: gathers facts, calls `decide`, carries out what it says.

Each call takes the ruleset once, at its start, and keeps it to its end.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from datetime import datetime

from msgspec import Struct, structs

from pointsman.affinity import Affinity, Known
from pointsman.core.cachebook import CacheAccount
from pointsman.core.caching import is_shared_failure
from pointsman.core.catalog import Model
from pointsman.core.completion import Completion, Delta
from pointsman.core.decide import Outcome, outcome_of
from pointsman.core.decision import Decision, Explanation
from pointsman.core.diagnostics import did_you_mean
from pointsman.core.errors import AllUnavailable, DeadlineTooShort, NoEligibleModel, UnknownModel, Violation
from pointsman.core.explain import explain
from pointsman.core.facts import Facts
from pointsman.core.gather import UNBOUNDED, gather
from pointsman.core.ledger import Page, Query
from pointsman.core.market import Market, ModelState
from pointsman.core.pieces import streamed
from pointsman.core.relief import reliefs, relieved
from pointsman.core.request import CachePolicy, Request
from pointsman.core.ruleset import Ruleset
from pointsman.core.standing import Standing
from pointsman.core.tenants import NOBODY_TOLD_APART, Tenant
from pointsman.core.vocabulary import CacheStatus, DropReason
from pointsman.kept import Asked
from pointsman.ports import Clock
from pointsman.reader import Reader
from pointsman.recall import Recall
from pointsman.recent import Recent
from pointsman.spending import FREE, Purse, Spending
from pointsman.telemetry import Decided
from pointsman.upstreams import Upstreams
from pointsman.usage import check_tenant, used
from pointsman.work import LONGEST_WAIT_S

_RECALLED = frozenset({CacheStatus.HIT, CacheStatus.COALESCED, CacheStatus.STALE})

_PASSING = frozenset({DropReason.UNHEALTHY.name, DropReason.CAPACITY.name, DropReason.BUDGET.name})
"""Why a model may not be called now, though nothing speaks against what it has answered before."""

SHORTEST_S = 0.002
"""Less time than this is gone before a model can be called."""


class Call(Struct, frozen=True, kw_only=True):
    """What the boundary knows of a call beside its message."""

    id: str
    """Of the request, and so of the decision."""
    tenant: Tenant = NOBODY_TOLD_APART
    time_left_s: float | None = None
    """Until the caller gives up; None if he does not say."""
    tried_before: int = 0
    """How often the caller's side has tried this call already."""
    own_key: str = ""
    """The caller's name for this call, by which it may be repeated; empty without one."""
    cache: CachePolicy = CachePolicy()
    hear: Callable[[Decided | Completion], None] = lambda _: None
    """Is told what happens."""


class _Made(Struct, frozen=True, kw_only=True):
    """A decision or a refusal, with what it was made from."""

    ruleset: Ruleset
    facts: Facts
    market: Market
    standing: Standing | None
    outcome: Outcome
    explanation: Explanation | None = None

    def decision(self) -> Decision:
        """Return the decision. Raises the refusal, which says what would help."""
        outcome = self.outcome
        if isinstance(outcome, NoEligibleModel):
            outcome.explanation = self.explanation
            if DropReason.CAPACITY.name not in outcome.counts:  # else waiting helps, and many may be waiting and look again and again
                relieved(outcome, reliefs(self.ruleset, self.facts, self.market, outcome, self.standing))
            raise outcome
        return structs.replace(outcome, explanation=self.explanation) if self.explanation is not None else outcome


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
    ) -> None:
        """`rules` returns the ruleset in use; `longest_s` bounds calls whose caller sets none. Without `spending` nothing is counted."""
        self._rules = rules
        self._reader = reader
        self._recall = recall
        self._affinity = affinity
        self._upstreams = upstreams
        self._clock = clock
        self._longest_s = longest_s
        self._spending = spending
        self.recent = Recent()

    async def route(self, request: Request, call: Call, *, explained: bool = False) -> Decision:
        """Return the decision; no model is called. Raises UnknownModel and NoEligibleModel."""
        ruleset = self._rules()
        known = await self._affinity.known(call.tenant.id, request, ruleset.catalog, ask_others=False)
        market = Market(models=self._upstreams.states(ruleset.catalog))
        return (await self._decide(ruleset, request, call, market, known, explained=explained)).decision()

    async def complete(self, request: Request, call: Call, *, explained: bool = False) -> tuple[Decision, Completion]:
        """Return the decision and the answer. Raises what `route` and `Recall.complete` raise, and DeadlineTooShort."""
        ruleset, deadline = self._rules(), self._deadline(call)
        known = await self._affinity.known(call.tenant.id, request, ruleset.catalog)
        decision, kept = await self._decide_with_room(ruleset, request, call, deadline, known, explained=explained)
        purse = self._purse(call, decision, ruleset)
        completion = kept or await self._recall.complete(_asked(ruleset, request, call, decision, deadline=deadline, purse=purse))
        call.hear(completion)
        _note_recalled(completion, purse)
        if known is not None:
            self._affinity.note(known, ruleset, decision, completion)
        return decision, completion

    async def stream(self, request: Request, call: Call, *, explained: bool = False) -> AsyncGenerator[Decision | Delta | Completion, None]:
        """Yield the decision, the pieces of the answer as they come, and the completion. Raises as `complete` and `Recall.stream` do."""
        ruleset, deadline = self._rules(), self._deadline(call)
        known = await self._affinity.known(call.tenant.id, request, ruleset.catalog)
        decision, kept = await self._decide_with_room(ruleset, request, call, deadline, known, explained=explained, stream=True)
        yield decision
        purse = self._purse(call, decision, ruleset)
        asked = _asked(ruleset, request, call, decision, deadline=deadline, purse=purse, is_stream=True)
        async with aclosing(self._recall.stream(asked) if kept is None else _given(kept)) as events:
            async for event in events:
                if isinstance(event, Completion):
                    call.hear(event)
                    _note_recalled(event, purse)
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

    def _purse(self, call: Call, decision: Decision, ruleset: Ruleset) -> Purse:
        return FREE if self._spending is None else self._spending.purse(call.tenant, decision, ruleset.catalog)

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
        now = self._clock.monotonic()
        until, looks = now + min(LONGEST_WAIT_S, (deadline - now) / 2), True
        while True:
            market = self._market(ruleset, deadline)
            made = await self._decide(ruleset, request, call, market, known, explained=explained, stream=stream)
            refused = made.outcome
            if isinstance(refused, Decision):
                return made.decision(), None
            if looks and (kept := await self._kept(made, request, call, deadline, stale=False)) is not None:
                return kept
            looks = False
            # At the end of the time it is looked once more, and then there is no use in waiting.
            if DropReason.CAPACITY.name in refused.counts and await self._upstreams.room(until):
                continue
            if isinstance(refused, AllUnavailable) and (kept := await self._kept(made, request, call, deadline, stale=True)) is not None:
                return kept
            return made.decision(), None

    async def _kept(self, made: _Made, request: Request, call: Call, deadline: float, *, stale: bool) -> tuple[Decision, Completion] | None:
        """Return an answer that is kept, and the decision by which it may be given: the one if models were well and no budget bound.

        All else binds as it does: constraints, tags, capabilities, limits, quality.
        """
        if isinstance(made.outcome, NoEligibleModel) and not _PASSING & made.outcome.counts.keys():
            return None
        began_s, ruleset, market = self._clock.monotonic(), made.ruleset, made.market.untroubled()
        decision = outcome_of(ruleset, made.facts, market)
        if isinstance(decision, NoEligibleModel):
            return None
        completion = await self._recall.kept(_asked(ruleset, request, call, decision, deadline=deadline, purse=FREE), stale=stale)
        if completion is None:
            return None
        self.recent.note(ruleset, made.facts, market, decision)
        call.hear(Decided(began_s=began_s, ended_s=self._clock.monotonic(), outcome=decision, asked=request.requirements.model))
        explanation = explain(ruleset, made.facts, decision) if made.explanation is not None else None
        return structs.replace(decision, explanation=explanation), completion

    async def _decide(
        self, ruleset: Ruleset, request: Request, call: Call, market: Market, known: Known | None, *, explained: bool, stream: bool = False
    ) -> _Made:
        began_s, asked = self._clock.monotonic(), request.requirements.model
        check_model(ruleset, asked)
        reading = await self._reader.read(request.prompt)
        if known is not None:
            market = self._affinity.market(market, ruleset.catalog, known, reading.input_tokens)
        now, defaults, budget, standing = self._clock.now(), ruleset.defaults, UNBOUNDED, None
        if call.tenant.windows and self._spending is not None:
            standing, market, budget = await self._spending.bound(call.tenant, market)
        facts = gather(request, reading, defaults=defaults, now=now, request_id=call.id, tenant=call.tenant, stream=stream, budget=budget)
        outcome = outcome_of(ruleset, facts, market)
        self.recent.note(ruleset, facts, market, outcome)
        if known is not None and isinstance(outcome, Decision):
            outcome = structs.replace(outcome, prefix_key=known.conversation.key)
        call.hear(Decided(began_s=began_s, ended_s=self._clock.monotonic(), outcome=outcome, asked=asked))
        explanation = explain(ruleset, facts, outcome) if explained else None
        return _Made(ruleset=ruleset, facts=facts, market=market, standing=standing, outcome=outcome, explanation=explanation)


async def _given(completion: Completion) -> AsyncGenerator[Delta | Completion, None]:
    """Yield a kept answer as a stream."""
    for event in streamed(completion):
        yield event


def _asked(
    ruleset: Ruleset, request: Request, call: Call, decision: Decision, *, deadline: float, purse: Purse, is_stream: bool = False
) -> Asked:
    return Asked(
        request=request,
        decision=decision,
        ruleset=ruleset,
        tenant=call.tenant.id,
        policy=call.cache,
        own_key=call.own_key,
        deadline=deadline,
        again=not call.tried_before,
        is_stream=is_stream,
        purse=purse,
    )


def _note_recalled(completion: Completion, purse: Purse) -> None:
    """Count an answer for which no model was called."""
    if completion.cache_status in _RECALLED and not is_shared_failure(completion):
        purse.recalled(completion)


def check_model(ruleset: Ruleset, name: str) -> None:
    """Raise UnknownModel if a caller asks by a name that is none of a model or an alias."""
    catalog = ruleset.catalog
    if name and not catalog.named(name):
        help_ = did_you_mean(name[:80], (*catalog.models, *catalog.aliases))  # the search takes time by the length
        raise UnknownModel(Violation(field="request.requirements.model", message=f"there is no model or alias '{name[:80]}'; {help_}"))
