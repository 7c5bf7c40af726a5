"""The answer as values: what a model said, what it used, and how it was reached."""

from __future__ import annotations

from msgspec import Struct

from pointsman.core.optimise import Optimisation
from pointsman.core.request import Message, redacted
from pointsman.core.vocabulary import AttemptReason, CacheStatus, FinishReason


class Usage(Struct, frozen=True, kw_only=True):
    """Tokens and money (nano-USD). Cached and written tokens are part of the input, reasoning is part of the output."""

    input_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    estimated: bool = False
    """The provider did not say, and we counted."""
    cost: int = 0
    baseline_cost: int = 0
    """What the dearest model that could have served this request would have cost."""


class TextDelta(Struct, frozen=True):
    """A piece of text of an answer, to append."""

    text: str

    __repr__ = redacted


class ToolCallDelta(Struct, frozen=True, kw_only=True):
    """A piece of a tool call: `index` says which call of the answer; `id` and `name` come with its first piece."""

    index: int
    id: str = ""
    name: str = ""
    arguments_json: str = ""
    """To append."""

    __repr__ = redacted


Delta = TextDelta | ToolCallDelta


class Expected(Struct, frozen=True, kw_only=True):
    """What a decision expects of a model."""

    input_tokens: int
    output_tokens: int
    """Median."""
    cost: int
    """Nano-USD."""
    latency_ms: float


class Attempt(Struct, frozen=True, kw_only=True):
    """One call of one model."""

    model: str
    provider: str
    reason: AttemptReason
    error_type: str = ""
    """Empty if it answered; else "timeout", "429", "connection" and the like."""
    latency_ms: float
    ttft_ms: float | None = None
    """None if no token came."""
    began_s: float = 0.0
    """On the monotonic clock of the process that made it; not sent over the wire."""
    usage: Usage | None = None
    expected: Expected | None = None
    """None in one that came from a server which does not say."""


class Completion(Struct, frozen=True, kw_only=True):
    """An answer. `message` is None at the end of a stream, whose deltas carried it."""

    message: Message | None
    finish_reason: FinishReason
    usage: Usage
    attempts: tuple[Attempt, ...]
    model: str
    """The model that answered; another than was chosen after a fallback."""
    cache_status: CacheStatus = CacheStatus.UNSPECIFIED
    optimisation: Optimisation | None = None
    """What was left out of the prompt; None where the route says nothing of that. For the log: not sent over the wire."""
