"""What a test expects, read and held against the rules; and whether it came out so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from pointsman.core.decide import Outcome
from pointsman.core.decision import Decision, Dropped
from pointsman.core.diagnostics import Problem, did_you_mean
from pointsman.core.errors import AllUnavailable, BudgetExhausted, ConstrainedOut, ContextTooLong, NoEligibleModel
from pointsman.core.facts import Facts
from pointsman.core.rulefile.documents import CaseDoc, ExpectDoc
from pointsman.core.rulefile.structure import problem_at
from pointsman.core.ruleset import Ruleset
from pointsman.core.vocabulary import DecisionReason, DropReason
from pointsman.core.yamlnodes import Mapping as MappingNode
from pointsman.core.yamlnodes import Node, Scalar, Sequence, find, key_of

REFUSALS: Mapping[str, type[NoEligibleModel]] = {
    "NO_ELIGIBLE_MODEL": NoEligibleModel,
    "CONSTRAINED_OUT": ConstrainedOut,
    "CONTEXT_TOO_LONG": ContextTooLong,
    "BUDGET_EXHAUSTED": BudgetExhausted,
    "MODELS_UNAVAILABLE": AllUnavailable,
}
"""The reasons of refusals, as callers see them."""


def misfits(item: Node, doc: CaseDoc, ruleset: Ruleset, file: str) -> Iterator[Problem]:
    """Yield what a test expects and cannot: names that do not exist, and nothing at all."""
    known = _known(ruleset)
    for section in ("expect", "expect_share"):
        node = _section(item, section)
        for name, entry in node.entries.items() if isinstance(node, MappingNode) else ():
            for value in _names(entry.node, keys=name == "dropped") if name in known else ():
                if value.text not in known[name]:
                    message = f"there is no {_NOUN.get(name, name)} '{value.text}'"
                    yield problem_at(value, file, message, did_you_mean(value.text, known[name]))
        if isinstance(node, MappingNode) and "dropped" in node.entries:
            yield from _wrong_reasons(node.entries["dropped"].node, file)
    if doc.expect == ExpectDoc() or (doc.expect is None and doc.expect_share is None):
        yield problem_at(item, file, "the test expects nothing", "add rule: or model: under expect")
    if (doc.vary is None) is not (doc.expect_share is None):
        yield problem_at(find(item, ("name",)), file, "vary and expect_share go together", "give both, or neither")
    share = doc.expect_share
    if share is not None and not (share.rule or share.model):
        yield problem_at(key_of_section(item, "expect_share"), file, "the share is of nothing", "add rule: or model:")
    if share is not None and share.between[0] > share.between[1]:
        yield problem_at(key_of_section(item, "expect_share"), file, "the least share is greater than the greatest")


_NOUN = {
    "rule_not": "rule", "tier_not": "tier", "fallbacks": "model", "dropped": "model", "constraints": "constraint",
    "shadow": "rule in shadow", "refused": "reason of refusals", "reason": "reason of decisions",
}  # fmt: skip


def _known(ruleset: Ruleset) -> dict[str, list[str]]:
    models, catalog = list(ruleset.catalog.models), ruleset.catalog
    asides = [route.ref.id for aside in ruleset.shadows for route in aside.routes]
    routes = [route.ref.id for route in ruleset.routes if not route.shadow]
    return {
        "rule": routes, "rule_not": routes, "model": models, "fallbacks": models, "dropped": models,
        "tier": list(catalog.tiers), "tier_not": list(catalog.tiers),
        "constraints": [constraint.ref.id for constraint in ruleset.constraints],
        "shadow": [*(route.ref.id for route in ruleset.routes if route.shadow), *asides],
        "refused": list(REFUSALS), "reason": [reason.name for reason in DecisionReason if reason],
    }  # fmt: skip


def _wrong_reasons(node: Node, file: str) -> Iterator[Problem]:
    reasons = [reason.name for reason in DropReason if reason]
    for entry in node.entries.values() if isinstance(node, MappingNode) else ():
        if isinstance(entry.node, Scalar) and entry.node.text not in reasons:
            yield problem_at(entry.node, file, f"there is no drop reason '{entry.node.text}'", did_you_mean(entry.node.text, reasons))


def _section(item: Node, name: str) -> Node | None:
    return item.entries[name].node if isinstance(item, MappingNode) and name in item.entries else None


def key_of_section(item: Node, name: str) -> Node:
    """Return the key of a part of a test, or the test where it has no such part."""
    return key_of(item, name) if isinstance(item, MappingNode) and name in item.entries else item


def _names(node: Node, *, keys: bool) -> Iterator[Scalar]:
    if isinstance(node, Scalar):
        yield node
    elif isinstance(node, Sequence):
        yield from (item for item in node.items if isinstance(item, Scalar))
    elif keys:
        yield from (entry.key for entry in node.entries.values())


def failures(expect: ExpectDoc, outcome: Outcome, ruleset: Ruleset, facts: Facts) -> Iterator[str]:
    """Yield every way in which an outcome is not what was expected. A refusal has no rule, model or tier, so none that is not wanted."""
    yield from _compared("constraints", expect.constraints, [ruleset.constraints[i].ref.id for i in ruleset.match(facts).constraints])
    yield from _compared("shadow", expect.shadow, [shadow.rule.id for shadow in outcome.shadows])
    yield from _dropped(expect, outcome.dropped)
    if isinstance(outcome, NoEligibleModel):
        yield from _refused(expect, outcome)
        return
    if expect.refused:
        yield f"expected the refusal {expect.refused}, found rule {outcome.rule.id} and model {outcome.chosen.model}"
    found = _found(outcome, ruleset)
    for what in ("rule", "model", "tier", "reason"):
        if (wanted := getattr(expect, what)) and found[what] != wanted:
            yield f"expected {what} {wanted}, found {found[what]}"
    for what in ("rule", "tier"):
        if (unwanted := getattr(expect, f"{what}_not")) and found[what] == unwanted:
            yield f"expected another {what} than {unwanted}"
    yield from _compared("fallbacks", expect.fallbacks, [candidate.model for candidate in outcome.fallbacks])
    yield from _cache(expect, outcome, ruleset)


def _found(decision: Decision, ruleset: Ruleset) -> dict[str, str]:
    chosen = decision.chosen.model
    return {"rule": decision.rule.id, "model": chosen, "tier": ruleset.catalog.models[chosen].tier, "reason": decision.reason.name}


def _refused(expect: ExpectDoc, refusal: NoEligibleModel) -> Iterator[str]:
    reason = next(name for name, kind in REFUSALS.items() if kind is type(refusal))
    if expect.refused:
        if reason != expect.refused:
            yield f"expected the refusal {expect.refused}, found {reason}"
    elif expect.rule or expect.model or expect.tier or expect.reason or expect.fallbacks is not None or expect.cache:
        yield f"expected a decision, but: {refusal}"


def _compared(what: str, expected: list[str] | None, found: Iterable[str]) -> Iterator[str]:
    found = list(found)
    if expected is not None and (expected != found if what == "fallbacks" else sorted(expected) != sorted(found)):
        yield f"expected {what} {', '.join(expected) or 'none'}, found {', '.join(found) or 'none'}"


def _dropped(expect: ExpectDoc, dropped: Iterable[Dropped]) -> Iterator[str]:
    found = {drop.model: drop for drop in dropped}
    for model, reason in expect.dropped.items():
        if model not in found:
            yield f"expected {model} to be dropped for {reason}, but it was not"
        elif found[model].reason.name != reason:
            yield f"expected {model} to be dropped for {reason}, found {found[model].reason.name}: {found[model].detail}"


def _cache(expect: ExpectDoc, decision: Decision, ruleset: Ruleset) -> Iterator[str]:
    settings = ruleset.settings(decision.rule.id)
    found = {"mode": settings.cache_mode, "ttl_s": settings.cache_ttl_s}
    for name, wanted in expect.cache.items():
        if found.get(name) != wanted:
            yield f"expected cache {name} {wanted}, found {found.get(name, 'no such setting')}"
