"""Records on disk."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fakes import catalog_yaml, facts_of, model_yaml, ruleset_of
from pointsman.adapters.records import RecordFile, read_records
from pointsman.core.decide import decide
from pointsman.core.market import Market
from pointsman.core.record import BadRecord, DecisionRecord, record

RULES = ruleset_of(catalog_yaml({"m": model_yaml()}), "version: 1\nroutes: [{id: all, why: all, use: {candidates: [m]}}]")


def a_record(name: str) -> DecisionRecord:
    facts = facts_of(request_id=name)
    return record(RULES, facts, Market(), decide(RULES, facts, Market()), time=datetime(2026, 11, 23, tzinfo=UTC), key=b"k")


async def test_records_are_appended_in_order_and_only_the_owner_may_read_them(tmp_path: Path) -> None:
    path, records = tmp_path / "log.jsonl", [a_record(f"id-{number}") for number in range(5)]
    for some in (records[:2], records[2:]):
        async with RecordFile(path) as file:
            for each in some:
                file.add(each)

    assert list(read_records(path)) == records
    assert path.stat().st_mode & 0o777 == 0o600


async def test_a_full_batch_is_written_without_waiting(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    async with RecordFile(path, batch=2, every_s=3600) as file:
        file.add(a_record("a"))
        file.add(a_record("b"))
        async with asyncio.timeout(5):
            while not path.stat().st_size:  # noqa: ASYNC110  # a file tells nobody that it has grown
                await asyncio.sleep(0.005)

        assert [each.id for each in read_records(path)] == ["a", "b"]


async def test_what_is_too_much_is_lost_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    async with RecordFile(path, most_waiting=1, every_s=3600) as file:
        for name in ("a", "b", "c"):
            file.add(a_record(name))

    assert [each.id for each in read_records(path)] == ["a"]
    assert file.lost == 2


async def test_a_disk_that_fails_costs_records_and_no_calls(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    async with RecordFile(folder / "log.jsonl", every_s=3600) as file:
        file.add(a_record("a"))
        (folder / "log.jsonl").unlink()
        folder.rmdir()

    assert file.lost == 1


async def test_a_place_that_cannot_be_written_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        async with RecordFile(tmp_path / "missing" / "log.jsonl"):
            pass


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text("\n{}\n")

    with pytest.raises(BadRecord, match=r"log.jsonl:2: no decision record"):
        list(read_records(path))
