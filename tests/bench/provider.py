"""A model provider that costs next to nothing: canned replies of Chat Completions over keep-alive, and streams of a set length."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import cast

import uvloop

WORD = "answer "
USAGE = {"prompt_tokens": 200, "completion_tokens": 100, "total_tokens": 300}


def reply(words: int) -> bytes:
    """Return a whole reply of so many words as an HTTP response."""
    choice = {"index": 0, "message": {"role": "assistant", "content": WORD * words}, "finish_reason": "stop"}
    body = json.dumps({"id": "c-1", "object": "chat.completion", "model": "m", "choices": [choice], "usage": USAGE}).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def events(words: int) -> bytes:
    """Return a streamed reply of so many words as an HTTP response, each event a chunk of its own."""
    deltas = [{"choices": [{"index": 0, "delta": {"content": WORD}, "finish_reason": None}]}] * words
    ends = [{"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}, {"choices": [], "usage": USAGE}]
    datas = [json.dumps(event) for event in (*deltas, *ends)] + ["[DONE]"]
    chunks = [f"data: {data}\n\n".encode() for data in datas]
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


class Canned(asyncio.Protocol):
    """Answers every request of a connection, which must come one after the other."""

    def __init__(self, whole: bytes, streamed: bytes) -> None:
        self._whole, self._streamed = whole, streamed
        self._unread = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name

    def data_received(self, data: bytes) -> None:
        self._unread += data
        head, found, body = self._unread.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0) if found else -1
        if length < 0 or len(body) < length:
            return
        self._unread = body[length:]
        self._transport.write(self._streamed if b'"stream":true' in body else self._whole)


async def main(words: int) -> None:
    """Serve until killed; the ready line says where."""
    whole, streamed = reply(words), events(words)
    server = await asyncio.get_running_loop().create_server(lambda: Canned(whole, streamed), "127.0.0.1", 0)
    print(f"upstream ready on 127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
