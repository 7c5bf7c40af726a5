"""The RPCs: message to value, one call of the router, value to message."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from typing import TypeAlias

import grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2
from msgspec import structs

from pointsman.call import Call
from pointsman.core.account import account
from pointsman.core.completion import Completion, Delta
from pointsman.core.decision import Decision
from pointsman.core.errors import InvalidRequest, StoreUnavailable, Violation
from pointsman.core.pieces import Gathering
from pointsman.core.request import Request
from pointsman.core.rulefile import Trust
from pointsman.core.tenants import TenantRole
from pointsman.identity import Identity
from pointsman.live import Live, checked, proposed
from pointsman.ports import StoreDown
from pointsman.recent import RecentDecision, changed
from pointsman.router import Router
from pointsman.telemetry import Content
from pointsman.v1 import admin_service_pb2 as admin_pb
from pointsman.v1 import router_service_pb2 as router_pb
from pointsman.wire import codec
from pointsman.wire.boundary import Boundary
from pointsman.wire.transport import Methods, Services

Streamed: TypeAlias = AsyncGenerator[Decision | Delta | Completion, None]

ROUTER_SERVICE = router_pb.DESCRIPTOR.services_by_name["RouterService"].full_name
ADMIN_SERVICE = admin_pb.DESCRIPTOR.services_by_name["AdminService"].full_name


def handlers(router: Router, live: Live, identity: Identity, boundary: Boundary) -> Services:
    """Return both services."""
    rpcs = _Rpcs(router, live, identity)
    routing: Methods = {
        "Route": boundary.unary(f"{ROUTER_SERVICE}/Route", router_pb.RouteRequest, rpcs.route),
        "Complete": boundary.unary(f"{ROUTER_SERVICE}/Complete", router_pb.CompleteRequest, rpcs.complete),
        "StreamComplete": boundary.stream(f"{ROUTER_SERVICE}/StreamComplete", router_pb.StreamCompleteRequest, rpcs.stream_complete),
        "RecordFeedback": boundary.unary(f"{ROUTER_SERVICE}/RecordFeedback", router_pb.RecordFeedbackRequest, rpcs.record_feedback),
    }
    admin: Methods = {
        "ListModels": boundary.unary(f"{ADMIN_SERVICE}/ListModels", admin_pb.ListModelsRequest, rpcs.list_models, TenantRole.ADMIN),
        "GetRules": boundary.unary(f"{ADMIN_SERVICE}/GetRules", admin_pb.GetRulesRequest, rpcs.get_rules, TenantRole.ADMIN),
        "CheckRules": boundary.unary(f"{ADMIN_SERVICE}/CheckRules", admin_pb.CheckRulesRequest, rpcs.check_rules, TenantRole.ADMIN),
        "ExplainDecision": boundary.unary(
            f"{ADMIN_SERVICE}/ExplainDecision", admin_pb.ExplainDecisionRequest, rpcs.explain_decision, TenantRole.ADMIN
        ),
        "GetCache": boundary.unary(f"{ADMIN_SERVICE}/GetCache", admin_pb.GetCacheRequest, rpcs.get_cache, TenantRole.ADMIN),
        "PurgeCache": boundary.unary(f"{ADMIN_SERVICE}/PurgeCache", admin_pb.PurgeCacheRequest, rpcs.purge_cache, TenantRole.ADMIN),
        "GetUsage": boundary.unary(f"{ADMIN_SERVICE}/GetUsage", admin_pb.GetUsageRequest, rpcs.get_usage, TenantRole.ADMIN),
    }
    return {ROUTER_SERVICE: routing, ADMIN_SERVICE: admin}


def reflection_handlers(names: Iterable[str], boundary: Boundary) -> Services:
    """Return gRPC reflection for services of these names: for admins only, since it tells what there is to attack."""
    servicer = reflection.aio.ReflectionServicer((*names, reflection.SERVICE_NAME))
    method = "ServerReflectionInfo"
    handler = grpc.stream_stream_rpc_method_handler(
        boundary.guarded(f"{reflection.SERVICE_NAME}/{method}", servicer.ServerReflectionInfo, TenantRole.ADMIN),
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    return {reflection.SERVICE_NAME: {method: handler}}


_ONE = ThreadPoolExecutor(1, "check-rules")
"""Checks files one after the other: the text is anybody's who is an admin, and calls are served meanwhile."""


