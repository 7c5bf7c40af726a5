"""A real server on loopback, called with raw stubs: every RPC, what is refused, health, the log; and the process with its signals."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
import uuid
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2 as details
from grpc_health.v1 import health_pb2, health_pb2_grpc

from asked import detail, failure, reason, reflected
from fakes import ScriptedProvider, catalog_yaml, model_yaml
from pointsman.client import Client
from pointsman.core.diagnostics import Severity
from pointsman.core.limits import START
from pointsman.core.ruleset import Ruleset
from pointsman.server import TWICE_S
from pointsman.telemetry import CallLine
from pointsman.v1 import admin_service_pb2 as admin_pb
from pointsman.v1 import router_service_pb2 as router_pb
from pointsman.v1 import routing_pb2 as pb
from pointsman.v1.router_service_pb2_grpc import RouterServiceStub
from pointsman.wire.transport import CannotListen
from processes import GRPCIO_ALONE

if TYPE_CHECKING:
    from conftest import Hanging, Running, Start

pytestmark = pytest.mark.timeout(30)

D = TypeVar("D", bound=Message)

CANARY = "canary-7391"
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
INVALID = grpc.StatusCode.INVALID_ARGUMENT


def route(text: str = "hi", **requirements: Any) -> router_pb.RouteRequest:
    """Return a request for a decision on a text."""
    return router_pb.RouteRequest(request=pb.Request(prompt=pb.Prompt(text=text), requirements=pb.Requirements(**requirements)))


def complete(text: str = "hi", **requirements: Any) -> router_pb.CompleteRequest:
    """Return a request for an answer to a text."""
    return router_pb.CompleteRequest(request=route(text, **requirements).request)


def streamed(text: str = "hi", **requirements: Any) -> router_pb.StreamCompleteRequest:
    """Return a request for an answer to a text, as it comes."""
    return router_pb.StreamCompleteRequest(request=route(text, **requirements).request)


def raw(running: Running, method: str, data: bytes) -> Awaitable[bytes]:
    """Call a method with bytes, as a client that knows nothing of the contract."""
    call: Any = running.channel.unary_unary(f"/pointsman.v1.{method}")
    return call(data)  # type: ignore[no-any-return]  # grpc knows the types of stubs alone


# What is served.


async def test_route_decides(running: Running, ruleset: Ruleset) -> None:
    decision = (await running.router.Route(route("What is 17 * 23?"))).decision

    assert (decision.chosen.model, decision.chosen.provider) == ("builtin", "builtin")
    assert (decision.rule.id, decision.rule.file, decision.ruleset_revision) == ("default", "routing.yaml", ruleset.revision)
    assert decision.reason == pb.DECISION_REASON_DEFAULT
    assert decision.facts.task == "math"
    assert decision.chosen.tokens.method == pb.TOKEN_COUNT_METHOD_EXACT
    assert 0 < decision.chosen.expected_cost.nano_usd <= decision.chosen.max_cost.nano_usd
    assert decision.baseline_cost.nano_usd > decision.chosen.expected_cost.nano_usd
    assert not decision.HasField("explanation")


async def test_route_explains_if_asked(running: Running) -> None:
    request = route("What is 17 * 23?")
    request.explain = True

    explanation = (await running.router.Route(request)).decision.explanation

    assert explanation.summary.startswith("default -> builtin")
    assert explanation.facts["features.task"].string_value == "math"
    assert [trace.rule.id for trace in explanation.rules][-1] == "default"


async def test_complete_answers(running: Running) -> None:
    response = await running.router.Complete(complete("What is 17 * 23?"))

    completion = response.completion
    assert "391" in completion.message.text
    assert completion.message.role == pb.ROLE_ASSISTANT
    assert completion.finish_reason == pb.FINISH_REASON_STOP
    assert completion.model == response.decision.chosen.model == "builtin"
    assert [(attempt.model, attempt.reason) for attempt in completion.attempts] == [("builtin", pb.ATTEMPT_REASON_PRIMARY)]
    assert completion.usage.input_tokens > 0
    assert 0 < completion.usage.cost.nano_usd < completion.usage.baseline_cost.nano_usd


async def test_stream_complete_answers_as_complete_does_but_in_pieces(running: Running) -> None:
    whole = (await running.router.Complete(complete("What is 17 * 23?"))).completion
    first, *pieces, last = [event async for event in running.router.StreamComplete(streamed("What is 17 * 23?"))]

    assert first.decision.chosen.model == "builtin"
    assert "".join(piece.delta.text for piece in pieces) == whole.message.text
    assert not last.completion.HasField("message")
    assert (last.completion.usage, last.completion.finish_reason) == (whole.usage, whole.finish_reason)


async def test_list_models_shows_the_catalog(running: Running) -> None:
    small, careful = (await running.admin.ListModels(admin_pb.ListModelsRequest())).models

    assert [(model.id, model.tier, list(model.aliases)) for model in (small, careful)] == [
        ("builtin", "small", ["fast"]),
        ("builtin-careful", "large", ["smart"]),
    ]
    assert (list(careful.capabilities), list(careful.tags), careful.context_window) == (["json", "tools", "vision"], ["local"], 262144)
    assert (small.price.input.nano_usd, small.price.output.nano_usd, small.price.nominal) == (20_000_000, 40_000_000, True)
    assert (small.unavailable, small.time_to_first_token) == (pb.DROP_REASON_UNSPECIFIED, Duration(nanos=1_000_000))


async def test_check_rules_tells_what_files_would_come_to_and_change(running: Running, ruleset: Ruleset) -> None:
    for number in range(3):
        await running.router.Route(route(f"What is {number} + 2?"))
        await running.router.Route(route(f"Hello number {number}", accuracy=0.01))
    chosen = "version: 1\nroutes:\n  - {id: all, why: w, use: {candidates: [builtin-careful], on_empty: best_effort}}\n"
    tests = "version: 1\ntests: [{name: all, expect: {rule: all}}]\n"
    files = [admin_pb.RuleFile(path="routing.yaml", content=chosen), admin_pb.RuleFile(path="routing_test.yaml", content=tests)]
    same = await running.admin.CheckRules(admin_pb.CheckRulesRequest())
    other = await running.admin.CheckRules(admin_pb.CheckRulesRequest(files=files))
    bad = await running.admin.CheckRules(admin_pb.CheckRulesRequest(files=[admin_pb.RuleFile(path="routing.yaml", content="version: 2")]))

    assert (same.revision, same.decisions_changed) == (ruleset.revision, 0)
    assert same.decisions_compared >= 6
    assert other.revision not in ("", ruleset.revision)
    assert other.decisions_changed == other.decisions_compared
    assert (bad.revision, bad.decisions_compared) == ("", 0)
    problem = bad.diagnostics[0]
    assert (problem.file, problem.line, problem.severity) == ("routing.yaml", 1, admin_pb.SEVERITY_ERROR)
    assert (await running.admin.GetRules(admin_pb.GetRulesRequest())).revision == ruleset.revision


async def test_a_recent_decision_is_explained_by_its_id(running: Running) -> None:
    decision = (await running.router.Route(route("What is 17 * 23?"))).decision
    told = await running.admin.ExplainDecision(admin_pb.ExplainDecisionRequest(decision_id=decision.id))

    assert (told.revision, told.model) == (decision.ruleset_revision, decision.chosen.model)
    assert [rule.rule.id for rule in told.explanation.rules if rule.outcome == pb.RULE_OUTCOME_MATCH] == [decision.rule.id]
    assert "features.complexity" in {each.fact for each in told.explanation.contrasts}


async def test_a_refusal_is_explained_by_the_id_of_its_error(running: Running) -> None:
    await failure(running.router.Route(route("Hi", tags=["mars"]), metadata=(("x-request-id", "no-mars"),)))
    told = await running.admin.ExplainDecision(admin_pb.ExplainDecisionRequest(decision_id="no-mars"))

    assert told.model == ""
    assert {drop.reason for drop in told.dropped} == {pb.DROP_REASON_TAGS}


async def test_a_decision_that_is_not_kept_is_not_found(running: Running) -> None:
    error = await failure(running.admin.ExplainDecision(admin_pb.ExplainDecisionRequest(decision_id="never")))

    assert (error.code(), reason(error)) == (grpc.StatusCode.NOT_FOUND, "DECISION_UNKNOWN")


@pytest.mark.parametrize("name", ["../routing.yaml", "a/b.yaml", ".hidden.yaml", "kustomization.yaml", "routing.yml", "", "a\0.yaml"])
async def test_check_rules_takes_names_of_rule_files_only(running: Running, name: str) -> None:
    error = await failure(running.admin.CheckRules(admin_pb.CheckRulesRequest(files=[admin_pb.RuleFile(path=name, content="version: 1")])))

    assert (error.code(), reason(error)) == (grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID")


async def test_get_rules_tells_what_is_in_use(running: Running, ruleset: Ruleset) -> None:
    plain = await running.admin.GetRules(admin_pb.GetRulesRequest())
    with_files = await running.admin.GetRules(admin_pb.GetRulesRequest(include_files=True))

    assert (plain.revision, plain.stale, list(plain.diagnostics), list(plain.files)) == (ruleset.revision, False, [], [])
    assert [file.path for file in with_files.files] == ["models.yaml", "routing.yaml", "routing_test.yaml"]
    assert "default" in with_files.files[1].content


async def test_feedback_is_taken_on_decisions_of_the_caller_alone_and_is_a_line_of_the_log(running: Running) -> None:
    answer = await running.router.Complete(complete("What is 2 + 2?"))
    made = answer.decision.id
    await running.router.RecordFeedback(router_pb.RecordFeedbackRequest(decision_id=made, score=0.5, source="judge"))
    line = running.lines()[-1]
    assert (line["method"], line["decision"], line["score"], line["source"]) == ("RecordFeedback", made, 0.5, "judge")
    assert (line["rule"], line["model"]) == (answer.decision.rule.id, answer.completion.model)

    unknown = await failure(running.router.RecordFeedback(router_pb.RecordFeedbackRequest(decision_id="nobodys", score=0.5)))
    assert (unknown.code(), reason(unknown)) == (grpc.StatusCode.NOT_FOUND, "DECISION_UNKNOWN")
    missing = await failure(running.router.RecordFeedback(router_pb.RecordFeedbackRequest(decision_id=made)))
    assert (missing.code(), reason(missing)) == (grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID")
    for score in (-0.1, 1.1, float("nan"), float("inf")):
        request = router_pb.RecordFeedbackRequest(decision_id=made, score=score)
        assert (await failure(running.router.RecordFeedback(request))).code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_what_was_used_is_told_to_the_nano_dollar(running: Running) -> None:
    """The answers' own costs are the sums."""
    costs = [(await running.router.Complete(complete(f"What is {at} + 1?"))).completion.usage.cost.nano_usd for at in range(3)]

    (row,) = (await running.admin.GetUsage(admin_pb.GetUsageRequest(group_by=["tenant", "model", "route"]))).rows

    assert dict(row.group) == {"tenant": "default", "model": "builtin", "route": "default"}
    assert (row.requests, row.cost.nano_usd) == (3, sum(costs))


