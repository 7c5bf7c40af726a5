"""Why a decision came out as it did: every rule with its conditions and the values of their facts.

Conditions are pure, so they are evaluated again, one by one; what is not asked for costs nothing. Which rule decided is taken from the
decision itself: nothing is chosen here.
"""

from __future__ import annotations

from collections.abc import Iterator

from pointsman.core.decision import ConditionTrace, Decision, Explanation, RuleTrace, Shadowed
from pointsman.core.errors import NoEligibleModel
from pointsman.core.facts import Facts, everything, value_of
from pointsman.core.money import dollars
from pointsman.core.rollout import BUCKETS
from pointsman.core.ruleset import Condition, Constraint, Route, Ruleset
from pointsman.core.vocabulary import DecisionReason, RuleOutcome


def explain(ruleset: Ruleset, facts: Facts, outcome: Decision | NoEligibleModel) -> Explanation:
    """Return the trace of every rule for what `decide` came to with the same ruleset and facts, a decision or a refusal."""
    return Explanation(
        summary=sentence(outcome),
        facts=everything(facts),
        rules=(*(_constraint(constraint, facts) for constraint in ruleset.constraints), *_routes(ruleset, facts, outcome)),
    )


def sentence(outcome: Decision | NoEligibleModel) -> str:
    """Return what was decided and why in one sentence, or why no model may serve."""
    if isinstance(outcome, NoEligibleModel):
        return str(outcome)
    chosen = outcome.chosen
    how = {
        DecisionReason.CALLER_MODEL: "the caller asked for it",
        DecisionReason.BEST_EFFORT: "nothing met the bar: best effort",
        DecisionReason.ON_EMPTY_FALLBACK: "no candidate was left: first fallback that fits",
        DecisionReason.DEFAULT: "no other rule matched",
        DecisionReason.STICKY: "the conversation stays where its prefix is",
        DecisionReason.ROLLOUT: "its conditions hold, and the request is in its share",
    }.get(outcome.reason, "its conditions hold")
    return (
        f"{outcome.rule.id} -> {chosen.model} ({how}); quality {chosen.quality:.2f}, expected {dollars(chosen.expected_cost)}, "
        f"{chosen.expected_latency_ms:.0f} ms{_of_prefix(outcome)}"
    )


def _of_prefix(decision: Decision) -> str:
    """Return why a conversation stays where its prefix is, or leaves it; empty where no provider has it."""
    chosen, others = decision.chosen, decision.fallbacks
    if chosen.switch_cost is not None:
        left = max(others, key=lambda candidate: candidate.cached_tokens, default=chosen)
        return (
            f"; leaves {left.model}, whose provider has {left.cached_tokens} tokens of the prompt: the switch costs"
            f" {dollars(chosen.switch_cost)} now, and pays over the turns that are expected, or is what the route asks for"
        )
    if not chosen.cached_tokens:
        return ""
    costs = [f"{dollars(other.switch_cost)} to {other.model}" for other in others if other.switch_cost is not None]
    switching = f"; a switch would cost {', '.join(costs)}" if costs else ""
    return f"; the provider has {chosen.cached_tokens} tokens of the prompt{switching}"


def _constraint(constraint: Constraint, facts: Facts) -> RuleTrace:
    conditions = tuple(_conditions(constraint.conditions, facts))
    if not _held(constraint.conditions, facts):
        return RuleTrace(rule=constraint.ref, outcome=RuleOutcome.NO_MATCH, conditions=conditions)
    permitted = f"permits {', '.join(sorted(constraint.permitted)) or 'no model'}"
    return RuleTrace(rule=constraint.ref, outcome=RuleOutcome.MATCH, conditions=conditions, detail=permitted)


def _routes(ruleset: Ruleset, facts: Facts, outcome: Decision | NoEligibleModel) -> Iterator[RuleTrace]:
    decided_by = outcome.rule.id if isinstance(outcome, Decision) else outcome.rule
    shadows = {shadow.rule.id: shadow for shadow in outcome.shadows}
    decided = False
    for route in ruleset.routes:
        if decided:
            yield RuleTrace(rule=route.ref, outcome=RuleOutcome.SKIPPED)
            continue
        decided = route.ref.id == decided_by
        yield _route(route, facts, shadows.get(route.ref.id), decided=decided)
    for aside in ruleset.shadows:
        for route in aside.routes:
            yield _route(route, facts, shadows.get(route.ref.id), decided=False)
            if route.ref.id in shadows:
                break


def _route(route: Route, facts: Facts, shadow: Shadowed | None, *, decided: bool) -> RuleTrace:
    if route.is_expired(facts):
        return RuleTrace(rule=route.ref, outcome=RuleOutcome.SKIPPED, detail=f"expired {route.expires}")
    conditions = tuple(_conditions(route.conditions, facts))
    held = _held(route.conditions, facts)
    outcome, detail = (RuleOutcome.NO_MATCH, "") if not held else _matched(route, facts, shadow, decided=decided)
    return RuleTrace(rule=route.ref, outcome=outcome, conditions=conditions, detail=detail)


def _matched(route: Route, facts: Facts, shadow: Shadowed | None, *, decided: bool) -> tuple[RuleOutcome, str]:
    """Return what became of a route whose conditions hold."""
    if route.rollout is not None and not route.rollout.admits(facts):
        bucket, below = route.rollout.bucket(facts), route.rollout.below
        return RuleOutcome.ROLLED_OUT_OF, f"rollout: bucket {bucket * 100 / BUCKETS:.2f} is not under {below * 100 / BUCKETS:g} %"
    if route.shadow or shadow is not None:
        return RuleOutcome.SHADOW_MATCH, _would(shadow)
    return RuleOutcome.MATCH, "" if decided else "kept no candidate, and went on to the next rule"


def _would(shadow: Shadowed | None) -> str:
    if shadow is None:
        return ""
    if not shadow.model:
        return "would have kept no candidate"
    return f"would have chosen {shadow.model}, {dollars(shadow.expected_cost)}, quality {shadow.quality:.2f}"


def _held(conditions: tuple[Condition, ...], facts: Facts) -> bool:
    return all(condition.holds(facts) for condition in conditions)


def _conditions(conditions: tuple[Condition, ...], facts: Facts, depth: int = 0) -> Iterator[ConditionTrace]:
    """Yield the conditions up to the first that settles the matter: those behind it may rely on it. Parts of groups are indented."""
    for condition in conditions:
        result = condition.holds(facts)
        values = {} if condition.items else {name: value_of(facts, name) for name in condition.facts}
        text = "  " * depth + condition.text
        yield ConditionTrace(text=text, line=condition.line, column=condition.column, result=result, values=values)
        yield from _parts(condition, facts, depth + 1)
        if not result and not depth:
            return


def _parts(group: Condition, facts: Facts, depth: int) -> Iterator[ConditionTrace]:
    settles = group.joined_by != "all"
    for item in group.items:
        yield from _conditions((item,), facts, depth)
        if item.holds(facts) is settles:
            return
