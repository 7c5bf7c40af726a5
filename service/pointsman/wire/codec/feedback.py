"""Feedback: which decision, and how good its answer was."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from pointsman.core.errors import InvalidRequest, Violation
from pointsman.v1 import router_service_pb2 as router_pb

_SOURCE = re.compile(r"[A-Za-z0-9._/-]{0,63}")


class Score(NamedTuple):
    """What a caller says of an answer."""

    decision_id: str
    score: float
    """0..1."""
    source: str


def score_from_pb(message: router_pb.RecordFeedbackRequest) -> Score:
    """Return what a caller says. Raises InvalidRequest with everything that is wrong."""
    if violations := list(_wrong(message)):
        raise InvalidRequest(*violations)
    return Score(message.decision_id, message.score, message.source)


def score_to_pb(score: Score) -> router_pb.RecordFeedbackRequest:
    """Return the message of it."""
    return router_pb.RecordFeedbackRequest(decision_id=score.decision_id, score=score.score, source=score.source)


def _wrong(message: router_pb.RecordFeedbackRequest) -> Iterator[Violation]:
    if not message.decision_id:
        yield Violation(field="decision_id", message="is empty: give the `Decision.id` of the answer")
    if not message.HasField("score"):
        yield Violation(field="score", message="is missing: expected 0 (of no use) to 1 (as good as can be)")
    elif not 0.0 <= message.score <= 1.0:
        yield Violation(field="score", message=f"must be 0 to 1, found {message.score:g}")
    if not _SOURCE.fullmatch(message.source):
        yield Violation(field="source", message="expected a word such as user, judge or test: letters, digits and . _ / -, at most 63")
