"""Why a decision came out as it did: every rule with its conditions and the values of their facts.

Conditions are pure, so they are evaluated again, one by one; what is not asked for costs nothing. Which rule decided is taken from the
decision itself: nothing is chosen here.
"""

from __future__ import annotations

from collections.abc import Iterator

from pointsman.core.decision import ConditionTrace, Decision, Explanation, RuleTrace
from pointsman.core.errors import NoEligibleModel
from pointsman.core.facts import Facts, everything, value_of
from pointsman.core.money import dollars
from pointsman.core.ruleset import Condition, Constraint, Route, Ruleset
from pointsman.core.vocabulary import DecisionReason, RuleOutcome


def explain(ruleset: Ruleset, facts: Facts, outcome: Decision | NoEligibleModel) -> Explanation:
    """Return the trace of every rule for what `decide` came to with the same ruleset and facts, a decision or a refusal."""
    decided_by = outcome.rule.id if isinstance(outcome, Decision) else outcome.rule
    return Explanation(
        summary=_sentence(outcome),
        facts=everything(facts),
        rules=(*(_constraint(constraint, facts) for constraint in ruleset.constraints), *_routes(ruleset, facts, decided_by)),
    )


def _sentence(outcome: Decision | NoEligibleModel) -> str:
    if isinstance(outcome, NoEligibleModel):
        return str(outcome)
    chosen = outcome.chosen
    how = {
        DecisionReason.CALLER_MODEL: "the caller asked for it",
        DecisionReason.BEST_EFFORT: "nothing met the bar: best effort",
        DecisionReason.ON_EMPTY_FALLBACK: "no candidate was left: first fallback that fits",
        DecisionReason.DEFAULT: "no other rule matched",
    }.get(outcome.reason, "its conditions hold")
    return (
        f"{outcome.rule.id} -> {chosen.model} ({how}); quality {chosen.quality:.2f}, expected {dollars(chosen.expected_cost)}, "
        f"{chosen.expected_latency_ms:.0f} ms"
    )


def _constraint(constraint: Constraint, facts: Facts) -> RuleTrace:
    conditions = tuple(_conditions(constraint.conditions, facts))
    held = all(condition.result for condition in conditions)
    permitted = f"permits {', '.join(sorted(constraint.permitted)) or 'no model'}" if held else ""
    return RuleTrace(rule=constraint.ref, outcome=_outcome(held), conditions=conditions, detail=permitted)


def _routes(ruleset: Ruleset, facts: Facts, decided_by: str) -> Iterator[RuleTrace]:
    decided = False
    for route in ruleset.routes:
        if decided:
            yield RuleTrace(rule=route.ref, outcome=RuleOutcome.SKIPPED)
            continue
        decided = route.ref.id == decided_by
        yield _route(route, facts, decided=decided)


def _route(route: Route, facts: Facts, *, decided: bool) -> RuleTrace:
    conditions = tuple(_conditions(route.conditions, facts))
    held = all(condition.result for condition in conditions)
    passed_on = "kept no candidate, and went on to the next rule" if held and not decided else ""
    return RuleTrace(rule=route.ref, outcome=_outcome(held), conditions=conditions, detail=passed_on)


def _outcome(held: bool) -> RuleOutcome:
    return RuleOutcome.MATCH if held else RuleOutcome.NO_MATCH


def _conditions(conditions: tuple[Condition, ...], facts: Facts) -> Iterator[ConditionTrace]:
    """Yield the conditions up to the first that does not hold: those behind it may rely on it."""
    for condition in conditions:
        result = condition.holds(facts)
        values = {name: value_of(facts, name) for name in condition.facts}
        yield ConditionTrace(text=condition.text, line=condition.line, column=condition.column, result=result, values=values)
        if not result:
            return
