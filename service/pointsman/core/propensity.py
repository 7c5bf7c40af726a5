"""How likely a decision was where chance had a part in it, so that outcomes can be weighted by it when another policy is judged by them.

It is the probability that every draw on the way falls as it did: of the shares of routes, and of the models of a weighted one. Over many
requests like this one, that many take this way; they are told apart by what is sticky, or by their ids.
"""

from __future__ import annotations

from collections.abc import Iterable

from pointsman.core.decision import Decision
from pointsman.core.facts import Facts
from pointsman.core.rollout import BUCKETS, Rollout
from pointsman.core.ruleset import Route, Ruleset
from pointsman.core.vocabulary import DecisionReason, Strategy

_UNDRAWN = frozenset({DecisionReason.ON_EMPTY_FALLBACK, DecisionReason.BEST_EFFORT})


def propensity(ruleset: Ruleset, facts: Facts, decision: Decision) -> float | None:
    """Return the probability of the draws behind a decision, 0..1; None where nothing was drawn."""
    asked = _asked(ruleset, facts, decision.rule.id)
    shares = _shares((route.rollout for route in asked if route.rollout is not None), facts)
    route = ruleset.route(decision.rule.id)
    is_drawn = route.strategy is Strategy.WEIGHTED and decision.reason not in _UNDRAWN and bool(route.weights.get(decision.chosen.model))
    if not shares and not is_drawn:
        return None
    found = _weighed(route, facts, decision) if is_drawn else 1.0
    for low, high in shares:
        found *= (high - low) / BUCKETS
    return found


def _asked(ruleset: Ruleset, facts: Facts, winner: str) -> list[Route]:
    """Return the routes whose conditions hold, up to the one that decided: of these, each has had its share drawn."""
    found = []
    for route in ruleset.routes:
        if not route.shadow and not route.is_expired(facts) and all(condition.holds(facts) for condition in route.conditions):
            found.append(route)
        if route.ref.id == winner:
            break
    return found


def _shares(rollouts: Iterable[Rollout], facts: Facts) -> list[tuple[int, int]]:
    """Return for each draw the buckets that come to the same: shares of one seed are drawn together."""
    found: dict[tuple[str, str | None], tuple[int, int]] = {}
    for rollout in rollouts:
        low, high = found.get((rollout.seed, rollout.by), (0, BUCKETS))
        admits = rollout.admits(facts)
        found[rollout.seed, rollout.by] = (low, min(high, rollout.below)) if admits else (max(low, rollout.below), high)
    return [buckets for buckets in found.values() if buckets != (0, BUCKETS)]


def _weighed(route: Route, facts: Facts, decision: Decision) -> float:
    """Return the share of the chosen model among those that were drawn from. One that is planned as a fallback alone was not."""
    least = route.min_quality(facts) if route.min_quality is not None else 0.0
    out = {drop.model for drop in decision.dropped} | {candidate.model for candidate in decision.plan if candidate.quality < least}
    return route.weights[decision.chosen.model] / sum(weight for model, weight in route.weights.items() if model not in out)
