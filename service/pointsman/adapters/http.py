"""Calls upstreams over HTTP: whole replies, and replies as streams of server-sent events. No other file knows the HTTP client.

Rules it keeps:

- All that goes wrong is AttemptFailed, which holds neither text of the upstream nor headers of ours: the client's own errors carry both, so
  that none of them is its cause or context.
- Nothing is awaited without an end, and nothing that an upstream sends grows without a bound.
- It reads only when it is asked to. What a slow reader leaves unread stays upstream, but for some 200 KiB in our buffers.
- A call that is not read to its end closes its connection; one that is read to its end leaves it for the next call.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from types import TracebackType
from typing import Self, TypeVar

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from msgspec import Struct

from pointsman.core.request import redacted
from pointsman.ports import TRACE, AttemptFailed

LARGEST_BODY = 8 << 20
"""Bytes of a whole reply; as much as our own callers may receive."""

LARGEST_REFUSAL = 64 << 10
"""Bytes of a reply that is given where a stream was asked for."""

LONGEST_EVENT = 1 << 20
"""Bytes of a line of a stream, and of the lines that make one event."""

READ = 32 << 10
"""Bytes read at once. The client stops reading from the socket at twice as many unread ones."""

RECEIVE_BUFFER = 64 << 10
"""Bytes the kernel may hold unread (it doubles the figure, for its own books). Left to itself it grows to tens of MiB: then an upstream
would write, and bill, long past what a reader that stopped has seen."""

UNACKNOWLEDGED_MS = 30_000
"""How long an upstream may take no byte of what we send. A connection that we close still has to send what it has accepted, so that without
this limit one hung upstream would keep the sockets of all calls that gave up on it."""

_PRIVATE = "only internal upstreams may have a private address"

_CARRIERS = (IPv6Network("64:ff9b::/96"), IPv6Network("::/96"))
"""Of IPv4 addresses: by NAT64, and as they once were written."""

T = TypeVar("T")


class Reply(Struct, frozen=True, kw_only=True):
    """A whole reply, of whatever status. Names of headers may be asked for in any case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    __repr__ = redacted


def _by_status(reply: Reply) -> AttemptFailed:
    return AttemptFailed(str(reply.status))


def sent_to(headers: Mapping[str, str], *, internal: bool) -> Mapping[str, str]:
    """Return the headers of a call: only an upstream of our own is told of which trace it is part."""
    return {**headers, **TRACE.get()} if internal else headers