class _Rpcs:
    def __init__(self, router: Router, live: Live, identity: Identity) -> None:
        self._router = router
        self._live = live
        self._identity = identity

    async def route(self, message: router_pb.RouteRequest, call: Call) -> router_pb.RouteResponse:
        decision = await self._router.route(codec.request_from_pb(message.request), call, explained=message.explain)
        return codec.route_response(decision)

    async def complete(self, message: router_pb.CompleteRequest, call: Call) -> router_pb.CompleteResponse:
        request = codec.request_from_pb(message.request)
        if call.captures:
            call.hear(Content(prompt=request.prompt))
        decision, completion = await self._router.complete(request, _with_cache(call, message), explained=message.explain)
        if call.captures:
            call.hear(Content(prompt=request.prompt, answer=completion.message))
        return codec.complete_response(decision, completion)

    async def stream_complete(
        self, message: router_pb.StreamCompleteRequest, call: Call
    ) -> AsyncGenerator[router_pb.StreamCompleteResponse, None]:
        request = codec.request_from_pb(message.request)
        events = self._router.stream(request, _with_cache(call, message), explained=message.explain)
        async with aclosing(_heard(events, request, call) if call.captures else events) as heard:
            async for event in heard:
                yield codec.stream_response(event)

    async def record_feedback(self, message: router_pb.RecordFeedbackRequest, call: Call) -> router_pb.RecordFeedbackResponse:
        self._router.feedback.take(call, *codec.score_from_pb(message))
        return router_pb.RecordFeedbackResponse()

    async def list_models(self, _message: admin_pb.ListModelsRequest, _call: Call) -> admin_pb.ListModelsResponse:
        models = [codec.listed_model_to_pb(codec.listed(status)) for status in self._router.models()]
        return admin_pb.ListModelsResponse(models=models, anonymous_tenant=self._identity.everybody())

    async def get_rules(self, message: admin_pb.GetRulesRequest, _call: Call) -> admin_pb.GetRulesResponse:
        everybody, alone = self._identity.everybody(), self._router.tenants_alone()
        return codec.rules_to_pb(codec.rules_in_use(self._live.current, everybody, alone, files=message.include_files))

    async def check_rules(self, message: admin_pb.CheckRulesRequest, _call: Call) -> admin_pb.CheckRulesResponse:
        sources = proposed(self._live.current.sources, {file.path: file.content for file in message.files})
        judging = asyncio.get_running_loop().run_in_executor(_ONE, _judgement, sources, self._live.trust, self._router.recent.made())
        return codec.judgement_to_pb(await judging)

    async def get_cache(self, message: admin_pb.GetCacheRequest, _call: Call) -> admin_pb.GetCacheResponse:
        await self._router.check_tenant(message.tenant, self._tenants())
        return codec.cache_account_to_pb(self._router.cache_account(message.tenant))

    async def purge_cache(self, message: admin_pb.PurgeCacheRequest, _call: Call) -> admin_pb.PurgeCacheResponse:
        if not message.tenant:
            raise InvalidRequest(Violation(field="tenant", message="is empty: name the tenant whose answers are to be dropped"))
        await self._router.check_tenant(message.tenant, self._tenants())
        try:
            return admin_pb.PurgeCacheResponse(entries=await self._router.purge_cache(message.tenant))
        except StoreDown:
            told = "this server's answers are dropped, but the store that replicas share could not be told; ask again in a moment"
            raise StoreUnavailable(told) from None

    async def explain_decision(self, message: admin_pb.ExplainDecisionRequest, _call: Call) -> admin_pb.ExplainDecisionResponse:
        made = self._router.recent.find(message.decision_id)
        return codec.account_to_pb(await asyncio.to_thread(account, made.situation))

    async def get_usage(self, message: admin_pb.GetUsageRequest, _call: Call) -> admin_pb.GetUsageResponse:
        tenants = self._tenants()
        await self._router.check_tenant(message.tenant, tenants)
        return codec.usage_to_pb(await self._router.used(codec.usage_query_from_pb(message, self._router.now()), tenants))

    def _tenants(self) -> tuple[str, ...]:
        """Return the names of all who may call."""
        tenants = self._live.tenants()
        return tuple(tenants.by_id) if tenants is not None else (self._identity.everybody(),)


async def _heard(events: Streamed, request: Request, call: Call) -> Streamed:
    """Yield the events of a stream, and have what is asked and answered heard."""
    gathering = Gathering()
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Decision):
                call.hear(Content(prompt=request.prompt))
            elif isinstance(event, Completion):
                call.hear(Content(prompt=request.prompt, answer=gathering.whole(event).message))
            else:
                gathering.add(event)
            yield event


def _with_cache(call: Call, message: router_pb.CompleteRequest | router_pb.StreamCompleteRequest) -> Call:
    return structs.replace(call, cache=codec.cache_policy_from_pb(message.cache)) if message.HasField("cache") else call


def _judgement(sources: Mapping[str, bytes], trust: Trust, made: list[RecentDecision]) -> codec.Judgement:
    """Return what rule files would come to, and to how many of the last decisions they would make a difference."""
    found = checked(sources, trust)
    if found.ruleset is None:
        return codec.Judgement(problems=found.problems)
    return codec.Judgement(
        revision=found.ruleset.revision, problems=found.problems, compared=len(made), changed=changed(made, found.ruleset)
    )
