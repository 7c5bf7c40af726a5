"""What was used: sums per tenant, hour, model and route, and their grouping for those who ask. Money in nano-USD."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from msgspec import Struct, structs

from pointsman.core.completion import Usage

HOUR_MS = 3_600_000
KEPT_DAYS = 35
"""How long what was used is known: a month, and a few days to look at it."""

GROUPS = ("tenant", "model", "route", "day", "hour")


class Sums(Struct, frozen=True, kw_only=True):
    """How much was used."""

    requests: int = 0
    """That were answered."""
    input_tokens: int = 0
    cached_input_tokens: int = 0
    """Part of the input."""
    output_tokens: int = 0
    reasoning_tokens: int = 0
    """Part of the output."""
    cost: int = 0
    baseline_cost: int = 0
    """What the dearest candidates would have cost."""
    cache_hits: int = 0
    fallbacks: int = 0
    """Requests answered by another model than was chosen."""
    estimated: int = 0
    """Calls of models whose usage nobody said."""

    def plus(self, other: Sums) -> Sums:
        """Return both together."""
        return Sums(
            requests=self.requests + other.requests,
            input_tokens=self.input_tokens + other.input_tokens,
            cached_input_tokens=self.cached_input_tokens + other.cached_input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            reasoning_tokens=self.reasoning_tokens + other.reasoning_tokens,
            cost=self.cost + other.cost,
            baseline_cost=self.baseline_cost + other.baseline_cost,
            cache_hits=self.cache_hits + other.cache_hits,
            fallbacks=self.fallbacks + other.fallbacks,
            estimated=self.estimated + other.estimated,
        )


COUNTS: tuple[str, ...] = Sums.__struct_fields__


class Entry(Struct, frozen=True, kw_only=True):
    """What one call of a model adds to the ledger."""

    model: str
    route: str
    sums: Sums


class Row(Struct, frozen=True, kw_only=True):
    """What was used in one hour, by one tenant, of one model, by one route."""

    tenant: str
    hour: int
    """Since the epoch."""
    model: str
    route: str
    sums: Sums

    def group(self, name: str) -> str:
        """Return the value of one of GROUPS, days and hours in ISO form."""
        if name in ("day", "hour"):
            at = datetime.fromtimestamp(self.hour * 3600, UTC)
            return at.date().isoformat() if name == "day" else at.strftime("%Y-%m-%dT%H:00Z")
        return str(getattr(self, name))


def entry(model: str, route: str, usage: Usage, *, answered: bool, fallback: bool) -> Entry:
    """Return what an attempt that used something adds; only the one that answered counts as a request, and is held against the baseline."""
    sums = Sums(
        requests=int(answered),
        input_tokens=usage.input_tokens,
        cached_input_tokens=usage.cached_input_tokens,
        output_tokens=usage.output_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        cost=usage.cost,
        baseline_cost=usage.baseline_cost if answered else 0,
        fallbacks=int(answered and fallback),
        estimated=int(usage.estimated),
    )
    return Entry(model=model, route=route, sums=sums)


class Query(Struct, frozen=True, kw_only=True):
    """What is asked of the ledger."""

    first_hour: int
    """Since the epoch."""
    last_hour: int
    """Included."""
    by: tuple[str, ...] = ()
    """Of GROUPS; what to sum by. Empty for one sum of all."""
    tenant: str = ""
    """Only this one; empty for all."""
    size: int = 1000
    """Of a page, in groups."""
    after: tuple[str, ...] | None = None
    """The last group of the page before; None for the first page."""


class Group(Struct, frozen=True, kw_only=True):
    """The sums of one group."""

    names: Mapping[str, str]
    """By what was asked for, in that order."""
    sums: Sums

    @property
    def key(self) -> tuple[str, ...]:
        return tuple(self.names.values())


class Page(Struct, frozen=True, kw_only=True):
    """A part of what was asked for."""

    groups: tuple[Group, ...]
    more: bool
    """Whether another page follows."""


def grouped(rows: Iterable[Row], by: tuple[str, ...]) -> list[Group]:
    """Return the sums of each group, ordered by its values; one group of everything where `by` is empty and there is anything."""
    found: dict[tuple[str, ...], Sums] = {}
    for row in rows:
        key = tuple(row.group(name) for name in by)
        before = found.get(key)
        found[key] = row.sums if before is None else before.plus(row.sums)
    return [Group(names=dict(zip(by, key, strict=True)), sums=found[key]) for key in sorted(found)]


def page(rows: Iterable[Row], query: Query) -> Page:
    """Return the page of a query, ordered by the values of the groups."""
    rest = [group for group in grouped(rows, query.by) if query.after is None or group.key > query.after]
    return Page(groups=tuple(rest[: query.size]), more=len(rest) > query.size)


MOST_ROWS = 50_000


class Ledger:
    """Keeps rows in memory, the oldest hours of which go when they are too old or too many."""

    def __init__(self, tenant: str, most_rows: int = MOST_ROWS) -> None:
        self._tenant = tenant
        self._most_rows = most_rows
        self._hours: dict[int, dict[tuple[str, str], Sums]] = {}
        self._rows = 0

    def add(self, entry: Entry, now_ms: int) -> None:
        """Add to the row of the hour."""
        hour, key = now_ms // HOUR_MS, (entry.model, entry.route)
        rows = self._hours.setdefault(hour, {})
        before = rows.get(key)
        rows[key] = entry.sums if before is None else before.plus(entry.sums)
        self._rows += before is None
        while len(self._hours) > 1 and (self._rows > self._most_rows or min(self._hours) < hour - KEPT_DAYS * 24):
            self._rows -= len(self._hours.pop(min(self._hours)))

    def rows(self, first_hour: int, last_hour: int) -> list[Row]:
        """Return the rows from one hour to another, both included."""
        return [
            Row(tenant=self._tenant, hour=hour, model=model, route=route, sums=sums)
            for hour, rows in self._hours.items()
            if first_hour <= hour <= last_hour
            for (model, route), sums in rows.items()
        ]


def in_full(lapsed: Entry) -> Entry:
    """Return the entry of a hold that ended unsettled: all of it counts, and was estimated."""
    return structs.replace(lapsed, sums=structs.replace(lapsed.sums, estimated=1))
