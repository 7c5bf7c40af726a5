"""What a tenant has spent and holds: meters that fill by holds and empty with time. Integers throughout; `now` is passed in, in ms of UTC.

Rules that it keeps:

- a hold counts in full from the moment it is taken, in the bucket of that moment; settling changes that bucket and no other
- no hold takes a meter beyond its limit; only usage beyond what was held can
- a hold that ends unsettled stays counted in full: the provider may have charged for it
- the time of an account never goes back, so a clock that does gives nothing out twice
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heapify, heappop, heappush

from msgspec import Struct

from pointsman.core.ledger import Entry
from pointsman.core.tenants import Window

PARTS = 60
"""Of a sliding window. The oldest part counts until all of it has left, so such a window is up to a sixtieth longer than it says."""

SETTLES_MS = 1000
"""Until calls under way may have given back what they hold beyond what they use: a moment, as nobody can know."""

MOST_METERS = 64
"""Beyond so many, those are let go of which nothing counts: windows come and go with tenants.yaml."""


class Meter(Struct, frozen=True, kw_only=True):
    """What one or more windows count: they may have different limits, and what was spent is the same."""

    name: str
    """Unlike any other's of the tenant, and the same as long as kind, span and tier are, whatever the limit."""
    kind: str
    """ "tokens", "usd" (nano-USD) or "requests"."""
    tier: str
    """Only what models of this tier use counts; empty for all."""
    width_ms: int
    """Of a bucket."""
    reach: int
    """How many buckets before the present one count, too."""

    def leaves_ms(self, bucket: int) -> int:
        """Return when a bucket no longer counts."""
        return (bucket + self.reach + 1) * self.width_ms


