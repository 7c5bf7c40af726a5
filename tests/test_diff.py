"""`pointsman rules diff` as its user meets it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fakes import facts_of
from pointsman.cli import main
from pointsman.core.decide import decide
from pointsman.core.market import Market
from pointsman.core.record import record, to_json
from pointsman.core.rulefile import UNBOUND
from pointsman.offline import load_rules

MODELS = (Path(__file__).parent / "data" / "rules" / "models.yaml").read_text()
ROUTING = """\
version: 1
routes:
  - {id: hard, why: w, when: features.complexity > %s, use: {candidates: [smart], on_empty: best_effort}}
  - {id: rest, why: w, use: {candidates: [fast]}}
"""


@pytest.fixture
def directories(tmp_path: Path) -> tuple[str, str]:
    """Return two rule directories with another boundary each."""
    alias = "\naliases: {smart: [builtin], fast: [builtin]}\n" if "aliases" not in MODELS else ""
    for name, bar in (("old", 0.5), ("new", 0.3)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "models.yaml").write_text(MODELS + alias)
        (tmp_path / name / "routing.yaml").write_text(ROUTING.replace("[smart]", "[builtin]").replace("[fast]", "[builtin]") % bar)
    return str(tmp_path / "old"), str(tmp_path / "new")


def test_people_see_tables_and_examples(directories: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", "diff", *directories]) == 0

    out = capsys.readouterr().out
    assert "decisions change" in out
    assert "old rule" in out
    assert "e.g. a plain request" in out
    assert "made up" in out


def test_programs_get_json(directories: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", "diff", *directories, "--json"]) == 0

    found = json.loads(capsys.readouterr().out)
    assert {"old": "rest", "new": "hard"}.items() <= found["by_rule"][0].items()
    assert 0 < found["changed"] < found["samples"]


def test_nothing_changes_between_a_directory_and_itself(directories: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", "diff", directories[0], directories[0]]) == 0
    assert capsys.readouterr().out.startswith("0 of ")


def test_recorded_decisions_are_asked_where_a_log_is_given(
    directories: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ruleset, log = load_rules(Path(directories[0]), UNBOUND)[0].ruleset, tmp_path / "log.jsonl"
    assert ruleset is not None
    asked = [facts_of(features_complexity=complexity) for complexity in (0.1, 0.4, 0.9)]
    now, market = datetime(2026, 11, 23, tzinfo=UTC), Market()
    lines = [to_json(record(ruleset, facts, market, decide(ruleset, facts, market), time=now, key=b"k")) for facts in asked]
    log.write_bytes(b"\n".join(lines) + b"\n")

    assert main(["rules", "diff", *directories, "--facts", str(log)]) == 0
    assert "1 of 3 decisions change, 0 of them the model" in capsys.readouterr().out


def test_what_records_do_not_hold_is_said_where_rules_ask_for_it(
    directories: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ruleset, log = load_rules(Path(directories[0]), UNBOUND)[0].ruleset, tmp_path / "log.jsonl"
    assert ruleset is not None
    blue = "  - {id: blue, why: w, when: 'has(request.labels.squad) && request.labels.squad == \"blue\"', use: {candidates: [builtin]}}\n"
    for directory in directories:
        routing = Path(directory) / "routing.yaml"
        routing.write_text(
            routing.read_text().replace("routes:\n", f"routes:\n{blue}") if directory == directories[1] else routing.read_text()
        )
    now, market = datetime(2026, 11, 23, tzinfo=UTC), Market()
    asked = [facts_of(request_labels=labels) for labels in ({"squad": "blue"}, {"squad": "red"}, {})]
    lines = [to_json(record(ruleset, facts, market, decide(ruleset, facts, market), time=now, key=b"k")) for facts in asked]
    log.write_bytes(b"\n".join(lines) + b"\n")

    assert main(["rules", "diff", *directories, "--facts", str(log)]) == 0
    out = capsys.readouterr().out
    assert "2 of them may be decided otherwise than is told here: rules ask for request.labels.squad" in out
    assert main(["rules", "diff", *directories, "--facts", str(log), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["unsure"], found["withheld"]) == (2, ["request.labels.squad"])


def test_a_folder_without_records_is_no_log(directories: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", "diff", *directories, "--facts", str(tmp_path)]) == 1
    assert f"{tmp_path} holds no decision records" in capsys.readouterr().err


def test_a_log_that_cannot_be_read_is_said(directories: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "log.jsonl").write_text("{}\n")

    assert main(["rules", "diff", *directories, "--facts", str(tmp_path / "log.jsonl")]) == 1
    assert "log.jsonl:1: no decision record" in capsys.readouterr().err
    assert main(["rules", "diff", *directories, "--facts", str(tmp_path / "none.jsonl")]) == 1


def test_a_directory_with_errors_is_1(directories: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "new" / "routing.yaml").write_text("version: 1\nroutes: []\n")

    assert main(["rules", "diff", *directories]) == 1
    assert "routing.yaml:" in capsys.readouterr().err
