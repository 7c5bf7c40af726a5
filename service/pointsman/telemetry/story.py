"""The story of a call: what happened, and when. It is told when the call has ended; whoever made things happen knows of no telling."""

from __future__ import annotations

from msgspec import Struct

from pointsman.core.completion import Attempt, Completion
from pointsman.core.decision import Decision
from pointsman.core.errors import NoEligibleModel

Outcome = Decision | NoEligibleModel


class Span(Struct, frozen=True):
    """From when to when, in nanoseconds of the Unix epoch."""

    began_ns: int
    ended_ns: int


class Parent(Struct, frozen=True):
    """The W3C trace context that came with a call; empty texts where there is none."""

    traceparent: str = ""
    tracestate: str = ""


class Decided(Struct, frozen=True, kw_only=True):
    """The decision or refusal, and what it was about."""

    when: Span
    outcome: Outcome
    asked: str = ""
    """The model or alias that the caller asked for; empty for none."""


class Tried(Struct, frozen=True):
    """An attempt at a model."""

    when: Span
    attempt: Attempt


class Story(Struct, kw_only=True):
    """What happened in one call, in order."""

    method: str
    """In full, as in pointsman.v1.RouterService/Complete."""
    id: str
    when: Span
    code: str
    """The gRPC status by its name, as the caller was told it."""
    reason: str = ""
    """Of an error: as in ErrorInfo."""
    tenant: str = ""
    is_stream: bool = False
    parent: Parent = Parent()
    decided: Decided | None = None
    tried: list[Tried] = []
    completion: Completion | None = None
