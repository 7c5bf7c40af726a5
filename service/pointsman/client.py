"""The Python client: requests and answers as values, deadlines in seconds, errors of the same classes that the server raises.

async with Client("localhost:50051") as client:
    decision, completion = await client.complete("What is 17 * 23?", timeout_s=5)
    print(completion.message.text, decision.rule.id)
A server that tells callers apart wants `Client(target, api_key="...")`, one with TLS `tls=Tls(ca=...)`.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import grpc
from google.protobuf.message import Message
from msgspec import Struct

from pointsman.core.account import Account
from pointsman.core.cachebook import CacheAccount
from pointsman.core.completion import Completion, Delta
from pointsman.core.decision import Decision
from pointsman.core.errors import InvalidRequest, PointsmanError, Violation
from pointsman.core.ledger import Group
from pointsman.core.request import CachePolicy, Request
from pointsman.v1 import admin_service_pb2 as admin_pb
from pointsman.v1 import router_service_pb2 as router_pb
from pointsman.v1.admin_service_pb2_grpc import AdminServiceStub
from pointsman.v1.router_service_pb2_grpc import RouterServiceStub
from pointsman.wire import codec
from pointsman.wire.metadata import AUTHORIZATION, IDEMPOTENCY_KEY, REQUEST_ID, is_request_id, own_key_of
from pointsman.wire.status import error_of
from pointsman.wire.tls import client_credentials

if TYPE_CHECKING:
    from pointsman.v1.router_service_pb2_grpc import RouterServiceAsyncStub  # there for types only

M = TypeVar("M", bound=Message)

LARGEST_MESSAGE = 8 * 1024 * 1024
LARGEST_SENT = 16 * 1024 * 1024
"""The server decides what is too large, so that callers get its answer and not one of their own library."""

OPTIONS: list[tuple[str, Any]] = [
    ("grpc.max_receive_message_length", LARGEST_MESSAGE),
    ("grpc.max_send_message_length", LARGEST_SENT),
    ("grpc.per_rpc_retry_buffer_size", LARGEST_SENT),  # a longer request would be tried once only; grpc's own 256 KiB are a long prompt
    ("grpc.keepalive_time_ms", 30_000),  # of calls under way: a machine that is gone ends no connection
    ("grpc.keepalive_timeout_ms", 10_000),
]

SERVICE = "pointsman.v1.RouterService"


def service_config(*retried: str) -> dict[str, Any]:
    """Return gRPC's service config: calls go to all replicas that say they are ready, and those of these methods are tried again.

    Of a replica that dies, all calls under way fail at once. Throttling must not take that for an outage, so it begins after some 250.
    """
    again = {
        "maxAttempts": 3,
        "initialBackoff": "0.1s",
        "maxBackoff": "1s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    return {
        "loadBalancingConfig": [{"round_robin": {}}],
        "healthCheckConfig": {"serviceName": SERVICE},
        "methodConfig": [{"name": [{"service": SERVICE, "method": method} for method in retried], "retryPolicy": again}],
        "retryThrottling": {"maxTokens": 500, "tokenRatio": 0.1},
    }


SERVICE_CONFIG = service_config("Route")
"""A Complete that failed may have been paid for."""

KEYED_SERVICE_CONFIG = service_config("Route", "Complete", "StreamComplete")
"""Of calls with an idempotency key. A stream is tried again until its first piece has come, and never after."""


class Tls(Struct, frozen=True, kw_only=True):
    """TLS of a client, as PEM files."""

    ca: Path | None = None
    """Authorities that the server's certificate must be of; None for those that the system trusts."""
    cert: Path | None = None
    """The certificate chain that the client shows, with its key."""
    key: Path | None = None
    name: str = ""
    """That the server's certificate must have, where it is not that of the target: as through a port-forward."""


