"""Who may come in when there is not room for all: a share for each, without knowing beforehand how many there are.

A tenant may have as many calls under way as EAGER times the places that are free beyond one. Whoever has few always finds one; whoever
takes all that he can is stopped before the house is full, and the sooner the more the others take. These are the dynamic thresholds of
Choudhury and Hahne (1998). The times are in seconds and only go forward.
"""

from __future__ import annotations

EAGER = 6
"""One tenant that takes all that he can has six sevenths of the places; the rest is what lets others in at once."""

QUIET_S = 60.0
"""A tenant that has not called for so long needs no place kept. Who is alone may have all."""


class Crowd:
    """Counts the calls under way, by tenant."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._inside: dict[str, int] = {}
        self._called: dict[str, float] = {}
        self._total = 0
        self._swept = 0.0

    def inside(self, tenant: str) -> int:
        """Return how many calls of a tenant are under way."""
        return self._inside.get(tenant, 0)

    def has_room(self, tenant: str, now: float) -> bool:
        """Return whether a tenant may have one more; that he asked counts, whatever comes of it."""
        self._called[tenant] = now
        free, own = self._places - self._total, self.inside(tenant)
        if free <= 0:
            return False
        return own == 0 or own < EAGER * (free - 1) or self._is_alone(now)

    def entered(self, tenant: str) -> None:
        """Count a call that begins."""
        self._total += 1
        self._inside[tenant] = self.inside(tenant) + 1

    def left(self, tenant: str) -> None:
        """Count a call that has ended."""
        self._total -= 1
        self._inside[tenant] -= 1
        if not self._inside[tenant]:
            del self._inside[tenant]

    def _is_alone(self, now: float) -> bool:
        if now - self._swept >= 1.0:
            self._swept = now
            self._called = {name: at for name, at in self._called.items() if now - at < QUIET_S}
        return len(self._called) <= 1
