"""`pointsman rules diff`: which decisions change from one rule directory to another."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime

import msgspec
from msgspec import structs
from rich.markup import escape

from pointsman.commands.rules import ruleset_or_complaint
from pointsman.commands.show import aligned, terminal
from pointsman.core.gather import time_facts
from pointsman.core.money import dollars
from pointsman.core.record import BadRecord
from pointsman.core.rulediff import Diff, Example, Outcome, Shift, diff
from pointsman.core.samples import PLAIN, sample_of, samples
from pointsman.offline import read_log
from pointsman.settings import Settings

MOST_ROWS = 15
"""Of a table; the rest is in the JSON."""


def compare(options: argparse.Namespace, settings: Settings) -> int:
    """Show what the new rules decide otherwise than the old; 0 whether anything changes or not."""
    old, new = ruleset_or_complaint(options.old, settings), ruleset_or_complaint(options.new, settings)
    if old is None or new is None:
        return 1
    plain = structs.replace(PLAIN, time=time_facts(datetime.now(UTC)))
    try:
        found = [sample_of(record) for record in read_log(options.facts)] if options.facts else samples((old, new), plain=plain)
    except OSError as error:
        print(f"pointsman: cannot read {options.facts}: {error.strerror or error}", file=sys.stderr)
        return 1
    except BadRecord as error:
        print(f"pointsman: {error}", file=sys.stderr)
        return 1
    result = diff(old, new, found, plain=plain)
    if options.json:
        print(msgspec.json.format(msgspec.json.encode(result)).decode())
    else:
        _show(result, "recorded" if options.facts else "made up from the rules' own boundaries")
    return 0


def _show(found: Diff, source: str) -> None:
    out = terminal()
    out.print(f"[bold]{found.changed} of {found.samples} decisions change[/], {found.other_model} of them the model")
    if found.unsure:
        them, kept = escape(", ".join(found.withheld)), "POINTSMAN_RECORD_LABELS says which labels they keep"
        why = f"rules ask for {them}, which records do not hold; {kept}"
        out.print(f"[yellow]{found.unsure} of them may be decided otherwise than is told here[/]: {why}", soft_wrap=True)
    out.print(f"[dim]requests {source}; revision {found.old_revision} -> {found.new_revision}[/]\n")
    totals = aligned("", "old", "new", numbers=("old", "new"))
    totals.add_row("refused", str(found.old_refused), str(found.new_refused))
    totals.add_row("expected cost of what both serve", dollars(found.old_cost), dollars(found.new_cost))
    out.print(totals)
    _shifts("rule", found.by_rule)
    _shifts("model", found.by_model)
    if found.by_tenant:
        tenants = aligned("tenant", "changed", "of", numbers=("changed", "of"))
        for row in found.by_tenant[:MOST_ROWS]:
            tenants.add_row(escape(row.tenant), str(row.changed), str(row.samples))
        out.print()
        out.print(tenants)
    for example in found.examples:
        _example(example)


def _shifts(what: str, shifts: tuple[Shift, ...]) -> None:
    if not shifts:
        return
    rows = aligned(f"old {what}", f"new {what}", "requests", numbers=("requests",))
    for shift in shifts[:MOST_ROWS]:
        style = "dim" if shift.old == shift.new else ""
        rows.add_row(escape(shift.old), escape(shift.new), str(shift.count), style=style)
    if len(shifts) > MOST_ROWS:
        rows.add_row(f"and {len(shifts) - MOST_ROWS} more", "", str(sum(shift.count for shift in shifts[MOST_ROWS:])))
    out = terminal()
    out.print()
    out.print(rows)


def _example(example: Example) -> None:
    facts = ", ".join(f"{name} = {_value(given)}" for name, given in example.facts.items()) or "a plain request"
    out = terminal()
    out.print(f"\n[bold]e.g.[/] {escape(facts)}")
    out.print(f"  [dim]old[/] {_told(example.old)}\n  [dim]new[/] {_told(example.new)}")


def _value(given: object) -> str:
    """Return a value with the digits that tell it from its boundary."""
    return "absent" if given is None else f"{given:.6g}" if isinstance(given, float) else str(given)


def _told(outcome: Outcome) -> str:
    serves = f"{' > '.join(outcome.plan)}, {dollars(outcome.expected_cost)}" if outcome.plan else outcome.refused
    return f"{escape(outcome.rule)} -> {escape(serves)}"
