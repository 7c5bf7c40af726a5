"""The last decisions, with what they were made from: what a change of rules would do to them can be told before it is made.

They are kept in memory only, hold no text of a prompt, and go with the process.
"""

from __future__ import annotations

from collections import deque

from msgspec import Struct

from pointsman.core.account import Situation
from pointsman.core.decide import outcome_of
from pointsman.core.decision import Decision
from pointsman.core.errors import NoEligibleModel, UnknownDecision
from pointsman.core.ruleset import Ruleset

KEPT = 1_000
"""Decisions: some 2 MB, and 30 ms to make anew."""

Outcome = tuple[str, str]
"""The rule, and the model chosen; no model where the rule kept none."""


class RecentDecision(Struct, frozen=True):
    """One decision."""

    situation: Situation
    outcome: Outcome


class Recent:
    """Keeps the last decisions."""

    def __init__(self) -> None:
        self._made: deque[RecentDecision] = deque(maxlen=KEPT)

    def note(self, situation: Situation, outcome: Decision | NoEligibleModel) -> None:
        """Keep a decision; its id is among the facts."""
        self._made.append(RecentDecision(situation, _outcome(outcome)))

    def made(self) -> list[RecentDecision]:
        """Return the decisions that are kept, oldest first."""
        return list(self._made)

    def outcome(self, tenant: str, decision_id: str) -> Outcome | None:
        """Return the rule and model of a tenant's last decision of that id, None where there is none."""
        for made in reversed(self._made):
            request = made.situation.facts.request
            if request.id == decision_id and request.tenant == tenant and made.outcome[1]:
                return made.outcome
        return None

    def find(self, decision_id: str) -> RecentDecision:
        """Return the last decision of that id. Raises UnknownDecision."""
        for made in reversed(self._made):
            if made.situation.facts.request.id == decision_id:
                return made
        raise UnknownDecision(f"the last {len(self._made)} decisions of this server hold none of id '{decision_id[:64]}'")


def changed(made: list[RecentDecision], ruleset: Ruleset) -> int:
    """Return how many of these decisions would go to another rule or model by other rules."""
    return sum(_outcome(outcome_of(ruleset, each.situation.facts, each.situation.market)) != each.outcome for each in made)


def _outcome(outcome: Decision | NoEligibleModel) -> Outcome:
    return (outcome.rule, "") if isinstance(outcome, NoEligibleModel) else (outcome.rule.id, outcome.chosen.model)
