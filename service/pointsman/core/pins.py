"""What rules came to that looked at values which are not kept, so that a replay need not ask them again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from msgspec import Struct

from pointsman.core.facts import Facts, group_of
from pointsman.core.rollout import BUCKETS, Rollout, rank, sticky
from pointsman.core.ruleset import Condition, Constraint, Matched, Route, Ruleset
from pointsman.core.vocabulary import Strategy


class Pins(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What rules came to that looked at values which are not recorded."""

    conditions: Mapping[str, bool] = {}
    """Whether a condition held, by rule and text."""
    shares: Mapping[str, bool] = {}
    """Whether the request was in the share of a route."""
    orders: Mapping[str, tuple[str, ...]] = {}
    """The models of a weighted route, in the order in which they were drawn."""
    bars: Mapping[str, float] = {}
    """The least quality that a route asked for."""


NO_PINS = Pins()


def pins_of(ruleset: Ruleset, facts: Facts, redacted: Facts, hidden: frozenset[str]) -> Pins:
    """Return what rules came to that looked at facts of these names, which `redacted` has without them."""
    sets = (ruleset, *ruleset.shadows)
    routes = [route for each in sets for route in each.routes]
    rules: list[Constraint | Route] = [*(constraint for each in sets for constraint in each.constraints), *routes]
    bars = {route.ref.id: (route.min_quality(facts), route.min_quality(redacted)) for route in routes if route.min_quality is not None}
    return Pins(
        conditions={name: held for rule in rules for name, held in _held(rule, facts, hidden)},
        shares={route.ref.id: route.rollout.admits(facts) for route in routes if route.rollout is not None and route.rollout.by in hidden},
        orders={route.ref.id: _drawn(route, facts) for route in routes if route.strategy is Strategy.WEIGHTED and route.by in hidden},
        bars={name: asked for name, (asked, otherwise) in bars.items() if asked != otherwise},
    )


def _held(rule: Constraint | Route, facts: Facts, hidden: frozenset[str]) -> Iterator[tuple[str, bool]]:
    """Yield the conditions that look at hidden values, up to the first that does not hold: those behind it may rely on it."""
    for condition in rule.conditions:
        held = condition.holds(facts)
        if not hidden.isdisjoint(condition.facts):
            yield f"{rule.ref.id}: {_text(condition)}", held
        if not held:
            return


def _text(condition: Condition) -> str:
    parts = "; ".join(map(_text, condition.items))
    return f"{condition.text} ({parts})" if parts else condition.text


def _drawn(route: Route, facts: Facts) -> tuple[str, ...]:
    value = sticky(facts, route.by)
    return tuple(
        sorted((model for model, weight in route.weights.items() if weight), key=lambda m: rank(route.ref.id, value, m, route.weights[m]))
    )


class Unknown:
    """Facts that a record has not as they were, and those of them that conditions asked for whose outcome it does not have either."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self.names = frozenset(names)
        self.asked: set[str] = set()

    def seen(self, condition: Condition) -> Condition:
        """Return the condition; if it looks at such facts, one that takes down that it was asked."""
        unknown = {name for name in condition.facts if name in self.names or group_of(name) in self.names}
        if not unknown:
            return condition

        def holds(facts: Facts) -> bool:
            self.asked |= unknown
            return condition.holds(facts)

        known = tuple(name for name in condition.facts if name not in unknown)
        return replace(condition, holds=holds, text=f"{condition.text}  (not recorded)", facts=known)


def pinned(ruleset: Ruleset, pins: Pins, unknown: Unknown | None = None) -> Ruleset:
    """Return the ruleset with the outcomes of a record in the place of what cannot be asked again; `unknown` hears of what neither has."""
    unknown = unknown or Unknown()
    if pins == NO_PINS and not unknown.names:
        return ruleset
    constraints = tuple(
        replace(constraint, conditions=_conditions(constraint.ref.id, constraint.conditions, pins, unknown))
        for constraint in ruleset.constraints
    )
    routes = tuple(_route(route, pins, unknown) for route in ruleset.routes)
    shadows = tuple(pinned(shadow, pins, unknown) for shadow in ruleset.shadows)
    return replace(
        ruleset, constraints=constraints, routes=routes, shadows=shadows, match=lambda facts: asked_in_turn(constraints, routes, facts)
    )


def _conditions(rule: str, conditions: Iterable[Condition], pins: Pins, unknown: Unknown) -> tuple[Condition, ...]:
    return tuple(_condition(condition, pins.conditions.get(f"{rule}: {_text(condition)}"), unknown) for condition in conditions)


def _condition(condition: Condition, held: bool | None, unknown: Unknown) -> Condition:
    if held is None:
        return unknown.seen(condition)
    return replace(condition, holds=lambda _: held, text=f"{condition.text}  (as recorded)", facts=(), items=())


def _route(route: Route, pins: Pins, unknown: Unknown) -> Route:
    name = route.ref.id
    changed = replace(route, conditions=_conditions(name, route.conditions, pins, unknown))
    if route.rollout is not None and name in pins.shares:
        changed = replace(changed, rollout=Rollout(seed=route.rollout.seed, by=None, below=BUCKETS if pins.shares[name] else 0))
    if name in pins.bars and route.min_quality is not None:
        bar = pins.bars[name]
        changed = replace(changed, min_quality=lambda _: bar)
    return replace(changed, drawn=pins.orders[name]) if name in pins.orders else changed


def asked_in_turn(constraints: tuple[Constraint, ...], routes: tuple[Route, ...], facts: Facts) -> Matched:
    """Return what the compiled function of a ruleset would, one rule after the other."""
    holding = tuple(i for i, each in enumerate(constraints) if all(condition.holds(facts) for condition in each.conditions))
    shadows: list[int] = []
    for index, route in enumerate(routes):
        if route.matches(facts):
            if not route.shadow:
                return Matched(holding, index, tuple(shadows))
            shadows.append(index)
    return Matched(holding, -1, tuple(shadows))
