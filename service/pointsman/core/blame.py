"""Whose fault a failed attempt is: what is remembered of it, and whether asking again can help."""

from __future__ import annotations

from enum import Enum


class Blame(Enum):
    """Who has to change for the next call to go better."""

    UPSTREAM = "upstream"
    """The upstream fails: enough of these, and it is left alone for a while."""
    RATE = "rate"
    """It is asked too often: it is left alone for as long as it says."""
    KEY = "key"
    """Our key does not count there, or has no money: nothing helps until a person has mended that."""
    REQUEST = "request"
    """It does not take this request; others it may."""


_KEYS = frozenset({"401", "402", "403", "quota"})
_REQUESTS = frozenset({"400", "405", "406", "409", "410", "411", "413", "414", "415", "422", "431", "bad_request", "unsupported"})


def blame(error_type: str) -> Blame:
    """Return whose fault it is, by the `error_type` of an attempt. A model that the upstream does not know (404) is the upstream's."""
    if error_type in ("429", "529"):
        return Blame.RATE
    if error_type in _KEYS:
        return Blame.KEY
    return Blame.REQUEST if error_type in _REQUESTS else Blame.UPSTREAM


def may_heal(error_type: str) -> bool:
    """Return whether the same upstream may answer the same request a moment later."""
    return blame(error_type) in (Blame.UPSTREAM, Blame.RATE) and error_type not in ("404", "private_address")
