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


class Account:
    """What one tenant has spent and holds."""

    def __init__(self) -> None:
        self._meters: dict[str, tuple[Meter, dict[int, int]]] = {}
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
        now_ms, is_ours = self._advance(now_ms), hold.id in self._holds
        used = [self._used(share.meter, now_ms) for share in hold.shares]
        has_room = all(share.limit is None or shown + share.amount <= share.limit for share, shown in zip(hold.shares, used, strict=True))
        granted = is_ours or has_room
        if granted and not is_ours:
            self._holds[hold.id] = tuple([self._count(share, now_ms) for share in hold.shares if share.amount]), hold.entry
            heappush(self._ends, (now_ms + hold.lasts_ms, hold.id))
        return Taken(granted, self._levels((share.meter for share in hold.shares), now_ms))

    def settle(self, hold: Hold, actual: tuple[int, ...], now_ms: int) -> Settled:
        """Put what was really used in the place of a hold, by its shares; nothing to release it. A hold is settled once."""
        now_ms = self._advance(now_ms)
        found = self._holds.pop(hold.id, None)
        beyond = found is not None and any(amount > share.amount for share, amount in zip(hold.shares, actual, strict=True))
        if found is not None:
            self._replace(hold, found[0], actual)
        self._compact()
        return Settled(beyond, found is None, self._levels((share.meter for share in hold.shares), now_ms))

    def levels(self, asked: Iterable[Meter], now_ms: int) -> Levels:
        """Return what meters show."""
        return self._levels(asked, self._advance(now_ms))

    def _replace(self, hold: Hold, places: tuple[Place, ...], actual: tuple[int, ...]) -> None:
        found = {name: (bucket, amount) for name, bucket, amount in places}
        for share, amount in zip(hold.shares, actual, strict=True):
            bucket, held = found.get(share.meter.name, (self._now_ms // share.meter.width_ms, 0))
            if amount != held:
                self._add(share.meter, bucket, amount - held)

    def _advance(self, now_ms: int) -> int:
        """Return the time of the account, which may be ahead of a clock that went back; forget holds that have ended by then."""
        self._now_ms = now_ms = max(now_ms, self._now_ms)
        while self._ends and self._ends[0][0] <= now_ms:
            found = self._holds.pop(heappop(self._ends)[1], None)
            if found is not None:
                self._lapsed.append(found[1])
        return now_ms

    def _levels(self, asked: Iterable[Meter], now_ms: int) -> Levels:
        return Levels(now_ms, tuple([Level(self._used(each, now_ms), min(self._buckets(each), default=-1)) for each in asked]))

    def _used(self, asked: Meter, now_ms: int) -> int:
        """Return what counts in a meter; buckets that no longer do are let go."""
        buckets, first = self._buckets(asked), now_ms // asked.width_ms - asked.reach
        for bucket in [bucket for bucket in buckets if bucket < first]:
            del buckets[bucket]
        return sum(buckets.values())

    def _count(self, share: Share, now_ms: int) -> Place:
        bucket = now_ms // share.meter.width_ms
        self._add(share.meter, bucket, share.amount)
        return share.meter.name, bucket, share.amount

    def _add(self, asked: Meter, bucket: int, amount: int) -> None:
        buckets = self._buckets(asked)
        if bucket >= self._now_ms // asked.width_ms - asked.reach:  # else it counts no more
            buckets[bucket] = buckets.get(bucket, 0) + amount
            if not buckets[bucket]:
                del buckets[bucket]

    def _buckets(self, asked: Meter) -> dict[int, int]:
        found = self._meters.get(asked.name)
        if found is None:
            self._forget()
            found = self._meters[asked.name] = (asked, {})
        return found[1]

    def _forget(self) -> None:
        """Let go of meters that no window asks for any more, once nothing of theirs counts."""
        for name in [name for name, (each, _) in self._meters.items() if not self._used(each, self._now_ms)]:
            del self._meters[name]

    def _compact(self) -> None:
        """Keep the ends of settled holds from piling up until their time comes."""
        if len(self._ends) > 2 * len(self._holds) + 64:
            self._ends = [end for end in self._ends if end[1] in self._holds]
            heapify(self._ends)
