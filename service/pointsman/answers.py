"""An answer on its way from a model: whole, or in pieces; both begin with a first of something, by which a call is won or lost."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol, TypeVar

from pointsman.ports import Answer, AttemptFailed, Finished, ModelCall, Piece, Provider

T_co = TypeVar("T_co", covariant=True)


class Source(Protocol[T_co]):
    """An answer on its way."""

    async def first(self) -> T_co:
        """Return the first of it. Raises AttemptFailed."""
        ...

    async def close(self) -> None:
        """End the call upstream if it has not ended."""
        ...


class Whole:
    """An answer that comes at once."""

    def __init__(self, provider: Provider, call: ModelCall) -> None:
        self._provider, self._call = provider, call

    async def first(self) -> Answer:
        """Return the whole answer. Raises AttemptFailed."""
        return await self._provider.answer(self._call)

    async def close(self) -> None:
        """Do nothing: whoever stops waiting for `first` ends the call."""


class Streamed:
    """An answer that comes in pieces."""

    def __init__(self, provider: Provider, call: ModelCall) -> None:
        self._pieces: AsyncGenerator[Piece, None] = provider.stream(call)
        self._has_ended = False
        self.first = self.next

    async def next(self) -> Piece:
        """Return the next piece. Raises AttemptFailed, also where the answer ends without saying so."""
        try:
            piece = await anext(self._pieces)
        except StopAsyncIteration:
            raise AttemptFailed("incomplete") from None
        self._has_ended = isinstance(piece, Finished)
        return piece

    async def close(self) -> None:
        """End the call upstream if it has not ended; if it has, let the provider tidy up, so that its connection is kept."""
        if self._has_ended:
            await anext(self._pieces, None)
        await self._pieces.aclose()
