"""The HTTP client against an upstream that misbehaves: every fault ends in its own word, in time, and with the connection closed."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.adapters.http import HttpClient, _Events, is_public, sent_to
from pointsman.ports import TRACE, AttemptFailed
from upstream import SSE, Behaviour, Exchange, Upstream, drips, event, hangs, replies, resets, streams, truncates

HEADERS = {"Authorization": "Bearer canary-key"}
FAR_S = 30.0
COMMENTS: list[bytes | float] = [b": alive\n\n", 0.02] * 20


@pytest.fixture
async def http() -> AsyncIterator[HttpClient]:
    """Return a client as it is shipped. Where time shall run out, a test makes its own, so that a busy machine fails no other test."""
    async with HttpClient() as client:
        yield client


async def streamed(http: HttpClient, url: str) -> tuple[list[str], str]:
    """Return the data of all events, and how it failed ("" if it did not)."""
    found: list[str] = []
    try:
        async with aclosing(http.stream(url, HEADERS, b"{}", internal=True)) as events:
            async for data in events:
                found += [data]
    except AttemptFailed as error:
        failed = error
    else:
        return found, ""
    assert failed.__cause__ is failed.__context__ is None  # the client's errors hold the headers that were sent
    return found, failed.error_type


# Whole replies.


async def test_a_reply_comes_as_it_was_sent_whatever_its_status(http: HttpClient) -> None:
    async with Upstream(script=[replies(b"slow down", status="429 Too Many Requests", kind="text/plain", Retry_After=7)]) as upstream:
        reply = await http.post(upstream.url, HEADERS, b"{}", internal=True)

    assert (reply.status, reply.body, reply.headers["retry-after"]) == (429, b"slow down", "7")
    assert "slow down" not in repr(reply)


async def html(exchange: Exchange) -> None:
    await exchange.send(b"<html>this is no HTTP</html>\r\n\r\n")


async def pours(exchange: Exchange) -> None:
    await exchange.head(Transfer_Encoding="chunked")
    while True:
        await exchange.chunk(b" " * 65_536)


@pytest.mark.parametrize(
    ("behaviour", "error_type"),
    [
        pytest.param(hangs, "timeout", id="never answers"),
        pytest.param(resets, "connection", id="resets"),
        pytest.param(truncates, "connection", id="sends less than it promised"),
        pytest.param(pours, "too_large", id="sends without end"),
        pytest.param(html, "bad_response", id="speaks no HTTP"),
    ],
)
async def test_faults_of_replies(behaviour: Behaviour, error_type: str) -> None:
    async with Upstream(script=[behaviour]) as upstream, HttpClient(reply_s=0.2 if error_type == "timeout" else FAR_S) as http:
        with pytest.raises(AttemptFailed) as failed:
            await http.post(upstream.url, HEADERS, b"{}", internal=True)

        assert failed.value.error_type == error_type
        assert failed.value.__context__ is None  # the client's errors hold the headers that were sent
        async with asyncio.timeout(0.1):
            await upstream.exchanges[0].gone.wait()


@pytest.mark.parametrize(
    ("url", "error_type"),
    [
        pytest.param("http://127.0.0.1:1/v1", "connection", id="nobody listens"),
        pytest.param("http://:80/", "bad_request", id="no address"),
        pytest.param("ftp://127.0.0.1/", "connection", id="another protocol"),
    ],
)
async def test_places_that_are_none(http: HttpClient, url: str, error_type: str) -> None:
    with pytest.raises(AttemptFailed) as failed:
        await http.post(url, HEADERS, b"{}", internal=True)

    assert failed.value.error_type == error_type
    assert failed.value.__context__ is None


async def test_a_name_that_is_not_found(http: HttpClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(AttemptFailed, match="connection"):
        await http.post("http://upstream.test/v1", HEADERS, b"{}")


async def test_a_key_with_a_line_break_sends_nothing_and_shows_nowhere(http: HttpClient) -> None:
    async with Upstream(script=[replies(b"{}")]) as upstream:
        with pytest.raises(AttemptFailed) as failed:
            await http.post(upstream.url, {"Authorization": "Bearer canary-key\r\nX: y"}, b"{}", internal=True)

        assert (failed.value.error_type, failed.value.__context__, upstream.requests) == ("bad_request", None, [])


async def test_a_redirect_is_a_reply_and_nothing_is_sent_on(http: HttpClient) -> None:
    async with Upstream(script=[replies(b"{}")]) as other:
        async with Upstream(script=[replies(b"", status="307 Temporary Redirect", Location=other.url)]) as upstream:
            assert (await http.post(upstream.url, HEADERS, b"{}", internal=True)).status == 307
            assert await streamed(http, upstream.url) == ([], "307")

        assert other.requests == []


async def test_nothing_of_the_environment_or_of_earlier_replies_goes_along(http: HttpClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    async with Upstream(script=[replies(b"{}", Set_Cookie="a=b")]) as upstream:
        for _ in range(2):
            await http.post(upstream.url, HEADERS, b"{}", internal=True)

        sent = upstream.requests[1].headers
    assert sent == {
        "host": upstream.url.split("/")[2],
        "accept": "*/*",
        "accept-encoding": "identity",
        "user-agent": "pointsman",
        "authorization": "Bearer canary-key",
        "content-length": "2",
        "content-type": "application/octet-stream",
    }


async def test_a_reply_is_not_unpacked(http: HttpClient) -> None:
    async with Upstream(script=[replies(b"\x1f\x8b not gzip", Content_Encoding="gzip")]) as upstream:
        assert (await http.post(upstream.url, HEADERS, b"{}", internal=True)).body == b"\x1f\x8b not gzip"


async def test_a_certificate_that_nobody_vouches_for_gets_no_request(http: HttpClient, tmp_path: Path) -> None:
    pem = tmp_path / "self-signed.pem"
    pem.write_text(SELF_SIGNED)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pem)
    async with Upstream(script=[replies(b"{}")], tls=tls) as upstream:
        with pytest.raises(AttemptFailed, match="connection"):
            await http.post(upstream.url, HEADERS, b"{}", internal=True)

        assert upstream.requests == []


# Streams.


@pytest.mark.parametrize(
    ("behaviour", "found", "error_type"),
    [
        pytest.param(streams(event("1"), event("2")), ["1", "2"], "", id="as it should"),
        pytest.param(streams(b"data: 1\n\nda", b"ta: 2\r", b"\n\r\n"), ["1", "2"], "", id="cut anywhere"),
        pytest.param(streams(event("1"), b"data: 2\n", then="end"), ["1"], "", id="an event without its end is none"),
        pytest.param(streams(event("1"), then="cut"), ["1"], "connection", id="cut off after an event"),
        pytest.param(streams(event("1"), then="reset"), ["1"], "connection", id="reset after an event"),
        pytest.param(streams(then="reset"), [], "connection", id="reset before the first event"),
        pytest.param(resets, [], "connection", id="reset before the head"),
        pytest.param(hangs, [], "timeout", id="never answers"),
        pytest.param(streams(then="hang"), [], "timeout", id="a head and no event"),
        pytest.param(streams(event("1"), then="hang"), ["1"], "timeout", id="stops"),
        pytest.param(drips, [], "timeout", id="bytes that make no event"),
        pytest.param(streams(event("1"), *COMMENTS), ["1"], "timeout", id="comments are no sign of life"),
        pytest.param(streams(b"data: ", b"x" * 65_536, then="repeat"), [], "too_large", id="a line without end"),
        pytest.param(streams(b"data: " + b"x" * 65_530 + b"\n", then="repeat"), [], "too_large", id="an event without end"),
        pytest.param(streams(event("1"), b"data: \xff\n\n"), ["1"], "bad_response", id="not UTF-8"),
        pytest.param(replies(b"<html></html>", kind="text/html"), [], "bad_response", id="HTML"),
        pytest.param(replies(b"busy", status="503 Service Unavailable", kind=SSE), [], "503", id="a status"),
    ],
)
async def test_streams(behaviour: Behaviour, found: list[str], error_type: str) -> None:
    short = 0.2 if error_type == "timeout" else FAR_S
    async with Upstream(script=[behaviour]) as upstream, HttpClient(first_byte_s=FAR_S if found else short, idle_s=short) as http:
        assert await streamed(http, upstream.url) == (found, error_type)


async def test_a_slow_reader_is_not_a_slow_upstream() -> None:
    async with Upstream(script=[streams(event("1"), event("2"))]) as upstream, HttpClient(first_byte_s=0.2, idle_s=0.2) as http:
        events = http.stream(upstream.url, {}, b"", internal=True)
        first = await anext(events)
        await asyncio.sleep(0.3)  # longer than the upstream may take

        assert [first, *[data async for data in events]] == ["1", "2"]


async def test_a_reader_that_stops_stops_the_upstream(http: HttpClient) -> None:
    async with Upstream(script=[streams(event("x" * 8_000), then="repeat")]) as upstream:
        async with aclosing(http.stream(upstream.url, {}, b"", internal=True)) as events:
            await anext(events)
            await asyncio.sleep(0.2)
            taken = upstream.exchanges[0].taken
            await asyncio.sleep(0.1)

            assert upstream.exchanges[0].taken == taken < 1 << 20
            for _ in range(500):  # and it goes on when the reader does
                await anext(events)
            assert upstream.exchanges[0].taken > taken
        async with asyncio.timeout(0.1):
            await upstream.exchanges[0].gone.wait()


async def test_time_outs_are_on_time() -> None:
    loop = asyncio.get_running_loop()
    async with Upstream(script=[hangs]) as upstream, HttpClient(first_byte_s=0.1, reply_s=FAR_S) as http:
        began = loop.time()

        assert await streamed(http, upstream.url) == ([], "timeout")
        assert 0.1 <= loop.time() - began < 0.2


async def test_replies_and_streams_that_end_share_a_connection(http: HttpClient) -> None:
    async with Upstream(script=[replies(b"{}"), streams(event("1")), replies(b"{}")]) as upstream:
        await http.post(upstream.url, {}, b"", internal=True)
        await streamed(http, upstream.url)
        await http.post(upstream.url, {}, b"", internal=True)

        assert [request.connection for request in upstream.requests] == [1, 1, 1]


async def test_closing_ends_what_is_under_way() -> None:
    arrived = asyncio.Event()

    async def behave(exchange: Exchange) -> None:
        arrived.set()
        await exchange.gone.wait()

    async with Upstream(script=[behave]) as upstream:
        async with HttpClient(reply_s=FAR_S) as http:
            call = asyncio.create_task(http.post(upstream.url, {}, b"", internal=True))
            await arrived.wait()
        with pytest.raises(AttemptFailed, match="connection"):
            await call


async def test_a_client_that_was_never_used_opened_nothing() -> None:
    async with HttpClient() as http:
        assert http._opened == {}


class Pieces:
    """Content that comes in the given pieces."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces

    async def read(self, _: int) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""


