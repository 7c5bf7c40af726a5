"""What a real server tells of its calls, as a collector receives it and a disk keeps it: what one trace alone must tell, what may never be
told, and how each call ended.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import pytest
from msgspec import structs
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.proto.trace.v1.trace_pb2 import Status as SpanStatus

from collector import attributes, collecting
from pointsman.client import Client
from pointsman.core.errors import (
    InvalidRequest,
    NoEligibleModel,
    PointsmanError,
    StreamInterrupted,
    Unauthenticated,
    UnknownDecision,
    UpstreamUnavailable,
)
from pointsman.core.record import from_json
from pointsman.core.request import (
    CachePolicy,
    Context,
    Generation,
    Image,
    Message,
    Prompt,
    Request,
    Requirements,
    ResponseFormat,
    Tool,
    ToolResult,
)
from pointsman.core.vocabulary import CacheMode, Role
from pointsman.telemetry.traces import FAULTS
from pointsman.v1 import admin_service_pb2 as admin_pb
from pointsman.v1 import router_service_pb2 as router_pb
from pointsman.v1.admin_service_pb2_grpc import AdminServiceStub
from pointsman.v1.router_service_pb2_grpc import RouterServiceStub
from processes import serving
from tracing import ANSWER, CANARY, CUT, KEY, REFUSAL, SERVER, TRACE, traced
from upstream import hangs

USE = CachePolicy(mode=CacheMode.USE)


async def test_one_trace_says_which_rule_of_which_file_chose_who_lost_and_what_each_attempt_came_to(tmp_path: Path) -> None:
    async with traced(tmp_path, REFUSAL) as here:
        decision, _ = await here.client.complete(Request.of(CANARY, accuracy=0.3), timeout_s=10, request_id="call-1")
        server, (decide, first, second) = here.trace_of("call-1", "Complete")

    why = attributes(decide.attributes)
    assert (why["pointsman.rule.id"], why["pointsman.rule.file_line"]) == ("all", "routing.yaml:3")
    assert why["pointsman.ruleset.revision"] == decision.revision
    assert why["gen_ai.request.model"] == "sick"
    assert [str(each).split(" (")[0] for each in why["pointsman.candidates"]] == [  # type: ignore[attr-defined]  # a list of texts
        "sick: chosen",
        "well: kept",
        "weak: dropped QUALITY",
    ]
    assert (first.name, first.status.code, first.status.message) == ("chat sick", SpanStatus.STATUS_CODE_ERROR, "429")
    answered = attributes(second.attributes)
    assert second.name == "chat well"
    assert (answered["gen_ai.usage.output_tokens"], answered["pointsman.cost_nano_usd"]) == (7, 12_000_000)
    assert answered["pointsman.attempt.reason"] == "fallback"
    assert (server["rpc.status_code"], server["gen_ai.response.model"]) == ("OK", "well")
    assert decide.start_time_unix_nano <= decide.end_time_unix_nano <= first.start_time_unix_nano
    assert first.end_time_unix_nano <= second.start_time_unix_nano <= second.end_time_unix_nano


async def test_the_record_holds_how_it_ended_and_what_was_said_of_it_and_a_collector_has_it_too(tmp_path: Path) -> None:
    async with traced(tmp_path, REFUSAL) as here:
        decision, _ = await here.client.complete(Request.of(CANARY, accuracy=0.3), timeout_s=10, request_id="call-1")
        await here.client.record_feedback("call-1", 0.25, source="judge")
        with pytest.raises(UnknownDecision):
            await here.client.record_feedback("nobodys", 1.0)
        with pytest.raises(InvalidRequest) as wrong:
            await here.client.record_feedback("", 1.5, source="not a word")

    (kept,) = here.records()
    assert kept.ended is not None
    assert kept.feedback is not None
    assert (kept.id, kept.revision, kept.ended.code, kept.ended.model) == ("call-1", decision.revision, "OK", "well")
    assert [(attempt.model, attempt.error_type) for attempt in kept.ended.attempts] == [("sick", "429"), ("well", "")]
    assert (kept.feedback.score, kept.feedback.source) == (0.25, "judge")
    assert [violation.field for violation in wrong.value.violations] == ["decision_id", "score", "source"]
    assert [record.event_name for record in here.collector.logs] == ["pointsman.decide", "pointsman.feedback"]
    assert from_json(here.collector.logs[0].body.string_value.encode()) == structs.replace(kept, feedback=None)
    assert here.collector.metrics["pointsman.feedback_score"].histogram.data_points[0].sum == 0.25


async def test_what_the_cache_had_and_a_caller_who_leaves_are_in_the_trace(tmp_path: Path) -> None:
    asked = structs.replace(Request.of(CANARY), generation=Generation(temperature=0.0))
    async with traced(tmp_path, ANSWER, hangs) as here:
        await here.client.complete(asked, timeout_s=10, request_id="first", cache=USE)
        await here.client.complete(asked, timeout_s=10, request_id="again", cache=USE)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await here.client.complete(Request.of(CANARY, model="sick"), timeout_s=10, request_id="left")
        _, (_, miss, attempt) = here.trace_of("first", "Complete")
        again, (_, hit) = here.trace_of("again", "Complete")
        left, (_, cut) = here.trace_of("left", "Complete")

    assert [attributes(span.attributes)["pointsman.cache.status"] for span in (miss, hit)] == ["miss", "hit"]
    assert attributes(attempt.attributes)["pointsman.est.input_off_by"] is not None
    assert (again["pointsman.cache.status"], again["pointsman.cost_usd"]) == ("hit", 0.0)
    assert (left["rpc.status_code"], cut.name, cut.status.message) == ("CANCELLED", "chat sick", "cancelled")


async def test_nothing_that_a_caller_writes_is_told_whatever_he_writes_it_into(tmp_path: Path) -> None:
    said = Message(
        role=Role.USER, parts=(CANARY, ToolResult(tool_call_id=CANARY, text=CANARY), Image(url=f"https://{CANARY}", media_type="image/png"))
    )
    everywhere = Request(
        prompt=Prompt(
            messages=(Message(role=Role.SYSTEM, parts=(CANARY,)), said),
            tools=(Tool(name="canary-7391", description=CANARY, parameters_json=f'{{"title": "{CANARY}"}}'),),
            response_format=ResponseFormat(json_schema=f'{{"title": "{CANARY}"}}'),
        ),
        generation=Generation(stop=(CANARY,)),
        requirements=Requirements(tags=frozenset({CANARY})),
        context=Context(session_id=CANARY, user_id=CANARY, labels={CANARY: CANARY}),
    )
    async with traced(tmp_path, ANSWER) as here:
        for asked in (
            everywhere,
            structs.replace(everywhere, requirements=Requirements(model=CANARY)),
            structs.replace(everywhere, requirements=Requirements()),
        ):
            with suppress(PointsmanError):
                await here.client.route(asked, timeout_s=10)
            with suppress(PointsmanError):
                await here.client.complete(asked, timeout_s=10, cache=USE, idempotency_key=CANARY)
        with pytest.raises(UnknownDecision):
            await here.client.record_feedback(CANARY, 1.0, source=CANARY)
        with pytest.raises(Unauthenticated):
            async with Client(here.address, api_key=CANARY) as stranger:
                await stranger.route(CANARY, timeout_s=10)

    assert here.records()


async def test_a_stream_that_breaks_off_shows_what_was_used_so_far(tmp_path: Path) -> None:
    async with traced(tmp_path, CUT) as here:
        with pytest.raises(StreamInterrupted):
            async for _ in here.client.stream(CANARY, timeout_s=10, request_id="call-1"):
                pass
        server, (_, attempt) = here.trace_of("call-1", "StreamComplete")

    assert (server["rpc.status_code"], server["pointsman.error.reason"]) == ("UNAVAILABLE", "STREAM_INTERRUPTED")
    assert attempt.status.message in {"connection", "incomplete"}
    assert attributes(attempt.attributes)["pointsman.usage.estimated"] is True
    assert [span_event.name for span_event in attempt.events] == ["gen_ai.first_token"]


async def test_a_refusal_and_a_plan_that_failed_have_their_reasons(tmp_path: Path) -> None:
    async with traced(tmp_path, REFUSAL) as here:
        with pytest.raises(NoEligibleModel):
            await here.client.route(Request.of(CANARY, accuracy=0.99), timeout_s=10, request_id="refused")
        with pytest.raises(UpstreamUnavailable):
            await here.client.complete(Request.of(CANARY, model="sick"), timeout_s=10, request_id="failed")
        refused, (decide,) = here.trace_of("refused", "Route")
        failed, (_, attempt) = here.trace_of("failed", "Complete")

    assert (refused["rpc.status_code"], refused["pointsman.error.reason"]) == ("FAILED_PRECONDITION", "NO_ELIGIBLE_MODEL")
    assert attributes(decide.attributes)["pointsman.candidates.dropped"] == 3
    assert (failed["rpc.status_code"], failed["pointsman.error.reason"]) == ("UNAVAILABLE", "UPSTREAM_UNAVAILABLE")
    assert attempt.status.message == "429"


async def test_a_call_is_part_of_its_callers_trace(tmp_path: Path) -> None:
    async with traced(tmp_path, ANSWER) as here, grpc.aio.insecure_channel(here.address) as channel:
        request = router_pb.RouteRequest()
        request.request.prompt.text = CANARY
        context = (("traceparent", f"00-{TRACE}-b7ad6b7169203331-01"), ("tracestate", "a=1"), ("tracestate", "b=2"))
        await RouterServiceStub(channel).Route(request, metadata=(*context, ("authorization", f"Bearer {KEY}")))
        (span,) = here.collector.named(f"{SERVER}Route")

    assert (span.trace_id.hex(), span.parent_span_id.hex(), span.trace_state) == (TRACE, "b7ad6b7169203331", "a=1,b=2")


async def test_an_upstream_of_our_own_goes_on_with_the_trace(tmp_path: Path) -> None:
    parent = f"00-{TRACE}-b7ad6b7169203331-01"
    async with traced(tmp_path, ANSWER) as here, grpc.aio.insecure_channel(here.address) as channel:
        request = router_pb.CompleteRequest()
        request.request.prompt.text = "2+2?"
        key = ("authorization", f"Bearer {KEY}")
        await RouterServiceStub(channel).Complete(request, metadata=(("traceparent", parent), key))
        await RouterServiceStub(channel).Complete(request, metadata=(key,))

    assert [seen.headers.get("traceparent") for seen in here.asked.requests] == [parent, None]


async def test_spans_statuses_and_callers_agree_on_how_calls_ended(tmp_path: Path) -> None:
    async with traced(tmp_path, CUT, hangs) as here, grpc.aio.insecure_channel(here.address) as channel:
        ways = [(name, code, await ended(call)) for name, code, call in _endings(channel)]
        seen = {name: code for name, _, code in ways}
        spans: dict[str, Span] = {}
        async with asyncio.timeout(10):
            while not seen.keys() <= spans.keys():
                await asyncio.sleep(0.05)
                found = [span for span in here.collector.spans if span.kind == Span.SPAN_KIND_SERVER]
                spans = {str(attributes(span.attributes)["pointsman.call.id"]): span for span in found}

    told = {name: attributes(spans[name].attributes)["rpc.status_code"] for name in seen}
    assert told == {name: code.name for name, code in seen.items()}
    assert {name for name in seen if spans[name].status.code == SpanStatus.STATUS_CODE_ERROR} == {
        name for name, code in seen.items() if code.name in FAULTS
    }
    assert {name: code.name for name, _, code in ways} == {name: code for name, code, _ in ways}


async def ended(call: grpc.aio.Call) -> grpc.StatusCode:
    """Return the code by which a caller knows how a call ended; of one whose name says so, after leaving it."""
    with suppress(asyncio.CancelledError, grpc.aio.AioRpcError):
        if hasattr(call, "__aiter__"):
            async for _ in call:
                pass
        else:
            await call  # type: ignore[misc]  # a call of a stub
    return await call.code()


def _endings(channel: grpc.aio.Channel) -> Iterator[tuple[str, str, grpc.aio.Call]]:
    """Yield calls with name and code, one for each way in which they end; the upstream breaks off the first that reaches it, and then hangs."""
    router, admin = RouterServiceStub(channel), AdminServiceStub(channel)
    good, bad, feedback = router_pb.RouteRequest(), router_pb.CompleteRequest(), router_pb.RecordFeedbackRequest(decision_id="x", score=1)
    good.request.prompt.text = CANARY
    sick = router_pb.CompleteRequest(request=good.request)
    sick.request.requirements.model = "sick"
    sick.request.generation.max_output_tokens = 10  # so that it could answer in time
    streamed = router_pb.StreamCompleteRequest(request=sick.request)
    demanding = router_pb.RouteRequest(request=good.request)
    demanding.request.requirements.accuracy = 0.99

    def named(name: str, key: str = KEY) -> dict[str, Any]:
        return {"metadata": (("x-request-id", name), ("authorization", f"Bearer {key}"))}

    def leaving(call: grpc.aio.Call) -> grpc.aio.Call:
        asyncio.get_running_loop().call_later(0.3, call.cancel)
        return call

    yield "fine", "OK", router.Route(good, **named("fine"))
    yield "interrupted", "UNAVAILABLE", router.StreamComplete(streamed, **named("interrupted"))
    yield "late", "DEADLINE_EXCEEDED", router.Complete(sick, timeout=0.6, **named("late"))
    yield "cancelled", "CANCELLED", leaving(router.Complete(sick, **named("cancelled")))
    yield "cancelled-stream", "CANCELLED", leaving(router.StreamComplete(streamed, **named("cancelled-stream")))
    yield "bad-field", "INVALID_ARGUMENT", router.Complete(bad, **named("bad-field"))
    malformed: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/pointsman.v1.RouterService/Route")
    yield "malformed", "INVALID_ARGUMENT", malformed(b"\xff\xff", **named("malformed"))
    yield "refused", "FAILED_PRECONDITION", router.Route(demanding, **named("refused"))
    yield "stranger", "UNAUTHENTICATED", router.Route(good, **named("stranger", "nobodys"))
    yield "no-admin", "PERMISSION_DENIED", admin.ListModels(admin_pb.ListModelsRequest(), **named("no-admin", "poor"))
    yield "unknown", "NOT_FOUND", admin.ExplainDecision(admin_pb.ExplainDecisionRequest(decision_id="none"), **named("unknown"))
    yield "unknown-answer", "NOT_FOUND", router.RecordFeedback(feedback, **named("unknown-answer"))
    well = router_pb.CompleteRequest(request=good.request)
    well.request.requirements.model = "well"
    yield "paid", "OK", router.Complete(well, **named("paid", "poor"))
    yield "spent", "RESOURCE_EXHAUSTED", router.Complete(well, **named("spent", "poor"))


async def test_prompts_and_answers_are_in_spans_where_both_switches_are_turned() -> None:
    with (
        collecting() as collector,
        serving(
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint,
            OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT="SPAN_ONLY",
            POINTSMAN_ALLOW_CONTENT_CAPTURE="1",
        ) as address,
    ):
        async with Client(address) as client:
            await client.complete(f"echo: {CANARY}", timeout_s=10)
            streamed = [event async for event in client.stream(f"echo: {CANARY}", timeout_s=10)]
        spans = [collector.named(f"{SERVER}{method}")[0] for method in ("Complete", "StreamComplete")]

    assert len(streamed) > 2
    for span in spans:
        told = attributes(span.attributes)
        assert CANARY in str(told["gen_ai.input.messages"])
        assert '"role":"assistant"' in str(told["gen_ai.output.messages"])


async def test_without_the_variables_nothing_of_opentelemetry_is_loaded(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "import sys, pointsman.server; print([name for name in sys.modules if name.startswith('opentelemetry')])",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate()

    assert out.strip() == b"[]"
