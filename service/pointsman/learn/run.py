"""What `pointsman learn build` and `pointsman learn evaluate` do, from files to files."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from pointsman.adapters.artifact import digest_of, packed
from pointsman.learn.card import card
from pointsman.learn.evaluate import evaluate
from pointsman.learn.report import Report, draw, table_text
from pointsman.learn.rows import read_rows
from pointsman.learn.table import table_of
from pointsman.learn.train import train


def learn(data: Path, artifact: Path, *, measure: bool) -> str:
    """Write the artifact, and the card beside it; return the digest."""
    rows = read_rows(data)
    found = packed(train(table_of(rows)))
    report = evaluate(rows, progress=_say) if measure else None
    artifact.write_bytes(found)
    artifact.with_suffix(".md").write_text(card(rows, digest=digest_of(found), size=len(found), report=report))
    if report:
        artifact.with_suffix(".json").write_bytes(_json(report))
    return digest_of(found)


def measured(data: Path, *, plot: Path | None, json: Path | None) -> str:
    """Return the tables of an evaluation; write the plot and the numbers where they are wanted."""
    report = evaluate(read_rows(data), progress=_say)
    if plot:
        draw(report, plot)
    if json:
        json.write_bytes(_json(report))
    return table_text(report)


def _json(report: Report) -> bytes:
    return msgspec.json.format(msgspec.json.encode(report), indent=1)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
