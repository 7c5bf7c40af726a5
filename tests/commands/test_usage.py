"""What `pointsman usage` prints of what was used."""

from __future__ import annotations

import csv
import io

import pytest

from pointsman.commands import usage
from pointsman.core.ledger import Group, Sums

SAID = Group(names={"tenant": "search"}, sums=Sums(requests=3))
GUESSED = Group(names={"tenant": "chat"}, sums=Sums(requests=2, estimated=7))


@pytest.mark.parametrize(("groups", "has_column"), [([SAID], False), ([SAID, GUESSED], True)], ids=["said", "estimated"])
def test_the_table_says_how_many_calls_were_estimated_where_any_was(
    groups: list[Group], has_column: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    usage._show(("tenant",), groups)

    head, *rows = capsys.readouterr().out.splitlines()
    assert ("estimated" in head) is has_column
    assert [row.split()[-1] for row in rows if row.startswith(("chat", "all"))] == ["7", "7"] * has_column


def test_names_are_whole_where_nobody_looks_at_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    names = {"tenant": "t" * 63, "model": "a-provider/a-model-with-a-long-name", "route": "r" * 63}

    usage._show(("tenant", "model", "route"), [Group(names=names, sums=Sums(requests=10**9, cost=10**15, baseline_cost=10**15))])

    _, row = capsys.readouterr().out.splitlines()
    assert row.split()[:4] == [*names.values(), "1,000,000,000"]


def test_csv_always_says_how_many_were(capsys: pytest.CaptureFixture[str]) -> None:
    usage._write_csv(("tenant",), [SAID, GUESSED])

    rows = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert [(row["tenant"], row["estimated"]) for row in rows] == [("search", "0"), ("chat", "7")]
