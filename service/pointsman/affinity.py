"""Remembers who served a conversation, so that decisions know where its prefix is kept, and learns how far to rely on that."""

from __future__ import annotations

import asyncio

from cachetools import LRUCache
from msgspec import Struct

from pointsman.core.cachekey import CacheKey
from pointsman.core.catalog import Catalog
from pointsman.core.completion import Completion, Usage
from pointsman.core.decision import Decision
from pointsman.core.market import Market
from pointsman.core.prefixes import KEPT_S, Conversation, Trail, Turn, conversation_of, keys_of, trail_from, with_prefixes
from pointsman.core.request import Request
from pointsman.core.ruleset import Ruleset
from pointsman.core.vocabulary import FinishReason
from pointsman.ports import Cache, Clock

LOOKED_UP = 3
"""Prefixes that are asked of other replicas: this prompt, the one before, and one in whose place a longer one came."""

LEARNED_AT_ONCE = 0.25
LEAST_TRUST = 0.05
"""So that a provider that keeps nothing is still found out when it does."""

_MODELS = 1_024


class Known(Struct, frozen=True, kw_only=True):
    """A conversation, and what is known of it."""

    conversation: Conversation
    trail: Trail
    names_model: bool
    """Whether the caller says which models he wants."""


class Affinity:
    """Knows conversations by their digests; what is known of each is kept where kept answers are, for two hours."""

    def __init__(self, trails: Cache, clock: Clock) -> None:
        self._trails = trails
        self._clock = clock
        self._trust: LRUCache[str, float] = LRUCache(_MODELS)
        self._keeping: set[asyncio.Task[None]] = set()

    async def known(self, tenant: str, request: Request, catalog: Catalog, *, ask_others: bool = True) -> Known | None:
        """Return what is known of a conversation; None where no provider would keep its prefix. Unless `ask_others`, nothing is awaited."""
        if not any(model.prompt_cache for model in catalog.models.values()):
            return None
        conversation = conversation_of(tenant, request)
        if conversation is None:
            return None
        keys = keys_of(conversation)
        found = next((trail for key in keys if (trail := trail_from(self._trails.peek(key)))), None)
        if found is None and ask_others and len(keys) > 1:
            found = await self._asked(keys[:LOOKED_UP])
        return Known(conversation=conversation, trail=found or Trail(), names_model=bool(request.requirements.model))

    def market(self, market: Market, catalog: Catalog, known: Known, input_tokens: int) -> Market:
        """Return the market with what is expected of prompt caches."""
        now_s = self._clock.epoch_s()
        return with_prefixes(
            market, catalog, known.conversation, known.trail, input_tokens=input_tokens, now_s=now_s, trust=dict(self._trust)
        )

    def note(self, known: Known, ruleset: Ruleset, decision: Decision, completion: Completion) -> None:
        """Take down who answered, and whether its provider had what was expected of it."""
        usage = completion.attempts[-1].usage if completion.attempts else None
        if usage is None or completion.finish_reason is FinishReason.ERROR:
            return
        if (
            completion.optimisation is None or not completion.optimisation.removed
        ):  # else it was told less than what was expected to be kept
            self._learn(completion.model, decision, usage)
        turn = Turn(completion.model, usage.input_tokens, self._clock.epoch_s())
        trail = known.trail.after(turn, _able(ruleset, decision, known))
        keeping = asyncio.create_task(self._trails.put(keys_of(known.conversation)[0], trail.encoded(), ttl_s=KEPT_S), name="trail")
        self._keeping.add(keeping)
        keeping.add_done_callback(self._keeping.discard)

    async def _asked(self, keys: list[CacheKey]) -> Trail | None:
        for key in keys:
            if (found := trail_from(await self._trails.get(key))) is not None:
                return found
        return None

    def _learn(self, model: str, decision: Decision, usage: Usage) -> None:
        expected = next((candidate.cached_tokens for candidate in decision.plan if candidate.model == model), 0)
        if not expected or usage.estimated:
            return
        trust = self._trust.get(model, 1.0)
        had = min(1.0, usage.cached_input_tokens * trust / expected)
        self._trust[model] = max(LEAST_TRUST, trust + LEARNED_AT_ONCE * (had - trust))


def _able(ruleset: Ruleset, decision: Decision, known: Known) -> tuple[str, ...]:
    """Return the models that the decision was between; fallbacks were none of them."""
    offered = ruleset.route(decision.rule.id).candidates
    return tuple(candidate.model for candidate in decision.plan if known.names_model or candidate.model in offered)
