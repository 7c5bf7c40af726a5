"""Leaves out of prompts what their routes say need not be sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from msgspec import structs

from pointsman.core.optimise import Optimisation, optimised
from pointsman.core.prompt_tokens import texts_of
from pointsman.core.reading import Count
from pointsman.core.request import Request
from pointsman.core.ruleset import RouteSettings
from pointsman.reader import INLINE


class Economy:
    """Makes prompts shorter; long ones on a thread, since that takes time by their length."""

    def __init__(self, count: Callable[[str], Count]) -> None:
        """`count` gives the tokens of one text, on any thread."""
        self._count = count

    async def spared(self, request: Request, settings: RouteSettings) -> tuple[Request, Optimisation | None]:
        """Return the request as it is to be sent, and what was left out; None where the route says nothing of that."""
        if not settings.optimize:
            return request, None
        what = (request.prompt, settings, self._tokens)
        long = sum(map(len, texts_of(request.prompt))) > INLINE
        prompt, report = await asyncio.to_thread(optimised, *what) if long else optimised(*what)
        return structs.replace(request, prompt=prompt), report

    def _tokens(self, text: str) -> int:
        return self._count(text).tokens
