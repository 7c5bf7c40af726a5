"""The end of `pointsman rules explain`: what would have had to be otherwise."""

from __future__ import annotations

from decimal import Decimal

from rich.markup import escape

from pointsman.commands.show import aligned, terminal
from pointsman.core.contrast import contrast
from pointsman.core.facts import Facts
from pointsman.core.market import Market
from pointsman.core.ruleset import Ruleset


def contrasts(ruleset: Ruleset, facts: Facts, market: Market) -> None:
    """Show the smallest changes of one fact that lead to another route or model, if there are any."""
    rows = aligned("it would have been", "", "if", "were", "not", numbers=("were", "not"))
    for found in contrast(ruleset, facts, market):
        rows.add_row(escape(found.model), f"[dim]by {escape(found.route)}[/]", found.fact, _number(found.new), _number(found.old))
    if rows.row_count:
        out = terminal()
        out.print()
        out.print(rows)


def _number(value: float | None) -> str:
    return "absent" if value is None else f"{Decimal(f'{value:.10g}'):f}"  # without an exponent
