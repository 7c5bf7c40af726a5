"""Records on disk."""

from __future__ import annotations

import asyncio
import resource
import shutil
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec import structs

from fakes import Said, catalog_yaml, facts_of, model_yaml, ruleset_of
from pointsman.adapters.records import RecordLog, key_in, read_records
from pointsman.core.completion import Attempt
from pointsman.core.decide import decide
from pointsman.core.market import Market
from pointsman.core.record import BadRecord, DecisionRecord, Ended, Feedback, Line, record, to_json
from pointsman.core.vocabulary import AttemptReason

RULES = ruleset_of(catalog_yaml({"m": model_yaml()}), "version: 1\nroutes: [{id: all, why: all, use: {candidates: [m]}}]")

ATTEMPT = Attempt(model="m", provider="p", reason=AttemptReason.PRIMARY, latency_ms=1.0)
NOW = datetime(2026, 11, 23, tzinfo=UTC)


def a_record(name: str) -> DecisionRecord:
    facts = facts_of(request_id=name)
    return record(RULES, facts, Market(), decide(RULES, facts, Market()), time=NOW, key=b"k")


def said(name: str, score: float, tenant: str = "default") -> Feedback:
    return Feedback(id=name, tenant=tenant, time=NOW, score=score, source="judge")


async def kept(folder: Path, *lines: Line, most_bytes: int = 1 << 20) -> RecordLog:
    """Keep lines as one process does from its start to its end."""
    async with RecordLog(folder, most_bytes=most_bytes, every_s=3600) as log:
        for line in lines:
            log.add(line)
    return log


def modes(folder: Path) -> set[int]:
    return {path.stat().st_mode & 0o777 for path in folder.iterdir()}


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_records_are_read_in_order_whichever_process_wrote_them_and_only_their_owner_may(tmp_path: Path) -> None:
    records = [a_record(f"id-{number}") for number in range(5)]
    for some in (records[:2], records[2:]):
        await kept(tmp_path, *some)

    assert list(read_records(tmp_path)) == records
    assert modes(tmp_path) == {0o600}


async def test_what_was_said_last_of_a_decision_is_read_with_it(tmp_path: Path) -> None:
    await kept(tmp_path, a_record("a"), said("a", 0.2), a_record("b"), said("b", 1.0, tenant="other"))
    await kept(tmp_path, said("a", 0.9))

    scores = {each.id: each.feedback and each.feedback.score for each in read_records(tmp_path)}
    assert scores == {"a": 0.9, "b": None}  # nobody says anything of another's


async def test_what_is_said_is_about_the_answer_and_of_the_day_after_it(tmp_path: Path) -> None:
    routed, answered = a_record("a"), structs.replace(a_record("a"), ended=Ended(code="OK", ms=1.0, attempts=(ATTEMPT,)))
    late = structs.replace(said("b", 1.0), time=NOW + timedelta(days=1, seconds=1))
    await kept(tmp_path, routed, answered, said("a", 0.4), a_record("b"), late)

    assert [each.feedback and each.feedback.score for each in read_records(tmp_path)] == [None, 0.4, None]


async def test_a_folder_without_records_is_said_and_which_was_meant(tmp_path: Path) -> None:
    await kept(tmp_path / "records", a_record("a"))

    with pytest.raises(BadRecord, match=r"holds no decision records; did you mean .*/records\?"):
        list(read_records(tmp_path))


async def test_a_packed_file_that_is_cut_off_is_named(tmp_path: Path) -> None:
    await kept(tmp_path, *[a_record(f"id-{number}") for number in range(50)])
    path = tmp_path / names(tmp_path)[0]
    path.write_bytes(path.read_bytes()[:-100])

    with pytest.raises(BadRecord, match="is cut off"):
        list(read_records(tmp_path))


async def test_a_full_batch_is_written_without_waiting(tmp_path: Path) -> None:
    async with RecordLog(tmp_path, batch=2, every_s=3600) as log:
        log.add(a_record("a"))
        log.add(a_record("b"))
        async with asyncio.timeout(5):
            while not size_of(tmp_path):  # noqa: ASYNC110  # a file tells nobody that it has grown
                await asyncio.sleep(0.005)

        assert [each.id for each in read_records(tmp_path)] == ["a", "b"]


