"""Which decisions change when one set of rules takes the place of another: both decide on the same requests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from msgspec import Struct, structs

from pointsman.core.decide import outcome_of
from pointsman.core.errors import NoEligibleModel
from pointsman.core.facts import Facts, everything
from pointsman.core.pins import Unknown, pinned
from pointsman.core.ruleset import Ruleset
from pointsman.core.samples import PLAIN, Sample

MOST_EXAMPLES = 5


class Outcome(Struct, frozen=True, kw_only=True):
    """What one set of rules makes of a request."""

    rule: str
    plan: tuple[str, ...] = ()
    """Models in the order in which they would be tried; empty for a refusal."""
    refused: str = ""
    """The error's class."""
    expected_cost: int = 0
    """Nano-USD, of the first."""

    @property
    def served_by(self) -> str:
        """The model, or why there is none."""
        return self.plan[0] if self.plan else self.refused


class Shift(Struct, frozen=True, kw_only=True):
    """How many requests went from one rule or model to another."""

    old: str
    new: str
    count: int


class TenantShift(Struct, frozen=True, kw_only=True):
    """How much changes for one tenant."""

    tenant: str
    samples: int
    changed: int


class Example(Struct, frozen=True, kw_only=True):
    """A request that is decided otherwise, by the facts in which it differs from a plain one; None where one is absent."""

    id: str
    facts: dict[str, object]
    old: Outcome
    new: Outcome


class Diff(Struct, frozen=True, kw_only=True):
    """What changes."""

    old_revision: str
    new_revision: str
    samples: int
    changed: int
    """Those with another rule, plan or refusal."""
    other_model: int
    """Those of them that another model serves, or none, or one for the first time."""
    by_rule: tuple[Shift, ...]
    """Most frequent first, as all that follow."""
    by_model: tuple[Shift, ...]
    by_tenant: tuple[TenantShift, ...]
    old_refused: int
    new_refused: int
    old_cost: int
    """Expected nano-USD of the requests that both serve."""
    new_cost: int
    unsure: int
    """Those about which rules asked what records do not hold: they may change, or not."""
    withheld: tuple[str, ...]
    """What that is: names of facts."""
    examples: tuple[Example, ...]
    """One for each of the most frequent shifts, the plainest there is."""


def diff(old: Ruleset, new: Ruleset, samples: Iterable[Sample], *, plain: Facts = PLAIN) -> Diff:
    """Return which of the samples the two rulesets decide otherwise."""
    unsure: list[Unknown] = []
    decided = []
    for sample in samples:
        unknown = Unknown(sample.withheld)
        decided.append((sample, outcome(old, sample, unknown), outcome(new, sample, unknown)))
        unsure += [unknown] if unknown.asked else []
    changed = [each for each in decided if not _same(each[1], each[2])]
    served = [(before, after) for _, before, after in decided if before.plan and after.plan]
    return Diff(
        old_revision=old.revision,
        new_revision=new.revision,
        samples=len(decided),
        changed=len(changed),
        other_model=sum(before.served_by != after.served_by for _, before, after in changed),
        by_rule=_shifts((before.rule, after.rule) for _, before, after in changed),
        by_model=_shifts((before.served_by, after.served_by) for _, before, after in changed),
        by_tenant=_tenants(
            (sample.facts.request.tenant for sample, _, _ in decided), (sample.facts.request.tenant for sample, _, _ in changed)
        ),
        old_refused=sum(not before.plan for _, before, _ in decided),
        new_refused=sum(not after.plan for _, _, after in decided),
        old_cost=sum(before.expected_cost for before, _ in served),
        new_cost=sum(after.expected_cost for _, after in served),
        unsure=len(unsure),
        withheld=tuple(sorted({name for unknown in unsure for name in unknown.asked})),
        examples=_examples(changed, plain),
    )


def outcome(ruleset: Ruleset, sample: Sample, unknown: Unknown | None = None) -> Outcome:
    """Return what a ruleset makes of a sample; `unknown` hears of what it asks and the sample does not hold."""
    facts = sample.facts
    if not sample.asks_accuracy:
        facts = structs.replace(facts, request=structs.replace(facts.request, accuracy=ruleset.defaults.accuracy))
    found = outcome_of(pinned(ruleset, sample.pins, unknown), facts, sample.market)
    if isinstance(found, NoEligibleModel):
        return Outcome(rule=found.rule, refused=type(found).__name__)
    return Outcome(rule=found.rule.id, plan=tuple(each.model for each in found.plan), expected_cost=found.chosen.expected_cost)


def differing(facts: Facts, plain: Facts = PLAIN) -> dict[str, object]:
    """Return the facts in which a request differs from the plain one, None for those that it lacks."""
    here, there = everything(facts), everything(plain)
    return {name: here.get(name) for name in dict.fromkeys([*here, *there]) if here.get(name) != there.get(name)}


def _same(one: Outcome, other: Outcome) -> bool:
    """Return whether two outcomes are one decision; at another price it is still the same."""
    return (one.rule, one.plan, one.refused) == (other.rule, other.plan, other.refused)


def _shifts(pairs: Iterable[tuple[str, str]]) -> tuple[Shift, ...]:
    return tuple(Shift(old=old, new=new, count=count) for (old, new), count in Counter(pairs).most_common())


def _tenants(all_: Iterable[str], changed: Iterable[str]) -> tuple[TenantShift, ...]:
    those, counts = Counter(changed), Counter(all_)
    return tuple(TenantShift(tenant=tenant, samples=counts[tenant], changed=count) for tenant, count in those.most_common())


def _examples(changed: list[tuple[Sample, Outcome, Outcome]], plain: Facts) -> tuple[Example, ...]:
    kinds: dict[tuple[str, str, str, str], list[Example]] = {}
    for sample, before, after in changed:
        kind = (before.rule, after.rule, before.served_by, after.served_by)
        example = Example(id=sample.facts.request.id, facts=differing(sample.facts, plain), old=before, new=after)
        kinds.setdefault(kind, []).append(example)
    frequent = sorted(kinds.values(), key=len, reverse=True)[:MOST_EXAMPLES]
    return tuple(min(examples, key=lambda example: len(example.facts)) for examples in frequent)
