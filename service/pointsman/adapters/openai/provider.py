"""Calls models through Chat Completions."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress

from msgspec import Struct

from pointsman.adapters.http import HttpClient
from pointsman.adapters.openai.wire import DONE, StreamedReply, reply_from_json, request_to_json
from pointsman.adapters.refusals import refused
from pointsman.core.catalog import Provider
from pointsman.core.completion import Usage
from pointsman.core.prompt_tokens import count_prompt, texts_of
from pointsman.core.request import Message, Prompt, redacted
from pointsman.ports import Answer, AttemptFailed, ModelCall, Piece

LINGER_S = 0.05
"""How long a reply that has said all may take to end. Its last bytes are mostly there already, and a connection that is kept saves the
next call two or three round trips."""


class Endpoint(Struct, frozen=True, kw_only=True):
    """Where a provider is called, and with which key, empty where it needs none."""

    base_url: str
    key: str

    __repr__ = redacted


class OpenAiProvider:
    """Answers by asking the provider of the model. Errors tell the status, never what the provider wrote."""

    def __init__(self, http: HttpClient, endpoint: Callable[[Provider], Endpoint], count: Callable[[str], int]) -> None:
        """`endpoint` says where a provider is now, and may raise AttemptFailed. `count` counts tokens, on any thread."""
        self._http = http
        self._endpoint = endpoint
        self._count = count

    async def answer(self, call: ModelCall) -> Answer:
        """Return the whole answer; its first token came with its last. Raises AttemptFailed."""
        began = time.monotonic()
        url, headers = self._address(call)
        reply = await self._http.post(url, headers, request_to_json(call, stream=False), internal=call.provider.internal)
        if reply.status != 200:
            raise refused(reply)
        said = reply_from_json(reply.body)
        took_ms = (time.monotonic() - began) * 1000
        usage = said.usage
        if usage is None:
            usage = await asyncio.to_thread(self._counted, call.prompt, said.message)
        return Answer(message=said.message, finish_reason=said.finish_reason, usage=usage, ttft_ms=took_ms)

    async def stream(self, call: ModelCall) -> AsyncGenerator[Piece, None]:
        """Yield the answer as it comes, and Finished last. Raises AttemptFailed; closing it ends the call upstream."""
        url, headers = self._address(call)
        reply = StreamedReply()
        body = request_to_json(call, stream=True)
        async with aclosing(self._http.stream(url, headers, body, internal=call.provider.internal, refused=refused)) as events:
            try:
                async for data in events:
                    if data == DONE:
                        break
                    for delta in reply.read(data):
                        yield delta
            except AttemptFailed:
                if reply.finish_reason is None:
                    raise
                # All of the answer is there; what broke after it can at most have cost us the usage.
            yield reply.finished()
            await _end(events)

    def _address(self, call: ModelCall) -> tuple[str, dict[str, str]]:
        """Return where to post, and the headers."""
        endpoint = self._endpoint(call.provider)
        headers = {"Content-Type": "application/json"}
        if endpoint.key:
            headers["Authorization"] = f"Bearer {endpoint.key}"
        return f"{endpoint.base_url.rstrip('/')}/chat/completions", headers

    def _counted(self, prompt: Prompt, message: Message) -> Usage:
        """Return the usage by our own count; on a thread, because a long prompt takes a while."""
        output = sum(map(self._count, texts_of(Prompt(messages=(message,)))))
        return Usage(input_tokens=count_prompt(prompt, self._count), output_tokens=output, estimated=True)


async def _end(events: AsyncGenerator[str, None]) -> None:
    """Let a reply that has said all end by itself, so that its connection is kept."""
    with suppress(AttemptFailed, TimeoutError):
        async with asyncio.timeout(LINGER_S):
            await anext(events, None)
