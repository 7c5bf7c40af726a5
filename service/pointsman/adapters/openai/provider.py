"""Calls models through Chat Completions."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from pointsman.adapters.http import HttpClient
from pointsman.adapters.openai.wire import DONE, StreamedReply, reply_from_json, request_to_json
from pointsman.adapters.refusals import refused
from pointsman.adapters.remote import Endpoint, answered, end
from pointsman.core.catalog import Provider
from pointsman.ports import Answer, AttemptFailed, ModelCall, Piece


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
        return await answered(call, reply_from_json(reply.body), self._count, began=began)

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
            await end(events)

    def _address(self, call: ModelCall) -> tuple[str, dict[str, str]]:
        """Return where to post, and the headers."""
        endpoint = self._endpoint(call.provider)
        headers = {"Content-Type": "application/json"}
        if endpoint.key:
            headers["Authorization"] = f"Bearer {endpoint.key}"
        return f"{endpoint.base_url.rstrip('/')}/chat/completions", headers