class HttpClient:
    """Posts to upstreams over connections that it keeps for later calls.

    It verifies TLS, and knows no redirects, no cookies, no compression, and no proxies or passwords of the environment.
    """

    def __init__(self, *, connect_s: float = 2.0, first_byte_s: float = 120.0, idle_s: float = 30.0, reply_s: float = 600.0) -> None:
        """`connect_s` is for name, TCP and TLS. `first_byte_s` is for the first event of a stream, `idle_s` between two of them; bytes
        that make no event do not count. `reply_s` is for a whole reply, whose first byte comes when the last token is known. The first and
        the last are ends that nothing passes; how long an attempt may take in earnest its executor says.
        """
        self._connect_s = connect_s
        self._first_byte_s = first_byte_s
        self._idle_s = idle_s
        self._reply_s = reply_s
        self._opened: dict[bool, aiohttp.ClientSession] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection. Calls that are under way fail."""
        for session in self._opened.values():
            await session.close()

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, *, internal: bool = False) -> Reply:
        """Return the reply. Only `internal` upstreams may have a private address.

        Raises AttemptFailed: "timeout", "connection", "private_address", "too_large", "bad_response", "bad_request".
        """
        return await _before(_now() + self._reply_s, self._exchange(url, headers, body, internal=internal))

    async def stream(
        self,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        internal: bool = False,
        refused: Callable[[Reply], AttemptFailed] = _by_status,
    ) -> AsyncGenerator[str, None]:
        """Yield the data of each event. Raises AttemptFailed as `post` does, and what `refused` says of a reply whose status is not 200."""
        until = _now() + self._first_byte_s
        response = await _before(until, self._open(url, headers, body, internal=internal))
        try:
            if response.status != 200:
                raise refused(await _before(until, _reply(response, LARGEST_REFUSAL)))
            if not response.headers.get("Content-Type", "").startswith("text/event-stream"):
                raise AttemptFailed("bad_response")
            events = _Events(response.content)
            while (data := await _before(until, events.next())) is not None:
                yield data
                until = _now() + self._idle_s
        finally:
            response.release()  # closes the connection if there is more to come, at once and without awaiting

    async def _exchange(self, url: str, headers: Mapping[str, str], body: bytes, *, internal: bool) -> Reply:
        response = await self._open(url, headers, body, internal=internal)
        try:
            return await _reply(response, LARGEST_BODY)
        finally:
            response.release()

    async def _open(self, url: str, headers: Mapping[str, str], body: bytes, *, internal: bool) -> aiohttp.ClientResponse:
        sent = sent_to(headers, internal=internal)
        return await self._session(internal=internal).post(url, data=body, headers=sent, allow_redirects=False)

    def _session(self, *, internal: bool) -> aiohttp.ClientSession:
        """Return the session for such upstreams, made on the first call, as it belongs to the loop that runs then.

        Each has its own connections: one that was opened to a private address must not serve an upstream that may have none.
        """
        if internal not in self._opened:
            # How many calls there may be is decided at our own door.
            connector = aiohttp.TCPConnector(limit=0, socket_factory=_socket if internal else _public_socket)
            self._opened[internal] = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"Accept-Encoding": "identity", "User-Agent": "pointsman"},
                timeout=aiohttp.ClientTimeout(total=None, connect=self._connect_s),
                auto_decompress=False,  # a few KiB can unpack to GiB
                trust_env=False,
                read_bufsize=READ,
            )
        return self._opened[internal]


class _Events:
    """Cuts what comes in into events, and keeps their data; other fields, comments and events without data say nothing to us.

    Lines end with LF or CRLF. A lone CR, which the standard also allows, is sent by nobody and would make each end of a line ambiguous.
    """

    def __init__(self, content: aiohttp.StreamReader) -> None:
        self._content = content
        self._line = bytearray()
        self._event: list[bytes] = []
        self._size = 0
        self._ready: deque[bytes] = deque()

    async def next(self) -> str | None:
        """Return the data of the next event, or None when the stream has ended; an event that is cut off by the end is none."""
        while not self._ready:
            chunk = await self._content.read(READ)
            if not chunk:
                return None
            self._take(chunk)
        return _text(self._ready.popleft())  # only now, so that a broken event does not take those before it along

    def _take(self, chunk: bytes) -> None:
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            self._grow(end)
            self._line_ended(bytes(self._line.removesuffix(b"\r")))
            self._line.clear()
        self._grow(rest)

    def _grow(self, piece: bytes) -> None:
        self._line += piece
        if self._size + len(self._line) > LONGEST_EVENT:
            raise AttemptFailed("too_large")

    def _line_ended(self, line: bytes) -> None:
        if line.startswith(b"data:"):
            self._event.append(line[5:].removeprefix(b" "))
            self._size += len(line)
        elif not line:
            self._event_ended()

    def _event_ended(self) -> None:
        data = b"\n".join(self._event)
        self._event.clear()
        self._size = 0
        if data:
            self._ready.append(data)


async def _reply(response: aiohttp.ClientResponse, largest: int) -> Reply:
    """Return a whole reply. Raises AttemptFailed("too_large") where its body is longer than the largest."""
    body = bytearray()
    while chunk := await response.content.read(READ):
        body += chunk
        if len(body) > largest:
            raise AttemptFailed("too_large")
    return Reply(status=response.status, headers=response.headers, body=bytes(body))


async def _before(deadline: float, work: Awaitable[T]) -> T:
    """Return what the work returns, in the loop's time. What the client raises becomes AttemptFailed."""
    try:
        async with asyncio.timeout_at(deadline):
            return await work
    except (aiohttp.ClientError, HttpProcessingError, OSError, ValueError) as error:
        failed = AttemptFailed(_error_type(error))
    raise failed  # here, where the client's error is no longer handled: `from None` would hide it, but keep it as the context


def _error_type(error: Exception) -> str:
    match error:
        case TimeoutError():
            return "timeout"
        case aiohttp.ClientConnectorError() if _PRIVATE in str(error.os_error):
            return "private_address"
        case aiohttp.ClientResponseError() | HttpProcessingError():
            return "bad_response"
        case OSError():
            return "connection"
        case ValueError():
            return "bad_request"  # what we were told to send cannot be sent: an address that is none, a key with a line break in it
        case _:
            return "connection"


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        failed = AttemptFailed("bad_response")
    raise failed  # here, because the decoder's error holds the data


def _socket(address: aiohttp.AddrInfoType) -> socket.socket:
    family, kind, protocol, _, _ = address
    opened = socket.socket(family, kind, protocol)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS)
    return opened


def _public_socket(address: aiohttp.AddrInfoType) -> socket.socket:
    """Return a socket for an address of the public network. It is asked with the address that is really connected to, whatever a name
    was said to be a moment ago. Raises OSError for others.
    """
    if not is_public(ip_address(str(address[4][0]).partition("%")[0])):
        raise OSError(errno.EACCES, _PRIVATE)
    return _socket(address)


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Return whether an address is one of the public network; of one that carries an IPv4 address in it, whether that is."""
    if isinstance(address, IPv6Address):
        carried = address.ipv4_mapped or address.sixtofour
        if carried is None and any(address in network for network in _CARRIERS):
            carried = IPv4Address(int(address) & 0xFFFF_FFFF)
        if carried is not None:
            return is_public(carried)
        if address.is_site_local:
            return False
    return address.is_global and not address.is_multicast


def _now() -> float:
    return asyncio.get_running_loop().time()
