"""What one replica spends of a tenant's windows while it cannot ask what the others do: its share of what was left.

share of a window = (limit - what counted when it was last seen) / replicas, and after the window has rolled limit / replicas
"""

from __future__ import annotations

from msgspec import Struct, structs

from pointsman.core.budget import Account, Hold, Levels, Meter, Settled, Share, Taken
from pointsman.core.ledger import Entry, Sums

MOST_SHARES = 16
"""That bind at the same time, while the store comes and goes."""


class Spent(Struct, frozen=True, kw_only=True):
    """What was settled here: a hold that is to be taken from the store, whatever its limits, and then settled with all of it."""

    hold: Hold
    entry: Entry

    @property
    def actual(self) -> tuple[int, ...]:
        return tuple([share.amount for share in self.hold.shares])

    def plus(self, actual: tuple[int, ...], entry: Entry) -> Spent:
        """Return it with more of the same model, route and meters."""
        shares = [structs.replace(share, amount=share.amount + more) for share, more in zip(self.hold.shares, actual, strict=True)]
        entered = structs.replace(entry, sums=self.entry.sums.plus(entry.sums))
        return Spent(hold=structs.replace(self.hold, shares=tuple(shares)), entry=entered)


class _Share:
    """A replica's share of what was left at one time."""

    def __init__(self, meters: tuple[Meter, ...], shown: Levels) -> None:
        """`shown` is what the meters showed then."""
        self.account = Account()
        self._shown = dict(zip(meters, shown.levels, strict=True))
        self._shown_ms = shown.now_ms

    def hold(self, hold: Hold, replicas: int, now_ms: int) -> Taken:
        """Take a hold from the share, and return what the meters would show if the others had spent all of theirs."""
        parts = tuple([self._part(share, replicas, now_ms) for share in hold.shares])
        taken = self.account.hold(structs.replace(hold, shares=parts), now_ms)
        return Taken(taken.granted, _as_of_all(hold, parts, taken.levels))

    def _part(self, share: Share, replicas: int, now_ms: int) -> Share:
        if share.limit is None:
            return share
        return structs.replace(share, limit=max(0, share.limit - self._before(share.meter, now_ms)) // replicas)

    def _before(self, meter: Meter, now_ms: int) -> int:
        """Return what counted in a meter when it was seen, and still may."""
        still = meter in self._shown and meter.leaves_ms(self._shown_ms // meter.width_ms) > now_ms
        return self._shown[meter].used if still else 0


class Alone:
    """What one tenant spends while the store cannot be asked."""

    def __init__(self, meters: tuple[Meter, ...], shown: Levels) -> None:
        """`shown` is what the meters showed last."""
        self.open: dict[str, Hold] = {}
        """Holds that were taken here and are not settled, by id."""
        self.doubtful: set[str] = set()
        """Those among them that the store may have taken, too."""
        self.spent: dict[tuple[str, ...], Spent] = {}
        """By model, route and meters: there are no more than those."""
        self._shares = [_Share(meters, shown)]
        self.is_told = False
        """Whether it was said that the tenant spends alone."""

    def again(self, meters: tuple[Meter, ...], shown: Levels, now_ms: int) -> None:
        """Note that the store was back for a moment, and is lost again: what was left then binds, beside what was left before."""
        later = _Share(meters, shown)
        for hold in (*self.open.values(), *(spent.hold for spent in self.spent.values())):
            later.account.hold(unbound(hold), now_ms)  # the store does not know of it yet
        self._shares = [*self._shares[:1], *self._shares[1:][-MOST_SHARES:], later]

    def hold(self, hold: Hold, replicas: int, now_ms: int) -> Taken:
        """Take a hold from every share that binds, or nothing."""
        for at, share in enumerate(self._shares):
            taken = share.hold(hold, replicas, now_ms)
            if not taken.granted:
                for earlier in self._shares[:at]:
                    earlier.account.settle(hold, nothing(hold), now_ms)
                break
        return taken

    def settle(self, hold: Hold, actual: tuple[int, ...], entry: Entry | None, now_ms: int) -> Settled:
        """Settle a hold that was taken here, and keep it to be entered."""
        del self.open[hold.id]
        self.doubtful.discard(hold.id)
        if entry is not None:
            key = (entry.model, entry.route, *(share.meter.name for share in hold.shares))
            empty = Spent(hold=_emptied(hold), entry=structs.replace(entry, sums=Sums()))
            self.spent[key] = self.spent.get(key, empty).plus(actual, entry)
        return self.count(hold, actual, now_ms)

    def count(self, hold: Hold, actual: tuple[int, ...], now_ms: int) -> Settled:
        """Count what was used instead of what was held."""
        first, *_ = [share.account.settle(hold, actual, now_ms) for share in self._shares]
        return first


def _emptied(hold: Hold) -> Hold:
    """Return a hold of nothing, and of another id, that no limit refuses."""
    shares = tuple([structs.replace(share, amount=0, limit=None) for share in hold.shares])
    return structs.replace(hold, id=f"{hold.id}+", shares=shares)


def nothing(hold: Hold) -> tuple[int, ...]:
    return (0,) * len(hold.shares)


def unbound(hold: Hold) -> Hold:
    """Return a hold that no limit refuses: it has been granted."""
    return structs.replace(hold, shares=tuple([structs.replace(share, limit=None) for share in hold.shares]))


def _as_of_all(hold: Hold, parts: tuple[Share, ...], levels: Levels) -> Levels:
    """Return what meters would show if all that others may spend were spent."""
    shown = [
        structs.replace(
            level, used=level.used if share.limit is None or part.limit is None else share.limit - max(0, part.limit - level.used)
        )
        for share, part, level in zip(hold.shares, parts, levels.levels, strict=True)
    ]
    return Levels(levels.now_ms, tuple(shown))
