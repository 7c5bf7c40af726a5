"""Takes what callers say of answers: only of decisions that were made for them, and for a day."""

from __future__ import annotations

import asyncio

import msgspec

from pointsman.call import Call
from pointsman.core.cachekey import decision_key
from pointsman.core.decision import Decision
from pointsman.core.errors import UnknownDecision
from pointsman.ports import Cache
from pointsman.recent import Recent
from pointsman.telemetry import Scored

REMEMBERED_S = 86_400.0


class Feedback:
    """Knows which decisions were made for whom."""

    def __init__(self, recent: Recent, decisions: Cache | None) -> None:
        """Beyond what is `recent`, decisions are known if they are kept in `decisions`: there for whoever keeps records."""
        self._recent = recent
        self._decisions = decisions
        self._keeping: set[asyncio.Task[None]] = set()

    def remember(self, tenant: str, decision: Decision) -> None:
        """Have it known for a day that a decision was made for a tenant. It may come a little later: the decision is recent then."""
        if self._decisions is not None:
            data = msgspec.json.encode((decision.rule.id, decision.chosen.model))
            putting = self._decisions.put(decision_key(tenant, decision.id), data, ttl_s=REMEMBERED_S)
            keeping = asyncio.create_task(putting, name="decision")
            self._keeping.add(keeping)
            keeping.add_done_callback(self._keeping.discard)

    async def take(self, call: Call, decision_id: str, score: float, source: str) -> None:
        """Tell whoever listens to the call. Raises UnknownDecision, also for a decision of another tenant: that it exists is theirs."""
        rule, model = await self._made(call.tenant.id, decision_id)
        call.hear(Scored(decision_id=decision_id, score=score, source=source, rule=rule, model=model))

    async def _made(self, tenant: str, decision_id: str) -> tuple[str, str]:
        known = self._recent.outcome(tenant, decision_id)
        if known is not None:
            return known
        if self._decisions is not None and (found := await self._decisions.get(decision_key(tenant, decision_id))) is not None:
            return _decoded(found, decision_id)
        raise UnknownDecision(f"no decision of id '{decision_id[:64]}' was made for this tenant within the last day, or none that is known")


def _decoded(data: bytes, decision_id: str) -> tuple[str, str]:
    try:
        return msgspec.json.decode(data, type=tuple[str, str])
    except msgspec.MsgspecError:
        raise UnknownDecision(f"what is kept of decision '{decision_id[:64]}' cannot be read") from None
