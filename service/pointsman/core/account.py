"""A decision made anew, with all that can be told of it: the trace of every rule, and what would have led elsewhere."""

from __future__ import annotations

from msgspec import Struct, structs

from pointsman.core.contrast import contrast
from pointsman.core.decide import outcome_of
from pointsman.core.decision import Decision, Dropped, Explanation
from pointsman.core.explain import explain
from pointsman.core.facts import Facts
from pointsman.core.market import Market
from pointsman.core.ruleset import Ruleset


class Situation(Struct, frozen=True, kw_only=True):
    """All that a decision is made from."""

    ruleset: Ruleset
    facts: Facts
    market: Market


class Account(Struct, frozen=True, kw_only=True):
    """What can be told of a decision."""

    revision: str
    """Of the rules that decided."""
    model: str
    """The model chosen; empty where the request was refused."""
    explanation: Explanation
    dropped: tuple[Dropped, ...]


def account(situation: Situation) -> Account:
    """Return the account of what is decided there. It takes some hundred decisions: a few milliseconds."""
    ruleset, facts, market = situation.ruleset, situation.facts, situation.market
    outcome = outcome_of(ruleset, facts, market)
    return Account(
        revision=ruleset.revision,
        model=outcome.chosen.model if isinstance(outcome, Decision) else "",
        explanation=structs.replace(explain(ruleset, facts, outcome), contrasts=contrast(ruleset, facts, market)),
        dropped=outcome.dropped,
    )
