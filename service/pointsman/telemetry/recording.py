"""Decision records out of the stories of calls: what a decision was made from, what came of it, and what was said of it later."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

from msgspec import structs

from pointsman.core.decision import Decision
from pointsman.core.record import Ended, Feedback, record
from pointsman.ports import Records
from pointsman.telemetry.story import Decided, Scored, Story


def _nothing(_tenant: str, _decision: Decision) -> None:
    """Do nothing."""


class Recorder:
    """Tells stories as records."""

    def __init__(
        self, records: Sequence[Records], *, key: bytes, labels: Iterable[str] = (), remember: Callable[[str, Decision], None] = _nothing
    ) -> None:
        """`key` is for the digests of people; `labels` are those that may be kept; `remember` is told of each tenant's decisions."""
        self._records = records
        self._key = key
        self._labels = frozenset(labels)
        self._remember = remember

    def tell(self, story: Story) -> None:
        """Record the decision of a call, or what it says of another's."""
        if story.decided is not None:
            self._decided(story, story.decided)
        if story.scored is not None:
            self._scored(story, story.scored)

    def _decided(self, story: Story, decided: Decided) -> None:
        situation, time = decided.situation, _utc(story.ns(decided.ended_s))
        found = record(
            situation.ruleset,
            situation.facts,
            situation.market,
            decided.outcome,
            time=time,
            key=self._key,
            labels=self._labels,
            ended=ended(story),
        )
        for records in self._records:
            records.add(found)
        if isinstance(decided.outcome, Decision):
            self._remember(story.tenant, decided.outcome)

    def _scored(self, story: Story, scored: Scored) -> None:
        time = _utc(story.ns(story.ended_s))
        found = Feedback(id=scored.decision_id, tenant=story.tenant, time=time, score=scored.score, source=scored.source)
        for records in self._records:
            records.add(found)


def ended(story: Story) -> Ended:
    """Return how a call ended."""
    how = Ended(
        code=story.code,
        reason=story.reason,
        ms=round((story.ended_s - story.began_s) * 1000, 3),
        attempts=tuple([structs.replace(attempt, began_s=0.0) for attempt in story.attempts]),
    )
    answer = story.completion
    if answer is None:
        return how
    return Ended(
        code=how.code,
        reason=how.reason,
        ms=how.ms,
        model=answer.model,
        finish_reason=answer.finish_reason,
        cache_status=answer.cache_status,
        usage=answer.usage,
        attempts=how.attempts,
    )


def _utc(ns: int) -> datetime:
    return datetime.fromtimestamp(ns / 1e9, UTC)
