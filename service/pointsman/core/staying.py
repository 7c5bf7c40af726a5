"""Whether a conversation stays with the model whose provider has its prefix: what each candidate costs over the turns that are expected.

    stays:     this turn + turns left x a warm turn
    switches:  this turn, cold + turns left x (a warm turn there, or back here where the other may not serve)

Going back is cold, too, where the provider will have dropped the prefix by then. All of it is cost per turn, so that it can be held against
the worth of one answer. Where no candidate is warm, nothing of this applies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct, structs

from pointsman.core.catalog import Catalog, Model
from pointsman.core.decision import Candidate
from pointsman.core.market import Market

Cost = Callable[[Candidate], float]


def expected_cost(candidate: Candidate) -> float:
    """Return the expected cost of this turn."""
    return candidate.expected_cost


def warmest(candidates: Sequence[Candidate]) -> Candidate | None:
    """Return the candidate whose provider is expected to have most of the prompt; None where none has any."""
    found = max(candidates, key=lambda candidate: candidate.cached_tokens, default=None)
    return found if found is not None and found.cached_tokens else None


def with_switch_costs(candidates: Sequence[Candidate], catalog: Catalog) -> list[Candidate]:
    """Return the candidates with what leaving the warmest for each of them costs at once."""
    warm = warmest(candidates)
    if warm is None:
        return list(candidates)
    return [_with_switch_cost(candidate, warm, catalog.models[candidate.model]) for candidate in candidates]


def _with_switch_cost(candidate: Candidate, warm: Candidate, model: Model) -> Candidate:
    if candidate.model == warm.model:
        return candidate
    share = warm.cached_tokens / max(1, warm.tokens.input)  # models count differently, the prompt is the same
    lost = max(0, round(share * candidate.tokens.input) - candidate.cached_tokens)
    price = model.price
    kept = price.cost(lost, 0, cached_tokens=lost)
    return structs.replace(candidate, switch_cost=price.cost(lost, 0, cache_write_tokens=lost if candidate.writes_prefix else 0) - kept)


def cost_per_turn(candidates: Sequence[Candidate], catalog: Catalog, market: Market) -> Cost:
    """Return what tells the expected cost of a turn from now on, for candidates of which one is warm."""
    warm = warmest(candidates)
    if warm is None:
        return expected_cost
    outlook = _Outlook(warm=warm, home=catalog.models[warm.model], catalog=catalog, market=market)
    return lambda candidate: outlook.total(candidate) / (1 + market.turns_left)


class _Outlook(Struct, frozen=True, kw_only=True):
    """What is expected of the rest of a conversation."""

    warm: Candidate
    home: Model
    catalog: Catalog
    market: Market

    def total(self, candidate: Candidate) -> float:
        """Return the cost of this turn and of those that follow."""
        here = self._warm_turn(candidate, self.catalog.models[candidate.model])
        if candidate.model == self.warm.model:
            return candidate.expected_cost + self.market.turns_left * here
        share = self.market.state(candidate.model).share_of_turns
        return candidate.expected_cost + self.market.turns_left * (share * here + (1 - share) * self._back(share))

    def _warm_turn(self, candidate: Candidate, model: Model) -> int:
        """Return the cost of a turn like this one, all but what is new in it being in the provider's cache."""
        tokens, new = candidate.tokens, self._new(candidate)
        written = new if candidate.writes_prefix else 0
        return model.price.cost(tokens.input, tokens.output, cached_tokens=tokens.input - new, cache_write_tokens=written)

    def _new(self, candidate: Candidate) -> int:
        share = self.warm.cached_tokens / max(1, self.warm.tokens.input)
        return max(0, candidate.tokens.input - round(share * candidate.tokens.input))

    def _back(self, share: float) -> int:
        """Return the cost of a turn that has to go back to where the conversation was."""
        ttl_s = self.home.prompt_cache.ttl_s if self.home.prompt_cache is not None else 0.0
        if share < 1 and self.market.turn_gap_s / (1 - share) <= ttl_s:
            return self._warm_turn(self.warm, self.home)
        tokens = self.warm.tokens
        return self.home.price.cost(tokens.input, tokens.output, cache_write_tokens=tokens.input if self.warm.writes_prefix else 0)