async def test_every_method_of_the_contract_is_served(running: Running) -> None:
    """Whatever it answers, it is not grpc that says the method is not there."""
    for descriptor in (router_pb.DESCRIPTOR, admin_pb.DESCRIPTOR):
        for service in descriptor.services_by_name.values():
            for method in service.methods:
                call: Any = running.channel.unary_stream(f"/{service.full_name}/{method.name}")
                try:
                    await call(b"").read()
                except grpc.aio.AioRpcError as error:
                    assert reason(error)  # noqa: PT017  # some succeed


async def test_a_method_that_is_not_in_the_contract_is_unimplemented(running: Running) -> None:
    error = await failure(raw(running, "RouterService/Guess", b""))

    assert error.code() == grpc.StatusCode.UNIMPLEMENTED


async def test_many_calls_at_once_are_told_apart(running: Running) -> None:
    responses = await asyncio.gather(*(running.router.Complete(complete(f"What is {number} + 1?")) for number in range(50)))

    assert all(str(number + 1) in response.completion.message.text for number, response in enumerate(responses))
    assert len({response.decision.id for response in responses}) == 50
    assert {line["id"] for line in running.calls()} == {response.decision.id for response in responses}


# What is refused.

REFUSED = {
    "empty prompt": (pb.Request(), "FIELD_INVALID", "request.prompt"),
    "unspecified role": (
        pb.Request(prompt=pb.Prompt(messages=[pb.Message(text="hi")])),
        "FIELD_INVALID",
        "request.prompt.messages[0].role",
    ),
    "negative budget": (route(max_total_tokens=-1).request, "FIELD_INVALID", "request.requirements.max_total_tokens"),
    "accuracy 1.5": (route(accuracy=1.5).request, "FIELD_INVALID", "request.requirements.accuracy"),
    "unknown capability": (route(capabilities=["telepathy"]).request, "FIELD_INVALID", "request.requirements.capabilities[0]"),
    "unknown alias": (route(model="smrat").request, "MODEL_UNKNOWN", "request.requirements.model"),
}


