"""The client's methods without a network: through the same codec and the same router, in this process."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Self

from pointsman.call import Call
from pointsman.core.completion import Completion, Delta
from pointsman.core.decision import Decision
from pointsman.core.request import CachePolicy, Request
from pointsman.router import Router
from pointsman.wire import codec


class LocalClient:
    """Calls a router in this process; values are checked as a server would."""

    def __init__(self, router: Router) -> None:
        self._router = router

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Nothing is open."""

    async def route(self, request: Request, *, explain: bool = False, timeout_s: float | None = None) -> Decision:
        """Return which model is to serve the request, and why. Raises PointsmanError."""
        return await self._router.route(checked(request), _call(timeout_s), explained=explain)

    async def complete(
        self, request: Request, *, explain: bool = False, timeout_s: float | None = None, cache: CachePolicy | None = None
    ) -> tuple[Decision, Completion]:
        """Return the decision and the answer of the model. Raises PointsmanError."""
        return await self._router.complete(checked(request), _call(timeout_s, cache), explained=explain)

    async def stream(
        self, request: Request, *, explain: bool = False, timeout_s: float | None = None, cache: CachePolicy | None = None
    ) -> AsyncGenerator[Decision | Delta | Completion, None]:
        """Yield the decision, the pieces of the answer, and the completion. Raises PointsmanError."""
        async with aclosing(self._router.stream(checked(request), _call(timeout_s, cache), explained=explain)) as events:
            async for event in events:
                yield event

    async def models(self, *, timeout_s: float | None = None) -> list[codec.ListedModel]:
        """Return the models of the catalog with their state, ordered by id. It takes no time, so `timeout_s` plays no part."""
        del timeout_s
        return [codec.listed(status) for status in self._router.models()]


def checked(request: Request) -> Request:
    """Return the request as a server would read it. Raises InvalidRequest."""
    return codec.request_from_pb(codec.request_to_pb(request))


def _call(timeout_s: float | None, cache: CachePolicy | None = None) -> Call:
    return Call(id=secrets.token_hex(16), time_left_s=timeout_s, cache=cache or CachePolicy())
