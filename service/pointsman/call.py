"""What is known of a call beside its message: who calls, how long he waits, and who wants to hear what happens."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from pointsman.core.request import CachePolicy
from pointsman.core.tenants import NOBODY_TOLD_APART, Tenant
from pointsman.telemetry import Happening


class Call(Struct, frozen=True, kw_only=True):
    """One call."""

    id: str
    """Of the request, and so of the decision."""
    tenant: Tenant = NOBODY_TOLD_APART
    time_left_s: float | None = None
    """Until the caller gives up; None if he does not say."""
    tried_before: int = 0
    """How often the caller's side has tried this call already."""
    own_key: str = ""
    """The caller's name for this call, by which it may be repeated; empty without one."""
    cache: CachePolicy = CachePolicy()
    captures: bool = False
    """Whether what is asked and answered is to be heard, too."""
    hear: Callable[[Happening], None] = lambda _: None
    """Is told what happens."""
