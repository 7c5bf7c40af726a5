"""The order in which a route tries the candidates that may serve.

    cheapest   expected cost, then quality
    fastest    expected latency, then cost
    best       quality, then cost
    balanced   quality x what a right answer is worth - expected cost, then cost
    weighted   drawn by weight, sticky

Candidates that are equal in all of it stay in the order of the file. Of a conversation whose prefix a provider has, the cost is that of a
turn from now on (`staying.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pointsman.core.decision import Candidate
from pointsman.core.facts import Facts
from pointsman.core.rollout import rank, sticky
from pointsman.core.ruleset import Route
from pointsman.core.staying import Cost, expected_cost
from pointsman.core.vocabulary import Strategy

Key = Callable[[Candidate], tuple[float, ...]]

_ORDER: dict[Strategy, Callable[[Cost], Key]] = {
    Strategy.CHEAPEST: lambda cost: lambda candidate: (cost(candidate), -candidate.quality),
    Strategy.FASTEST: lambda cost: lambda candidate: (candidate.expected_latency_ms, cost(candidate)),
    Strategy.BEST: lambda cost: lambda candidate: (-candidate.quality, cost(candidate)),
}


def ordered(candidates: Iterable[Candidate], route: Route, facts: Facts, cost: Cost = expected_cost) -> list[Candidate]:
    """Return the candidates in the order of the route's strategy."""
    if route.strategy in _ORDER:
        return sorted(candidates, key=_ORDER[route.strategy](cost))
    if route.strategy is Strategy.BALANCED:
        return sorted(candidates, key=lambda candidate: (cost(candidate) - candidate.quality * route.value, cost(candidate)))
    if route.drawn:
        places = {model: place for place, model in enumerate(route.drawn)}
        return sorted(candidates, key=lambda candidate: places.get(candidate.model, len(places)))
    value = sticky(facts, route.by)
    return sorted(candidates, key=lambda candidate: rank(route.ref.id, value, candidate.model, route.weights.get(candidate.model, 0.0)))


def best(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Return the candidates, the best first."""
    return sorted(candidates, key=_ORDER[Strategy.BEST](expected_cost))
