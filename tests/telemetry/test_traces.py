"""Stories as spans: whoever reads one trace knows which rule of which file chose this model, who lost and why, and what it cost."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from msgspec import structs
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler
from opentelemetry.trace import SpanKind, StatusCode

from fakes import catalog_yaml, facts_of, model_yaml, ruleset_of
from pointsman.core.completion import Attempt, Usage
from pointsman.core.market import Market, WindowLeft
from pointsman.core.vocabulary import AttemptReason, CacheStatus
from pointsman.telemetry.story import HoldAsked, LookedUp, Parent, Scored, Story
from pointsman.telemetry.traces import FAULTS, KEPT_PER_MINUTE, SLOW_S, Traces
from stories import BEGAN, METHOD, MS, RULES, decided, story

TRACE = "0af7651916cd43dd8448eb211c80319c"
SAMPLED = Parent(f"00-{TRACE}-b7ad6b7169203331-01")


def told(*stories: Story, sampler: Sampler = ALWAYS_ON) -> Sequence[ReadableSpan]:
    """Return the spans of stories, in the order in which they began."""
    exporter = InMemorySpanExporter()
    traces = Traces(sampler, Resource({}), [SimpleSpanProcessor(exporter)])
    for each in stories:
        traces.tell(each)
    return sorted(exporter.get_finished_spans(), key=lambda span: span.start_time or 0)


def test_a_call_is_one_trace_with_its_decision_and_its_attempts_in_their_times() -> None:
    spans = told(story())

    server, decision, first, second = spans
    assert [span.name for span in spans] == [METHOD, "pointsman.decide", "chat small", "chat large"]
    assert [span.kind for span in spans] == [SpanKind.SERVER, SpanKind.INTERNAL, SpanKind.CLIENT, SpanKind.CLIENT]
    assert server.context is not None
    assert {span.parent.span_id for span in spans[1:] if span.parent} == {server.context.span_id}
    assert [(span.start_time, span.end_time) for span in (decision, first, second)] == [
        (BEGAN + begin * MS, BEGAN + end * MS) for begin, end in ((1, 2), (3, 43), (45, 945))
    ]


def test_the_decision_says_which_rule_of_which_file_and_revision_chose_what_and_who_lost_why() -> None:
    found = told(story())[1].attributes or {}

    assert (found["pointsman.rule.id"], found["pointsman.rule.file_line"]) == ("everyday", "routing.yaml:3")
    assert found["pointsman.rule.why"] == "Cheap and good enough."
    assert found["pointsman.ruleset.revision"] == RULES.revision
    assert (found["gen_ai.request.model"], found["pointsman.request.model"]) == ("small", "auto")
    assert found["pointsman.candidates"] == [
        "small: chosen (quality 0.70, $0.00020, 1100 ms)",
        "large: kept (quality 0.90, $0.0010, 1100 ms)",
        "weak: dropped QUALITY (quality 0.10 < 0.50)",
    ]
    assert (found["pointsman.runner_up.model"], found["pointsman.runner_up.cost_usd"]) == ("large", 0.001)
    assert found["pointsman.decision.explain"] == "everyday -> small (no other rule matched); quality 0.70, expected $0.00020, 1100 ms"


def test_an_attempt_says_how_it_failed_or_what_it_used_and_cost() -> None:
    _, _, failed, answered = told(story())

    assert (failed.status.status_code, failed.status.description) == (StatusCode.ERROR, "429")
    found = answered.attributes or {}
    assert answered.status.status_code is StatusCode.UNSET
    assert (found["gen_ai.usage.input_tokens"], found["gen_ai.usage.cache_read.input_tokens"]) == (120, 100)
    assert (found["gen_ai.usage.output_tokens"], found["pointsman.cost_nano_usd"]) == (80, 600_000)
    assert (found["pointsman.attempt.number"], found["pointsman.attempt.reason"]) == (2, "fallback")
    assert (found["pointsman.est.input_tokens"], found["pointsman.est.input_off_by"]) == (100, 1.2)
    assert (found["pointsman.est.latency_s"], found["pointsman.est.latency_off_by"]) == (1.1, 1.222)
    assert found["gen_ai.response.finish_reasons"] == ["stop"]
    (first_token,) = answered.events
    assert (first_token.name, first_token.timestamp) == ("gen_ai.first_token", BEGAN + 245 * MS)


def test_what_the_cache_had_and_what_was_held_are_spans_of_their_own() -> None:
    hold = HoldAsked(model="small", began_s=7.0025, ended_s=7.003, tokens=900, cost=2_000_000)
    refused = structs.replace(hold, model="large", began_s=7.044, ended_s=7.045, refused="usd a day: $0.0001 left")

    _, _, lookup, held, _, unpaid, _ = told(story(looked_up=LookedUp(CacheStatus.MISS, 7.0022), holds=[hold, refused]))

    assert (lookup.name, lookup.attributes) == ("pointsman.cache.lookup", {"pointsman.cache.status": "miss"})
    assert (lookup.start_time, lookup.end_time) == (BEGAN + 2 * MS, BEGAN + 2 * MS + 200_000)
    assert held.name == "pointsman.budget.hold"
    assert (held.attributes or {})["pointsman.budget.cost_usd"] == 0.002
    assert (unpaid.status.status_code, (unpaid.attributes or {})["pointsman.budget.refused"]) == (StatusCode.ERROR, refused.refused)


def test_a_call_that_waited_for_anothers_answer_shows_for_how_long() -> None:
    kept = story().completion
    assert kept is not None

    shared = structs.replace(kept, attempts=(), cache_status=CacheStatus.COALESCED)
    _, _, lookup = told(story(completion=shared))

    assert (lookup.attributes or {})["pointsman.cache.status"] == "coalesced"
    assert (lookup.start_time, lookup.end_time) == (BEGAN + 2 * MS, BEGAN + 950 * MS)


def test_attempts_of_a_call_that_its_caller_left_are_told_too() -> None:
    left = Attempt(model="small", provider="p", reason=AttemptReason.PRIMARY, error_type="cancelled", latency_ms=40.0, began_s=7.003)

    *_, attempt = told(story(code="CANCELLED", completion=None, heard=[left]))

    assert (attempt.name, attempt.status.description) == ("chat small", "cancelled")


def test_an_attempt_that_is_heard_of_again_when_it_was_counted_is_told_once() -> None:
    left = Attempt(model="small", provider="p", reason=AttemptReason.PRIMARY, error_type="cancelled", latency_ms=40.0, began_s=7.003)
    told_twice = story(code="CANCELLED", completion=None, heard=[])
    told_twice.hear(left)
    told_twice.hear(structs.replace(left, usage=Usage(output_tokens=3, cost=9)))

    assert [attempt.usage for attempt in told_twice.attempts] == [Usage(output_tokens=3, cost=9)]
    assert told_twice.cost == 9


def test_what_a_tenants_windows_had_left_is_with_the_decision() -> None:
    market = Market(tokens_left=700, cost_left=2_000_000, windows=(WindowLeft(kind="usd", left=5_000_000, tier="large"),))
    made = decided(facts_of())
    situation = structs.replace(made.situation, market=market)

    found = told(story(decided=structs.replace(made, situation=situation)))[1].attributes or {}

    assert found["pointsman.budget.left"] == ["tokens: 700", "usd: $0.0020", "usd of large: $0.0050"]


def test_feedback_names_the_decision_that_it_judges() -> None:
    scored = Scored(decision_id="id-0", score=0.8, source="judge", rule="everyday", model="large")

    (server,) = told(story(method="pointsman.v1.RouterService/RecordFeedback", scored=scored, decided=None, completion=None))

    found = {name.rpartition(".")[2]: value for name, value in (server.attributes or {}).items() if name.startswith("pointsman.feedback.")}
    assert found == {"decision": "id-0", "score": 0.8, "source": "judge"}


def test_models_for_which_the_plan_had_no_room_are_not_forgotten() -> None:
    names = [f"m{number}" for number in range(6)]
    many = ruleset_of(
        catalog_yaml({name: model_yaml() for name in names}),
        f"version: 1\nroutes: [{{id: all, why: w, use: {{candidates: [{', '.join(names)}]}}}}]\n",
    )

    found = told(story(decided=decided(facts_of(), many)))[1].attributes or {}

    assert list(found["pointsman.candidates"])[4:] == [f"{name}: kept (behind the 4 of the plan)" for name in names[4:]]  # type: ignore[arg-type]


def test_a_refusal_names_the_rule_and_every_model_that_was_dropped() -> None:
    refused = decided(facts_of(request_accuracy=0.99))

    server, decision = told(story(code="FAILED_PRECONDITION", reason="NO_ELIGIBLE_MODEL", decided=refused, completion=None))

    assert server.status.status_code is StatusCode.UNSET  # the server did as it should
    assert (server.attributes or {})["rpc.status_code"] == "FAILED_PRECONDITION"
    found = decision.attributes or {}
    assert (found["pointsman.rule.id"], found["pointsman.candidates.dropped"]) == ("everyday", 3)
    assert (found["pointsman.rule.file_line"], found["pointsman.ruleset.revision"]) == ("routing.yaml:3", RULES.revision)
    assert "small: dropped QUALITY (quality 0.70 < 0.99)" in str(found["pointsman.candidates"])


@pytest.mark.parametrize(
    "code",
    [
        "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
    ],
)  # fmt: skip
def test_the_server_span_says_the_code_and_is_an_error_only_where_the_server_failed(code: str) -> None:
    (server,) = told(story(code=code, decided=None, completion=None))

    found = server.attributes or {}
    assert found["rpc.status_code"] == code
    assert found.get("error.type") == (None if code == "OK" else code)
    assert (server.status.status_code is StatusCode.ERROR) == (code in FAULTS)


def test_the_trace_is_the_callers_where_he_sent_one() -> None:
    server = told(story(parent=SAMPLED))[0]

    assert server.context is not None
    assert server.parent is not None
    assert f"{server.context.trace_id:032x}" == TRACE
    assert f"{server.parent.span_id:016x}" == "b7ad6b7169203331"


@pytest.mark.parametrize(
    "traceparent",
    ["", "nonsense", f"00-{TRACE}-0000000000000000-01", f"ff-{TRACE}-b7ad6b7169203331-01", "00-" + "0" * 32 + "-b7ad6b7169203331-01"],
)
def test_a_context_that_cannot_be_read_begins_a_trace_of_its_own(traceparent: str) -> None:
    assert told(story(parent=Parent(traceparent, "x=1")))[0].parent is None


def test_what_the_sampler_leaves_out_costs_one_span_that_is_not_recorded() -> None:
    assert told(story(), sampler=ALWAYS_OFF) == []


@pytest.mark.parametrize(("changes", "kept_for"), [({"code": "UNAVAILABLE"}, "failed"), ({"ended_s": 7.0 + SLOW_S}, "slow")])
def test_failed_and_slow_calls_are_kept_whatever_the_sampler_says(changes: dict[str, object], kept_for: str) -> None:
    spans = told(story(**changes), sampler=ALWAYS_OFF)

    assert len(spans) == 4
    assert (spans[0].attributes or {})["pointsman.trace.kept_for"] == kept_for


def test_when_everything_fails_some_are_kept() -> None:
    spans = told(*[story(code="UNAVAILABLE", decided=None, completion=None)] * 1000, sampler=ALWAYS_OFF)

    assert len(spans) == KEPT_PER_MINUTE // 6  # what a bucket of ten seconds holds


def test_a_catalog_of_hundreds_gives_a_span_of_bounded_size() -> None:
    many = ruleset_of(
        catalog_yaml({f"m{number}": model_yaml() for number in range(300)}),
        f"version: 1\nroutes: [{{id: all, why: {'w' * 3000}, use: {{candidates: [{', '.join(f'm{number}' for number in range(300))}]}}}}]\n",
    )
    found = told(story(decided=decided(facts_of(request_accuracy=0.99), many)))[1].attributes or {}

    assert len(found["pointsman.candidates"]) == 32  # type: ignore[arg-type]  # a tuple of texts
    assert len(str(found["pointsman.decision.explain"])) <= 300
