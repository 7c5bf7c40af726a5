"""What would have had to be otherwise: the smallest change of one fact, up or down, by which another route or model is chosen.

From its value outwards each fact is tried at the rules' boundaries and on a grid, since much is decided by what models can do, which no
rule names; between the last value that changes nothing and the first that does, the place is found by halving. A change that comes and goes
between two values of the grid is missed. The decision is asked, nothing else: each trial is one call of `decide`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import cast

from pointsman.core.decide import outcome_of
from pointsman.core.decision import Contrast, Decision
from pointsman.core.expr.types import INT
from pointsman.core.facts import FACTS, Facts, value_of
from pointsman.core.market import Market
from pointsman.core.ruleset import Ruleset
from pointsman.core.samples import boundaries, with_fact

_SHARES = tuple(step / 20 for step in range(21))
_DECADES = (1.0, 2.0, 5.0)

GRIDS: Mapping[str, tuple[float, ...]] = {
    "request.accuracy": _SHARES,
    "features.complexity": _SHARES,
    "tokens.input": tuple(1 << power for power in range(23)),
    "request.max_cost_usd": tuple(float(f"{lead}e{power}") for power in range(-9, 3) for lead in _DECADES),
    "request.max_latency_ms": tuple(float(f"{lead}e{power}") for power in range(6) for lead in _DECADES),
    "budget.spend_ratio": (*_SHARES, 1.2, 1.5, 2.0),
}
"""The facts that are tried, and where, beside the boundaries. For one that is absent, and so no limit, the grid is walked from its top."""

_NEAR = 1e-5
"""Halving ends at this share of a value."""

_MOST_HALVINGS = 60
"""Towards zero there is always a smaller share."""


Chosen = tuple[str, str]
"""Route and model."""


def contrast(ruleset: Ruleset, facts: Facts, market: Market) -> tuple[Contrast, ...]:
    """Return, for each fact of GRIDS, the smallest change down and up that leads to another route or model, where there is one."""
    places = boundaries([ruleset], facts)

    def choose(changed: Facts) -> Chosen | None:
        return _chosen(ruleset, changed, market)

    return tuple(found for name in GRIDS for found in _changes(name, places.get(name, ()), facts, choose))


def _chosen(ruleset: Ruleset, facts: Facts, market: Market) -> Chosen | None:
    found = outcome_of(ruleset, facts, market)
    return (found.rule.id, found.chosen.model) if isinstance(found, Decision) else None


def _changes(name: str, places: Iterable[object], facts: Facts, choose: Callable[[Facts], Chosen | None]) -> Iterator[Contrast]:
    start, now = cast("float | None", value_of(facts, name)), choose(facts)
    values = sorted({*GRIDS[name], *(value for value in places if isinstance(value, int | float))})

    def chosen(value: float) -> Chosen | None:
        return choose(with_fact(facts, name, value))

    def differs(value: float) -> bool:
        return chosen(value) not in (None, now)

    below = reversed(values if start is None else [value for value in values if value < start])
    above = [] if start is None else [value for value in values if value > start]
    for outwards in (below, above):
        value = _nearest(start, outwards, differs, whole=FACTS[name].type == INT)
        if value is not None:
            rule, model = cast("Chosen", chosen(value))
            yield Contrast(fact=name, old=start, new=value, rule=rule, model=model)


def _nearest(start: float | None, outwards: Iterable[float], differs: Callable[[float], bool], *, whole: bool) -> float | None:
    """Return the first value on the way at which the decision differs, or None."""
    last = start
    for value in outwards:
        if differs(value):
            if last is None:
                return value
            return _halved(last, value, differs) if whole else _short(_halved(last, value, differs, near=_NEAR), last, differs)
        last = value
    return None


def _halved(same: float, other: float, differs: Callable[[float], bool], near: float = 0.0) -> float:
    """Return the value nearest to `same` at which the decision still differs; a whole number unless `near` is given."""
    for _ in range(_MOST_HALVINGS):
        if abs(other - same) <= (near * max(abs(other), abs(same)) or 1):
            break
        middle = (same + other) / 2 if near else (same + other) // 2
        same, other = (same, middle) if differs(middle) else (middle, other)
    return other


def _short(value: float, same: float, differs: Callable[[float], bool]) -> float:
    """Return the value rounded to as few digits as do: at most a thousandth away, and the decision still differs."""
    for digits in range(2, 12):
        short = float(f"{value:.{digits}g}")
        if abs(short - value) <= abs(value) / 1000 and short != same and differs(short):
            return short
    return value
