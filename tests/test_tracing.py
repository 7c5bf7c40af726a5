"""Traces of a real server, as a collector receives them: what one trace alone must tell, what may never be in it, and how each call ended."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import grpc
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Status as SpanStatus

from collector import attributes
from pointsman.core.errors import NoEligibleModel, StreamInterrupted, UpstreamUnavailable
from pointsman.core.request import Request
from pointsman.telemetry.traces import FAULTS
from pointsman.v1 import admin_service_pb2 as admin_pb
from pointsman.v1 import router_service_pb2 as router_pb
from pointsman.v1.admin_service_pb2_grpc import AdminServiceStub
from pointsman.v1.router_service_pb2_grpc import RouterServiceStub
from tracing import ANSWER, CANARY, CUT, REFUSAL, SERVER, TRACE, traced
from upstream import hangs


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
        await RouterServiceStub(channel).Route(request, metadata=context)
        (span,) = here.collector.named(f"{SERVER}Route")

    assert (span.trace_id.hex(), span.parent_span_id.hex(), span.trace_state) == (TRACE, "b7ad6b7169203331", "a=1,b=2")


async def test_spans_statuses_and_callers_agree_on_how_calls_ended(tmp_path: Path) -> None:
    async with traced(tmp_path, hangs) as here, grpc.aio.insecure_channel(here.address) as channel:
        seen = {name: await code for name, code in _endings(channel)}
        spans = {str(attributes(span.attributes)["pointsman.call.id"]): span for span in here.collector.named(f"{SERVER}Complete", 3)}
        for method in ("Route", "RecordFeedback"):
            spans |= {str(attributes(span.attributes)["pointsman.call.id"]): span for span in here.collector.named(f"{SERVER}{method}")}
        admin = here.collector.named("pointsman.v1.AdminService/ExplainDecision")
        spans |= {str(attributes(span.attributes)["pointsman.call.id"]): span for span in admin}

    told = {name: attributes(spans[name].attributes)["rpc.status_code"] for name in seen}
    assert told == {name: code.name for name, code in seen.items()}
    assert {name for name, span in spans.items() if span.status.code == SpanStatus.STATUS_CODE_ERROR} == {
        name for name, code in seen.items() if code.name in FAULTS
    }


def _endings(channel: grpc.aio.Channel) -> Iterator[tuple[str, asyncio.Future[grpc.StatusCode]]]:
    """Yield calls by name, each with the code by which its caller knows how it ended."""
    router, admin = RouterServiceStub(channel), AdminServiceStub(channel)
    good, bad = router_pb.RouteRequest(), router_pb.CompleteRequest()
    good.request.prompt.text = CANARY
    stuck = router_pb.CompleteRequest(request=good.request)
    stuck.request.requirements.model = "sick"

    async def ended(call: object) -> grpc.StatusCode:
        with suppress(asyncio.CancelledError, grpc.aio.AioRpcError):
            await call  # type: ignore[misc]  # a call of a stub
        return await call.code()  # type: ignore[attr-defined,no-any-return]

    async def cancelled() -> grpc.StatusCode:
        call = router.Complete(stuck, metadata=(("x-request-id", "cancelled"),))
        await asyncio.sleep(0.3)
        call.cancel()
        return await ended(call)

    def named(name: str) -> tuple[tuple[str, str], ...]:
        return (("x-request-id", name),)

    yield "fine", asyncio.ensure_future(ended(router.Route(good, metadata=named("fine"))))
    yield "bad-field", asyncio.ensure_future(ended(router.Complete(bad, metadata=named("bad-field"))))
    yield "late", asyncio.ensure_future(ended(router.Complete(stuck, timeout=0.5, metadata=named("late"))))
    yield "cancelled", asyncio.ensure_future(cancelled())
    unknown = admin_pb.ExplainDecisionRequest(decision_id="none")
    yield "unknown", asyncio.ensure_future(ended(admin.ExplainDecision(unknown, metadata=named("unknown"))))
    feedback = router_pb.RecordFeedbackRequest()
    yield "not-yet", asyncio.ensure_future(ended(router.RecordFeedback(feedback, metadata=named("not-yet"))))


async def test_without_the_variables_nothing_of_opentelemetry_is_loaded(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "import sys, pointsman.server; print([name for name in sys.modules if name.startswith('opentelemetry')])",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate()

    assert out.strip() == b"[]"
