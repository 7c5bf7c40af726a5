"""What tests that call a server share: how a call failed, and what reflection lists."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, TypeVar

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2 as details
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_status import rpc_status

D = TypeVar("D", bound=Message)


async def failure(call: Awaitable[Any]) -> grpc.aio.AioRpcError:
    """Return the error with which a call ends."""
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await call
    return failed.value


def detail(error: grpc.aio.AioRpcError, kind: type[D]) -> D:
    """Return the detail of one kind that the status of a failed call has."""
    found, status = kind(), rpc_status.from_call(error)
    assert status is not None
    assert any(packed.Unpack(found) for packed in status.details)
    return found


def reason(error: grpc.aio.AioRpcError) -> str:
    return str(detail(error, details.ErrorInfo).reason)


def reflected(channel: grpc.aio.Channel, **options: Any) -> Awaitable[Any]:
    """Ask for the services that reflection lists."""
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    return stub.ServerReflectionInfo(iter([request]), **options).read()  # type: ignore[no-any-return]  # it ships no types
