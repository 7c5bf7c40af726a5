"""What speaks HTTP/2 for the handlers: the server of grpcio, or one in Rust that runs the same handlers at half the CPU of a call.

grpcio is what is served by default. The other, pygrpc-native, is for where a proxy of one's own stands before each server, as in a mesh. To
that proxy it leaves what it cannot do itself: TLS, connections that end by age, and a bound on what is sent (a message is held whole before
it is refused as too large). At its end it sends nobody elsewhere, and metadata that begin with `grpc-` cannot be sent.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

import grpc

from pointsman.settings import Settings
from pointsman.wire.tls import Certificates

Methods: TypeAlias = "dict[str, grpc.RpcMethodHandler[Any, Any]]"
Services: TypeAlias = dict[str, Methods]
"""Handlers of methods by their names, by the names of their services."""

LARGEST_MESSAGE = 8 * 1024 * 1024
LARGEST_METADATA = 16 * 1024

OPTIONS: list[tuple[str, int]] = [
    ("grpc.max_receive_message_length", LARGEST_MESSAGE),
    ("grpc.max_send_message_length", LARGEST_MESSAGE),
    ("grpc.max_metadata_size", LARGEST_METADATA),
    ("grpc.absolute_max_metadata_size", LARGEST_METADATA),  # between the two limits grpc would refuse at random
    ("grpc.max_concurrent_streams", 1000),  # of one connection
    ("grpc.so_reuseport", 0),  # else a second server on the same port starts, and swallows half of the connections
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 20_000),  # clients that ping each 30 s are welcome
]

LONGER_S = 5.0
"""For the end of a call that took as long as one may."""

OTHERS = 32
"""Threads for what else is not done on the event loop."""


class CannotListen(Exception):
    """The address is taken, or is none of this machine's."""


def server_of(settings: Settings) -> grpc.aio.Server:
    """Return a server without handlers that has no address yet. Raises CannotListen where what the settings name is not installed."""
    if not settings.is_native:
        return grpc.aio.server(options=[*OPTIONS, *_ages(settings)])
    try:
        import pygrpc_native.aio as native  # noqa: PLC0415  # most do not need it, and need not have it
    except ImportError:
        raise CannotListen("POINTSMAN_TRANSPORT=native: pygrpc-native is not installed; pip install 'pointsman[native]'") from None
    # Each stream whose caller does not read keeps a thread of the common ones; more than there can be, so that others find one.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(settings.most_calls + OTHERS, "waiting"))
    return native.Server(options=OPTIONS, io_threads=1)  # one keeps up with all that one interpreter answers, and costs less than two


def add(server: grpc.aio.Server, services: Services) -> None:
    """Add services to a server, each in two ways, as generated code does: native takes what is registered, and grpcio the other."""
    for service, methods in services.items():
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, methods),))
        server.add_registered_method_handlers(service, methods)


def bind(server: grpc.aio.Server, listen: str, certificates: Certificates | None = None) -> str:
    """Return HOST:PORT with the port that was given; with TLS where there are certificates, in the clear without. Raises CannotListen."""
    try:
        port = server.add_secure_port(listen, certificates.credentials()) if certificates else server.add_insecure_port(listen)
    except RuntimeError as error:
        raise CannotListen(f"cannot listen on {listen}: the address is in use, or not of this machine") from error
    return f"{listen.rpartition(':')[0]}:{port}"


async def start(server: grpc.aio.Server) -> None:
    """Begin to accept calls. Raises CannotListen."""
    try:
        await server.start()
    except OSError as error:  # what native does not speak itself, as reflection, it hands to grpcio by a socket in a file
        raise CannotListen(
            f"native needs a directory for temporary files to serve reflection: {error}; set TMPDIR, or leave out POINTSMAN_REFLECTION"
        ) from error


async def leave(server: grpc.aio.Server, settings: Settings) -> None:
    """Send callers elsewhere, and return when the grace period is over; sooner where no call is left or the server is stopped for good.

    Native has no word for that, and once asked to stop with grace it cannot be hurried: there, only the time passes.
    """
    await (asyncio.sleep(settings.grace_s) if settings.is_native else server.stop(settings.grace_s))


def _ages(settings: Settings) -> list[tuple[str, int]]:
    """Return after how long callers are asked to connect anew, by which they meet new replicas and new certificates.

    What is under way on the old connection then has as long as a call may last.
    """
    return [
        ("grpc.max_connection_age_ms", round(settings.connection_age_s * 1000)),
        ("grpc.max_connection_age_grace_ms", round((settings.longest_call_s + LONGER_S) * 1000)),
    ]