@pytest.mark.parametrize("method", ["Route", "Complete"])
@pytest.mark.parametrize(("request_", "why", "path"), REFUSED.values(), ids=REFUSED)
async def test_a_bad_field_is_named(running: Running, method: str, request_: pb.Request, why: str, path: str) -> None:
    call: Awaitable[Any] = (
        running.router.Route(router_pb.RouteRequest(request=request_))
        if method == "Route"
        else running.router.Complete(router_pb.CompleteRequest(request=request_))
    )

    error = await failure(call)

    (violation,) = detail(error, details.BadRequest).field_violations
    assert (error.code(), reason(error), violation.field) == (INVALID, why, path)
    assert str(error.details()) == f"{path}: {violation.description}"
    assert running.calls()[-1]["reason"] == why


async def test_an_unknown_alias_is_answered_with_the_nearest_one(running: Running) -> None:
    assert str((await failure(running.router.Route(route(model="smrat")))).details()).endswith("did you mean 'smart'?")


async def test_a_refusal_of_many_fields_arrives_whatever_is_in_them(running: Running) -> None:
    """Where the status does not fit into the metadata, the caller sees RESOURCE_EXHAUSTED of grpc instead, and nothing of what is wrong."""
    error = await failure(running.router.Route(route(capabilities=["🚂" * 40] * 200)))

    assert (error.code(), reason(error)) == (INVALID, "FIELD_INVALID")


