"""Health, as `grpc.health.v1` defines it. Anybody may ask without a credential, so nothing that one asker does can hold up another.

The library's own servicer writes to a watcher while it holds a lock that setting a status needs, too: one watcher who does not read then
keeps a server from telling that it ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, TypeAlias

import grpc
from grpc_health.v1 import health_pb2 as pb
from grpc_health.v1.health import SERVICE_NAME

from pointsman.wire.transport import Methods, Services

LONGEST_NAME = 100
MOST_WATCHERS = 1000

SERVING, NOT_SERVING = pb.HealthCheckResponse.SERVING, pb.HealthCheckResponse.NOT_SERVING

_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class Health:
    """Tells the status of services by name."""

    def __init__(self) -> None:
        self._statuses: dict[str, int] = {}
        self._changed = asyncio.Event()
        self._watchers = 0

    def set(self, status: int, *names: str) -> None:
        """Set the status of services. It waits for nobody."""
        self._statuses.update(dict.fromkeys(names, status))
        self._changed.set()
        self._changed = asyncio.Event()

    def handlers(self) -> Services:
        """Return the service."""
        parse, serialize = pb.HealthCheckRequest.FromString, pb.HealthCheckResponse.SerializeToString
        methods: Methods = {
            "Check": grpc.unary_unary_rpc_method_handler(self._check, request_deserializer=parse, response_serializer=serialize),
            "Watch": grpc.unary_stream_rpc_method_handler(self._watch, request_deserializer=parse, response_serializer=serialize),
        }
        return {SERVICE_NAME: methods}

    async def _check(self, request: pb.HealthCheckRequest, context: _Context) -> pb.HealthCheckResponse:
        status = self._statuses.get(request.service)
        if status is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no service of that name has a health here")
        return pb.HealthCheckResponse(status=status)

    async def _watch(self, request: pb.HealthCheckRequest, context: _Context) -> AsyncGenerator[pb.HealthCheckResponse, None]:
        """Yield the status now and whenever it changes."""
        name, told = request.service, None
        if len(name) > LONGEST_NAME:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"a name has at most {LONGEST_NAME} characters")
        if self._watchers >= MOST_WATCHERS:
            # Clients that check health before they call take this code for a server without health, and call it; by others they would not.
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, f"{MOST_WATCHERS} others watch already; ask with Check")
        self._watchers += 1
        try:
            while True:
                changed, status = self._changed, self._statuses.get(name, pb.HealthCheckResponse.SERVICE_UNKNOWN)
                if status != told:
                    yield pb.HealthCheckResponse(status=status)
                    told = status
                await changed.wait()
        finally:
            self._watchers -= 1
