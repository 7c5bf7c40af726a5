"""Shares of traffic that stay where they are: the same conversation, user or tenant is always on the same side.

A keyed hash turns what is sticky into a number, so that raising a percentage keeps everyone who is in already, and two rules draw
independently unless they name the same seed. Without a sticky value the id of the decision is drawn on: a share of the requests.
"""

from __future__ import annotations

from hashlib import blake2b
from math import log

from msgspec import Struct

from pointsman.core.facts import Facts, value_of

BUCKETS = 10_000

_UNIT = 1 << 64


class Rollout(Struct, frozen=True, kw_only=True):
    """A share of the requests that a rule's conditions hold for."""

    seed: str
    by: str | None
    """The fact that is sticky; None draws on every request anew."""
    below: int
    """Buckets, 0..BUCKETS, that are in."""

    def bucket(self, facts: Facts) -> int:
        """Return the bucket of a request, 0..BUCKETS-1."""
        return _drawn(self.seed, sticky(facts, self.by)) * BUCKETS // _UNIT

    def admits(self, facts: Facts) -> bool:
        """Return whether the request is in the share."""
        return self.bucket(facts) < self.below


def sticky(facts: Facts, by: str | None) -> str:
    """Return the value that a share is drawn on: that of the fact, or the decision's id where it is absent."""
    value = None if by is None else value_of(facts, by)
    return facts.request.id if value is None else str(value)


def rank(seed: str, value: str, name: str, weight: float) -> float:
    """Return the place of a name when names are drawn by weight: the lowest comes first, and it stays the lowest when others go.

    Weighted rendezvous hashing: -log(u) / weight for a u drawn per name (Schindelhauer and Schomaker, 2005). Weight 0 comes last.
    """
    return -log((_drawn(seed, f"{value}\0{name}") + 1) / _UNIT) / weight if weight else float("inf")


def _drawn(seed: str, value: str) -> int:
    """Return 64 bits drawn on a value."""
    return int.from_bytes(blake2b(value.encode("utf-8", "surrogatepass"), key=seed.encode(), digest_size=8).digest(), "big")
