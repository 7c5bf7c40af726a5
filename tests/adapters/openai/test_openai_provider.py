"""The provider over real HTTP: answers, streams, and what becomes of both when the upstream or the caller breaks off."""

from __future__ import annotations

import asyncio
import json
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import Any, TypeAlias

import pytest
from msgspec import structs

from fakes import WordCounter, catalog_yaml, model_yaml, ruleset_of
from pointsman.adapters.http import HttpClient
from pointsman.adapters.openai import OpenAiProvider
from pointsman.adapters.remote import Endpoint
from pointsman.core.catalog import Provider
from pointsman.core.completion import TextDelta, Usage
from pointsman.core.request import Generation, Request
from pointsman.core.vocabulary import FinishReason
from pointsman.ports import AttemptFailed, Finished, ModelCall, Piece
from pointsman.ports import Provider as Port
from recordings import LLAMA, OPENAI, OPENAI_STREAM, OPENAI_TOOLS, chunk
from upstream import Behaviour, Upstream, event, hangs, replies, resets, streams, truncates

KEY = "canary-key-7f3a"
ROUTES = "version: 1\nroutes: [{id: default, why: w, use: {candidates: [m]}}]\n"
MODEL = structs.replace(ruleset_of(catalog_yaml({"m": model_yaml()}), ROUTES).catalog.models["m"], provider="far", upstream="gpt-x")
FAR = Provider(id="far", api="openai", internal=True)
CALL = ModelCall(
    model=MODEL, provider=FAR, prompt=Request.of("canary-prompt").prompt, generation=Generation(), output_cap=64, request_id="id-1"
)
DONE = event("[DONE]")
HELLO = [event(data) for data in OPENAI_STREAM]
SAID = [TextDelta("Hel"), TextDelta("lo")]
USED = Usage(input_tokens=9, output_tokens=3)
ENDED = Finished(finish_reason=FinishReason.STOP, usage=USED)

Serve: TypeAlias = Callable[..., AbstractAsyncContextManager[tuple[OpenAiProvider, Upstream]]]


@asynccontextmanager
async def served(
    *script: Behaviour, key: str = KEY, first_s: float = 10.0, idle_s: float = 10.0
) -> AsyncIterator[tuple[OpenAiProvider, Upstream]]:
    """Yield a provider and the upstream that it calls. Where time shall run out, a test shortens it; a busy machine fails no other."""
    async with Upstream(script=script) as upstream, HttpClient(first_byte_s=first_s, idle_s=idle_s, reply_s=first_s) as http:

        def endpoint(provider: Provider) -> Endpoint:
            return Endpoint(base_url=f"{upstream.url}/" if provider is FAR else "", key=key)

        yield OpenAiProvider(http, endpoint, lambda text: WordCounter().count(text).tokens), upstream


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
    async with served(replies(OPENAI)) as (provider, upstream):
        answer = await provider.answer(CALL)

    assert answer.message.text == "Grüß Gott 😀"
    assert (answer.finish_reason, answer.usage.input_tokens, answer.usage.estimated) == (FinishReason.STOP, 1200, False)
    assert 0 < answer.ttft_ms < 10_000
    seen = upstream.requests[0]
    assert (seen.path, seen.headers["authorization"], seen.headers["content-type"]) == (
        "/v1/chat/completions",
        f"Bearer {KEY}",
        "application/json",
    )
    assert json.loads(seen.body) == {"model": "gpt-x", "messages": [{"role": "user", "content": "canary-prompt"}], "max_tokens": 64}


async def test_a_provider_without_a_key_gets_no_authorization() -> None:
    async with served(replies(OPENAI), key="") as (provider, upstream):
        await provider.answer(CALL)

    assert "authorization" not in upstream.requests[0].headers


async def test_what_the_upstream_does_not_count_we_count() -> None:
    async with served(replies(LLAMA.replace(b'"usage"', b'"used"')), replies(OPENAI_TOOLS.replace(b'"usage"', b'"used"'))) as (provider, _):
        text, calls = await provider.answer(CALL), await provider.answer(CALL)

    assert text.usage == Usage(input_tokens=1 + 6, output_tokens=2, estimated=True)
    assert calls.usage == Usage(input_tokens=1 + 6, output_tokens=4, estimated=True)  # two names, two arguments


@pytest.mark.parametrize(
    ("behaviour", "error_type"),
    [
        pytest.param(hangs, "timeout", id="never answers"),
        pytest.param(resets, "connection", id="resets"),
        pytest.param(truncates, "connection", id="sends less than it promised"),
        pytest.param(replies(b"<html>canary-reply</html>", kind="text/html"), "bad_response", id="HTML"),
        pytest.param(replies(OPENAI.replace(b"Gott", b"\xff")), "bad_response", id="not UTF-8"),
        pytest.param(replies(OPENAI[:200]), "bad_response", id="half of the JSON"),
        pytest.param(replies(b"\x1f\x8b\x08", Content_Encoding="gzip"), "bad_response", id="packed, though we did not ask for it"),
        pytest.param(replies(b'{"error":{"message":"canary-reply"}}'), "upstream_error", id="an error with status 200"),
        *[
            pytest.param(replies(b'{"error":{"message":"canary-reply"}}', status=f"{status} canary-reply"), str(status), id=str(status))
            for status in (302, 400, 401, 403, 404, 429, 500, 503, 529)
        ],
    ],
)
async def test_failures_say_how_and_quote_nobody(behaviour: Behaviour, error_type: str) -> None:
    async with served(behaviour, first_s=0.2 if error_type == "timeout" else 10) as (provider, upstream):
        with pytest.raises(AttemptFailed) as failed:
            await provider.answer(CALL)

        assert failed.value.error_type == error_type
        assert failed.value.__context__ is None
        assert len(upstream.requests) == 1  # nothing is tried twice in here
    told = "".join(traceback.format_exception(failed.value)) + repr(
        [failed.value, provider, provider._http, Endpoint(base_url="", key=KEY)]
    )
    assert "canary" not in told


