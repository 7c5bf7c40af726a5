"""The provider over real HTTP: answers, streams, and what becomes of both when the upstream or the caller breaks off."""

from __future__ import annotations

import asyncio
import json
import traceback
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest
from msgspec import structs

from anthropic_recordings import TEXT, TEXT_STREAM, TOOLS, data
from fakes import WordCounter, catalog_yaml, model_yaml, ruleset_of
from pointsman.adapters.anthropic import AnthropicProvider
from pointsman.adapters.http import HttpClient
from pointsman.adapters.remote import Endpoint
from pointsman.core.catalog import Provider
from pointsman.core.completion import TextDelta, Usage
from pointsman.core.request import Generation, Request
from pointsman.core.vocabulary import FinishReason
from pointsman.ports import AttemptFailed, Finished, ModelCall, Piece
from pointsman.ports import Provider as Port
from upstream import Behaviour, Upstream, event, hangs, replies, resets, streams, truncates

KEY = "canary-key-7f3a"
ROUTES = "version: 1\nroutes: [{id: default, why: w, use: {candidates: [m]}}]\n"
MODEL = structs.replace(ruleset_of(catalog_yaml({"m": model_yaml()}), ROUTES).catalog.models["m"], provider="far", upstream="claude-x")
FAR = Provider(id="far", api="anthropic", internal=True)
CALL = ModelCall(
    model=MODEL, provider=FAR, prompt=Request.of("canary-prompt").prompt, generation=Generation(), output_cap=64, request_id="id-1"
)
HELLO = [event(data) for data in TEXT_STREAM]
BEGUN, REASON, STOP = HELLO[:5], HELLO[-2], HELLO[-1]
SAID = [TextDelta("Hel"), TextDelta("lo")]
ENDED = Finished(finish_reason=FinishReason.STOP, usage=Usage(input_tokens=9, output_tokens=3))


@asynccontextmanager
async def served(
    *script: Behaviour, key: str = KEY, path: str = "/", first_s: float = 10.0, idle_s: float = 10.0
) -> AsyncIterator[tuple[AnthropicProvider, Upstream]]:
    """Yield a provider and the upstream that it calls. Where time shall run out, a test shortens it; a busy machine fails no other."""
    async with Upstream(script=script) as upstream, HttpClient(first_byte_s=first_s, idle_s=idle_s, reply_s=first_s) as http:

        def endpoint(_provider: Provider) -> Endpoint:
            return Endpoint(base_url=upstream.url.removesuffix("/v1") + path, key=key)

        yield AnthropicProvider(http, endpoint, lambda text: WordCounter().count(text).tokens), upstream


async def streamed(provider: Port) -> tuple[list[Piece], str]:
    """Return all pieces of a streamed answer, and how it failed ("" if it did not)."""
    pieces: list[Piece] = []
    try:
        async with aclosing(provider.stream(CALL)) as stream:
            async for piece in stream:
                pieces += [piece]
    except AttemptFailed as error:
        failed = error
    else:
        return pieces, ""
    assert failed.__cause__ is failed.__context__ is None
    return pieces, str(failed)


# Answers.


async def test_an_answer_with_what_it_used() -> None:
    async with served(replies(TEXT)) as (provider, upstream):
        answer = await provider.answer(CALL)

    assert answer.message.text == "Grüß Gott 😀"
    assert (answer.finish_reason, answer.usage.input_tokens, answer.usage.estimated) == (FinishReason.STOP, 10_100, False)
    assert 0 < answer.ttft_ms < 10_000
    seen = upstream.requests[0]
    told = {name: seen.headers[name] for name in ("x-api-key", "anthropic-version", "content-type")}
    assert told == {"x-api-key": KEY, "anthropic-version": "2023-06-01", "content-type": "application/json"}
    assert "authorization" not in seen.headers
    assert json.loads(seen.body) == {
        "model": "claude-x",
        "max_tokens": 64,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "canary-prompt"}]}],
    }


@pytest.mark.parametrize(
    ("path", "expected"),
    [("", "/v1/messages"), ("/", "/v1/messages"), ("/v1", "/v1/messages"), ("/v1/", "/v1/messages"), ("/a/", "/a/v1/messages")],
)
async def test_an_address_may_have_the_version_in_it(path: str, expected: str) -> None:
    async with served(replies(TEXT), path=path) as (provider, upstream):
        await provider.answer(CALL)

    assert upstream.requests[0].path == expected


async def test_a_provider_without_a_key_gets_none() -> None:
    async with served(replies(TEXT), key="") as (provider, upstream):
        await provider.answer(CALL)

    assert "x-api-key" not in upstream.requests[0].headers


async def test_what_the_upstream_does_not_count_we_count() -> None:
    async with served(replies(TOOLS.replace(b'"usage"', b'"used"'))) as (provider, _):
        answer = await provider.answer(CALL)

    assert answer.usage == Usage(input_tokens=1 + 6, output_tokens=3 + 2 + 4, estimated=True)  # a text, two names, two arguments


