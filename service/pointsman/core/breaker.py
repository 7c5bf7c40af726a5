"""A circuit breaker for a model or a store: it spares calls that would most likely fail, and finds out when they no longer do.

    closed --FAILURES in a row within WINDOW_S, or half of the last LEAST or more--> open
    open   --the pause is over--> half-open: one call at a time is let through
    half-open --it succeeds--> closed        half-open --it fails--> open, for twice as long, at most `longest_s`

Beside it a cool-down: an upstream that says it is asked too often is left alone for as long as it wants, and then trusted as before.

It reads no clock: `now` is in seconds of any clock that only goes forward.
"""

from __future__ import annotations

from collections import deque
from math import inf

FAILURES = 5
WINDOW_S = 10.0
LEAST = 20
SHARE = 0.5
FIRST_S, LONGEST_S = 5.0, 60.0
COOL_S = 1.0
"""How long an upstream is left alone that does not say for how long."""


class Breaker:
    """Knows whether one upstream should be called."""

    def __init__(self, *, first_s: float = FIRST_S, longest_s: float = LONGEST_S) -> None:
        """The first pause, and the longest, in seconds."""
        self._first_s, self._longest_s = first_s, longest_s
        self._failures: deque[float] = deque(maxlen=FAILURES)
        self._seconds: deque[list[int]] = deque()
        self._opened = -inf
        self._pause_s = 0.0
        self._cool_until = -inf
        self._probing = False

    @property
    def is_at_ease(self) -> bool:
        """Whether nothing keeps it from admitting calls, now or at any time to come, unless one fails."""
        return self._pause_s == 0 and self._cool_until == -inf

    @property
    def _is_open(self) -> bool:
        return self._pause_s > 0

    def admits(self, now: float) -> bool:
        """Return whether a call may be made."""
        return now >= self._cool_until and (not self._is_open or (now >= self._opened + self._pause_s and not self._probing))

    def state(self, now: float) -> str:
        """Return "closed", "open", or "half_open" where the next call, or one under way, finds out. A cool-down is no state of it."""
        if not self._is_open:
            return "closed"
        return "half_open" if now >= self._opened + self._pause_s else "open"

    def heals_at(self, now: float) -> float:
        """Return when it may admit calls without anything happening before; `inf` where nothing keeps it from that, or a call is out."""
        moments = (self._cool_until, self._opened + self._pause_s if self._is_open and not self._probing else -inf)
        return next((moment for moment in (max(moments),) if moment > now), inf)

    def began(self) -> bool:
        """Note a call that was admitted, and return whether it is the one that finds out; while that is under way, no other is admitted."""
        self._probing = self._is_open
        return self._probing

    def gave_up(self, *, probe: bool) -> None:
        """Note a call that ended without saying anything about the upstream."""
        self._probing = self._probing and not probe

    def succeeded(self, now: float, *, probe: bool) -> None:
        """Note a call that was answered. While the breaker is open, what began before is no news."""
        if self._is_open and not probe:
            return
        self._probing = False
        self._pause_s = 0.0
        if now >= self._cool_until:
            self._cool_until = -inf
        if self._failures:
            self._failures.clear()
        self._count(now, failed=False)

    def failed(self, now: float, *, probe: bool) -> None:
        """Note a call that failed by the upstream's fault. While the breaker is open, what began before is no news."""
        if self._is_open:
            if probe:
                self._open(now, min(self._pause_s * 2, self._longest_s))
                self._probing = False
            return
        self._failures.append(now)
        self._count(now, failed=True)
        if self._in_a_row(now) or self._too_many():
            self._open(now, self._first_s)

    def cool(self, now: float, seconds: float | None, *, probe: bool) -> None:
        """Leave the upstream alone for that long."""
        self.gave_up(probe=probe)
        self._cool_until = max(self._cool_until, now + (COOL_S if seconds is None else seconds))

    def _open(self, now: float, pause_s: float) -> None:
        self._opened, self._pause_s = now, pause_s
        self._seconds.clear()

    def _in_a_row(self, now: float) -> bool:
        return len(self._failures) == FAILURES and now - self._failures[0] <= WINDOW_S

    def _too_many(self) -> bool:
        failed = sum(second[2] for second in self._seconds)
        calls = failed + sum(second[1] for second in self._seconds)
        return calls >= LEAST and failed >= SHARE * calls

    def _count(self, now: float, *, failed: bool) -> None:
        second = int(now)
        while self._seconds and self._seconds[0][0] <= second - WINDOW_S:
            self._seconds.popleft()
        if not self._seconds or self._seconds[-1][0] != second:
            self._seconds.append([second, 0, 0])
        self._seconds[-1][2 if failed else 1] += 1
