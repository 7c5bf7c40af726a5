"""Health: what is told, when, and that no watcher holds up another."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2 as pb

from pointsman.wire.health import LONGEST_NAME, MOST_WATCHERS, NOT_SERVING, SERVING, Health

UNKNOWN = pb.HealthCheckResponse.SERVICE_UNKNOWN


class Context:
    """Stands for grpc's context: notes the code of an abort."""

    code: grpc.StatusCode | None = None

    async def abort(self, code: grpc.StatusCode, _details: str) -> None:
        self.code = code
        raise grpc.aio.AbortError


def watch(health: Health, name: str, context: Any = None) -> Any:
    stands_in: Any = context or Context()
    return health._watch(pb.HealthCheckRequest(service=name), stands_in)


async def told(watching: Any) -> int:
    return int((await anext(watching)).status)


async def test_a_watcher_is_told_the_status_and_each_change_of_it() -> None:
    health = Health()
    watching = watch(health, "a")

    assert await told(watching) == UNKNOWN
    health.set(SERVING, "a", "b")
    assert await told(watching) == SERVING
    health.set(SERVING, "a")
    health.set(NOT_SERVING, "a")
    assert await told(watching) == NOT_SERVING


async def test_a_watcher_who_does_not_read_holds_up_nobody() -> None:
    """It stays where it yields, as it does while grpc waits for the client to take what was sent."""
    health = Health()
    health.set(SERVING, "a")
    stuck, other = watch(health, "a"), watch(health, "a")
    assert [await told(each) for each in (stuck, other)] == [SERVING, SERVING]

    health.set(NOT_SERVING, "a")

    assert await told(other) == NOT_SERVING


@pytest.mark.parametrize(
    ("name", "watchers", "code"),
    [("x" * (LONGEST_NAME + 1), 0, grpc.StatusCode.INVALID_ARGUMENT), ("a", MOST_WATCHERS, grpc.StatusCode.UNIMPLEMENTED)],
)
async def test_names_and_watchers_have_an_end(name: str, watchers: int, code: grpc.StatusCode) -> None:
    health, context = Health(), Context()
    health._watchers = watchers

    with pytest.raises(grpc.aio.AbortError):
        await told(watch(health, name, context))

    assert (context.code, health._watchers) == (code, watchers)


async def test_who_leaves_makes_room() -> None:
    health = Health()
    watching = watch(health, "a")
    await told(watching)
    assert health._watchers == 1

    await watching.aclose()

    assert health._watchers == 0
