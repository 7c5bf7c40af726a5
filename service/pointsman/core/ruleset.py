"""The compiled rules: immutable, content-addressed, ready to be asked. Made by `rulefile`, read by `decide` and `explain`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pointsman.core.catalog import Catalog
from pointsman.core.decision import RuleRef
from pointsman.core.facts import Facts
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """Narrows every route while it holds: only `permitted` models may serve."""

    ref: RuleRef
    conditions: tuple[Condition, ...]
    permitted: frozenset[str]


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

    @property
    def is_default(self) -> bool:
        return not self.conditions

    def matches(self, facts: Facts) -> bool:
        """Return whether all conditions hold."""
        return all(condition.holds(facts) for condition in self.conditions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """Where the caller says nothing."""

    accuracy: float = 0.0
    max_output: int | None = None
    """Tokens; None leaves it to the model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruleset:
    """A rule directory, compiled. `routes` are in the order in which they are looked at; the last one is the default."""

    revision: str
    """Twelve hexadecimal digits over the catalog and the routes."""
    catalog: Catalog
    defaults: Defaults
    constraints: tuple[Constraint, ...]
    routes: tuple[Route, ...]
    match: Callable[[Facts], tuple[tuple[int, ...], int]]
    """All conditions in one compiled function: the indices of the constraints that hold, and of the first route that matches."""

    def next_match(self, facts: Facts, after: int) -> int | None:
        """Return the index of the first route behind `after` that matches, or None. Slower than `match`, and rarely needed."""
        behind = range(after + 1, len(self.routes))
        return next((index for index in behind if self.routes[index].matches(facts)), None)
