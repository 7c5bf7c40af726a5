"""How much may be asked of an upstream at once and over time. None of these reads a clock: `now` is in seconds, and only goes forward."""

from __future__ import annotations

from math import inf

START = 32
MOST = 1024
PATIENCE_S = 1.0


class Limit:
    """Calls at once: more for each round that goes well while they are needed, a third less when the upstream is overloaded (AIMD).

    Additive increase and multiplicative decrease find a fair share of what an upstream bears without being told it (Chiu and Jain, 1989).
    Until it was overloaded once they may double with each round: a replica that is left alone has the calls of all to bear at once.
    """

    def __init__(self, most: int | None = None) -> None:
        """`most` is what the catalog allows."""
        self._most = most or MOST
        self._bears = float(min(START, self._most))
        self._lowered = -inf
        self.in_flight = 0

    @property
    def has_room(self) -> bool:
        """Whether one more call may be made."""
        return self.in_flight < int(self._bears)

    def began(self) -> None:
        """Count a call."""
        self.in_flight += 1

    def ended(self) -> None:
        """Count a call less; what became of it, `went_well` or `overloaded` says."""
        self.in_flight -= 1

    def went_well(self) -> None:
        """Note an answer. The limit rises only while it is nearly used: what was not tried is not known to be borne."""
        if self.in_flight + 1 >= self._bears * 0.8:
            more = 1.0 if self._lowered == -inf else 1 / self._bears
            self._bears = min(self._bears + more, float(self._most))

    def overloaded(self, now: float) -> None:
        """Note a sign of overload. The many calls that see the same one count once."""
        if now - self._lowered >= PATIENCE_S:
            self._bears, self._lowered = max(1.0, self._bears * 2 / 3), now


BURST_S = 10.0
"""A minute's allowance is handed out in stretches of this length, since providers do not all begin their minutes when we do."""


class Rate:
    """So much per minute, as a bucket that fills evenly."""

    def __init__(self, per_minute: int) -> None:
        self._per_s = per_minute / 60
        self._most = max(1.0, self._per_s * BURST_S)
        self._level, self._at = self._most, -inf

    def has_room(self, now: float) -> bool:
        """Return whether something may be taken."""
        return self._filled(now) >= 1

    def room_at(self, now: float) -> float:
        """Return when something may be taken, `now` if it may be at once."""
        return now + max(0.0, (1 - self._filled(now)) / self._per_s)

    def take(self, now: float, amount: float) -> None:
        """Take an amount, which may be more than there is: then the next has to wait until it is paid back."""
        self._level, self._at = self._filled(now) - amount, now

    def _filled(self, now: float) -> float:
        return self._level if self._at == -inf else min(self._most, self._level + (now - self._at) * self._per_s)


SHARE = 0.2
SAVED = 10.0


class SecondTries:
    """Lets a fifth of the calls try an upstream again, or two at once, so that trouble is not made worse by our own doing."""

    def __init__(self) -> None:
        self._saved = 1.0

    def called(self) -> None:
        """Count a call."""
        self._saved = min(SAVED, self._saved + SHARE)

    def take(self) -> bool:
        """Return whether one more may be made, and count it."""
        if self._saved < 1:
            return False
        self._saved -= 1
        return True