class Client:
    """Calls a server. Use it as an async context manager, or `close` it; one client serves any number of tasks."""

    def __init__(self, target: str, *, api_key: str = "", tls: Tls | None = None) -> None:
        """`target` is HOST:PORT, or any name that gRPC resolves. Without `tls` everything goes in the clear, the key as well.

        Raises BadCertificate, a ValueError, for files of TLS that cannot be used.
        """
        self._authorization = ((AUTHORIZATION, f"Bearer {api_key}"),) if api_key else ()
        self._channel, self._keyed_channel = _channel(target, tls, SERVICE_CONFIG), _channel(target, tls, KEYED_SERVICE_CONFIG)
        self._router, self._keyed = RouterServiceStub(self._channel), RouterServiceStub(self._keyed_channel)
        self._admin = AdminServiceStub(self._channel)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections; calls under way are cancelled."""
        await self._channel.close()
        await self._keyed_channel.close()

    async def route(
        self, request: Request | str, *, explain: bool = False, timeout_s: float | None = None, request_id: str = ""
    ) -> Decision:
        """Return which model is to serve the request, and why. Raises PointsmanError."""
        message = router_pb.RouteRequest(request=_encoded(request), explain=explain)
        response: router_pb.RouteResponse = await self._called(self._router.Route, message, timeout_s, request_id)
        return codec.decision_from_pb(response.decision)

    async def complete(
        self,
        request: Request | str,
        *,
        explain: bool = False,
        timeout_s: float | None = None,
        request_id: str = "",
        cache: CachePolicy | None = None,
        idempotency_key: str = "",
    ) -> tuple[Decision, Completion]:
        """Return the decision and the answer of the model. Raises PointsmanError.

        With an idempotency key the call may be repeated for a day: it is answered once, and then with that answer. So it is tried again
        by itself where a replica ends or dies; without one it is not.
        """
        message = router_pb.CompleteRequest(request=_encoded(request), explain=explain, cache=_policy(cache))
        response: router_pb.CompleteResponse = await self._called(
            self._for(idempotency_key).Complete, message, timeout_s, request_id, idempotency_key
        )
        return codec.decision_from_pb(response.decision), codec.completion_from_pb(response.completion)

    async def stream(
        self,
        request: Request | str,
        *,
        explain: bool = False,
        timeout_s: float | None = None,
        request_id: str = "",
        cache: CachePolicy | None = None,
        idempotency_key: str = "",
    ) -> AsyncGenerator[Decision | Delta | Completion, None]:
        """Yield the decision, the pieces of the answer as they come, and the completion without its message. Raises PointsmanError.

        Leaving the loop early, or closing the generator, ends the call upstream, too.
        """
        message = router_pb.StreamCompleteRequest(request=_encoded(request), explain=explain, cache=_policy(cache))
        call = self._for(idempotency_key).StreamComplete(
            message, timeout=timeout_s, metadata=(*self._authorization, *_metadata(request_id, idempotency_key))
        )
        try:
            async for response in call:
                yield _event(response)
        except grpc.aio.AioRpcError as error:
            raise _error_of(error, message) from None
        finally:
            call.cancel()

    async def record_feedback(self, decision_id: str, score: float, *, source: str = "", timeout_s: float | None = None) -> None:
        """Say how good the answer of a decision of the last day was, 0 to 1; `source` is "user" or the like. Raises PointsmanError."""
        message = codec.score_to_pb(codec.Score(decision_id, score, source))
        await self._called(self._router.RecordFeedback, message, timeout_s)

    async def models(self, *, timeout_s: float | None = None) -> list[codec.ListedModel]:
        """Return the models of the catalog with their state, ordered by id. Raises PointsmanError."""
        response: admin_pb.ListModelsResponse = await self._called(self._admin.ListModels, admin_pb.ListModelsRequest(), timeout_s)
        return [codec.listed_model_from_pb(model) for model in response.models]

    async def rules(self, *, files: bool = False, timeout_s: float | None = None) -> codec.RulesInUse:
        """Return the rules in use and how the rule directory is; with `files` their texts, too. Raises PointsmanError."""
        message = admin_pb.GetRulesRequest(include_files=files)
        response: admin_pb.GetRulesResponse = await self._called(self._admin.GetRules, message, timeout_s)
        return codec.rules_from_pb(response)

    async def check_rules(self, files: Mapping[str, str], *, timeout_s: float | None = None) -> codec.Judgement:
        """Return what these rule files, by name, would come to in place of those in use or beside them. Raises PointsmanError."""
        message = admin_pb.CheckRulesRequest(files=[admin_pb.RuleFile(path=name, content=text) for name, text in files.items()])
        response: admin_pb.CheckRulesResponse = await self._called(self._admin.CheckRules, message, timeout_s)
        return codec.judgement_from_pb(response)

    async def explain(self, decision_id: str, *, timeout_s: float | None = None) -> Account:
        """Return how one of the server's last decisions came about, and what would have led elsewhere. Raises PointsmanError."""
        message = admin_pb.ExplainDecisionRequest(decision_id=decision_id)
        response: admin_pb.ExplainDecisionResponse = await self._called(self._admin.ExplainDecision, message, timeout_s)
        return codec.account_from_pb(response)

    async def cache(self, tenant: str = "", *, timeout_s: float | None = None) -> CacheAccount:
        """Return what the server's response cache did for a tenant, or for all. Raises PointsmanError."""
        response: admin_pb.GetCacheResponse = await self._called(self._admin.GetCache, admin_pb.GetCacheRequest(tenant=tenant), timeout_s)
        return codec.cache_account_from_pb(response)

    async def purge_cache(self, tenant: str, *, timeout_s: float | None = None) -> int:
        """Drop every kept answer of a tenant, and return how many the server kept by itself. Raises PointsmanError."""
        message = admin_pb.PurgeCacheRequest(tenant=tenant)
        response: admin_pb.PurgeCacheResponse = await self._called(self._admin.PurgeCache, message, timeout_s)
        return response.entries

    async def usage(
        self,
        *,
        by: Sequence[str] = (),
        start: datetime | None = None,
        end: datetime | None = None,
        tenant: str = "",
        timeout_s: float | None = None,
    ) -> list[Group]:
        """Return what was used, one sum for each group: `by` some of "tenant", "model", "route", "day", "hour", everything without.

        From the hour of `start` up to that of `end`, exclusive; without them all that is kept. Raises PointsmanError.
        """
        found: list[Group] = []
        token = ""
        while True:
            message = codec.usage_query_to_pb(start=start, end=end, by=tuple(by), tenant=tenant, page_token=token)
            response: admin_pb.GetUsageResponse = await self._called(self._admin.GetUsage, message, timeout_s)
            found += [codec.usage_row_from_pb(row, tuple(by)) for row in response.rows]
            token = response.next_page_token
            if not token:
                return found

    def _for(self, idempotency_key: str) -> RouterServiceAsyncStub:
        return self._keyed if idempotency_key else self._router

    async def _called(self, method: Any, message: Message, timeout_s: float | None, request_id: str = "", own_key: str = "") -> Any:
        try:
            return await method(message, timeout=timeout_s, metadata=(*self._authorization, *_metadata(request_id, own_key)))
        except grpc.aio.AioRpcError as error:
            raise _error_of(error, message) from None