async def test_a_message_of_ten_megabytes_is_refused_and_the_server_goes_on(running: Running) -> None:
    error = await failure(running.router.Route(route("x" * 10_000_000)))

    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert (await running.router.Route(route())).decision.chosen.model


async def test_a_message_of_five_megabytes_is_read(running: Running) -> None:
    """More than grpc allows by default. Which then fits into no window."""
    error = await failure(running.router.Route(route("well then " * 500_000)))

    assert (error.code(), reason(error)) == (INVALID, "CONTEXT_TOO_LONG")


BAD_LABEL = (
    router_pb.RouteRequest(request=pb.Request(context=pb.Context(labels={"k": "??"}))).SerializeToString().replace(b"??", b"\xff\xfe")
)


@pytest.mark.parametrize(
    "data", [b"\xff\xff\xff", b"\x0a\x7f", b"GET / HTTP/1.1\r\n\r\n", BAD_LABEL], ids=["noise", "cut", "text", "no UTF-8"]
)
@pytest.mark.parametrize("method", ["RouterService/Route", "RouterService/Complete", "RouterService/StreamComplete"])
async def test_bytes_that_are_no_message_are_told_so(running: Running, method: str, data: bytes) -> None:
    error = await failure(raw(running, method, data))

    assert (error.code(), reason(error)) == (INVALID, "MESSAGE_MALFORMED")
    assert "no valid pointsman.v1." in str(error.details())


async def test_text_that_looks_like_a_special_token_is_text(running: Running) -> None:
    """Tokenisers raise on it, or count it as one, unless they are told not to. A prompt without text has 6 tokens."""
    response = await running.router.Complete(complete("<|endoftext|>"))

    assert response.decision.chosen.tokens.input > 6 + 4
    assert "<|endoftext|>" in response.completion.message.text


async def test_what_nothing_satisfies_is_refused_with_counts_by_reason(running: Running) -> None:
    error = await failure(running.router.Route(route(max_total_tokens=3, tags=["local"])))

    assert (error.code(), reason(error)) == (grpc.StatusCode.FAILED_PRECONDITION, "NO_ELIGIBLE_MODEL")
    metadata = dict(detail(error, details.ErrorInfo).metadata)
    given, needed, model = metadata.pop("relaxMaxTotalTokens").split()
    assert metadata == {"rule": "default", "tokenBudget": "2"}
    assert (given, model) == ("3", "builtin")
    assert (await running.router.Route(route(max_total_tokens=int(needed), tags=["local"]))).decision.chosen.model == "builtin"
    assert (await failure(running.router.Route(route(max_total_tokens=int(needed) - 1, tags=["local"])))).code() == error.code()


@GRPCIO_ALONE
async def test_metadata_of_seventeen_kilobytes_is_refused_each_time_and_the_server_goes_on(running: Running) -> None:
    """Between its soft and its hard limit grpc refuses at random; a caller must not get through on some days."""
    for _ in range(5):
        error = await failure(running.router.Route(route(), metadata=(("x-large", "v" * 17 * 1024),)))
        assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED

    assert (await running.router.Route(route(), metadata=(("x-large", "v" * 15 * 1024),))).decision.chosen.model


# Metadata.


async def test_the_callers_id_comes_back_in_front_and_behind(running: Running, ruleset: Ruleset) -> None:
    call = running.router.Route(route(), metadata=(("x-request-id", "order-17"),))

    decision = (await call).decision

    assert decision.id == "order-17"
    assert dict(await call.initial_metadata())["x-request-id"] == "order-17"
    assert dict(await call.trailing_metadata()) == {"x-request-id": "order-17", "pointsman-ruleset-revision": ruleset.revision}


async def test_who_gives_no_id_gets_one(running: Running) -> None:
    call = running.router.Route(route(), metadata=(("x-request-id", "not an id"),))

    decision = (await call).decision

    assert uuid.UUID(hex=decision.id).version == 7
    assert dict(await call.trailing_metadata())["x-request-id"] == decision.id


@pytest.mark.parametrize("bad", [route(accuracy=2), route(max_total_tokens=3)], ids=["invalid", "refused"])
async def test_id_and_revision_come_with_an_error_too(running: Running, ruleset: Ruleset, bad: router_pb.RouteRequest) -> None:
    error = await failure(running.router.Route(bad, metadata=(("x-request-id", "order-17"),)))

    trailing = dict(error.trailing_metadata())
    assert detail(error, details.RequestInfo).request_id == "order-17"
    assert not dict(error.initial_metadata())  # a client that had seen some would try the call nowhere else
    assert (trailing.get("x-request-id"), trailing.get("pointsman-ruleset-revision")) == ("order-17", ruleset.revision)


# Deadlines, cancellation and the log, with models that do what the test says.


