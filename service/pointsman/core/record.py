"""A decision with all that it was made from, fit to be kept: replaying it gives the same decision bit for bit.

What the caller says of people is withheld: user and session are replaced by keyed digests, labels are kept only if they are on a list.
Rules may have looked at those values all the same, so the record also holds what came of it, as few bits as will do: whether a condition
held, whether the request was in a share, in which order models were drawn. The numbers that were drawn are not kept: whoever has the rules
could try them against guessed names. No text of a prompt is in facts, market or decision, so none is in a record.

A replay pins those outcomes in the ruleset and calls `decide`; nothing is chosen here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from hashlib import blake2b

import msgspec
from msgspec import Struct, structs

from pointsman.core import errors
from pointsman.core.decide import Outcome, outcome_of
from pointsman.core.decision import Decision
from pointsman.core.errors import NoEligibleModel
from pointsman.core.facts import Facts, value_of
from pointsman.core.market import Market
from pointsman.core.rollout import BUCKETS, Rollout, rank, sticky
from pointsman.core.ruleset import Condition, Constraint, Matched, Route, Ruleset
from pointsman.core.vocabulary import Strategy

VERSION = 1
"""Of the format. A record of another one is not read."""

PEOPLE = ("request.user", "request.session")
"""Facts that are recorded as digests."""

LABELLED = ("request", "tenant")
"""Groups of facts with labels."""


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


class Refused(Struct, frozen=True, kw_only=True):
    """That no model could serve: the class of the error, the last rule, and how many models were dropped for which reason."""

    error: str
    rule: str
    counts: Mapping[str, int]

    @classmethod
    def of(cls, refusal: NoEligibleModel) -> Refused:
        """Return what is recorded of an error."""
        return cls(error=type(refusal).__name__, rule=refusal.rule, counts=refusal.counts)

    def is_known(self) -> bool:
        """Return whether the error is one that a decision can raise."""
        kind = getattr(errors, self.error, None)
        return isinstance(kind, type) and issubclass(kind, NoEligibleModel)


class DecisionRecord(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One decision, or refusal, with what it was made from."""

    version: int
    id: str
    time: datetime
    revision: str
    facts: Facts
    market: Market
    pins: Pins = NO_PINS
    decision: Decision | None = None
    """Without its explanation, which a replay can give again. None if no model could serve."""
    refused: Refused | None = None


class BadRecord(ValueError):
    """What was read is no record of this version."""


def record(
    ruleset: Ruleset,
    facts: Facts,
    market: Market,
    outcome: Decision | NoEligibleModel,
    *,
    time: datetime,
    key: bytes,
    labels: Iterable[str] = (),
) -> DecisionRecord:
    """Return the record of what `decide` came to. `key`, up to 64 bytes, is for the digests; `labels` are those that may be kept."""
    kept = frozenset(labels)
    hidden = frozenset(_hidden(facts, kept))
    redacted = _redacted(facts, key, kept)
    return DecisionRecord(
        version=VERSION,
        id=facts.request.id,
        time=time,
        revision=ruleset.revision,
        facts=redacted,
        market=market,
        pins=_pins(ruleset, facts, redacted, hidden) if hidden else NO_PINS,
        decision=structs.replace(outcome, explanation=None, prefix_key="") if isinstance(outcome, Decision) else None,
        refused=Refused.of(outcome) if isinstance(outcome, NoEligibleModel) else None,
    )


def replay(record: DecisionRecord, ruleset: Ruleset) -> Outcome:
    """Return what the ruleset decides on a record: with the ruleset of its revision, the same decision or refusal bit for bit."""
    return outcome_of(pinned(ruleset, record.pins), record.facts, record.market)


def to_json(record: DecisionRecord) -> bytes:
    """Return a record as JSON on one line, without its end."""
    return msgspec.json.encode(record)


def from_json(line: bytes) -> DecisionRecord:
    """Return a record from its JSON. Raises BadRecord."""
    try:
        found = _DECODER.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadRecord(f"no decision record: {error}") from error
    if found.version != VERSION:
        raise BadRecord(f"a record of version {found.version}; this program reads version {VERSION}")
    if (found.decision is None) == (found.refused is None) or not (found.refused is None or found.refused.is_known()):
        raise BadRecord("no decision record: expected a decision or a known refusal")
    return found


_DECODER = msgspec.json.Decoder(DecisionRecord)


def _hidden(facts: Facts, kept: frozenset[str]) -> Iterator[str]:
    """Yield the names of the facts that are there and not recorded as they are."""
    yield from (name for name in PEOPLE if value_of(facts, name) is not None)
    for group in LABELLED:
        yield from (f"{group}.labels.{label}" for label in getattr(facts, group).labels if label not in kept)


def _redacted(facts: Facts, key: bytes, kept: frozenset[str]) -> Facts:
    request, tenant = facts.request, facts.tenant
    return structs.replace(
        facts,
        request=structs.replace(
            request,
            user=_digest(request.user, key),
            session=_digest(request.session, key),
            labels={name: value for name, value in request.labels.items() if name in kept},
        ),
        tenant=structs.replace(tenant, labels={name: value for name, value in tenant.labels.items() if name in kept}),
    )


def _digest(value: str | None, key: bytes) -> str | None:
    """Return 128 bits that are the same for the same value, and tell nothing of it without the key."""
    return None if value is None else blake2b(value.encode("utf-8", "surrogatepass"), key=key, digest_size=16).hexdigest()


def _pins(ruleset: Ruleset, facts: Facts, redacted: Facts, hidden: frozenset[str]) -> Pins:
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


def pinned(ruleset: Ruleset, pins: Pins) -> Ruleset:
    """Return the ruleset with the outcomes of a record in the place of what cannot be asked again."""
    if pins == NO_PINS:
        return ruleset
    constraints = tuple(
        replace(constraint, conditions=_conditions(constraint.ref.id, constraint.conditions, pins)) for constraint in ruleset.constraints
    )
    routes = tuple(_route(route, pins) for route in ruleset.routes)
    shadows = tuple(pinned(shadow, pins) for shadow in ruleset.shadows)
    return replace(
        ruleset, constraints=constraints, routes=routes, shadows=shadows, match=lambda facts: asked_in_turn(constraints, routes, facts)
    )


def _conditions(rule: str, conditions: Iterable[Condition], pins: Pins) -> tuple[Condition, ...]:
    return tuple(_condition(condition, pins.conditions.get(f"{rule}: {_text(condition)}")) for condition in conditions)


def _condition(condition: Condition, held: bool | None) -> Condition:
    return condition if held is None else replace(condition, holds=lambda _: held)


def _route(route: Route, pins: Pins) -> Route:
    name = route.ref.id
    changed = replace(route, conditions=_conditions(name, route.conditions, pins))
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
