"""Valkey, met as it is: a real server, alive, killed, hung, locked and started again empty."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from fakes import FakeClock, Said
from pointsman.adapters.valkey import LONGEST_PAUSE_S, Script, Valkey, open_valkey
from pointsman.core.breaker import FAILURES
from pointsman.ports import StoreDown
from valkeys import ValkeyServer, free_port, valkey_server

PATIENT_S = 5.0
"""On a busy machine a real answer can take longer than what production allows."""

ADD = Script("local now = redis.call('INCRBY', KEYS[1], ARGV[1]); return {now, KEYS[1]}")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def told() -> Said:
    return Said()


@pytest.fixture
async def store(valkey: ValkeyServer, clock: FakeClock, told: Said) -> AsyncIterator[Valkey]:
    opened = Valkey(valkey.url, clock=clock, say=told, timeout_s=PATIENT_S)
    yield opened
    await opened.close()


async def _fails(store: Valkey, times: int = FAILURES) -> None:
    for _ in range(times):
        with pytest.raises(StoreDown):
            await store.call("PING")


async def test_replies_are_bytes_numbers_lists_and_none(store: Valkey) -> None:
    assert await store.call("SET", "key", "wörd") == b"OK"
    assert await store.call("GET", "key") == "wörd".encode()
    assert await store.call("GET", b"no such key") is None
    assert await store.call("STRLEN", "key") == 5
    assert await store.call("MGET", "key", "no such key") == ["wörd".encode(), None]


async def test_commands_in_a_pipeline_are_answered_in_order(store: Valkey) -> None:
    commands = [("SET", f"key-{number}", number) for number in range(200)]

    assert await store.pipeline(commands) == [b"OK"] * 200
    assert await store.pipeline([("GET", f"key-{number}") for number in range(200)]) == [str(number).encode() for number in range(200)]


async def test_a_script_is_known_by_its_digest_and_sent_again_where_it_was_forgotten(store: Valkey) -> None:
    assert await store.run(ADD, ["sum"], [2]) == [2, b"sum"]
    await store.call("SCRIPT", "FLUSH")
    assert await store.run(ADD, ["sum"], [3]) == [5, b"sum"]


async def test_a_thousand_commands_at_once_are_all_answered(store: Valkey) -> None:
    await asyncio.gather(*(store.call("INCR", "count") for _ in range(1000)))

    assert await store.call("GET", "count") == b"1000"


async def test_values_of_a_megabyte_pass_unchanged(store: Valkey) -> None:
    value = bytes(range(256)) * 4096
    await store.call("SET", "long", value)

    assert await store.call("GET", "long") == value


async def test_one_whose_caller_left_does_not_mix_up_the_replies_of_others(valkey: ValkeyServer, clock: FakeClock, told: Said) -> None:
    store = Valkey(valkey.url, clock=clock, say=told, timeout_s=PATIENT_S, connections=1)
    for number in range(50):
        call = asyncio.create_task(store.call("ECHO", f"left {number}"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        call.cancel()
        assert await store.call("ECHO", f"stayed {number}") == f"stayed {number}".encode()
    assert store.is_well
    await store.close()


async def test_a_refused_command_says_which_kind_of_refusal_and_quotes_nothing(store: Valkey) -> None:
    await store.call("SET", "secret-key", "secret value")

    with pytest.raises(StoreDown, match="WRONGTYPE") as refused:
        await store.call("LPUSH", "secret-key", "more secrets")
    assert "secret" not in str(refused.value)
    assert refused.value.was_refused
    assert store.is_well


async def test_a_script_that_fails_is_no_use_asking_again(store: Valkey) -> None:
    with pytest.raises(StoreDown) as refused:
        await store.run(Script("return 1 + {}"), [])

    assert refused.value.was_refused


async def test_a_refusal_in_a_pipeline_leaves_the_connection_in_order(store: Valkey) -> None:
    await store.call("SET", "text", "a")

    with pytest.raises(StoreDown):
        await store.pipeline([("SET", "one", 1), ("INCR", "text"), ("SET", "two", 2)])
    assert await store.call("MGET", "one", "two") == [b"1", b"2"]


async def test_a_killed_server_costs_nothing_after_five_failures_and_is_found_when_it_is_back(
    own_valkey: ValkeyServer, clock: FakeClock, told: Said
) -> None:
    store = Valkey(own_valkey.url, clock=clock, say=told, timeout_s=PATIENT_S)
    await store.run(ADD, ["sum"], [2])
    own_valkey.kill()
    await _fails(store)
    assert not store.is_well
    assert len(told) == 1
    assert "fails" in told[0]

    own_valkey.start()
    await _fails(store, 1)  # it is not even asked
    clock.advance(LONGEST_PAUSE_S)
    assert await store.run(ADD, ["sum"], [3]) == [3, b"sum"]  # empty, and without the script
    assert store.is_well
    assert told[1:] == [f"Valkey at 127.0.0.1:{own_valkey.port} answers again"]
    assert told.levels == ["warning", "info"]
    await store.close()


async def test_idle_connections_to_a_server_that_was_started_again_are_replaced_unnoticed(
    own_valkey: ValkeyServer, clock: FakeClock, told: Said
) -> None:
    store = Valkey(own_valkey.url, clock=clock, say=told, timeout_s=PATIENT_S)
    await asyncio.gather(*(store.call("PING") for _ in range(10)))
    own_valkey.stop()
    own_valkey.start()
    await asyncio.sleep(0.05)  # until this process, too, has heard that the connections ended

    assert await asyncio.gather(*(store.call("PING") for _ in range(10))) == [b"PONG"] * 10
    assert told == []
    await store.close()


async def test_a_server_that_hangs_costs_the_timeout_and_then_nothing(own_valkey: ValkeyServer, clock: FakeClock, told: Said) -> None:
    store = Valkey(own_valkey.url, clock=clock, say=told, timeout_s=0.05)
    await store.call("PING")
    own_valkey.hang()
    began = asyncio.get_running_loop().time()

    outcomes = await asyncio.gather(*(store.call("PING") for _ in range(100)), return_exceptions=True)

    assert all(isinstance(outcome, StoreDown) for outcome in outcomes)
    assert asyncio.get_running_loop().time() - began < 2.0  # not a hundred times the timeout, nor one after the other
    assert not store.is_well
    assert "no reply in 50 ms" in told[0]

    own_valkey.resume()
    clock.advance(LONGEST_PAUSE_S)
    assert await store.call("ECHO", "well") == b"well"
    await store.close()


async def test_nobody_there_is_said_at_once(clock: FakeClock, told: Said) -> None:
    port = free_port()
    async with open_valkey(f"valkey://127.0.0.1:{port}", clock=clock, say=told) as store:
        assert told == [f"Valkey at 127.0.0.1:{port}: ConnectionError; this process goes on by itself until it answers"]
        await _fails(store)


async def test_a_server_that_answers_is_said_at_the_start(valkey: ValkeyServer, clock: FakeClock, told: Said) -> None:
    async with open_valkey(valkey.url, clock=clock, say=told):
        assert told == [f"sharing with other replicas by Valkey at 127.0.0.1:{valkey.port}"]


async def test_a_wrong_password_is_told_and_no_password_is_shown(clock: FakeClock, told: Said) -> None:
    with valkey_server(password="right-7391") as locked:
        right = Valkey(locked.url, clock=clock, say=told, timeout_s=PATIENT_S)
        assert await right.call("PING") == b"PONG"
        await right.close()
        wrong = Valkey(f"redis://:wrong-7391@127.0.0.1:{locked.port}", clock=clock, say=told, timeout_s=PATIENT_S)
        await _fails(wrong)
        await wrong.close()

    assert "fails (AuthenticationError)" in told[0]
    assert "7391" not in repr(wrong) + repr(right) + "".join(told)


async def test_a_socket_in_the_file_system_and_a_number_of_a_database_will_do(valkey: ValkeyServer, clock: FakeClock, told: Said) -> None:
    by_socket = Valkey(valkey.unix_url, clock=clock, say=told, timeout_s=PATIENT_S)
    elsewhere = Valkey(f"{valkey.url}/3", clock=clock, say=told, timeout_s=PATIENT_S)
    await by_socket.call("SET", "here", 1)

    assert await elsewhere.call("GET", "here") is None
    await by_socket.close()
    await elsewhere.close()
