"""Requests made up from what rules compare facts with: values just below, at and just above each boundary, and their combinations.

The same rules give the same samples. Where all combinations would be too many, each value is tried alone, and then in combinations that a
hash draws; in those half of the facts stay as they are in a plain request, or rules further down would rarely be reached.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from hashlib import blake2b
from itertools import islice, product
from math import prod
from typing import cast

from msgspec import Struct, structs

from pointsman.core.expr.types import BOOL, INT, STRING
from pointsman.core.facts import FACTS, Facts, FactSpec, FeatureFacts, RequestFacts, TimeFacts, TokenFacts, value_of
from pointsman.core.market import Market
from pointsman.core.money import nearest_nano_usd
from pointsman.core.pins import NO_PINS, Pins
from pointsman.core.record import DecisionRecord
from pointsman.core.ruleset import Ruleset

MOST = 5_000
"""Samples that are made up at most: a second or so of deciding."""

PLAIN = Facts(
    request=RequestFacts(tenant="default", accuracy=0.0),
    features=FeatureFacts(complexity=0.42, gain=0.3, confidence=0.4),
    tokens=TokenFacts(input=100, output=130, output_p90=420, total=520),
    time=TimeFacts(hour=12, weekday=1, date="2026-01-05"),
)
"""A request of no particular kind."""

ALWAYS: Mapping[str, tuple[object, ...]] = {
    "features.complexity": (0.1, 0.3, 0.6, 0.9),
    "features.task": ("code",),
    "tokens.input": (2_000, 50_000),
    "request.accuracy": (0.6, 0.9),
    "request.max_cost_usd": (0.0001, 0.01),
    "request.needs_tools": (),
}
"""What selection looks at whatever the rules say."""

OTHER = "something else"
"""A text that no rule names."""


class Sample(Struct, frozen=True, kw_only=True):
    """A request to decide on, with the world as it is then."""

    facts: Facts
    market: Market = Market()
    pins: Pins = NO_PINS
    withheld: tuple[str, ...] = ()
    """Names of facts that are not as they were."""
    asks_accuracy: bool = True
    """Without, the accuracy is that of the rules' defaults."""


def sample_of(record: DecisionRecord) -> Sample:
    """Return the request of a record.

    Of what is pinned in it only conditions stay: shares are drawn anew, on the digest of the user, so that a new percentage shows.
    """
    return Sample(facts=record.facts, market=record.market, pins=Pins(conditions=record.pins.conditions), withheld=record.withheld)


def samples(rulesets: Iterable[Ruleset], *, plain: Facts = PLAIN, most: int = MOST) -> tuple[Sample, ...]:
    """Return requests on both sides of every boundary of the rulesets, the plain one first."""
    axes = boundaries(rulesets, plain)
    chosen = _all(axes, plain) if prod(map(len, axes.values())) <= most else islice(_some(axes, plain), most)
    return tuple(_sample(plain, values, number) for number, values in enumerate(chosen))


def boundaries(rulesets: Iterable[Ruleset], plain: Facts = PLAIN) -> dict[str, tuple[object, ...]]:
    """Return the values to try of every fact that matters, by name; the plain one is the first of each."""
    found: dict[str, dict[object, None]] = {name: {} for name in ALWAYS}
    for each in (part for ruleset in rulesets for part in (ruleset, *ruleset.shadows)):
        for name, literals in each.comparisons.items():
            found.setdefault(name, {}).update(dict.fromkeys(literals))
        if ends := [route.expires for route in each.routes if route.expires is not None]:
            found.setdefault("time.date", {}).update(dict.fromkeys(ends))
    return {
        name: tuple(dict.fromkeys([value_of(plain, name), *ALWAYS.get(name, ()), *_around(name, tuple(literals))]))
        for name, literals in found.items()
    }