WHOLE = (
    'event: x\ndata: {"a": 1}\n\n: comment\r\n\r\ndata:two\r\ndata: lines\r\n\r\nid: 7\n\ndata\n\ndata:\n\ndata: é\n\ndata: lost'.encode()
)
Cut: Any = st.sets(st.integers(1, len(WHOLE) - 1)).map(sorted)


@settings(max_examples=100, deadline=None)
@given(Cut)
def test_events_are_the_same_wherever_the_stream_is_cut(cuts: list[int]) -> None:
    pieces = [WHOLE[start:end] for start, end in zip([0, *cuts], [*cuts, len(WHOLE)], strict=True)]
    events = _Events(Pieces(pieces))  # type: ignore[arg-type]  # all of it that is used

    async def read() -> list[str]:
        return [data async for data in _until_none(events.next)]

    assert asyncio.run(read()) == ['{"a": 1}', "two\nlines", "é"]


async def _until_none(more: Callable[[], Any]) -> AsyncIterator[str]:
    while (data := await more()) is not None:
        yield data


SELF_SIGNED = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgddgOqncyKE84T8Zt
IOhY57ztjUtK6Vce7duVwm2BnFWhRANCAASm5qPNzUpimvIQFwQRgZr1heqYPMTB
FXbROGHb5fnXEVJzPisQ20GLsA2A+iTpIXb4EZ5NVkh8PjTH/Uj+YgcI
-----END PRIVATE KEY-----
-----BEGIN CERTIFICATE-----
MIIBnDCCAUGgAwIBAgIUP2u/yRT+q+LqIj88IhAV2BrYESswCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMzIxNTUxMFoYDzIxMjYxMDMw
MjE1NTEwWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAASm5qPNzUpimvIQFwQRgZr1heqYPMTBFXbROGHb5fnXEVJzPisQ20GL
sA2A+iTpIXb4EZ5NVkh8PjTH/Uj+YgcIo28wbTAdBgNVHQ4EFgQUemNW/CAbZf0J
tvqvC1CXHf2EmaIwHwYDVR0jBBgwFoAUemNW/CAbZf0JtvqvC1CXHf2EmaIwDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDSQAwRgIhANHxvQpzsq2PqztbtgjtmEoVp1WZFuWhrD8Eu7LCHWIBAiEA
nCuX0x/tUwSxzS8ANh/RNebL1dC5PjDJaLHRRYDcAfw=
-----END CERTIFICATE-----
"""
"""For 127.0.0.1, made for this test; keeps until 2126."""


INSIDE = "127.0.0.1 10.1.2.3 169.254.169.254 100.100.100.200 0.0.0.0 224.0.0.1 255.255.255.255 ::1 :: fe80::1 fd00::1 fec0::1 ff02::1 ::ffff:127.0.0.1 ::ffff:100.100.100.200 ::169.254.169.254 64:ff9b::a9fe:a9fe 2002:a9fe:a9fe:: 2001:db8::1"
OUTSIDE = "8.8.8.8 1.1.1.1 2606:4700:4700::1111 ::ffff:8.8.8.8 64:ff9b::808:808"


def test_an_address_is_public_if_what_it_carries_is() -> None:
    assert [text for text in INSIDE.split() if is_public(ip_address(text))] == []
    assert [text for text in OUTSIDE.split() if not is_public(ip_address(text))] == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_only_an_internal_upstream_may_have_a_private_address(http: HttpClient, host: str) -> None:
    """Whatever its name was said to be: the address is looked at when it is connected to."""
    async with Upstream(script=[replies(b"{}")] * 2) as upstream:
        url = upstream.url.replace("127.0.0.1", host)
        assert (await http.post(url, HEADERS, b"{}", internal=True)).status == 200
        for call in (http.post(url, HEADERS, b"{}"), anext(http.stream(url, HEADERS, b"{}"))):
            with pytest.raises(AttemptFailed) as failed:
                await call
            assert failed.value.error_type == "private_address"
    assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    "address",
    ["169.254.169.254", "10.0.0.1", "192.168.1.1", "[::1]", "[fd00::1]", "[fe80::1]", "0.0.0.0", "[::ffff:127.0.0.1]", "100.64.0.1"],
)
async def test_no_private_address_is_connected_to(http: HttpClient, address: str) -> None:
    with pytest.raises(AttemptFailed) as failed:
        await http.post(f"http://{address}:9/", HEADERS, b"{}")

    assert failed.value.error_type == "private_address"


async def test_only_an_upstream_of_our_own_is_told_of_which_trace_a_call_is_part(http: HttpClient) -> None:
    token = TRACE.set({"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"})
    try:
        async with Upstream(script=[replies(b"{}")]) as upstream:
            await http.post(upstream.url, HEADERS, b"{}", internal=True)
        assert upstream.requests[0].headers["traceparent"] == TRACE.get()["traceparent"]
        assert sent_to(HEADERS, internal=False) == HEADERS
    finally:
        TRACE.reset(token)
