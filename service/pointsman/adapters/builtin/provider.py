"""Answers calls at the pace of their model: waits, fails the share that shall fail, counts and cuts by tokens."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Protocol

from pointsman.adapters.builtin.answers import answer
from pointsman.core.completion import TextDelta, Usage
from pointsman.core.prompt_tokens import count_prompt
from pointsman.core.reading import Count
from pointsman.core.request import Message, Prompt
from pointsman.core.vocabulary import FinishReason, Role
from pointsman.ports import Answer, AttemptFailed, Finished, ModelCall, Piece

INLINE = 20_000
"""Characters of an ask that is answered on the event loop; longer ones take milliseconds, so a thread does them."""


_WORDS = re.compile(r"\S+\s*|\s+")


class Tokeniser(Protocol):
    """Counts and cuts text by tokens."""

    def count(self, text: str) -> Count: ...

    def shorten(self, text: str, tokens: int) -> str: ...


class BuiltinProvider:
    """Answers with arithmetic, text operations, extractive summaries, or an honest echo."""

    def __init__(self, tokeniser: Tokeniser, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._tokeniser = tokeniser
        self._sleep = sleep

    async def answer(self, call: ModelCall) -> Answer:
        """Return the answer at the pace of the model's options. Raises AttemptFailed for the share of requests that shall fail."""
        text, finish, usage = await self._answered(call)
        if call.model.pace.tokens_per_s:
            await self._sleep(usage.output_tokens / call.model.pace.tokens_per_s)
        message = Message(role=Role.ASSISTANT, parts=(text,))
        return Answer(message=message, finish_reason=finish, usage=usage, ttft_ms=call.model.pace.ttft_ms)

    async def stream(self, call: ModelCall) -> AsyncGenerator[Piece, None]:
        """Yield the answer word by word at the pace of the model's options. Raises AttemptFailed as `answer` does."""
        text, finish, usage = await self._answered(call)
        words = _WORDS.findall(text)
        wait_s = usage.output_tokens / call.model.pace.tokens_per_s / len(words) if call.model.pace.tokens_per_s and words else 0.0
        for word in words:
            await self._sleep(wait_s)
            yield TextDelta(word)
        yield Finished(finish_reason=finish, usage=usage)

    async def _answered(self, call: ModelCall) -> tuple[str, FinishReason, Usage]:
        """Return text, end and usage once the first token is due."""
        await self._sleep(call.model.pace.ttft_ms / 1000)
        if _share(call) < call.model.pace.error_rate:
            raise AttemptFailed("injected")
        text, finish = await self._text(call)
        return text, finish, Usage(input_tokens=count_prompt(call.prompt, self._count), output_tokens=self._count(text))

    def _count(self, text: str) -> int:
        return self._tokeniser.count(text).tokens

    async def _text(self, call: ModelCall) -> tuple[str, FinishReason]:
        ask = next((message.text for message in reversed(call.prompt.messages) if message.role is Role.USER), "")
        try:
            text = await asyncio.to_thread(_answered, call.prompt, ask) if len(ask) > INLINE else _answered(call.prompt, ask)
        except ValueError:
            raise AttemptFailed("bad_schema") from None
        text, stopped = _until_stop(text, call.generation.stop)
        cut = self._tokeniser.shorten(text, call.output_cap)
        return cut, FinishReason.STOP if stopped or cut == text else FinishReason.LENGTH


def _answered(prompt: Prompt, ask: str) -> str:
    form = prompt.response_format
    return answer(ask, json=form is not None, json_schema=form.json_schema if form else "")


def _until_stop(text: str, stops: tuple[str, ...]) -> tuple[str, bool]:
    """Return the text before the first stop text in it, and whether there was one."""
    ends = [at for stop in stops if (at := text.find(stop)) >= 0]
    return (text[: min(ends)], True) if ends else (text, False)


def _share(call: ModelCall) -> float:
    """Return where in 0..1 this call of this model falls: the same for the same request, even over requests."""
    digest = hashlib.blake2b(f"{call.request_id}\0{call.model.id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64
