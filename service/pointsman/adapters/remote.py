"""What providers called over HTTP have in common, whatever their wire format: where they are, what a reply says, how a call ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress

from msgspec import Struct

from pointsman.core.completion import Usage
from pointsman.core.prompt_tokens import count_prompt, texts_of
from pointsman.core.request import Message, Prompt, redacted
from pointsman.core.vocabulary import FinishReason
from pointsman.ports import Answer, AttemptFailed, ModelCall

LINGER_S = 0.05
"""How long a reply that has said all may take to end. Its last bytes are mostly there already, and a connection that is kept saves the
next call two or three round trips."""


class Endpoint(Struct, frozen=True, kw_only=True):
    """Where a provider is called, and with which key, empty where it needs none."""

    base_url: str
    key: str

    __repr__ = redacted


class Reply(Struct, frozen=True, kw_only=True):
    """What a whole reply says; `usage` is None where it does not tell."""

    message: Message
    finish_reason: FinishReason
    usage: Usage | None

    __repr__ = redacted


async def answered(call: ModelCall, said: Reply, count: Callable[[str], int], *, began: float) -> Answer:
    """Return the answer of a call that `began` then, by time.monotonic(). Tokens that the provider did not count, we do."""
    took_ms = (time.monotonic() - began) * 1000  # before the counting
    usage = said.usage
    if usage is None:  # on a thread, because a long prompt takes a while
        usage = await asyncio.to_thread(_counted, call.prompt, said.message, count)
    return Answer(message=said.message, finish_reason=said.finish_reason, usage=usage, ttft_ms=took_ms)


def _counted(prompt: Prompt, message: Message, count: Callable[[str], int]) -> Usage:
    output = sum(map(count, texts_of(Prompt(messages=(message,)))))
    return Usage(input_tokens=count_prompt(prompt, count), output_tokens=output, estimated=True)


async def end(events: AsyncGenerator[str, None]) -> None:
    """Let a reply that has said all end by itself, so that its connection is kept."""
    with suppress(AttemptFailed, TimeoutError):
        async with asyncio.timeout(LINGER_S):
            await anext(events, None)
