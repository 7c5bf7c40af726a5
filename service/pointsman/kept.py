"""How answers are kept: by what the request comes to, or by a key that the caller gave it."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from pointsman.call import Call
from pointsman.core.cachekey import CacheKey, answer_key, coming_key, fingerprint, idempotency_key
from pointsman.core.caching import KEPT_LONGER, Entry, Use, age_s, entry_from, entry_of, fits, is_worth_keeping, use_of
from pointsman.core.completion import Completion
from pointsman.core.decision import Decision
from pointsman.core.errors import InvalidRequest, NotCached, Violation
from pointsman.core.request import Request
from pointsman.core.ruleset import Ruleset
from pointsman.purse import FREE, Purse

ONCE_S = 86_400.0
"""How long a result is kept for the key that its caller gave it."""


class Asked(Struct, frozen=True):
    """One call that has been decided on."""

    request: Request
    call: Call
    decision: Decision
    ruleset: Ruleset
    deadline: float
    """In seconds of the monotonic clock."""
    is_stream: bool = False
    purse: Purse = FREE
    """Pays for the models that are asked."""

    @property
    def use(self) -> Use:
        """How the call uses the response cache."""
        return use_of(self.call.cache, self.ruleset.settings(self.decision.rule.id), self.request.generation)

    @property
    def tenant(self) -> str:
        """Whose call it is."""
        return self.call.tenant.id


class Kept(Protocol):
    """How one kind of answer is kept."""

    @property
    def key(self) -> CacheKey:
        """Names the answer."""
        ...

    @property
    def mark(self) -> bytes:
        """Of the request, where the key is the caller's own; else empty."""
        ...

    @property
    def ttl_s(self) -> float:
        """How long it is kept."""
        ...

    def coming(self) -> CacheKey:
        """Return what names the answer that is under way: those who have it in common wait for one another."""
        ...

    def known(self, data: bytes | None, now_s: float) -> Entry | None:
        """Return what was kept; None where there is nothing, or nothing that may be given. Raises InvalidRequest."""
        ...

    def keep(self, completion: Completion, now_s: float) -> Entry | None:
        """Return what is to be kept; None where nothing is."""
        ...


class ByRequest(Struct, frozen=True):
    """How answers to the same request are kept."""

    key: CacheKey
    decision: Decision
    use: Use
    max_age_ms: float | None
    """The caller's."""
    mark: bytes = b""

    @property
    def ttl_s(self) -> float:
        """As in `Kept`."""
        return self.use.ttl_s * KEPT_LONGER

    def coming(self) -> CacheKey:
        """As in `Kept`."""
        return coming_key(self.key, self.decision, self.max_age_ms)

    def known(self, data: bytes | None, now_s: float) -> Entry | None:
        """As in `Kept`."""
        entry = entry_from(data)
        return entry if entry is not None and fits(entry, self.decision) and age_s(entry, now_s) <= self.use.oldest_s else None

    def keep(self, completion: Completion, now_s: float) -> Entry | None:
        """As in `Kept`."""
        return entry_of(completion, self.decision, now_s) if is_worth_keeping(completion) else None


class ByOwnKey(Struct, frozen=True):
    """How the first result of the caller's own key is kept, whatever it is, for a day."""

    key: CacheKey
    decision: Decision
    mark: bytes
    ttl_s: float = ONCE_S

    def coming(self) -> CacheKey:
        """As in `Kept`."""
        return self.key

    def known(self, data: bytes | None, _now_s: float) -> Entry | None:
        """As in `Kept`."""
        entry = entry_from(data)
        if entry is not None and entry.fingerprint != self.mark:
            raise names_another()
        return entry

    def keep(self, completion: Completion, now_s: float) -> Entry | None:
        """As in `Kept`."""
        return entry_of(completion, self.decision, now_s, fingerprint=self.mark)


def by_request(asked: Asked, use: Use) -> ByRequest:
    """Return how answers to the same request are kept."""
    decision = asked.decision
    key = answer_key(asked.tenant, asked.request, decision, asked.ruleset.route(decision.rule.id))
    return ByRequest(key, decision, use, asked.call.cache.max_age_ms)


def by_own_key(asked: Asked) -> ByOwnKey:
    """Return how the first result of the caller's own key is kept."""
    return ByOwnKey(idempotency_key(asked.tenant, asked.call.own_key), asked.decision, fingerprint(asked.request))


def not_cached() -> NotCached:
    """Return the error of a call that wanted a kept answer, and there is none."""
    return NotCached("no answer is kept for this request, and a model was not to be called; ask with another cache mode, or without one")


def names_another() -> InvalidRequest:
    """Return the error of a call whose key names another request."""
    message = "was given with another request within the last day; a key names one request: repeat that, or use a new key"
    return InvalidRequest(Violation(field="idempotency-key", message=message))
