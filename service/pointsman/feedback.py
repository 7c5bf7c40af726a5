"""Takes what callers say of answers: only of decisions that were made for them, and for a day.

What a process decided it knows. Nothing is kept in a store for that: a key for each decision of a day would fill any. So where replicas are
behind one address, what this one does not know is taken on trust, and held against the records when those are read.
"""

from __future__ import annotations

from cachetools import TTLCache

from pointsman.call import Call
from pointsman.core.decision import Decision
from pointsman.core.errors import UnknownDecision
from pointsman.core.record import FEEDBACK_S
from pointsman.ports import Clock
from pointsman.recent import Recent
from pointsman.telemetry import Scored

REMEMBERED = 30_000
"""Decisions, some 10 MB."""


class FeedbackDesk:
    """Knows which decisions were made for whom."""

    def __init__(self, recent: Recent, clock: Clock, *, is_alone: bool = True) -> None:
        """`is_alone` says whether nobody else may have made a decision that is not known here."""
        self._recent = recent
        self._is_alone = is_alone
        self._decisions: TTLCache[tuple[str, str], tuple[str, str]] = TTLCache(REMEMBERED, FEEDBACK_S, timer=clock.monotonic)

    def remember(self, tenant: str, decision: Decision) -> None:
        """Have it known that a decision was made for a tenant, beyond the last ones. It may come a little later than they do."""
        self._decisions[tenant, decision.id] = (decision.rule.id, decision.chosen.model)

    def take(self, call: Call, decision_id: str, score: float, source: str) -> None:
        """Tell whoever listens to the call. Raises UnknownDecision, also for a decision of another tenant: that it exists is theirs."""
        tenant = call.tenant.id
        known = self._recent.outcome(tenant, decision_id) or self._decisions.get((tenant, decision_id))
        if known is None and self._is_alone:
            raise UnknownDecision(
                f"no decision of id '{decision_id[:64]}' was made for this tenant within the last day, or none that is known"
            )
        rule, model = known or ("", "")
        call.hear(Scored(decision_id=decision_id, score=score, source=source, rule=rule, model=model))
