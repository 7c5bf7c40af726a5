"""The least that can stand between a gRPC caller and a provider: decode, one POST with the same HTTP client, decode, encode."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import grpc
import msgspec
import uvloop

from pointsman.adapters.http import HttpClient
from pointsman.v1 import routing_pb2 as pb
from pointsman.v1.router_service_pb2 import CompleteRequest, CompleteResponse


class Message(msgspec.Struct):
    content: str


class Choice(msgspec.Struct):
    message: Message


class Reply(msgspec.Struct):
    choices: list[Choice]


async def main(upstream: str) -> None:
    """Serve until killed; the ready line says where."""
    http, decode = HttpClient(), msgspec.json.Decoder(Reply).decode

    async def complete(message: CompleteRequest, _context: grpc.aio.ServicerContext[Any, Any]) -> CompleteResponse:
        asked = {"model": "m", "messages": [{"role": "user", "content": message.request.prompt.text}]}
        reply = await http.post(
            f"{upstream}/chat/completions", {"Content-Type": "application/json"}, msgspec.json.encode(asked), internal=True
        )
        answer = pb.Message(role=pb.ROLE_ASSISTANT, text=decode(reply.body).choices[0].message.content)
        return CompleteResponse(completion=pb.Completion(message=answer))

    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    handler: Any = grpc.unary_unary_rpc_method_handler(
        complete,
        request_deserializer=CompleteRequest.FromString,
        response_serializer=CompleteResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("pointsman.v1.RouterService", {"Complete": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"proxy ready on 127.0.0.1:{port}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
