"""Stories as decision records: what a decision was made from, what came of it, and what was said of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from msgspec import structs

from fakes import facts_of
from pointsman.core.completion import Completion
from pointsman.core.record import DecisionRecord, Feedback, Line, from_json, replay, to_json
from pointsman.core.vocabulary import CacheStatus, FinishReason
from pointsman.telemetry.recording import Recorder
from pointsman.telemetry.story import Scored, Story
from stories import BEGAN, METHOD, RULES, decided, story

AT = datetime.fromtimestamp(BEGAN / 1e9, UTC)


class Records(list[Line]):
    def add(self, line: Line) -> None:
        self.append(line)


def recorded(told: Story, *labels: str) -> list[Line]:
    records = Records()
    Recorder([records], key=b"k", labels=labels).tell(told)
    return records


def decision_of(told: Story, *labels: str) -> DecisionRecord:
    (found,) = recorded(told, *labels)
    assert isinstance(found, DecisionRecord)
    return found


def test_a_call_is_recorded_with_what_it_was_decided_on_and_how_it_ended() -> None:
    found, told = decision_of(story()), story().completion
    assert isinstance(told, Completion)
    ended = found.ended
    assert ended is not None

    assert (found.id, found.revision, found.time) == ("id-1", RULES.revision, AT + timedelta(milliseconds=2))
    assert (ended.code, ended.ms, ended.model, ended.finish_reason) == ("OK", 950.0, "large", FinishReason.STOP)
    assert (ended.usage, ended.attempts) == (told.usage, tuple(structs.replace(attempt, began_s=0.0) for attempt in told.attempts))
    assert [attempt.error_type for attempt in ended.attempts] == ["429", ""]
    assert ended.attempts[1].expected is not None  # beside what it used
    assert from_json(to_json(found)) == found
    assert replay(found, RULES) == found.decision


def test_a_call_that_failed_or_was_refused_is_recorded_too() -> None:
    refused = decision_of(
        story(code="FAILED_PRECONDITION", reason="NO_ELIGIBLE_MODEL", decided=decided(facts_of(request_accuracy=0.99)), completion=None)
    )
    assert refused.refused is not None
    assert refused.ended is not None

    assert (refused.refused.error, refused.ended.code, refused.ended.reason) == (
        "NoEligibleModel",
        "FAILED_PRECONDITION",
        "NO_ELIGIBLE_MODEL",
    )
    assert refused.ended.usage is None


def test_an_answer_from_the_cache_says_so() -> None:
    kept = story().completion
    assert kept is not None
    ended = decision_of(story(completion=structs.replace(kept, attempts=(), cache_status=CacheStatus.HIT))).ended

    assert ended is not None
    assert (ended.cache_status, ended.attempts) == (CacheStatus.HIT, ())


def test_people_are_digests_and_labels_only_those_that_may_be_kept() -> None:
    facts = facts_of(request_user="ann", request_session="s", request_labels={"team": "red", "desk": "7"})
    request = decision_of(story(decided=decided(facts)), "team").facts.request

    assert request.labels == {"team": "red"}
    assert "ann" not in str(request)


def test_what_is_said_of_an_answer_is_a_line_of_its_own() -> None:
    scored = Scored(decision_id="id-0", score=0.8, source="judge", rule="everyday", model="large")
    told = Story(method=METHOD, id="f", began_s=7.0, began_ns=BEGAN, ended_s=7.001, code="OK", tenant="search", scored=scored)

    (found,) = recorded(told)

    assert found == Feedback(id="id-0", tenant="search", time=AT + timedelta(milliseconds=1), score=0.8, source="judge")
    assert from_json(to_json(found)) == found


def test_a_call_without_a_decision_is_not_recorded() -> None:
    assert recorded(Story(method=METHOD, id="a", began_s=0.0, began_ns=1, code="INVALID_ARGUMENT")) == []
