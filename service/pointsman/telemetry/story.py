"""The story of a call: what happened, and when. It is told when the call has ended; whoever makes things happen knows of no telling."""

from __future__ import annotations

from msgspec import Struct

from pointsman.core.account import Situation
from pointsman.core.completion import Attempt, Completion
from pointsman.core.decision import Decision
from pointsman.core.errors import NoEligibleModel
from pointsman.core.request import Message, Prompt
from pointsman.core.vocabulary import CacheStatus


class Parent(Struct, frozen=True):
    """The W3C trace context that came with a call; empty texts where there is none."""

    traceparent: str = ""
    tracestate: str = ""


class Told(Struct, frozen=True):
    """Where a story was told as a trace, in hexadecimal."""

    trace_id: str = ""
    """Empty where none is made."""
    span_id: str = ""
    """Of the call's own span; empty where the trace is not kept."""


UNTOLD = Told()


class Decided(Struct, frozen=True, kw_only=True):
    """A decision or refusal, when it was made, and what the caller asked for."""

    began_s: float
    ended_s: float
    situation: Situation
    outcome: Decision | NoEligibleModel
    asked: str = ""
    """A model or alias; empty for none."""


class LookedUp(Struct, frozen=True):
    """What the response cache had for a call, and when that was known."""

    status: CacheStatus
    at_s: float


class HoldAsked(Struct, frozen=True, kw_only=True):
    """What a tenant's windows were asked to hold for an attempt."""

    model: str
    began_s: float
    ended_s: float
    tokens: int
    """At most, input and output."""
    cost: int
    """Nano-USD, at most."""
    refused: str = ""
    """What was left, in words, where that was too little."""


class Scored(Struct, frozen=True, kw_only=True):
    """What a caller says of an answer, and whose it was."""

    decision_id: str
    score: float
    """0..1."""
    source: str
    rule: str
    model: str
    """Chosen by the decision."""


class Content(Struct, frozen=True, kw_only=True):
    """What was asked and answered: heard only where somebody has turned two switches for it."""

    prompt: Prompt
    answer: Message | None = None


Happening = Content | Scored | Decided | LookedUp | HoldAsked | Attempt | Completion
"""What may happen in a call."""


class Story(Struct, kw_only=True):
    """What happened in one call. Times are in seconds of the monotonic clock."""

    method: str
    """In full, as in pointsman.v1.RouterService/Complete."""
    id: str
    began_s: float
    began_ns: int
    """The same moment in nanoseconds of the Unix epoch."""
    ended_s: float = 0.0
    is_stream: bool = False
    parent: Parent = Parent()
    code: str = ""
    """The gRPC status by its name, as the caller was told it."""
    reason: str = ""
    """Of an error: as in ErrorInfo."""
    tenant: str = ""
    credential: str = ""
    """By what the caller is known: never the credential itself."""
    role: str = ""
    """That the method asks for, where it is more than to call."""
    revision: str = ""
    decided: Decided | None = None
    completion: Completion | None = None
    looked_up: LookedUp | None = None
    holds: list[HoldAsked] = []
    scored: Scored | None = None
    content: Content | None = None
    heard: list[Attempt] = []
    """Attempts, as they ended."""

    def hear(self, event: Happening) -> None:
        """Take down what happened; of decisions the last one, since a call that waits for room decides again.

        An attempt may be heard of twice: when it ended, and when what it used was counted.
        """
        if isinstance(event, Decided):
            self.decided = event
        elif isinstance(event, Completion):
            self.completion = event
        elif isinstance(event, LookedUp):
            self.looked_up = event
        elif isinstance(event, Attempt):
            self.heard = [*(each for each in self.heard if (each.model, each.began_s) != (event.model, event.began_s)), event]
        elif isinstance(event, HoldAsked):
            self.holds.append(event)
        elif isinstance(event, Content):
            self.content = event
        else:
            self.scored = event

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """The calls of models that were made for this one, as they ended; of a call that several waited for, one tells."""
        return tuple(self.heard)

    @property
    def cost(self) -> int:
        """Nano-USD, all attempts included, also where they came to no answer."""
        return sum(attempt.usage.cost for attempt in self.heard if attempt.usage is not None)

    def ns(self, at_s: float) -> int:
        """Return a time of the monotonic clock in nanoseconds of the Unix epoch."""
        return self.began_ns + round((at_s - self.began_s) * 1e9)
