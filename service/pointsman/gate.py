"""The door that every call comes through: what tenants may ask per minute and at once, and what the whole process bears."""

from __future__ import annotations

from pointsman.core.crowd import QUIET_S, Crowd
from pointsman.core.errors import Overloaded, RateLimited
from pointsman.core.limits import Rate
from pointsman.core.tenants import Tenant
from pointsman.ports import Clock

IN_A_MOMENT_S = 1.0


class Gate:
    """Lets calls in. Each replica has its own, and counts what comes to itself."""

    def __init__(self, most_calls: int, clock: Clock) -> None:
        self._most_calls = most_calls
        self._clock = clock
        self._crowd = Crowd(most_calls)
        self._rates: dict[str, tuple[int, Rate, float]] = {}

    def enter(self, tenant: Tenant) -> Tenant:
        """Let a call of a tenant in, who then has to leave, and return him. A refusal counts for nothing.

        Raises Overloaded and RateLimited.
        """
        now, limits = self._clock.monotonic(), tenant.facts
        if not self._crowd.has_room(tenant.id, now):
            raise Overloaded(f"{self._most_calls} calls are all that this server bears, and they are taken; call another one, or later")
        if limits.max_in_flight is not None and self._crowd.inside(tenant.id) >= limits.max_in_flight:
            told = f"tenant '{tenant.id}' may have {limits.max_in_flight} calls at once (max_in_flight), and has; wait for one to end"
            raise RateLimited(told, retry_after_s=IN_A_MOMENT_S)
        if limits.requests_per_minute is not None:
            self._take(tenant.id, limits.requests_per_minute, now)
        self._crowd.entered(tenant.id)
        return tenant

    def leave(self, tenant: Tenant | None) -> None:
        """Count a call that has ended; None is one that was not let in."""
        if tenant is not None:
            self._crowd.left(tenant.id)

    def _take(self, tenant: str, per_minute: int, now: float) -> None:
        found = self._rates.get(tenant)
        rate = found[1] if found is not None and found[0] == per_minute else self._begun(per_minute, now)
        self._rates[tenant] = per_minute, rate, now
        if not rate.has_room(now):
            told = f"tenant '{tenant}' may ask {per_minute} times per minute (requests_per_minute): one each {60 / per_minute:.3g} s"
            raise RateLimited(told, retry_after_s=rate.room_at(now) - now)
        rate.take(now, 1)

    def _begun(self, per_minute: int, now: float) -> Rate:
        """Return a full bucket; those of tenants that have gone are let go."""
        self._rates = {name: kept for name, kept in self._rates.items() if now - kept[2] < QUIET_S}
        return Rate(per_minute)