def _encoded(request: Request | str) -> Any:
    return codec.request_to_pb(Request.of(request) if isinstance(request, str) else request)


def _policy(cache: CachePolicy | None) -> Any:
    return None if cache is None else codec.cache_policy_to_pb(cache)


def _metadata(request_id: str, idempotency_key: str) -> tuple[tuple[str, str], ...]:
    if request_id and not is_request_id(request_id):
        raise InvalidRequest(Violation(field=REQUEST_ID, message="must match [A-Za-z0-9_-]{1,64}"))
    own_key = own_key_of((idempotency_key,)) if idempotency_key else ""
    return tuple((name, value) for name, value in ((REQUEST_ID, request_id), (IDEMPOTENCY_KEY, own_key)) if value)


def _error_of(rpc_error: grpc.aio.AioRpcError, sent: Message) -> PointsmanError:
    """Return the error of a call. That a message was too large grpc says without a reason, and in the same words of the answer."""
    size = sent.ByteSize()
    if rpc_error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED and size > LARGEST_MESSAGE and "larger than max" in str(rpc_error.details()):
        return InvalidRequest(Violation(field="request", message=f"must be at most {LARGEST_MESSAGE >> 20} MiB long, is {size:,} bytes"))
    return error_of(rpc_error)


def _event(response: router_pb.StreamCompleteResponse) -> Decision | Delta | Completion:
    match response.WhichOneof("event"):
        case "decision":
            return codec.decision_from_pb(response.decision)
        case "completion":
            return codec.completion_from_pb(response.completion)
        case _:
            return codec.delta_from_pb(response.delta)


def _channel(target: str, tls: Tls | None, config: dict[str, Any]) -> grpc.aio.Channel:
    if _is_one_address(target):  # a server that says it is about to end serves on, and there is no other to go to
        config = {name: value for name, value in config.items() if name != "healthCheckConfig"}
    options = [*OPTIONS, ("grpc.service_config", json.dumps(config))]
    if tls is None:
        first, *others = target.removeprefix("ipv4:").removeprefix("ipv6:").split(",")
        if others:  # `A,B` would be sent as the host that is called, which is none, and is refused where that is looked at
            options.append(("grpc.default_authority", first))
        return grpc.aio.insecure_channel(target, options=options)
    if tls.name:
        options.append(("grpc.ssl_target_name_override", tls.name))
    return grpc.aio.secure_channel(target, client_credentials(tls.ca, tls.cert, tls.key), options=options)


def _is_one_address(target: str) -> bool:
    """Return whether a target is an IP address with its port, and no name, behind which there may be several servers."""
    host, colon, _ = target.removeprefix("ipv4:").removeprefix("ipv6:").rpartition(":")
    try:
        return bool(colon and ip_address(host.removeprefix("[").removesuffix("]")))
    except ValueError:
        return False