async def logged(running: Running, number: int) -> list[dict[str, Any]]:
    """Return the lines of so many calls, as soon as they are there: a caller who hangs up does not wait for his."""
    async with asyncio.timeout(5):
        while len(running.calls()) < number:  # noqa: ASYNC110  # a log has no event to wait for
            await asyncio.sleep(0.002)
    return running.calls()


async def test_a_millisecond_is_not_enough_to_call_a_model(start: Start) -> None:
    provider = ScriptedProvider("too late")
    running = await start(provider)
    await running.router.Route(route())  # so that the connection is there

    for _ in range(10):
        error = await failure(running.router.Complete(complete(), timeout=0.001))
        assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED

    await running.router.Route(route())
    assert provider.calls == []


async def test_the_deadline_ends_the_call_upstream(start: Start, hanging: Hanging) -> None:
    running = await start(hanging)

    error = await failure(running.router.Complete(complete(), timeout=0.1))

    await asyncio.wait_for(hanging.ended.wait(), 5)
    assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert [line["code"] for line in await logged(running, 1)] == ["DEADLINE_EXCEEDED"]


async def test_hanging_up_ends_the_call_upstream_and_is_logged_as_cancelled(start: Start, hanging: Hanging) -> None:
    running = await start(hanging)
    call = running.router.Complete(complete(), timeout=30)
    await asyncio.wait_for(hanging.begun.wait(), 5)

    call.cancel()

    await asyncio.wait_for(hanging.ended.wait(), 5)
    assert [line["code"] for line in await logged(running, 1)] == ["CANCELLED"]


async def test_an_error_that_nobody_foresaw_is_internal_and_keeps_its_text(start: Start) -> None:
    running = await start(ScriptedProvider(RuntimeError(CANARY)))

    error = await failure(running.router.Complete(complete()))

    assert (error.code(), reason(error)) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    assert CANARY not in repr(error) + json.dumps(running.lines())
    assert [line["event"] for line in running.lines()] == ["note", "call"]


async def test_the_log_has_a_line_for_each_call_with_the_fields_that_are_declared(running: Running, ruleset: Ruleset) -> None:
    await running.router.Route(route("What is 17 * 23?"), metadata=(("x-request-id", "a"),))
    completed = (await running.router.Complete(complete("What is 17 * 23?"), metadata=(("x-request-id", "b"),))).completion
    await failure(running.router.Route(route(accuracy=2), metadata=(("x-request-id", "c"),)))
    await running.admin.ListModels(admin_pb.ListModelsRequest(), metadata=(("x-request-id", "d"),))

    routed, answered, refused, listed = running.lines()
    both = {"event": "call", "code": "OK", "revision": ruleset.revision, "rule": "default", "model": "builtin", "task": "math"}
    assert routed.items() >= ({"method": "Route", "id": "a"} | both).items()
    assert answered.items() >= ({"method": "Complete", "id": "b", "attempts": 1} | both).items()
    assert (answered["input_tokens"], answered["output_tokens"], answered["cost_nano_usd"]) == (
        completed.usage.input_tokens,
        completed.usage.output_tokens,
        completed.usage.cost.nano_usd,
    )
    assert refused.items() >= {"method": "Route", "id": "c", "code": "INVALID_ARGUMENT", "reason": "FIELD_INVALID"}.items()
    assert listed.items() >= {"method": "ListModels", "id": "d", "code": "OK"}.items()
    for line in running.lines():
        assert set(line) <= {*CallLine.__struct_fields__, "event"}
        assert line["time"].endswith("Z")
        assert line["ms"] > 0


async def test_no_line_of_the_log_holds_what_a_caller_wrote(running: Running) -> None:
    everywhere = pb.Request(
        prompt=pb.Prompt(
            text=CANARY,
            messages=[pb.Message(role=pb.ROLE_SYSTEM, text=CANARY)],
            tools=[pb.Tool(name=CANARY, description=CANARY, parameters_json=f'{{"{CANARY}": 1}}')],
        ),
        generation=pb.Generation(stop=[CANARY]),
        context=pb.Context(session_id=CANARY, user_id=CANARY, labels={CANARY: CANARY}),
    )
    await running.router.Complete(router_pb.CompleteRequest(request=everywhere, explain=True))
    await failure(running.router.Route(route(CANARY, model=CANARY)))
    await failure(running.router.Route(route(CANARY, capabilities=[CANARY])))
    await failure(running.router.Route(route(CANARY, tags=[CANARY])))
    await failure(raw(running, "RouterService/Route", CANARY.encode()))
    await running.router.Route(route(), metadata=(("authorization", f"Bearer {CANARY}"), ("x-request-id", f"{CANARY} !")))

    assert len(running.calls()) == 6
    assert CANARY not in running.out.getvalue().decode()


# Health, reflection, address.


