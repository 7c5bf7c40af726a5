"""What the response cache did: sums by tenant and rule, and why the last misses missed.

A miss is held against the last ones of its tenant: what is named is the first part of the request in which it differs from the one that is
most like it. Of requests only digests of their parts are kept.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from copy import copy
from datetime import datetime
from hashlib import blake2b

import msgspec
from msgspec import Struct, structs

from pointsman.core.catalog import Price
from pointsman.core.completion import Usage
from pointsman.core.decision import Decision
from pointsman.core.request import Request
from pointsman.core.vocabulary import CacheStatus

MOST_ROWS = 1_000
OTHER = "(other)"
"""Stands for the tenants and rules beyond MOST_ROWS."""

SUMMED_AT_ONCE = 64
"""Calls: each for itself, between other work, takes three times as long."""

KEPT_MISSES = 50
COMPARED = 200
"""Misses that a new one is held against, over all tenants."""

MOST_MESSAGES = 64
"""Messages of a request that are told apart; those behind them count as one."""


class CacheRow(Struct, kw_only=True):
    """Sums of one tenant and rule. Whoever asks for the account is given copies."""

    tenant: str
    rule: str
    hits: int = 0
    misses: int = 0
    coalesced: int = 0
    stale: int = 0
    bypassed: int = 0
    saved_input_tokens: int = 0
    saved_output_tokens: int = 0
    saved: int = 0
    """Nano-USD, at the prices of the models that answered."""


class CacheMiss(Struct, frozen=True, kw_only=True):
    """A request that found no answer."""

    decision_id: str
    at: datetime
    tenant: str
    rule: str
    changed: str
    """The first part in which it differs from the request before that is most like it."""


class CacheAccount(Struct, frozen=True, kw_only=True):
    """What can be told of a response cache; sums are since the server's start."""

    rows: tuple[CacheRow, ...]
    misses: tuple[CacheMiss, ...]
    """The last ones, the latest first."""
    entries: int = 0
    """That this server keeps by itself."""
    bytes: int = 0


Parts = tuple[tuple[str, bytes], ...]

_COUNTS = {
    CacheStatus.HIT: "hits",
    CacheStatus.MISS: "misses",
    CacheStatus.COALESCED: "coalesced",
    CacheStatus.STALE: "stale",
    CacheStatus.BYPASS: "bypassed",
}


class Cachebook:
    """Keeps the account of a response cache."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], CacheRow] = {}
        self._calls: list[tuple[str, str, CacheStatus, Usage | None, Price | None]] = []
        self._misses: deque[CacheMiss] = deque(maxlen=KEPT_MISSES)
        self._seen: deque[tuple[str, Parts]] = deque(maxlen=COMPARED)

    def count(self, tenant: str, rule: str, status: CacheStatus, saved: Usage | None = None, price: Price | None = None) -> None:
        """Count a call; `saved` is the usage of a model that was not called, `price` what that would have been charged by."""
        self._calls.append((tenant, rule, status, saved, price))
        if len(self._calls) >= SUMMED_AT_ONCE:
            self._sum()

    def _sum(self) -> None:
        calls, self._calls = self._calls, []
        for tenant, rule, status, saved, price in calls:
            field = _COUNTS.get(status)
            if field is None:
                continue
            row = self._rows.get((tenant, rule)) or self._new_row(tenant, rule)
            setattr(row, field, getattr(row, field) + 1)
            if saved is not None:
                row.saved_input_tokens += saved.input_tokens
                row.saved_output_tokens += saved.output_tokens
                row.saved += price.cost(saved.input_tokens, saved.output_tokens) if price is not None else 0

    def _new_row(self, tenant: str, rule: str) -> CacheRow:
        key = (tenant, rule) if len(self._rows) < MOST_ROWS else (OTHER, OTHER)
        return self._rows.setdefault(key, CacheRow(tenant=key[0], rule=key[1]))

    def missed(self, tenant: str, request: Request, decision: Decision, at: datetime) -> None:
        """Note a request that found no answer."""
        parts = tuple(_parts(request, decision))
        others = [seen for whose, seen in self._seen if whose == tenant]
        miss = CacheMiss(decision_id=decision.id, at=at, tenant=tenant, rule=decision.rule.id, changed=first_change(parts, others))
        self._misses.append(miss)
        self._seen.append((tenant, parts))

    def account(self, tenant: str = "", *, entries: int = 0, size: int = 0) -> CacheAccount:
        """Return the account, of one tenant or of all."""
        self._sum()
        rows = (copy(row) for _, row in sorted(self._rows.items()) if tenant in ("", row.tenant))
        misses = (miss for miss in reversed(self._misses) if tenant in ("", miss.tenant))
        return CacheAccount(rows=tuple(rows), misses=tuple(misses), entries=entries, bytes=size)


def first_change(parts: Parts, others: list[Parts]) -> str:
    """Return the name of the first part in which a request differs from the one of the others that is most like it."""
    if not others:
        return "nothing like it was asked before"
    shared = [(_shared(parts, other), number) for number, other in enumerate(others)]
    most, number = max(shared)
    nearest = others[number]
    if nearest == parts:
        return "nothing: the answer was not kept, or its time was over"
    known, ours = dict(nearest), dict(parts)
    changed = next((name for name, digest in parts if known.get(name) != digest), None)
    name = changed or next(name for name, _ in nearest if name not in ours)
    return name if most else f"{name}, and everything else"


def _shared(parts: Parts, other: Parts) -> int:
    known = dict(other)
    return sum(known.get(name) == digest for name, digest in parts)


def _parts(request: Request, decision: Decision) -> Iterator[tuple[str, bytes]]:
    """Yield the parts of a request by which answers are found, with digests of them."""
    prompt = request.prompt
    yield "rule", _digest(decision.rule.id)
    yield "constraints", _digest(sorted(decision.constraints))
    for name in structs.fields(request.generation):
        yield f"generation.{name.name}", _digest(getattr(request.generation, name.name))
    yield "prompt.tools", _digest(prompt.tools)
    yield "prompt.response_format", _digest(prompt.response_format)
    for number, message in enumerate(prompt.messages[:MOST_MESSAGES]):
        yield (
            f"prompt.messages[{number}]",
            _digest((message.role, [part if isinstance(part, str) else (type(part).__name__, part) for part in message.parts])),
        )
    if len(prompt.messages) > MOST_MESSAGES:
        yield f"prompt.messages[{MOST_MESSAGES}...]", _digest(prompt.messages[MOST_MESSAGES:])


def _digest(part: object) -> bytes:
    return blake2b(_ENCODER.encode(part), digest_size=8).digest()


_ENCODER = msgspec.msgpack.Encoder(order="deterministic")
