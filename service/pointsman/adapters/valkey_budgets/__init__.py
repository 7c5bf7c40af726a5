"""Budgets and usage that all replicas share, in Valkey: one script for each operation, so that nothing comes between its steps.

The server's clock counts, unless one is given: replicas whose clocks differ would otherwise roll windows at different times, and the one
that is ahead would decide for all. Each tenant has five kinds of keys, with its name in braces, so that a cluster keeps them together:

    pointsman:{TENANT}:spent       hash: METER#BUCKET -> what counts there (h behind it: of that, what is held), and the time
    pointsman:{TENANT}:holds       hash: id of a hold -> its places and its entry
    pointsman:{TENANT}:ends        sorted set: id of a hold by its end
    pointsman:{TENANT}:usage:DAY   hash: HOUR, model, route, count -> sum
    pointsman:{TENANT}:once:ID     nothing: what was used without a hold is entered, and not to be entered again

One more is for all tenants, a sorted set of their names by the hour in which they last used something:

    pointsman:tenants

All of them go by themselves when a tenant is quiet for long enough that nothing of them counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.resources import files

from msgspec import Struct

from pointsman.adapters.valkey import Script, Valkey, Word
from pointsman.core.budget import Hold, Level, Levels, Meter, Settled, Taken
from pointsman.core.ledger import COUNTS, HOUR_MS, KEPT_DAYS, Entry, Row, Sums
from pointsman.ports import Clock, StoreDown

_APART = "\x1f"
"""Between the parts of a name. Models, routes and tiers have no control characters."""

_DAY_HOURS = 24

_TENANTS = "pointsman:tenants"

_COMMON = files(__package__).joinpath("account.lua").read_text()


def _script(name: str) -> Script:
    return Script(_COMMON + files(__package__).joinpath(f"{name}.lua").read_text())


HOLD, SETTLE, LEVELS = _script("hold"), _script("settle"), _script("levels")


class ValkeyBudgets:
    """Keeps what tenants spend and hold in one Valkey. Each operation is one round trip, and once an hour two for a settlement."""

    def __init__(self, valkey: Valkey, clock: Clock | None = None) -> None:
        """`clock` takes the place of the server's."""
        self._valkey = valkey
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._noted: dict[str, int] = {}
        """The hour in which each tenant was noted last."""

    async def hold(self, tenant: str, hold: Hold) -> Taken:
        """As in `ports.Budgets`."""
        shares = [word for share in hold.shares for word in (share.amount, -1 if share.limit is None else share.limit)]
        meters = [share.meter for share in hold.shares]
        found = await self._run(HOLD, tenant, meters, hold.id, hold.lasts_ms, _packed(hold.entry), *shares)
        return Taken(bool(found[0]), self._seen(tenant, meters, found[1:]))

    async def settle(self, tenant: str, hold: Hold, actual: tuple[int, ...], entry: Entry | None) -> Settled:
        """As in `ports.Budgets`."""
        meters = [share.meter for share in hold.shares]
        found = await self._run(SETTLE, tenant, meters, hold.id, "" if entry is None else _packed(entry), *actual)
        levels = self._seen(tenant, meters, found[2:])
        if entry is not None:
            await self._note(tenant, levels.now_ms // HOUR_MS)
        return Settled(bool(found[0]), bool(found[1]), levels)

    async def levels(self, tenant: str, meters: tuple[Meter, ...]) -> Levels:
        """As in `ports.Budgets`."""
        return self._seen(tenant, meters, await self._run(LEVELS, tenant, meters))

    async def rows(self, tenant: str, first_hour: int, last_hour: int) -> list[Row]:
        """As in `ports.Usages`."""
        first_hour = max(first_hour, last_hour - KEPT_DAYS * _DAY_HOURS)
        days = range(first_hour // _DAY_HOURS, last_hour // _DAY_HOURS + 1)
        replies = await self._valkey.pipeline([("HGETALL", f"{_prefix(tenant)}usage:{day}") for day in days])
        found: dict[tuple[int, str, str], dict[str, int]] = {}
        for reply in replies:
            assert isinstance(reply, list)
            words = iter(map(_text, reply))
            for name, amount in zip(words, words, strict=True):
                hour, model, route, count = name.split(_APART)
                if first_hour <= int(hour) <= last_hour:
                    found.setdefault((int(hour), model, route), {})[count] = int(amount)
        return [Row(tenant=tenant, hour=hour, model=model, route=route, sums=Sums(**sums)) for (hour, model, route), sums in found.items()]

    async def tenants(self) -> tuple[str, ...]:
        """As in `ports.Usages`."""
        found = await self._valkey.call("ZRANGE", _TENANTS, 0, -1)
        assert isinstance(found, list)
        return tuple(map(_text, found))

    async def _note(self, tenant: str, hour: int) -> None:
        """Note, once an hour, that something is known of a tenant, and forget those of whom nothing is any more."""
        if self._noted.get(tenant) == hour:
            return
        with suppress(StoreDown):  # the next settlement does it
            oldest, lasts_ms = hour - (KEPT_DAYS + 1) * _DAY_HOURS, (KEPT_DAYS + 1) * _DAY_HOURS * HOUR_MS
            await self._valkey.pipeline(
                (("ZADD", _TENANTS, hour, tenant), ("ZREMRANGEBYSCORE", _TENANTS, "-inf", oldest), ("PEXPIRE", _TENANTS, lasts_ms))
            )
            self._noted[tenant] = hour

    async def _run(self, script: Script, tenant: str, meters: Sequence[Meter], *rest: Word) -> list[int]:
        now_ms = 0 if self._clock is None else int(self._clock.epoch_s() * 1000)
        prefix, known = _prefix(tenant), self._known.get(tenant, _NOTHING)
        named = [
            word
            for each in meters
            for word in (each.name, each.width_ms, each.reach, known.used.get(each.name, 0), known.now_ms // each.width_ms)
        ]
        arguments = (now_ms, prefix, HOUR_MS, KEPT_DAYS, known.epoch, len(named) // 5, *named, *rest)
        found = await self._valkey.run(script, [f"{prefix}{name}" for name in ("spent", "holds", "ends")], arguments)
        assert isinstance(found, list)
        return [int(_text(word)) for word in found]

    def _seen(self, tenant: str, meters: Sequence[Meter], found: list[int]) -> Levels:
        """Return what a script returned last, and remember it."""
        now_ms, epoch, *rest = found
        levels = tuple([Level(*each) for each in zip(rest[::3], rest[1::3], rest[2::3], strict=True)])
        known = self._known.get(tenant, _NOTHING)
        if meters and (epoch != known.epoch or now_ms >= known.now_ms):
            used = {each.name: level.used for each, level in zip(meters, levels, strict=True)}
            self._known[tenant] = _Known(epoch=epoch, now_ms=now_ms, used=used)
        return Levels(now_ms, levels)


class _Known(Struct, frozen=True, kw_only=True):
    """What the meters of a tenant showed last. A server that has forgotten it is told."""

    epoch: int
    now_ms: int
    used: Mapping[str, int]


_NOTHING = _Known(epoch=0, now_ms=0, used={})


def _prefix(tenant: str) -> str:
    return f"pointsman:{{{tenant}}}:"


def _packed(entry: Entry) -> str:
    """Return an entry as the scripts take it: model, route, and the counts that are not zero with their names."""
    counts = [f"{name}{_APART}{amount}" for name in COUNTS if (amount := getattr(entry.sums, name))]
    return _APART.join((entry.model, entry.route, *counts))


def _text(word: object) -> str:
    return word.decode() if isinstance(word, bytes) else str(word)
