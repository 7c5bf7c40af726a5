"""When an answer may be given again: which requests look, which answers are kept, and which kept ones fit a decision.

Kept is what a model said in full and meant as the end (STOP). Not kept are tool calls, which stand for something that happens once; what
was filtered or broke off; and what was cut at its length, since a cap also comes from limits that are no part of the key.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct, structs

from pointsman.core.completion import Completion, Usage
from pointsman.core.decision import Decision
from pointsman.core.request import CachePolicy, Generation, Message, ToolCall
from pointsman.core.ruleset import RouteSettings
from pointsman.core.vocabulary import CacheMode, CacheStatus, FinishReason, Role

KEPT_LONGER = 2.0
"""How many times its time an answer is kept: past its time it is given only where every model fails."""


class Use(Struct, frozen=True, kw_only=True):
    """How one call uses the response cache."""

    looks: bool = False
    stores: bool = False
    required: bool = False
    """Without an answer the call fails: no model is to be called."""
    ttl_s: float = 0.0
    oldest_s: float = 0.0
    """The age at which an answer is not taken any more."""
    status: CacheStatus = CacheStatus.UNSPECIFIED
    """What is said where it was not looked."""

    @property
    def is_off(self) -> bool:
        return not (self.looks or self.stores)


_OFF = Use()
_BYPASS = Use(status=CacheStatus.BYPASS)


def use_of(policy: CachePolicy, settings: RouteSettings, generation: Generation) -> Use:
    """Return how a call uses the cache, by what it asks for and what its route says.

    Whoever does not ask is given an answer again only where the model would have said the same: at temperature 0, or with a seed. A route
    that says `mode: off` keeps no answers, whoever asks.
    """
    asks = policy.mode is not CacheMode.UNSPECIFIED
    ttl_s = settings.cache_ttl_s
    if policy.mode is CacheMode.BYPASS or not ttl_s or not (asks or settings.cache_mode == "exact"):
        required = policy.mode is CacheMode.ONLY_IF_CACHED
        return Use(required=required, status=CacheStatus.BYPASS) if asks else _OFF
    if not asks and not is_deterministic(generation):
        return _BYPASS
    looks, stores, required = _MEANS[policy.mode]
    return Use(
        looks=looks,
        stores=stores,
        required=required,
        ttl_s=ttl_s,
        oldest_s=ttl_s if policy.max_age_ms is None else min(ttl_s, policy.max_age_ms / 1000),
        status=CacheStatus.BYPASS,
    )


_MEANS = {
    CacheMode.UNSPECIFIED: (True, True, False),
    CacheMode.USE: (True, True, False),
    CacheMode.REFRESH: (False, True, False),
    CacheMode.ONLY_IF_CACHED: (True, False, True),
}
"""Whether a call looks for an answer, whether it has its own kept, and whether it does without a model."""


def is_deterministic(generation: Generation) -> bool:
    """Return whether a model is asked to say the same each time. A temperature that is not given is not 0."""
    return generation.temperature == 0 or generation.seed is not None


class Entry(Struct, frozen=True, kw_only=True, array_like=True):
    """An answer that is kept. `fingerprint` is that of the request where a caller's own key names the answer, else empty."""

    parts: tuple[str | ToolCall, ...]
    finish_reason: FinishReason
    input_tokens: int
    output_tokens: int
    reasoning_tokens: int
    estimated: bool
    """As in the usage of the attempt that answered."""
    model: str
    upstream: str
    """The name that the provider knew the model by: another one is another model."""
    stored_at: float
    """Seconds of the epoch."""
    fingerprint: bytes = b""

    def encoded(self) -> bytes:
        """Return it as bytes."""
        return _ENCODER.encode(self)


def is_worth_keeping(completion: Completion) -> bool:
    """Return whether an answer may be given again to whoever asks the same. One that was kept itself does not become young by it."""
    parts = completion.message.parts if completion.message is not None else ()
    return (
        bool(completion.attempts)
        and completion.finish_reason is FinishReason.STOP
        and bool(parts)
        and all(isinstance(part, str) for part in parts)
    )


def entry_of(completion: Completion, decision: Decision, now_s: float, *, fingerprint: bytes = b"") -> Entry | None:
    """Return what is kept of an answer; None where it holds what models do not answer with."""
    parts = completion.message.parts if completion.message is not None else ()
    kept = tuple(part for part in parts if isinstance(part, str | ToolCall))
    if len(kept) < len(parts):
        return None
    upstream = next((candidate.upstream for candidate in decision.plan if candidate.model == completion.model), "")
    used = answering(completion)
    return Entry(
        parts=kept,
        finish_reason=completion.finish_reason,
        input_tokens=used.input_tokens,
        output_tokens=used.output_tokens,
        reasoning_tokens=used.reasoning_tokens,
        estimated=used.estimated,
        model=completion.model,
        upstream=upstream,
        stored_at=now_s,
        fingerprint=fingerprint,
    )


def entry_from(data: bytes | None) -> Entry | None:
    """Return the entry that bytes hold; None where they hold none, whoever wrote them."""
    try:
        return None if data is None else _DECODER.decode(data)
    except (msgspec.MsgspecError, ValueError):
        return None


def fits(entry: Entry, decision: Decision) -> bool:
    """Return whether an answer is one that this decision could have led to: by a model of its plan, and no longer than that may answer."""
    for candidate in decision.plan:
        if candidate.model == entry.model:
            return candidate.upstream == entry.upstream and entry.output_tokens <= candidate.tokens.output_cap
    return False


def age_s(entry: Entry, now_s: float) -> float:
    """Return how old an entry is. Clocks of two machines may differ: none is younger than new."""
    return max(0.0, now_s - entry.stored_at)


def recalled(entry: Entry, status: CacheStatus, *, baseline_cost: int) -> Completion:
    """Return an entry as the answer to a call: its tokens are those that were saved, and it costs nothing."""
    usage = Usage(
        input_tokens=entry.input_tokens,
        output_tokens=entry.output_tokens,
        reasoning_tokens=entry.reasoning_tokens,
        estimated=entry.estimated,
        baseline_cost=baseline_cost,
    )
    return Completion(
        message=Message(role=Role.ASSISTANT, parts=entry.parts),
        finish_reason=entry.finish_reason,
        usage=usage,
        attempts=(),
        model=entry.model,
        cache_status=status,
    )


def shared(completion: Completion) -> Completion:
    """Return an answer for one who shares it with the call that paid for it, and for which the provider's cache was read or written."""
    usage = structs.replace(answering(completion), cost=0, cached_input_tokens=0, cache_write_tokens=0)
    return structs.replace(completion, usage=usage, attempts=(), cache_status=CacheStatus.COALESCED, optimisation=None)


def is_shared_failure(completion: Completion) -> bool:
    """Return whether this is a broken-off answer for one who shared it: neither an answer, nor anything that was saved or paid for."""
    return completion.finish_reason is FinishReason.ERROR and not completion.attempts


def answering(completion: Completion) -> Usage:
    """Return the usage of the attempt that answered, without those that others made in vain; all of it where none is known."""
    last = completion.attempts[-1].usage if completion.attempts else None
    return last or completion.usage


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Entry)
