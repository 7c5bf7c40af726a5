"""`pointsman cache`: what a server's response cache saved, why the last misses missed, and the dropping of a tenant's answers."""

from __future__ import annotations

import argparse

from rich.markup import escape

from pointsman.client import Client
from pointsman.commands.calls import asked
from pointsman.commands.show import aligned, terminal
from pointsman.core.cachebook import CacheAccount
from pointsman.core.money import dollars
from pointsman.settings import Settings
from pointsman.wire.json import cache_account_to_json, purged_to_json

MISSES = 10
"""That people are shown; `--json` has all."""


def cache(options: argparse.Namespace, settings: Settings) -> int:
    """Show what the cache did, or drop what is kept of a tenant."""
    if options.purge is not None:

        async def purge(client: Client) -> int:
            return await client.purge_cache(options.purge, timeout_s=options.timeout)

        return asked(options, settings, purge, purged_to_json, _purged)

    async def ask(client: Client) -> CacheAccount:
        return await client.cache(options.tenant, timeout_s=options.timeout)

    return asked(options, settings, ask, cache_account_to_json, _account)


def _account(found: CacheAccount) -> None:
    console = terminal()
    numbers = ("hits", "shared", "stale", "misses", "not looked", "tokens saved", "saved")
    table = aligned("tenant", "rule", *numbers, numbers=numbers)
    for row in found.rows:
        tokens = row.saved_input_tokens + row.saved_output_tokens
        counts = (row.hits, row.coalesced, row.stale, row.misses, row.bypassed, tokens)
        table.add_row(escape(row.tenant), escape(row.rule), *map(str, counts), dollars(row.saved))
    console.print(table)
    console.print(f"[dim]{found.entries} entries of {found.bytes} bytes are kept by this server; sums are since its start[/]")
    if found.misses:
        console.print("\nlast misses, and what differs first from the request most like it:")
        misses = aligned("time", "tenant", "rule", "differs in", "decision")
        for miss in found.misses[:MISSES]:
            misses.add_row(f"{miss.at:%H:%M:%S}", escape(miss.tenant), escape(miss.rule), escape(miss.changed), miss.decision_id)
        console.print(misses)


def _purged(entries: int) -> None:
    terminal().print(f"dropped, {entries} entries by this server")
