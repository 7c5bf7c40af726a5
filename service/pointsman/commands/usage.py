"""`pointsman usage`: what was used and what it cost, as a table, as CSV or as JSON."""

from __future__ import annotations

import argparse
import csv
import re
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from rich.markup import escape

from pointsman.client import Client
from pointsman.commands import calls
from pointsman.commands.options import BadOption
from pointsman.commands.show import aligned, terminal
from pointsman.core.ledger import GROUPS, Group, Sums
from pointsman.core.money import NANO_PER_USD, dollars
from pointsman.settings import Settings
from pointsman.wire.json import usage_to_json

_AGO = re.compile(r"(\d{1,4})(h|d)")

_COUNTS = ("requests", "input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens", "cache_hits", "fallbacks", "estimated")
_AMOUNTS = ("cost_usd", "baseline_cost_usd", "saving_usd")


def usage(options: argparse.Namespace, settings: Settings) -> int:
    """Show what was used."""

    async def ask(client: Client) -> list[Group]:
        now, by = datetime.now(UTC), _by(options.by)
        return await client.usage(
            by=by,
            start=_moment(options.since, now),
            end=_moment(options.until, now),
            tenant=options.tenant,
            timeout_s=options.timeout,
        )

    def shown(groups: list[Group]) -> None:
        _write_csv(_by(options.by), groups) if options.csv else _show(_by(options.by), groups)

    return calls.asked(options, settings, ask, usage_to_json, shown)


def _by(text: str) -> tuple[str, ...]:
    """Return what to sum by. Raises BadOption."""
    by = tuple(filter(None, (name.strip() for name in text.split(","))))
    if unknown := [name for name in by if name not in GROUPS]:
        raise BadOption(f"--by {unknown[0]}: some of {', '.join(GROUPS)} are expected, as in tenant,day")
    return by


def _moment(text: str, now: datetime) -> datetime | None:
    """Return a time in UTC from an ISO form or a span before now, None for an empty text. Raises BadOption."""
    if not text:
        return None
    if ago := _AGO.fullmatch(text):
        return now - timedelta(**{{"h": "hours", "d": "days"}[ago[2]]: int(ago[1])})
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadOption(
            f"'{text}' is no time: a day as in 2026-11-23, an hour as in 2026-11-23T14:00, or 24h or 7d ago is expected"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _show(by: tuple[str, ...], groups: list[Group]) -> None:
    total = sum_of(groups)
    estimated = ("estimated",) if total.estimated else ()
    numbers = ("requests", "input", "cached", "output", "cost", "baseline", "saving", "hits", "fallbacks", *estimated)
    table = aligned(*by, *numbers, numbers=numbers)
    table.padding = (0, 1, 0, 0)
    for column in table.columns[len(by) :]:
        column.no_wrap = True
    for group in groups:
        table.add_row(*map(escape, group.key), *_cells(group.sums)[: len(numbers)])
    if len(groups) > 1:
        table.add_section()
        table.add_row(*("all", *[""] * len(by))[: len(by)], *_cells(total)[: len(numbers)], style="bold")
    console = terminal()
    console.print(table if groups else "nothing was used in that time")


def _cells(sums: Sums) -> tuple[str, ...]:
    saving = sums.baseline_cost - sums.cost
    return (
        f"{sums.requests:,}",
        f"{sums.input_tokens:,}",
        f"{sums.cached_input_tokens:,}",
        f"{sums.output_tokens:,}",
        dollars(sums.cost),
        dollars(sums.baseline_cost),
        dollars(saving) if saving >= 0 else f"-{dollars(-saving)}",
        f"{sums.cache_hits:,}",
        f"{sums.fallbacks:,}",
        f"{sums.estimated:,}",
    )


def sum_of(groups: list[Group]) -> Sums:
    """Return all groups together."""
    total = Sums()
    for group in groups:
        total = total.plus(group.sums)
    return total


def _write_csv(by: tuple[str, ...], groups: list[Group]) -> None:
    """Write a line for each group, amounts exact to the nano-dollar."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow((*by, *_COUNTS, *_AMOUNTS))
    for group in groups:
        sums = group.sums
        amounts = (sums.cost, sums.baseline_cost, sums.baseline_cost - sums.cost)
        writer.writerow((*group.key, *(getattr(sums, name) for name in _COUNTS), *map(_exact, amounts)))


def _exact(nano: int) -> str:
    return f"{Decimal(nano) / NANO_PER_USD:f}"
