"""The least that a grpc.aio server can be: it returns the bytes that it gets. What Route is compared with."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import uvloop


async def main() -> None:
    """Serve until killed; the ready line says where."""

    async def echo(message: bytes, _context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
        return message

    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(echo)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench.Echo", {"Echo": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"echo ready on 127.0.0.1:{port}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