@pytest.mark.parametrize("name", ["", "pointsman.v1.RouterService", "pointsman.v1.AdminService", "startup", "liveness", "readiness"])
async def test_health_is_told_under_every_name(running: Running, name: str) -> None:
    health = health_pb2_grpc.HealthStub(running.channel)

    assert (await health.Check(health_pb2.HealthCheckRequest(service=name))).status == SERVING


async def test_health_of_others_is_not_known(running: Running) -> None:
    health = health_pb2_grpc.HealthStub(running.channel)

    error = await failure(health.Check(health_pb2.HealthCheckRequest(service="pointsman.v2.RouterService")))

    assert error.code() == grpc.StatusCode.NOT_FOUND


async def test_reflection_is_off_unless_asked_for(running: Running) -> None:
    assert (await failure(reflected(running.channel))).code() == grpc.StatusCode.UNIMPLEMENTED


async def test_reflection_lists_the_services(start: Start) -> None:
    running = await start(reflection=True)

    listed = {service.name for service in (await reflected(running.channel)).list_services_response.service}

    assert listed == {
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
        "pointsman.v1.AdminService",
        "pointsman.v1.RouterService",
    }


async def test_two_servers_cannot_share_a_port(start: Start) -> None:
    """With SO_REUSEPORT, the default of grpc, a second one starts and swallows half of the connections."""
    first = await start()

    with pytest.raises(CannotListen, match=f"cannot listen on {first.address}: the address is in use"):
        await start(listen=first.address)

    assert (await first.router.Route(route())).decision.chosen.model


async def test_an_address_of_another_machine_cannot_be_listened_on(start: Start) -> None:
    with pytest.raises(CannotListen, match=r"203\.0\.113\.1:0"):
        await start(listen="203.0.113.1:0")


async def test_a_model_that_is_full_can_still_be_decided_for(start: Start, hanging: Hanging) -> None:
    """A Route is about a call that comes later, and perhaps elsewhere."""
    running = await start(hanging)
    calls = [asyncio.ensure_future(running.router.Complete(complete(model="builtin"))) for _ in range(START)]
    async with asyncio.timeout(10):
        while (await running.admin.ListModels(admin_pb.ListModelsRequest())).models[0].unavailable != pb.DROP_REASON_CAPACITY:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    assert (await running.router.Route(route(model="builtin"))).decision.chosen.model == "builtin"
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)


# The process.


class Served:
    """A server that runs as a process of its own, from its ready line to its end."""

    def __init__(self, process: Process, address: str) -> None:
        self.process = process
        self.address = address

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    async def noted(self, text: str) -> None:
        """Wait for a note in the log."""
        assert self.process.stderr is not None
        async with asyncio.timeout(10):
            while text not in (line := (await self.process.stderr.readline()).decode()):
                assert line, f"the log ended without {text!r}"

    async def ended(self, within_s: float = 10.0) -> tuple[int | None, str, str]:
        """Return the exit code and what was left of stdout and stderr."""
        out, err = await asyncio.wait_for(self.process.communicate(), within_s)
        return self.process.returncode, out.decode(), err.decode()


Launch = Callable[..., Awaitable[Process]]
Serve = Callable[..., Awaitable[Served]]


@pytest.fixture
async def launch() -> AsyncIterator[Launch]:
    """Return a function that starts `pointsman serve`; what still runs when the test ends is killed."""
    async with AsyncExitStack() as stack:

        async def launch(*arguments: str, **environment: str) -> Process:
            inherited = {name: value for name, value in os.environ.items() if not name.startswith("POINTSMAN_")}
            command = (sys.executable, "-m", "pointsman.cli", "serve", "--listen", "127.0.0.1:0", *arguments)
            process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE, env=inherited | environment)

            async def end() -> None:
                if process.returncode is None:
                    process.kill()
                    await process.communicate()

            stack.push_async_callback(end)
            return process

        yield launch


@pytest.fixture
def serve(launch: Launch) -> Serve:
    """Return a function that starts `pointsman serve` and waits until it is ready."""

    async def serve(rules: Path, **environment: str) -> Served:
        process = await launch("--rules", str(rules), **environment)
        assert process.stdout is not None
        line = (await asyncio.wait_for(process.stdout.readline(), 15)).decode()
        ready = re.fullmatch(r"pointsman ready on (127\.0\.0\.1:\d+)\n", line)
        assert ready is not None, line
        return Served(process, ready[1])

    return serve


@pytest.fixture
def slow_rules(tmp_path: Path) -> Callable[[float], Path]:
    """Return a function that writes rules whose only model takes that many milliseconds."""

    def write(ttft_ms: float) -> Path:
        model = model_yaml().strip().removesuffix("}") + f", options: {{ttft_ms: {ttft_ms}}}}}"
        (tmp_path / "models.yaml").write_text(catalog_yaml({"slow": model}))
        (tmp_path / "routing.yaml").write_text("version: 1\nroutes:\n  - {id: default, use: {candidates: [slow]}}\n")
        return tmp_path

    return write


