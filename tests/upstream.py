"""An upstream over real HTTP on loopback, which behaves and misbehaves as a script says, and tells what it saw."""

from __future__ import annotations

import asyncio
import itertools
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Self, TypeAlias

OK = "200 OK"
JSON = "application/json"
SSE = "text/event-stream; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A request as it came in, and the number of the connection that it came on."""

    path: str
    headers: dict[str, str]
    body: bytes
    connection: int


class Exchange:
    """One request being answered: sends bytes no faster than they are taken, counts those, and knows when the client has gone."""

    def __init__(self, writer: asyncio.StreamWriter, gone: asyncio.Event) -> None:
        self.writer = writer
        self.gone = gone
        self.taken = 0

    async def send(self, sent: bytes) -> None:
        self.writer.write(sent)
        await self.writer.drain()
        self.taken += len(sent)

    async def head(self, status: str = OK, kind: str = JSON, **headers: object) -> None:
        lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
        await self.send("\r\n".join([*lines, "", ""]).encode())

    async def chunk(self, sent: bytes) -> None:
        await self.send(b"%x\r\n%b\r\n" % (len(sent), sent))

    def reset(self) -> None:
        """End the connection with RST instead of FIN."""
        opened: socket.socket = self.writer.get_extra_info("socket")
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Behaviour: TypeAlias = Callable[[Exchange], Awaitable[None]]


def replies(body: bytes, *, status: str = OK, kind: str = JSON, **headers: object) -> Behaviour:
    """Return the behaviour of a server that replies as it should."""

    async def behave(exchange: Exchange) -> None:
        await exchange.head(status, kind, Content_Length=len(body), **headers)
        await exchange.send(body)

    return behave


def event(data: str) -> bytes:
    """Return one server-sent event."""
    return f"data: {data}\n\n".encode()


def streams(*pieces: bytes | float, then: str = "end") -> Behaviour:
    """Return the behaviour of a server that sends pieces, waits where there is a number (of seconds), and then does one of:

    `end` the reply, `cut` the connection in the middle of it, `reset` it, `hang`, or `repeat` the last piece for ever.
    """

    async def behave(exchange: Exchange) -> None:
        await exchange.head(kind=SSE, Transfer_Encoding="chunked")
        for piece in pieces:
            await (asyncio.sleep(piece) if isinstance(piece, float) else exchange.chunk(piece))
        while then == "repeat" and isinstance(pieces[-1], bytes):
            await exchange.chunk(pieces[-1])
        match then:
            case "end":
                await exchange.send(b"0\r\n\r\n")
            case "cut":
                exchange.writer.close()
            case "reset":
                await asyncio.sleep(0.02)  # a reset discards what the client has not read yet
                exchange.reset()
            case _:
                await exchange.gone.wait()

    return behave


async def resets(exchange: Exchange) -> None:
    """End the connection instead of a reply."""
    exchange.reset()


async def hangs(exchange: Exchange) -> None:
    """Never answer."""
    await exchange.gone.wait()


async def drips(exchange: Exchange) -> None:
    """Send a line that never ends, a byte at a time."""
    await exchange.head(kind=SSE, Transfer_Encoding="chunked")
    while True:
        await exchange.chunk(b":")
        await asyncio.sleep(0.01)


async def truncates(exchange: Exchange) -> None:
    """Promise more than comes."""
    await exchange.head(Content_Length=1000)
    await exchange.send(b'{"choices": [')
    exchange.writer.close()


@dataclass(kw_only=True)
class Upstream:
    """Listens while it is entered. Each request gets the next behaviour of the script; the last one stays."""

    script: Iterable[Behaviour]
    tls: ssl.SSLContext | None = None
    requests: list[Seen] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        self._behaviours = list(self.script)
        self._connections = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()
        listening = socket.create_server(("127.0.0.1", 0))
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 << 10)  # so that what was sent is what the client took, almost
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # so that a piece that was sent is not held back for the next one
        self._server = await asyncio.get_running_loop().create_server(lambda: _Connection(self), sock=listening, ssl=self.tls)
        self.url = f"http{'s' if self.tls else ''}://127.0.0.1:{listening.getsockname()[1]}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, gone: asyncio.Event) -> None:
        self._tasks.add(asyncio.create_task(self._serve(reader, writer, gone)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, gone: asyncio.Event) -> None:
        writer.transport.set_write_buffer_limits(high=0)
        number = next(self._connections)
        try:
            while True:
                self.requests.append(await _request(reader, number))
                behaviour = self._behaviours.pop(0) if len(self._behaviours) > 1 else self._behaviours[0]
                self.exchanges.append(Exchange(writer, gone))
                await behaviour(self.exchanges[-1])
        except (ConnectionError, EOFError):
            gone.set()
        finally:
            writer.transport.abort()


class _Connection(asyncio.StreamReaderProtocol):
    """Notes when the client has gone, also while nobody reads or writes."""

    def __init__(self, upstream: Upstream) -> None:
        self._gone = asyncio.Event()
        super().__init__(asyncio.StreamReader(), lambda reader, writer: upstream.connected(reader, writer, self._gone))

    def eof_received(self) -> bool:
        self._gone.set()
        return bool(super().eof_received())

    def connection_lost(self, exc: Exception | None) -> None:
        self._gone.set()
        super().connection_lost(exc)


async def _request(reader: asyncio.StreamReader, connection: int) -> Seen:
    """Return the next request. Raises EOFError where there is none."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = {name.lower(): value for line in head[1:] if line for name, _, value in [line.partition(": ")]}
    return Seen(
        path=head[0].split(" ")[1], headers=headers, body=await reader.readexactly(int(headers["content-length"])), connection=connection
    )
