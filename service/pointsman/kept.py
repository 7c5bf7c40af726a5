"""How answers are kept: by what the request comes to, or by a key that the caller gave it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from msgspec import Struct

from pointsman.core.cachekey import CacheKey, answer_key, coming_key, fingerprint, idempotency_key
from pointsman.core.caching import KEPT_LONGER, Entry, Use, age_s, entry_from, entry_of, fits, is_worth_keeping, use_of
from pointsman.core.completion import Completion
from pointsman.core.decision import Decision
from pointsman.core.errors import InvalidRequest, NotCached, Violation
from pointsman.core.request import CachePolicy, Request
from pointsman.core.ruleset import Ruleset
from pointsman.purse import FREE, Purse
from pointsman.telemetry import Happening

ONCE_S = 86_400.0
"""How long a result is kept for the key that its caller gave it."""


class Asked(Struct, frozen=True, kw_only=True):
    """One call that has been decided on."""

    request: Request
    decision: Decision
    ruleset: Ruleset
    tenant: str
    policy: CachePolicy = CachePolicy()
    own_key: str = ""
    """The caller's key, by which the call may be repeated; empty without one."""
    deadline: float
    """In seconds of the monotonic clock."""
    again: bool = True
    """Whether a model may be asked twice."""
    is_stream: bool = False
    purse: Purse = FREE
    """Pays for the models that are asked."""
    hear: Callable[[Happening], None] = lambda _: None
    """Is told what happens."""

    @property
    def use(self) -> Use:
        """How the call uses the response cache."""
        return use_of(self.policy, self.ruleset.settings(self.decision.rule.id), self.request.generation)


class Kept(Struct, frozen=True, kw_only=True):
    """How one kind of answer is kept."""

    key: CacheKey
    coming: Callable[[], CacheKey]
    """Names the answer that is under way: those who have it in common wait for one another."""
    mark: bytes = b""
    """Of the request, where the key is the caller's own."""
    known: Callable[[bytes | None], Entry | None]
    """Reads what was kept; None where there is nothing, or nothing that may be given. Raises InvalidRequest."""
    keep: Callable[[Completion], Entry | None]
    """Makes what is to be kept; None where nothing is."""
    ttl_s: float


def by_request(asked: Asked, use: Use, now_s: Callable[[], float]) -> Kept:
    """Return how answers to the same request are kept; `now_s` returns seconds of the epoch."""

    def known(data: bytes | None) -> Entry | None:
        entry = entry_from(data)
        return entry if entry and fits(entry, asked.decision) and age_s(entry, now_s()) <= use.oldest_s else None

    def keep(completion: Completion) -> Entry | None:
        return entry_of(completion, asked.decision, now_s()) if is_worth_keeping(completion) else None

    key = answer_key(asked.tenant, asked.request, asked.decision, asked.ruleset.route(asked.decision.rule.id))
    coming = partial(coming_key, key, asked.decision, asked.policy.max_age_ms)
    return Kept(key=key, coming=coming, known=known, keep=keep, ttl_s=use.ttl_s * KEPT_LONGER)


def by_own_key(asked: Asked, now_s: Callable[[], float]) -> Kept:
    """Return how the first result of the caller's own key is kept, whatever it is, for a day."""
    mark = fingerprint(asked.request)

    def known(data: bytes | None) -> Entry | None:
        entry = entry_from(data)
        if entry is not None and entry.fingerprint != mark:
            raise names_another()
        return entry

    def keep(completion: Completion) -> Entry | None:
        return entry_of(completion, asked.decision, now_s(), fingerprint=mark)

    key = idempotency_key(asked.tenant, asked.own_key)
    return Kept(key=key, coming=lambda: key, mark=mark, known=known, keep=keep, ttl_s=ONCE_S)


def not_cached() -> NotCached:
    """Return the error of a call that wanted a kept answer, and there is none."""
    return NotCached("no answer is kept for this request, and a model was not to be called; ask with another cache mode, or without one")


def names_another() -> InvalidRequest:
    """Return the error of a call whose key names another request."""
    message = "was given with another request within the last day; a key names one request: repeat that, or use a new key"
    return InvalidRequest(Violation(field="idempotency-key", message=message))