async def test_calls_share_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pointsman.adapters.remote.LINGER_S", 5.0)
    async with served(replies(OPENAI), streams(*HELLO, DONE), streams(*HELLO, DONE, 0.03), replies(OPENAI)) as (provider, upstream):
        await provider.answer(CALL)
        await streamed(provider)
        await streamed(provider)  # this one ends a moment after it has said all
        await provider.answer(CALL)

        assert [request.connection for request in upstream.requests] == [1, 1, 1, 1]


# Streams.


async def test_a_stream_asks_for_the_usage_and_gives_it() -> None:
    async with served(streams(*HELLO, DONE)) as (provider, upstream):
        assert await streamed(provider) == ([*SAID, ENDED], "")

    sent = json.loads(upstream.requests[0].body)
    assert (sent["stream"], sent["stream_options"]) == (True, {"include_usage": True})


STOP = event(chunk(finish='"stop"'))
NO_USAGE = Finished(finish_reason=FinishReason.STOP, usage=None)


@pytest.mark.parametrize(
    ("behaviour", "pieces", "error_type"),
    [
        pytest.param(streams(*HELLO), [*SAID, ENDED], "", id="no [DONE]"),
        pytest.param(streams(*HELLO[:4], DONE), [*SAID, NO_USAGE], "", id="no usage"),
        pytest.param(streams(*HELLO[:4], then="cut"), [*SAID, NO_USAGE], "", id="breaks after the answer is complete"),
        pytest.param(streams(*HELLO[:4], event('{"error":{}}')), [*SAID, NO_USAGE], "", id="fails after the answer is complete"),
        pytest.param(streams(*HELLO[:3], DONE), SAID, "incomplete", id="does not say how it ends"),
        pytest.param(streams(), [], "incomplete", id="says nothing"),
        pytest.param(streams(*HELLO[:3], event('{"error":{"message":"canary"}}')), SAID, "upstream_error", id="an error in the middle"),
        pytest.param(streams(*HELLO[:3], event('{"choices":7}')), SAID, "bad_response", id="nonsense in the middle"),
        pytest.param(streams(*HELLO[:3], then="reset"), SAID, "connection", id="reset in the middle"),
        pytest.param(streams(*HELLO[:3], then="hang"), SAID, "timeout", id="stops in the middle"),
        pytest.param(streams(then="hang"), [], "timeout", id="never begins"),
        pytest.param(replies(OPENAI), [], "bad_response", id="is none"),
        pytest.param(replies(b"canary", status="429 canary", Retry_After=7), [], "429", id="a status"),
    ],
)
async def test_streams(behaviour: Behaviour, pieces: list[Piece], error_type: str) -> None:
    short = 0.2 if error_type == "timeout" else 10
    async with served(behaviour, first_s=10 if pieces else short, idle_s=short) as (provider, _):
        assert await streamed(provider) == (pieces, error_type)


async def test_a_stream_that_does_not_end_after_done_holds_nobody_up() -> None:
    async with served(streams(*HELLO, DONE, then="hang")) as (provider, _), asyncio.timeout(2):
        assert await streamed(provider) == ([*SAID, ENDED], "")


async def test_pieces_come_as_they_are_sent() -> None:
    async with served(streams(HELLO[1], then="hang")) as (provider, _), aclosing(provider.stream(CALL)) as stream:
        assert await anext(stream) == SAID[0]


# The caller breaks off.


async def _gone(upstream: Upstream) -> None:
    """Return when the upstream knows that its client has gone; fails after 100 ms."""
    async with asyncio.timeout(0.1):
        await upstream.exchanges[-1].gone.wait()


async def test_closing_a_stream_closes_the_connection() -> None:
    async with served(streams(*HELLO[:3], then="hang")) as (provider, upstream):
        async with aclosing(provider.stream(CALL)) as stream:
            await anext(stream)
        await _gone(upstream)


@pytest.mark.parametrize("behaviour", [hangs, streams(then="hang"), streams(*HELLO[:3], then="hang"), streams(HELLO[1], then="repeat")])
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


async def test_a_reader_that_stops_stops_the_model() -> None:
    async with served(streams(event(chunk('{"content":"%s"}' % ("x" * 4_000))), then="repeat")) as (provider, upstream):
        async with aclosing(provider.stream(CALL)) as stream:
            await anext(stream)
            await asyncio.sleep(0.2)

            assert upstream.exchanges[0].taken < 1 << 20
        await _gone(upstream)


async def test_calls_leave_no_task_behind() -> None:
    async with served(replies(OPENAI), streams(*HELLO, DONE), hangs, resets, first_s=0.2) as (provider, upstream):
        await provider.answer(CALL)
        await streamed(provider)
        served_by = asyncio.all_tasks()
        for _ in range(3):
            await streamed(provider)
        await _gone(upstream)

        assert {task for task in asyncio.all_tasks() - served_by if "Upstream" not in repr(task)} == set()