async def under_way(channel: grpc.aio.Channel) -> asyncio.Task[router_pb.CompleteResponse]:
    """Return a Complete that the server is at work on: a Route sent after it, over the same connection, has been answered."""
    router = RouterServiceStub(channel)

    async def call() -> router_pb.CompleteResponse:
        return await router.Complete(complete("What is 17 * 23?"), timeout=30)

    await router.Route(route())
    task = asyncio.create_task(call())
    await asyncio.sleep(0)
    await router.Route(route())
    return task


async def refused_at(address: str) -> grpc.StatusCode:
    """Return the code with which new connections are refused, once they are."""
    async with asyncio.timeout(5):
        while True:
            async with grpc.aio.insecure_channel(address) as channel:
                try:
                    await RouterServiceStub(channel).Route(route())
                except grpc.aio.AioRpcError as error:
                    if error.code() != grpc.StatusCode.CANCELLED:  # as grpc ends what arrives in the very moment of the stop
                        return error.code()


@GRPCIO_ALONE
async def test_calls_outlast_the_age_of_their_connection(serve: Serve, slow_rules: Callable[[float], Path]) -> None:
    served = await serve(slow_rules(1500), POINTSMAN_CONNECTION_AGE_S="0.3")
    async with grpc.aio.insecure_channel(served.address) as channel:
        stream = aiter(RouterServiceStub(channel).StreamComplete(streamed("What is 17 * 23?")))
        assert (await anext(stream)).HasField("decision")
        completing = await under_way(channel)
        await asyncio.wait_for(channel.wait_for_state_change(grpc.ChannelConnectivity.READY), 5)

        assert not completing.done()
        assert "391" in (await completing).completion.message.text
        assert [event async for event in stream][-1].completion.finish_reason == pb.FINISH_REASON_STOP
    served.signal()


async def test_who_is_told_to_leave_is_served_until_he_has_left(serve: Serve, slow_rules: Callable[[float], Path]) -> None:
    served = await serve(slow_rules(50), POINTSMAN_LEAVE_S="1.5")
    async with grpc.aio.insecure_channel(served.address) as channel:
        router = RouterServiceStub(channel)
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service="readiness"))
        assert (await watch.read()).status == SERVING

        served.signal()

        assert (await asyncio.wait_for(watch.read(), 5)).status == NOT_SERVING
        for _ in range(10):
            await router.Complete(complete("What is 17 * 23?"))
        assert (await failure(until_refused(router))).code() == grpc.StatusCode.UNAVAILABLE


async def until_refused(router: Any) -> None:
    async with asyncio.timeout(5):
        while True:
            await router.Route(route())
            await asyncio.sleep(0.05)  # nobody reads the log, and a pipe holds few lines


async def test_the_first_signal_drains(serve: Serve, slow_rules: Callable[[float], Path]) -> None:
    """What is under way is finished, what is new is refused, and who watches is told to go elsewhere."""
    served = await serve(slow_rules(1500), POINTSMAN_LEAVE_S="0.2")
    async with grpc.aio.insecure_channel(served.address) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service="readiness"))
        assert (await watch.read()).status == SERVING
        completing = await under_way(channel)

        served.signal()

        assert (await asyncio.wait_for(watch.read(), 5)).status == NOT_SERVING
        watch.cancel()
        assert await refused_at(served.address) == grpc.StatusCode.UNAVAILABLE
        assert not completing.done()
        assert "391" in (await completing).completion.message.text

    code, out, err = await served.ended()
    assert (code, out) == (0, "")
    notes = [line["message"] for line in map(json.loads, err.splitlines()) if line["event"] == "note"]
    assert [re.sub(" .*", "", note) for note in notes] == ["ready", "asked", "ended"]


async def test_the_second_signal_ends_at_once(serve: Serve, slow_rules: Callable[[float], Path]) -> None:
    served = await serve(slow_rules(30_000))
    async with grpc.aio.insecure_channel(served.address) as channel:
        completing = await under_way(channel)
        served.signal()
        await served.noted("draining")
        served.signal()  # so soon it is the same, sent to a group as well
        await asyncio.sleep(2 * TWICE_S)
        assert not completing.done()

        served.signal()

        assert (await failure(completing)).code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
        code, out, _ = await served.ended(within_s=5)
        assert (code, out) == (0, "")


async def test_a_call_that_the_end_cuts_is_told_as_its_caller_is(serve: Serve, slow_rules: Callable[[float], Path]) -> None:
    served = await serve(slow_rules(30_000), POINTSMAN_GRACE_S="0.5", POINTSMAN_LEAVE_S="0.1")
    async with grpc.aio.insecure_channel(served.address) as channel:
        completing = await under_way(channel)
        served.signal()

        assert (await failure(completing)).code() is grpc.StatusCode.UNAVAILABLE
        _, _, err = await served.ended(within_s=5)
    (line,) = [line for line in map(json.loads, err.splitlines()) if line.get("method") == "Complete"]
    assert line["code"] == "UNAVAILABLE"