def meter(window: Window) -> Meter:
    """Return what a window counts by. A fixed window has one bucket, aligned to UTC."""
    span_ms = round(window.span_s * 1000)
    width_ms, reach = (-(-span_ms // PARTS), PARTS) if window.sliding else (span_ms, 0)
    name = f"{window.kind}/{width_ms}/{reach}/{window.tier}"
    return Meter(name=name, kind=window.kind, tier=window.tier, width_ms=width_ms, reach=reach)


def meters(windows: Iterable[Window]) -> tuple[Meter, ...]:
    """Return the meters of windows, each once."""
    return tuple(dict.fromkeys(meter(window) for window in windows))


class Share(Struct, frozen=True, kw_only=True):
    """What a hold takes from one meter."""

    meter: Meter
    amount: int
    limit: int | None
    """What the meter may show afterwards; None where nothing is to be refused."""


class Hold(Struct, frozen=True, kw_only=True):
    """A claim on every meter of a tenant, of nothing on those that it does not concern."""

    id: str
    """Unlike any other's, over all replicas."""
    shares: tuple[Share, ...]
    lasts_ms: int
    """Until it counts as spent."""
    entry: Entry
    """What the ledger is to say if it does."""
    is_closed: bool = False
    """It is not to be taken where it is not known what others have spent."""


class Level(Struct, frozen=True):
    """What a meter shows."""

    used: int
    """Spent or held."""
    oldest: int
    """The first bucket that counts and holds something; -1 where none does."""
    held: int = 0
    """Part of what is used: by holds that are neither settled nor ended, and may give something back at any moment."""

    def leaves(self, amount: int, limit: int) -> bool:
        """Return whether a limit would leave room for an amount if calls under way gave back all that they hold."""
        return self.used - self.held + amount <= limit

    def released(self) -> Level:
        """Return what the meter would show if they did."""
        return Level(self.used - self.held, self.oldest)


class Levels(Struct, frozen=True):
    """What the meters of a tenant show at one moment, in the order in which they were asked for."""

    now_ms: int
    levels: tuple[Level, ...]


class Taken(Struct, frozen=True):
    """What became of a hold, and what the meters show afterwards."""

    granted: bool
    levels: Levels


class Settled(Struct, frozen=True):
    """What became of a settlement."""

    beyond: bool
    """More was used than held."""
    late: bool
    """The hold had ended before: it stays settled in full."""
    levels: Levels


Place = tuple[str, int, int]
"""Where a part of a hold is counted: name of the meter, bucket, amount."""


class _Gauge:
    """One meter of an account."""

    __slots__ = ("_buckets", "_changes_ms", "_held", "held", "meter", "used")

    def __init__(self, meter: Meter) -> None:
        self.meter = meter
        self.used = self.held = 0
        self._held: dict[int, int] = {}
        """Part of the buckets that count."""
        self._buckets: dict[int, int] = {}
        """In the order of time, which only goes forward."""
        self._changes_ms = 0
        """Before the next bucket begins, none leaves."""

    def advance(self, now_ms: int) -> None:
        """Let go of buckets that no longer count."""
        if now_ms >= self._changes_ms:
            meter, buckets = self.meter, self._buckets
            first = now_ms // meter.width_ms - meter.reach
            while buckets and (oldest := next(iter(buckets))) < first:
                self.used -= buckets.pop(oldest)
                self.held -= self._held.pop(oldest, 0)
            self._changes_ms = (first + meter.reach + 1) * meter.width_ms

    def add(self, bucket: int, amount: int, now_ms: int) -> None:
        """Add to a bucket, unless that no longer counts."""
        if bucket >= now_ms // self.meter.width_ms - self.meter.reach:
            self._buckets[bucket] = self._buckets.get(bucket, 0) + amount
            self.used += amount

    def hold(self, bucket: int, amount: int) -> None:
        """Note that a part of a bucket is held."""
        self._held[bucket] = self._held.get(bucket, 0) + amount
        self.held += amount

    def release(self, bucket: int, amount: int) -> None:
        """Note that a part of a bucket is held no longer, unless that no longer counts."""
        if bucket in self._held:
            self._held[bucket] -= amount
            self.held -= amount

    def level(self) -> Level:
        """Return what it shows."""
        for bucket, amount in self._buckets.items():
            if amount:
                return Level(self.used, bucket, self.held)
        return Level(0, -1)


class Account:
    """What one tenant has spent and holds."""

    def __init__(self) -> None:
        self._gauges: dict[str, _Gauge] = {}
        self._holds: dict[str, tuple[tuple[Place, ...], Entry]] = {}
        self._ends: list[tuple[int, str]] = []
        self._now_ms = 0
        self._lapsed: list[Entry] = []

    @property
    def held(self) -> int:
        """How many holds are neither settled nor ended."""
        return len(self._holds)

    def lapsed(self) -> list[Entry]:
        """Return, once, the entries of holds that have ended unsettled, and count in full."""
        found, self._lapsed = self._lapsed, []
        return found

    def hold(self, hold: Hold, now_ms: int) -> Taken:
        """Take a hold where all its meters have room for it, or nothing of it. Whoever asks again for one that he has is given it."""
        now_ms = self._advance(now_ms)
        gauges = [self._gauge(share.meter, now_ms) for share in hold.shares]
        granted = hold.id in self._holds
        if not granted and _has_room(hold.shares, gauges):
            granted = True
            self._take(hold, gauges, now_ms)
        return Taken(granted, Levels(now_ms, tuple([gauge.level() for gauge in gauges])))

    def settle(self, hold: Hold, actual: tuple[int, ...], now_ms: int) -> Settled:
        """Put what was really used in the place of a hold, by its shares; nothing to release it. A hold is settled once."""
        now_ms = self._advance(now_ms)
        gauges = [self._gauge(share.meter, now_ms) for share in hold.shares]
        found, beyond = self._holds.pop(hold.id, None), False
        if found is not None:
            beyond = _replace(gauges, found[0], actual, now_ms)
            self._compact()
        return Settled(beyond, found is None, Levels(now_ms, tuple([gauge.level() for gauge in gauges])))

    def levels(self, asked: Iterable[Meter], now_ms: int) -> Levels:
        """Return what meters show."""
        now_ms = self._advance(now_ms)
        return Levels(now_ms, tuple([self._gauge(each, now_ms).level() for each in asked]))

    def _advance(self, now_ms: int) -> int:
        """Return the time of the account, which may be ahead of a clock that went back; forget holds that have ended by then."""
        self._now_ms = max(self._now_ms, now_ms)
        while self._ends and self._ends[0][0] <= self._now_ms:
            found = self._holds.pop(heappop(self._ends)[1], None)
            if found is not None:
                self._lapse(*found)
        if len(self._gauges) > MOST_METERS:
            self._forget(self._now_ms)
        return self._now_ms

    def _lapse(self, places: tuple[Place, ...], entry: Entry) -> None:
        for name, bucket, amount in places:
            if name in self._gauges:
                self._gauges[name].release(bucket, amount)
        self._lapsed.append(entry)

    def _take(self, hold: Hold, gauges: list[_Gauge], now_ms: int) -> None:
        places: list[Place] = []
        for share, gauge in zip(hold.shares, gauges, strict=True):
            if share.amount:
                bucket = now_ms // share.meter.width_ms
                gauge.add(bucket, share.amount, now_ms)
                gauge.hold(bucket, share.amount)
                places.append((share.meter.name, bucket, share.amount))
        self._holds[hold.id] = tuple(places), hold.entry
        heappush(self._ends, (now_ms + hold.lasts_ms, hold.id))

    def _gauge(self, meter: Meter, now_ms: int) -> _Gauge:
        found = self._gauges.get(meter.name)
        if found is None:
            found = self._gauges[meter.name] = _Gauge(meter)
        found.advance(now_ms)
        return found

    def _forget(self, now_ms: int) -> None:
        """Let go of meters that no window asks for any more, once nothing of theirs counts."""
        for gauge in self._gauges.values():
            gauge.advance(now_ms)
        self._gauges = {name: gauge for name, gauge in self._gauges.items() if gauge.used}

    def _compact(self) -> None:
        """Keep the ends of settled holds from piling up until their time comes."""
        if len(self._ends) > 2 * len(self._holds) + 64:
            self._ends = [end for end in self._ends if end[1] in self._holds]
            heapify(self._ends)


def _has_room(shares: tuple[Share, ...], gauges: list[_Gauge]) -> bool:
    for share, gauge in zip(shares, gauges, strict=True):
        if share.limit is not None and gauge.used + share.amount > share.limit:
            return False
    return True


def _replace(gauges: list[_Gauge], places: tuple[Place, ...], actual: tuple[int, ...], now_ms: int) -> bool:
    """Put what was used in the place of what was held, and return whether it was more."""
    held, beyond = {name: (bucket, amount) for name, bucket, amount in places}, False
    for gauge, amount in zip(gauges, actual, strict=True):
        bucket, before = held.get(gauge.meter.name, (now_ms // gauge.meter.width_ms, 0))
        gauge.release(bucket, before)
        if amount != before:
            gauge.add(bucket, amount - before, now_ms)
            beyond = beyond or amount > before
    return beyond
