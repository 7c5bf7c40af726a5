"""Who may call: tenants, and the credentials by which they are known. Read from `tenants.yaml`, immutable afterwards.

A tenant is found by the credential alone. Keys are looked up by their digest, so neither a key nor anything derived from a guess at one is
compared letter by letter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from msgspec import Struct

from pointsman.core.facts import TenantFacts


class TenantRole(StrEnum):
    """What a tenant may call."""

    CALLER = "caller"
    """RouterService."""
    ADMIN = "admin"
    """AdminService, and reflection."""


class Window(Struct, frozen=True, kw_only=True):
    """A budget: so much of one kind in a stretch of time. Exactly one of tokens, usd and requests is set."""

    span_s: float
    sliding: bool
    """Else aligned to UTC."""
    tokens: int | None
    usd: int | None
    """Nano-USD."""
    requests: int | None
    tier: str
    """Only what models of this tier use counts; empty for all."""
    on_exhausted: str
    """ "reject", "degrade" or "warn"."""

    @property
    def kind(self) -> str:
        """What it is a window of."""
        return "tokens" if self.tokens is not None else "usd" if self.usd is not None else "requests"

    @property
    def limit(self) -> int:
        """How much there is of it: tokens, nano-USD or requests."""
        return self.tokens or self.usd or self.requests or 0


class Tenant(Struct, frozen=True, kw_only=True):
    """Someone who may call, and what rules may know of him."""

    id: str
    roles: frozenset[TenantRole] = frozenset({TenantRole.CALLER})
    facts: TenantFacts = TenantFacts()
    windows: tuple[Window, ...] = ()
    is_closed: bool = False
    """Spends nothing while it is not known what other replicas have spent for it; else each spends its share."""


def anonymous(name: str) -> Tenant:
    """Return the tenant that everyone is where no tenants are told apart."""
    return Tenant(id=name, roles=frozenset(TenantRole))


NOBODY_TOLD_APART = anonymous("default")


class Pattern(Struct, frozen=True):
    """A text in which one `*` stands for one or more characters that are none of `stops`."""

    text: str
    stops: str = ""

    def matches(self, found: str) -> bool:
        """Return whether the text is one that the pattern stands for."""
        head, _, tail = self.text.partition("*")
        free = found[len(head) : len(found) - len(tail)]
        fits = len(found) > len(head) + len(tail) and found.startswith(head) and found.endswith(tail)
        return fits and not any(stop in free for stop in self.stops)

    def overlaps(self, other: Pattern) -> bool:
        """Return whether a text may match both; where two patterns only nearly meet, True."""
        (head, _, tail), (other_head, _, other_tail) = self.text.partition("*"), other.text.partition("*")
        heads = head.startswith(other_head) or other_head.startswith(head)
        return heads and (tail.endswith(other_tail) or other_tail.endswith(tail))


class Holder(Struct, frozen=True, kw_only=True):
    """Whose a credential is."""

    tenant: Tenant
    expires: str = ""
    """Last day, UTC, in ISO form, on which the credential counts; empty for no end."""

    def is_expired(self, today: str) -> bool:
        return bool(self.expires) and today > self.expires


class Names(Struct, frozen=True):
    """The names of one kind by which callers are known. No name is of two holders."""

    exact: Mapping[str, Holder] = {}
    patterns: tuple[tuple[Pattern, Holder], ...] = ()

    def holder(self, shown: Iterable[str]) -> Holder | None:
        """Return whose one of the names is; None where they are nobody's."""
        for name in shown:
            holder = self.exact.get(name) or next((holder for pattern, holder in self.patterns if pattern.matches(name)), None)
            if holder is not None:
                return holder
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenants:
    """Everyone who may call."""

    revision: str
    """Twelve hexadecimal digits over the file."""
    by_id: Mapping[str, Tenant]
    keys: Mapping[bytes, Holder] = field(default_factory=dict, repr=False)
    """By SHA-256 of the key."""
    spiffe: Names = Names()
    """By SPIFFE id of a client certificate."""
    subjects: Names = Names()
    """By subject of a client certificate, as RFC 4514 writes it."""
    jwt_subjects: Names = Names()
    """By `sub` of a JSON Web Token."""
