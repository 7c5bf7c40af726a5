"""What one request may spend, as those see it who call models for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from msgspec import Struct

from pointsman.core.completion import Usage
from pointsman.core.decision import Candidate


class Refused(Struct, frozen=True, kw_only=True):
    """Why nothing was held."""

    told: str
    """What the windows have left, in words."""
    heals_in_s: float | None = None
    """Until it may be tried again; None where waiting alone does not help."""
    is_unknown: bool = False
    """That nobody can tell at present whether the windows have room."""


class Held(Protocol):
    """What an attempt holds."""

    output_cap: int
    """The most output that it covers."""

    def settle(self, usage: Usage | None, *, answered: bool = False) -> None:
        """Put what was used in its place; None where nothing was. Only the first time counts."""
        ...

    def settle_later(self, count: Callable[[], Awaitable[Usage]]) -> None:
        """Do so when it has been counted."""
        ...


class Purse(Protocol):
    """What one request may spend."""

    async def hold(self, candidate: Candidate, output_cap: int, lasts_s: float) -> Held | Refused:
        """Hold what an attempt with that much output may use at most, or with less output where there is no room for all of it."""
        ...


class _NothingHeld:
    def __init__(self, output_cap: int) -> None:
        self.output_cap = output_cap

    def settle(self, usage: Usage | None, *, answered: bool = False) -> None:
        """Do nothing."""

    def settle_later(self, count: Callable[[], Awaitable[Usage]]) -> None:
        """Do nothing."""


class _Free:
    async def hold(self, _candidate: Candidate, output_cap: int, _lasts_s: float) -> Held | Refused:
        """Hold nothing."""
        return _NothingHeld(output_cap)


FREE: Purse = _Free()
"""Pays for anything, and counts nothing."""
