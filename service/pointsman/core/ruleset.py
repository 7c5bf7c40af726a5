"""The compiled rules: immutable, content-addressed, ready to be asked. Made by `rulefile`, read by `decide` and `explain`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from pointsman.core.catalog import Catalog
from pointsman.core.decision import RuleRef
from pointsman.core.facts import Facts
from pointsman.core.rollout import Rollout
from pointsman.core.vocabulary import OnEmpty, Strategy


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One condition of a rule. Those before it in the rule must hold before it may be asked, since they guard its optional facts."""

    text: str
    line: int
    column: int
    facts: tuple[str, ...]
    """Names of the facts in it, those of its vars included."""
    holds: Callable[[Facts], bool]
    items: tuple[Condition, ...] = ()
    """Of a group: what it joins."""
    joined_by: str = ""
    """Of a group: "any", "all" or "none"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """Narrows every route while it holds: only `permitted` models may serve."""

    ref: RuleRef
    conditions: tuple[Condition, ...]
    permitted: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteSettings:
    """What a route says of the calls that it decides on, beside the model. None where it says nothing."""

    cache_mode: str = "off"
    cache_ttl_s: float = 0.0
    """0 where no answer is to be kept, whoever asks."""
    optimize: str = ""
    target_tokens: int | None = None
    timeout_s: float | None = None
    hedge_after_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Offers candidates to the requests that match it."""

    ref: RuleRef
    priority: int
    conditions: tuple[Condition, ...]
    """All must hold; empty for the default route alone."""
    candidates: tuple[str, ...]
    strategy: Strategy
    on_empty: OnEmpty
    min_quality: Callable[[Facts], float] | None
    fallbacks: tuple[str, ...]
    shadow: bool = False
    """Evaluated and reported, never served."""
    rollout: Rollout | None = None
    expires: str | None = None
    """Last day, UTC, on which it is used; an ISO date."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """Of strategy weighted, by model."""
    by: str | None = None
    """Of strategy weighted: the fact that is sticky."""
    drawn: tuple[str, ...] = ()
    """Of strategy weighted, in a replay: the models in the order in which they were drawn; empty draws them."""
    value: int = 0
    """Of strategy balanced: nano-USD that one right answer is worth."""
    max_cost: int | None = None
    """Nano-USD that one request may cost."""
    settings: RouteSettings = RouteSettings()

    @property
    def is_default(self) -> bool:
        return not self.conditions

    def is_expired(self, facts: Facts) -> bool:
        """Return whether its last day is over."""
        return self.expires is not None and facts.time.date > self.expires

    def admits(self, facts: Facts) -> bool:
        """Return whether it is in use, and the request in its share; asked only where the conditions hold."""
        return not self.is_expired(facts) and (self.rollout is None or self.rollout.admits(facts))

    def matches(self, facts: Facts) -> bool:
        """Return whether all conditions hold and it admits the request."""
        return all(condition.holds(facts) for condition in self.conditions) and self.admits(facts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """Where the caller says nothing."""

    accuracy: float = 0.0
    max_output: int | None = None
    """Tokens; None leaves it to the model."""


class Matched(NamedTuple):
    """What the conditions say of a request: indices into `constraints` and `routes`."""

    constraints: tuple[int, ...]
    """Those that hold."""
    route: int
    """The first enforced route that matches; -1 if none does."""
    shadows: tuple[int, ...]
    """Shadow routes that match before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruleset:
    """A rule directory, compiled. `routes` are in the order in which they are looked at; the last one is the default."""

    revision: str
    """Twelve hexadecimal digits over the catalog and the routes."""
    catalog: Catalog
    defaults: Defaults
    constraints: tuple[Constraint, ...]
    routes: tuple[Route, ...]
    match: Callable[[Facts], Matched]
    """All conditions in one compiled function."""
    shadows: tuple[Ruleset, ...] = ()
    """Files that are wholly in shadow, each with its own constraints and routes, and perhaps without a default."""
    comparisons: Mapping[str, tuple[object, ...]] = field(default_factory=dict)
    """Every fact that rules look at, with the literals that they compare it with."""
    _by_id: Mapping[str, Route] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_id", {route.ref.id: route for route in self.routes})

    def settings(self, route: str) -> RouteSettings:
        """Return what a route says of the calls that it decides on."""
        return self.route(route).settings

    def route(self, name: str) -> Route:
        """Return the route of that id, which must be one of those in force."""
        return self._by_id[name]

    def next_match(self, facts: Facts, after: int) -> Matched:
        """Return the first route behind `after` that matches, with the shadows before it. Slower than `match`, and rarely needed."""
        shadows: list[int] = []
        for index in range(after + 1, len(self.routes)):
            if self.routes[index].matches(facts):
                if not self.routes[index].shadow:
                    return Matched((), index, tuple(shadows))
                shadows.append(index)
        return Matched((), -1, tuple(shadows))