async def test_who_only_watches_does_not_hold_up_the_end(serve: Serve, rules_dir: Path) -> None:
    """Clients with health checking keep a Watch open for good; a rollout must not wait the whole grace period for each of them."""
    served = await serve(rules_dir, POINTSMAN_GRACE_S="6")
    async with grpc.aio.insecure_channel(served.address) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service=""))
        assert (await watch.read()).status == SERVING

        served.signal(signal.SIGINT)

        assert (await asyncio.wait_for(watch.read(), 5)).status == NOT_SERVING
        code, _, _ = await served.ended(within_s=4)
        assert code == 0


async def output_of(process: Process) -> tuple[int | None, str, str]:
    """Return the exit code, stdout and stderr of a process that ends by itself."""
    out, err = await asyncio.wait_for(process.communicate(), 15)
    return process.returncode, out.decode(), err.decode()


BROKEN = """
version: 1
routes:
  - id: first
    when: features.complexty > 0.5
    use: {candidates: [nobody]}
  - id: first
    when: features.task == "cooking"
    use: {candidates: [slow], strategy: quickest}
  - id: default
    use: {candidates: [slow]}
"""


async def test_broken_rules_are_told_all_at_once_and_nothing_is_served(launch: Launch, slow_rules: Callable[[float], Path]) -> None:
    rules = slow_rules(0)
    (rules / "routing.yaml").write_text(BROKEN)

    code, out, err = await output_of(await launch("--rules", str(rules)))

    assert (code, out) == (1, "")
    places = re.findall(rf"^{re.escape(str(rules))}/routing\.yaml:(\d+):\d+: error: ", err, re.MULTILINE)
    assert places == ["5", "6", "7", "8", "9"]
    assert f"5 errors in {rules}; not started" in err


async def test_a_failing_test_of_the_rules_is_told_and_nothing_is_served(launch: Launch, slow_rules: Callable[[float], Path]) -> None:
    rules = slow_rules(0)
    (rules / "routing_test.yaml").write_text(
        "version: 1\ntests:\n  - {name: a purse, given: {request: {max_cost_usd: 0}}, expect: {model: slow}}\n"
    )

    code, out, err = await output_of(await launch("--rules", str(rules)))

    assert (code, out) == (1, "")
    assert f"{rules}/routing_test.yaml:3:1: error: test 'a purse' failed: expected a decision" in err


async def test_a_broken_directory_is_served_by_what_was_kept_of_it(
    serve: Serve, slow_rules: Callable[[float], Path], tmp_path: Path
) -> None:
    rules, state = slow_rules(0), str(tmp_path / "state")
    first = await serve(rules, POINTSMAN_STATE_DIR=state)
    async with Client(first.address) as client:
        good = await client.rules()
    first.signal()
    await first.ended()
    (rules / "routing.yaml").write_text(BROKEN)

    second = await serve(rules, POINTSMAN_STATE_DIR=state)

    async with Client(second.address) as client, grpc.aio.insecure_channel(second.address) as channel:
        decision, now = await client.route("hi"), await client.rules()
        ready = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service="readiness"))
    second.signal()
    _, _, err = await second.ended()
    assert (decision.revision, now.revision, now.stale, ready.status) == (good.revision, good.revision, True, SERVING)
    assert [problem.line for problem in now.problems if problem.severity is Severity.ERROR] == [5, 6, 7, 8, 9]
    assert "STALE: the rule directory cannot be used" in err.splitlines()[0]


async def test_rules_that_are_not_there_are_told(launch: Launch, tmp_path: Path) -> None:
    code, out, err = await output_of(await launch("--rules", str(tmp_path / "nowhere")))

    assert (code, out) == (1, "")
    assert f"cannot read the rule directory: No such file or directory ({tmp_path / 'nowhere'})" in err
    assert "not started" in err


async def test_a_bad_setting_is_told_before_anything_is_done(launch: Launch) -> None:
    code, out, err = await output_of(await launch(POINTSMAN_GRACE_S="soon", POINTSMAN_REFLECTION="perhaps"))

    assert (code, out) == (2, "")
    assert "POINTSMAN_GRACE_S='soon'" in err
    assert "POINTSMAN_REFLECTION='perhaps'" in err


async def test_a_bad_address_is_told(launch: Launch) -> None:
    code, out, err = await output_of(await launch("--listen", "everywhere"))

    assert (code, out) == (2, "")
    assert "--listen everywhere: expected HOST:PORT" in err


async def test_an_address_in_use_is_told(launch: Launch, running: Running, rules_dir: Path) -> None:
    code, out, err = await output_of(await launch("--listen", running.address, "--rules", str(rules_dir)))

    assert (code, out) == (1, "")
    assert f"pointsman: cannot listen on {running.address}" in err
