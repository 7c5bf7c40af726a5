"""The order in which a route tries the candidates that may serve.

    cheapest   expected cost, then quality
    fastest    expected latency, then cost
    best       quality, then cost
    balanced   quality x what a right answer is worth - expected cost, then cost
    weighted   drawn by weight, sticky

Candidates that are equal in all of it stay in the order of the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pointsman.core.decision import Candidate
from pointsman.core.facts import Facts
from pointsman.core.rollout import rank, sticky
from pointsman.core.ruleset import Route
from pointsman.core.vocabulary import Strategy

Key = Callable[[Candidate], tuple[float, ...]]

_ORDER: dict[Strategy, Key] = {
    Strategy.CHEAPEST: lambda candidate: (candidate.expected_cost, -candidate.quality),
    Strategy.FASTEST: lambda candidate: (candidate.expected_latency_ms, candidate.expected_cost),
    Strategy.BEST: lambda candidate: (-candidate.quality, candidate.expected_cost),
}


def ordered(candidates: Iterable[Candidate], route: Route, facts: Facts) -> list[Candidate]:
    """Return the candidates in the order of the route's strategy."""
    if route.strategy in _ORDER:
        return sorted(candidates, key=_ORDER[route.strategy])
    if route.strategy is Strategy.BALANCED:
        return sorted(
            candidates, key=lambda candidate: (candidate.expected_cost - candidate.quality * route.value, candidate.expected_cost)
        )
    if route.drawn:
        places = {model: place for place, model in enumerate(route.drawn)}
        return sorted(candidates, key=lambda candidate: places.get(candidate.model, len(places)))
    value = sticky(facts, route.by)
    return sorted(candidates, key=lambda candidate: rank(route.ref.id, value, candidate.model, route.weights.get(candidate.model, 0.0)))


def best(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Return the candidates, the best first."""
    return sorted(candidates, key=_ORDER[Strategy.BEST])