async def test_a_file_that_is_full_is_packed_and_the_oldest_go(tmp_path: Path) -> None:
    size = len(to_json(a_record("id-000")))
    async with RecordLog(tmp_path, most_bytes=8 * 10 * size, every_s=3600) as log:
        for number in range(400):
            log.add(a_record(f"id-{number:03}"))
            if number % 10 == 9:
                await log.flush()

    ids = [each.id for each in read_records(tmp_path)]
    assert ids == [f"id-{number:03}" for number in range(400)][-len(ids) :]
    assert len(ids) > 80  # packed, more of them have room
    assert size_of(tmp_path) <= 8 * 10 * size
    assert all(name.endswith(".jsonl.gz") for name in names(tmp_path))


async def test_a_file_that_another_process_writes_is_left_alone(tmp_path: Path) -> None:
    async with RecordLog(tmp_path, every_s=3600) as other:
        other.add(a_record("a"))
        await other.flush()
        await kept(tmp_path, a_record("b"))
        assert sorted(name.rpartition(".")[2] for name in names(tmp_path)) == ["gz", "jsonl"]
        other.add(a_record("c"))

    assert {each.id for each in read_records(tmp_path)} == {"a", "b", "c"}


async def test_what_a_process_left_behind_that_was_killed_is_packed_by_the_next(tmp_path: Path) -> None:
    line = to_json(a_record("a"))
    (tmp_path / "decisions-20260101T000000.000000Z-7.jsonl").write_bytes(line + b"\n" + line[:100])
    (tmp_path / "decisions-20260101T000000.000000Z-6.packing").write_bytes(b"half")
    await kept(tmp_path, a_record("b"))

    assert [each.id for each in read_records(tmp_path)] == ["a", "b"]
    assert all(name.endswith(".jsonl.gz") for name in names(tmp_path))


async def test_nothing_is_left_of_a_process_that_decided_nothing(tmp_path: Path) -> None:
    await kept(tmp_path)

    assert names(tmp_path) == []


async def test_what_is_too_much_is_lost_and_counted(tmp_path: Path) -> None:
    async with RecordLog(tmp_path, most_waiting=1, every_s=3600) as log:
        for name in ("a", "b", "c"):
            log.add(a_record(name))

    assert [each.id for each in read_records(tmp_path)] == ["a"]
    assert log.lost == 2


async def test_a_disk_that_is_full_costs_records_and_no_half_line_stays(tmp_path: Path) -> None:
    size = len(to_json(a_record("id-0"))) + 1
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        async with RecordLog(tmp_path, every_s=3600) as log:
            resource.setrlimit(resource.RLIMIT_FSIZE, (size + size // 2, limits[1]))
            for number in range(3):
                log.add(a_record(f"id-{number}"))
                await log.flush()
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
            log.add(a_record("id-3"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)

    assert [each.id for each in read_records(tmp_path)] == ["id-0", "id-3"]
    assert log.lost == 2


async def test_a_place_that_cannot_be_written_costs_records_and_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = Said()
    async with RecordLog(tmp_path / "file" / "records", said, every_s=3600) as log:
        for name in ("a", "b"):
            log.add(a_record(name))
            await log.flush()

    assert log.lost == 2
    assert [text.partition(":")[0] for text in said] == [f"decision records cannot be kept in {tmp_path}/file/records"]


async def test_a_folder_that_somebody_clears_is_made_again(tmp_path: Path) -> None:
    folder = tmp_path / "records"
    async with RecordLog(folder, every_s=3600) as log:
        log.add(a_record("a"))
        await log.flush()
        shutil.rmtree(folder)
        log.add(a_record("b"))

    assert [each.id for each in read_records(folder)] == ["b"]


def test_the_key_for_people_is_made_once_and_is_its_owners(tmp_path: Path) -> None:
    one = key_in(tmp_path)

    assert (len(one), key_in(tmp_path)) == (32, one)
    (tmp_path / "key").write_bytes(b"k" * 64)
    said = Said()
    assert len(key_in(tmp_path, said)) == 32
    assert (tmp_path / "key").read_bytes() == b"k" * 64  # whose it is, he may want it back
    assert ["32 bytes are expected in it" in text for text in said] == [True]
    (tmp_path / "key").write_bytes(b"")
    assert len(two := key_in(tmp_path)) == 32
    assert one != two == key_in(tmp_path)
    assert names(tmp_path) == ["key"]
    assert modes(tmp_path) == {0o600}


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text("\n{}\n")

    with pytest.raises(BadRecord, match=r"log.jsonl:2: no decision record"):
        list(read_records(path))
