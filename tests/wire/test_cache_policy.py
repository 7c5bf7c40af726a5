"""How a call says over the wire what it wants of the response cache, and by which key it may be repeated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2 as details

from asked import detail, failure, reason
from fakes import ScriptedProvider
from pointsman.client import Client
from pointsman.core.errors import InvalidRequest
from pointsman.core.request import CachePolicy
from pointsman.core.vocabulary import CacheMode, CacheStatus
from pointsman.v1 import router_service_pb2 as router_pb
from pointsman.v1 import routing_pb2 as pb
from pointsman.wire.codec import cache_policy_from_pb, cache_policy_to_pb

if TYPE_CHECKING:
    from conftest import Start


@pytest.mark.parametrize("mode", CacheMode)
@pytest.mark.parametrize("age", [None, 0.0, 1.5, 90_000.0])
def test_a_policy_comes_back_as_it_went(mode: CacheMode, age: float | None) -> None:
    policy = CachePolicy(mode=mode, max_age_ms=age)

    assert cache_policy_from_pb(cache_policy_to_pb(policy)) == policy


def test_every_field_at_fault_is_named() -> None:
    message = pb.CachePolicy(max_age=Duration(seconds=-1))
    message.mode = 99  # type: ignore[assignment]  # as a newer client may send

    with pytest.raises(InvalidRequest) as refused:
        cache_policy_from_pb(message)
    assert [(wrong.field, wrong.message) for wrong in refused.value.violations] == [
        ("cache.mode", "must be one of CACHE_MODE_BYPASS, CACHE_MODE_REFRESH, CACHE_MODE_ONLY_IF_CACHED, CACHE_MODE_USE"),
        ("cache.max_age", "must not be negative, found -1000 ms"),
    ]


def asking(text: str = "hi", **cache: Any) -> router_pb.CompleteRequest:
    return router_pb.CompleteRequest(request=pb.Request(prompt=pb.Prompt(text=text)), cache=pb.CachePolicy(**cache))


USE = pb.CACHE_MODE_USE


async def test_status_cost_and_log_line_say_what_the_cache_did(start: Start) -> None:
    running = await start(ScriptedProvider("hello"))
    first = await running.router.Complete(asking(mode=USE))
    second = await running.router.Complete(asking(mode=USE))
    stream = [
        event
        async for event in running.router.StreamComplete(
            router_pb.StreamCompleteRequest(request=asking().request, cache=pb.CachePolicy(mode=USE))
        )
    ]

    assert (first.completion.cache_status, second.completion.cache_status) == (pb.CACHE_STATUS_MISS, pb.CACHE_STATUS_HIT)
    assert second.completion.message.text == "hello"
    assert (len(second.completion.attempts), second.completion.usage.cost.nano_usd) == (0, 0)
    assert [event.WhichOneof("event") for event in stream] == ["decision", "delta", "completion"]
    assert stream[-1].completion.cache_status == pb.CACHE_STATUS_HIT
    assert [line.get("cache") for line in running.calls()] == ["miss", "hit", "hit"]


async def test_only_if_cached_is_not_found(start: Start) -> None:
    running = await start(ScriptedProvider())
    error = await failure(running.router.Complete(asking(mode=pb.CACHE_MODE_ONLY_IF_CACHED)))

    assert (error.code(), reason(error)) == (grpc.StatusCode.NOT_FOUND, "NOT_CACHED")


async def test_a_bad_policy_is_refused_with_its_field(start: Start) -> None:
    running = await start(ScriptedProvider())
    error = await failure(running.router.Complete(asking(max_age=Duration(seconds=-1))))

    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert detail(error, details.BadRequest).field_violations[0].field == "cache.max_age"


async def test_a_call_with_a_key_may_be_repeated_and_no_other_made_by_it(start: Start) -> None:
    running = await start(ScriptedProvider("hello"))
    metadata = (("idempotency-key", "order-17"),)
    first = await running.router.Complete(asking(), metadata=metadata)
    again = await running.router.Complete(asking(), metadata=metadata)
    error = await failure(running.router.Complete(asking("something else"), metadata=metadata))

    assert first.completion.message == again.completion.message
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert detail(error, details.BadRequest).field_violations[0].field == "idempotency-key"
    assert "order-17" not in running.out.getvalue().decode()


@pytest.mark.parametrize(
    "metadata",
    [
        (("idempotency-key", ""),),
        (("idempotency-key", "a b"),),
        (("idempotency-key", "k" * 256),),
        (("idempotency-key", "a"), ("idempotency-key", "b")),
    ],
)
async def test_what_is_no_key_is_refused(start: Start, metadata: tuple[tuple[str, str], ...]) -> None:
    running = await start(ScriptedProvider("hello"))
    error = await failure(running.router.Complete(asking(), metadata=metadata))

    assert (error.code(), reason(error)) == (grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID")
    assert "1 to 255 characters" in detail(error, details.BadRequest).field_violations[0].description


async def test_the_python_client_says_both(start: Start) -> None:
    running = await start(ScriptedProvider("hello", "again"))
    async with Client(running.address) as client:
        kept = [await client.complete("hi", cache=CachePolicy(mode=CacheMode.USE)) for _ in range(2)]
        repeated = [await client.complete("hi", idempotency_key="k") for _ in range(2)]
        with pytest.raises(InvalidRequest, match="idempotency-key"):
            await client.complete("hi", idempotency_key="no key")

    assert [completion.cache_status for _, completion in kept] == [CacheStatus.MISS, CacheStatus.HIT]
    assert [completion.cache_status for _, completion in repeated] == [CacheStatus.UNSPECIFIED, CacheStatus.HIT]


async def test_what_the_cache_did_is_told_and_a_tenants_answers_are_dropped(start: Start) -> None:
    running = await start(ScriptedProvider("hello", "again"))
    async with Client(running.address) as client:
        for _ in range(3):
            await client.complete("hi", cache=CachePolicy(mode=CacheMode.USE))
        account = await client.cache()
        (row,) = account.rows
        purged = await client.purge_cache("default")
        with pytest.raises(InvalidRequest, match="name the tenant"):
            await client.purge_cache("")
        _, completion = await client.complete("hi", cache=CachePolicy(mode=CacheMode.USE))

    assert (row.tenant, row.hits, row.misses, row.saved > 0) == ("default", 2, 1, True)
    assert [(miss.tenant, miss.changed) for miss in account.misses] == [("default", "nothing like it was asked before")]
    assert (account.entries, account.bytes > 0) == (1, True)
    assert purged == 1
    assert completion.cache_status is CacheStatus.MISS