def with_fact(facts: Facts, name: str, value: object) -> Facts:
    """Return the facts with another value of one, and of those that follow from it. None takes an optional fact away."""
    group, _, field = name.partition(".")
    old = getattr(facts, group)
    if field.startswith("labels."):
        label = field.removeprefix("labels.")
        rest = {key: kept for key, kept in old.labels.items() if key != label}
        return structs.replace(facts, **{group: structs.replace(old, labels=rest if value is None else {**rest, label: value})})
    changed = structs.replace(facts, **{group: structs.replace(old, **{field: value})})
    if name == "request.max_cost_usd":
        nano = None if value is None else nearest_nano_usd(cast("float", value))
        return structs.replace(changed, request=structs.replace(changed.request, max_cost=nano))
    if group == "tokens" and field != "total":
        tokens = changed.tokens
        answer = tokens.output_p90 if tokens.output_max is None else min(tokens.output_p90, tokens.output_max)
        return structs.replace(changed, tokens=structs.replace(tokens, total=tokens.input + answer))
    return changed


def _around(name: str, literals: tuple[object, ...]) -> Iterator[object]:
    """Yield the values of a fact on both sides of the literals, in order, and absence where it is optional."""
    spec = FACTS.get(name)
    if spec is None or spec.optional:
        yield None
    if spec is None or (spec.type == STRING and not spec.choices):
        yield from _texts([literal for literal in literals if isinstance(literal, str)], dates=name == "time.date")
    elif spec.type == BOOL:
        yield from (False, True)
    elif spec.choices:
        named = [literal for literal in literals if literal in spec.choices]
        yield from named
        yield from [choice for choice in spec.choices if choice not in named][:1]
    else:
        numbers = sorted({float(literal) for literal in literals if isinstance(literal, int | float) and not isinstance(literal, bool)})
        yield from _numbers(spec, numbers) if numbers or not spec.optional else (_some_number(spec),)


def _texts(literals: list[str], *, dates: bool) -> Iterator[str]:
    for literal in literals:
        yield literal
        if dates:
            yield from _days_beside(literal)
    if not dates:
        yield OTHER


def _days_beside(text: str) -> tuple[str, ...]:
    try:
        day = date.fromisoformat(text)
        return tuple((day + timedelta(days=away)).isoformat() for away in (-1, 1))
    except (ValueError, OverflowError):
        return ()


def _numbers(spec: FactSpec, literals: list[float]) -> Iterator[float]:
    low, high = spec.about.low, spec.about.high
    for place, literal in enumerate(literals):
        gaps = [abs(literal - other) for other in literals[max(0, place - 1) : place + 2] if other != literal]
        step = 1.0 if spec.type == INT else min([abs(literal) / 1000 or 0.001, *(gap / 4 for gap in gaps)])
        for value in (literal - step, literal, literal + step):
            if (low is None or value >= low) and (high is None or value <= high):
                yield round(value) if spec.type == INT else value if value == literal else float(f"{value:.12g}")


def _some_number(spec: FactSpec) -> float:
    """Return a value of an optional number that is asked for and not compared with anything."""
    return 1 if spec.type == INT else 1.0


def _all(axes: Mapping[str, tuple[object, ...]], plain: Facts) -> Iterator[dict[str, object]]:
    for values in product(*axes.values()):
        yield _changes(zip(axes, values, strict=True), plain)


def _some(axes: Mapping[str, tuple[object, ...]], plain: Facts) -> Iterator[dict[str, object]]:
    yield {}
    yield from ({name: value} for name, values in axes.items() for value in values[1:])
    number = 0
    while True:
        places = {name: _draw(number, name, 2 * len(values)) for name, values in axes.items()}
        yield _changes(((name, axes[name][place]) for name, place in places.items() if place < len(axes[name])), plain)
        number += 1


def _changes(values: Iterable[tuple[str, object]], plain: Facts) -> dict[str, object]:
    return {name: value for name, value in values if value != value_of(plain, name)}


def _draw(number: int, name: str, below: int) -> int:
    return int.from_bytes(blake2b(f"{number} {name}".encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big") % below


def _sample(plain: Facts, values: Mapping[str, object], number: int) -> Sample:
    facts = with_fact(plain, "request.id", f"sample-{number}")
    # The total follows from the other counts, unless a rule looks at it.
    for name in sorted(values, key=lambda name: name == "tokens.total"):
        facts = with_fact(facts, name, values[name])
    return Sample(facts=facts, asks_accuracy="request.accuracy" in values)