@pytest.mark.parametrize(
    ("behaviour", "error_type"),
    [
        pytest.param(hangs, "timeout", id="never answers"),
        pytest.param(resets, "connection", id="resets"),
        pytest.param(truncates, "connection", id="sends less than it promised"),
        pytest.param(replies(b"<html>canary-reply</html>", kind="text/html"), "bad_response", id="HTML"),
        pytest.param(replies(TEXT[:200]), "bad_response", id="half of the JSON"),
        pytest.param(replies(b'{"type":"error","error":{"message":"canary-reply"}}'), "upstream_error", id="an error with status 200"),
        *[
            pytest.param(replies(b'{"error":{"message":"canary-reply"}}', status=f"{status} canary-reply"), str(status), id=str(status))
            for status in (302, 400, 401, 404, 413, 429, 500, 504, 529)
        ],
        pytest.param(replies(b'{"error":{"type":"billing_error"}}', status="429 canary-reply"), "quota", id="out of money"),
    ],
)
async def test_failures_say_how_and_quote_nobody(behaviour: Behaviour, error_type: str) -> None:
    async with served(behaviour, first_s=0.2 if error_type == "timeout" else 10) as (provider, upstream):
        with pytest.raises(AttemptFailed) as failed:
            await provider.answer(CALL)

        assert failed.value.error_type == error_type
        assert failed.value.__context__ is None
        assert len(upstream.requests) == 1  # nothing is tried twice in here
    assert "canary" not in "".join(traceback.format_exception(failed.value)) + repr([failed.value, provider])


async def test_a_wait_that_is_asked_for_is_told() -> None:
    async with served(replies(b"{}", status="529 Overloaded", Retry_After=7)) as (provider, _):
        with pytest.raises(AttemptFailed) as failed:
            await provider.answer(CALL)

    assert failed.value.retry_after_s == 7


async def test_calls_share_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pointsman.adapters.remote.LINGER_S", 5.0)
    async with served(replies(TEXT), streams(*HELLO), streams(*HELLO, 0.03), replies(TEXT)) as (provider, upstream):
        await provider.answer(CALL)
        await streamed(provider)
        await streamed(provider)  # this one ends a moment after it has said all
        await provider.answer(CALL)

        assert [request.connection for request in upstream.requests] == [1, 1, 1, 1]


# Streams.


async def test_a_stream_is_asked_for() -> None:
    async with served(streams(*HELLO)) as (provider, upstream):
        assert await streamed(provider) == ([*SAID, ENDED], "")

    assert json.loads(upstream.requests[0].body)["stream"] is True


@pytest.mark.parametrize(
    ("behaviour", "pieces", "error_type"),
    [
        pytest.param(streams(*HELLO[:-1]), [*SAID, ENDED], "", id="no message_stop"),
        pytest.param(streams(*HELLO[:-1], then="cut"), [*SAID, ENDED], "", id="breaks after the answer is complete"),
        pytest.param(streams(*HELLO[:-1], event('{"type":"error"}')), [*SAID, ENDED], "", id="fails after the answer is complete"),
        pytest.param(streams(*BEGUN, STOP), SAID, "incomplete", id="does not say how it ends"),
        pytest.param(streams(), [], "incomplete", id="says nothing"),
        pytest.param(
            streams(*BEGUN, event(data("error", error={"type": "overloaded_error", "message": "canary"}))),
            SAID,
            "529",
            id="an error in the middle",
        ),
        pytest.param(streams(*BEGUN, event('{"type":7}')), SAID, "bad_response", id="nonsense in the middle"),
        pytest.param(streams(*BEGUN, then="reset"), SAID, "connection", id="reset in the middle"),
        pytest.param(streams(*BEGUN, then="hang"), SAID, "timeout", id="stops in the middle"),
        pytest.param(streams(then="hang"), [], "timeout", id="never begins"),
        pytest.param(replies(TEXT), [], "bad_response", id="is none"),
        pytest.param(replies(b"canary", status="429 canary", Retry_After=7), [], "429", id="a status"),
    ],
)
async def test_streams(behaviour: Behaviour, pieces: list[Piece], error_type: str) -> None:
    short = 0.2 if error_type == "timeout" else 10
    async with served(behaviour, first_s=10 if pieces else short, idle_s=short) as (provider, _):
        assert await streamed(provider) == (pieces, error_type)


async def test_a_stream_that_does_not_end_after_its_last_event_holds_nobody_up() -> None:
    async with served(streams(*HELLO, then="hang")) as (provider, _), asyncio.timeout(2):
        assert await streamed(provider) == ([*SAID, ENDED], "")


async def test_pieces_come_as_they_are_sent() -> None:
    async with served(streams(*HELLO[:4], then="hang")) as (provider, _), aclosing(provider.stream(CALL)) as stream:
        assert await anext(stream) == SAID[0]


# The caller breaks off.


async def _gone(upstream: Upstream) -> None:
    """Return when the upstream knows that its client has gone; fails after 100 ms."""
    async with asyncio.timeout(0.1):
        await upstream.exchanges[-1].gone.wait()


async def test_closing_a_stream_closes_the_connection() -> None:
    async with served(streams(*BEGUN, then="hang")) as (provider, upstream):
        async with aclosing(provider.stream(CALL)) as stream:
            await anext(stream)
        await _gone(upstream)


@pytest.mark.parametrize("behaviour", [hangs, streams(*BEGUN, then="hang"), streams(HELLO[3], then="repeat")])
@pytest.mark.parametrize("way", ["answer", "stream"])
async def test_cancelling_a_call_closes_the_connection(behaviour: Behaviour, way: str) -> None:
    async with served(behaviour) as (provider, upstream):
        work: Any = provider.answer(CALL) if way == "answer" else streamed(provider)
        call = asyncio.create_task(work)
        await asyncio.sleep(0.05)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await _gone(upstream)
