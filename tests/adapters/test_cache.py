"""One suite for the caches of one process and of all replicas; then what each has beside it."""

from __future__ import annotations

import asyncio
import os
import tracemalloc
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from fakes import FakeClock, catalog_yaml, facts_of, model_yaml, ruleset_of
from pointsman.adapters.cache.memory import OVERHEAD, Alone, MemoryCache
from pointsman.adapters.cache.names import Names
from pointsman.adapters.cache.shared import LARGEST, NEAR_S, SharedCache
from pointsman.adapters.cache.turns import LEASE_MS, SharedTurns
from pointsman.adapters.valkey import Valkey
from pointsman.affinity import Affinity
from pointsman.core.cachekey import CacheKey
from pointsman.core.completion import Attempt, Completion, Usage
from pointsman.core.decide import decide
from pointsman.core.market import Market
from pointsman.core.request import Message, Prompt, Request
from pointsman.core.vocabulary import AttemptReason, FinishReason, Role
from pointsman.ports import unheard
from valkeys import ValkeyServer

PATIENT_S = 5.0


RULES = ruleset_of(
    catalog_yaml({"m": model_yaml().replace("context_window", "prompt_cache: {min_tokens: 512, ttl: 5m}, context_window")}),
    "version: 1\nroutes: [{id: default, why: w, use: {candidates: [m]}}]\n",
)
DECISION = decide(RULES, facts_of(), Market())
MANY = 1_000_000 if os.environ.get("POINTSMAN_TEST_SOAK") else 30_000

ONE, OTHER, STRANGERS = CacheKey("search", b"1" * 32), CacheKey("search", b"2" * 32), CacheKey("ads", b"3" * 32)


class Replicas:
    """Replicas that share one Valkey."""

    def __init__(self, url: str, clock: FakeClock) -> None:
        self._url = url
        self._clock = clock
        self._opened: list[Valkey] = []
        self._turns: list[SharedTurns] = []

    def valkey(self) -> Valkey:
        self._opened.append(valkey := Valkey(self._url, clock=self._clock, say=unheard, timeout_s=PATIENT_S))
        return valkey

    def cache(self) -> SharedCache:
        valkey = self.valkey()
        return SharedCache(valkey, Names(valkey), MemoryCache(self._clock), self._clock)

    def turns(self) -> SharedTurns:
        valkey = self.valkey()
        self._turns.append(turns := SharedTurns(valkey, Names(valkey)))
        return turns

    async def close(self) -> None:
        for turns in self._turns:
            await turns.close()
        for valkey in self._opened:
            await valkey.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def replicas(valkey: ValkeyServer, clock: FakeClock) -> AsyncIterator[Replicas]:
    replicas = Replicas(valkey.url, clock)
    yield replicas
    await replicas.close()


@pytest.fixture
async def own_replicas(own_valkey: ValkeyServer, clock: FakeClock) -> AsyncIterator[Replicas]:
    replicas = Replicas(own_valkey.url, clock)
    yield replicas
    await replicas.close()


Built = MemoryCache | SharedCache


@pytest.fixture(params=["memory", "shared"])
def cache(request: pytest.FixtureRequest, clock: FakeClock) -> Built:
    if request.param == "memory":
        return MemoryCache(clock)
    replicas: Replicas = request.getfixturevalue("replicas")
    return replicas.cache()


async def test_nothing_is_kept_at_first(cache: Built) -> None:
    assert cache.peek(ONE) is None
    assert await cache.get(ONE) is None


async def test_what_is_kept_is_found_to_the_byte(cache: Built) -> None:
    data = bytes(range(256)) * 100
    await cache.put(ONE, data, ttl_s=60)

    assert cache.peek(ONE) == data
    assert await cache.get(ONE) == data
    assert await cache.get(OTHER) is None


async def test_the_last_that_was_kept_counts(cache: Built) -> None:
    await cache.put(ONE, b"old", ttl_s=60)
    await cache.put(ONE, b"new", ttl_s=60)

    assert await cache.get(ONE) == b"new"


async def test_this_process_knows_before_anything_is_awaited(cache: Built) -> None:
    putting = cache.put(ONE, b"data", ttl_s=60)
    task = asyncio.create_task(putting)
    await asyncio.sleep(0)

    assert cache.peek(ONE) == b"data"
    await task


async def test_of_one_tenant_all_can_be_dropped(cache: Built, clock: FakeClock) -> None:
    for key in (ONE, OTHER, STRANGERS):
        await cache.put(key, b"data", ttl_s=3600)
    clock.advance(1)

    assert await cache.purge("search") == 2
    assert [await cache.get(key) for key in (ONE, OTHER, STRANGERS)] == [None, None, b"data"]

    clock.advance(1)
    await cache.put(ONE, b"newer", ttl_s=60)
    assert await cache.get(ONE) == b"newer"


async def test_what_is_dropped_goes_with_what_was_asked_for_before_and_comes_later(cache: Built, clock: FakeClock) -> None:
    asked_s = clock.now().timestamp()
    clock.advance(1)
    await cache.purge("search")
    clock.advance(1)
    for key in (ONE, STRANGERS):
        await cache.put(key, b"data", ttl_s=3600, asked_s=asked_s)
    assert [cache.peek(key) for key in (ONE, STRANGERS)] == [await cache.get(key) for key in (ONE, STRANGERS)] == [None, b"data"]

    await cache.put(ONE, b"newer", ttl_s=3600, asked_s=clock.now().timestamp())
    assert await cache.get(ONE) == b"newer"


async def test_an_empty_answer_is_an_answer(cache: Built) -> None:
    await cache.put(ONE, b"", ttl_s=60)

    assert await cache.get(ONE) == b""


# In this process


async def test_after_its_time_an_entry_is_gone(clock: FakeClock) -> None:
    cache = MemoryCache(clock)
    await cache.put(ONE, b"data", ttl_s=60)
    clock.advance(59.9)
    assert cache.peek(ONE) == b"data"
    clock.advance(0.1)

    assert cache.peek(ONE) is None
    assert len(cache) == 0


async def test_what_was_not_used_for_longest_goes_first(clock: FakeClock) -> None:
    cache = MemoryCache(clock, most_entries=2)
    await cache.put(ONE, b"1", ttl_s=60)
    await cache.put(OTHER, b"2", ttl_s=60)
    cache.peek(ONE)
    await cache.put(STRANGERS, b"3", ttl_s=60)

    assert [cache.peek(key) for key in (ONE, OTHER, STRANGERS)] == [b"1", None, b"3"]


async def test_one_that_would_drive_out_the_others_is_not_kept(clock: FakeClock) -> None:
    cache = MemoryCache(clock, most_bytes=80_000)
    await cache.put(ONE, b"1", ttl_s=60)
    await cache.put(OTHER, bytes(10_000), ttl_s=60)

    assert cache.peek(ONE) == b"1"
    assert cache.peek(OTHER) is None


async def test_any_number_of_distinct_entries_stay_within_both_bounds_and_take_no_more_than_is_counted(clock: FakeClock) -> None:
    most_bytes, most_entries = 2 << 20, 2_500
    cache = MemoryCache(clock, most_bytes=most_bytes, most_entries=most_entries)
    tracemalloc.start()
    try:
        for number in range(MANY):
            cache.keep(CacheKey("search", number.to_bytes(32)), bytes(number % 1500), ttl_s=60)
            assert len(cache) <= most_entries
            assert cache.used_bytes <= most_bytes
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(cache) > 1_000
    assert taken < cache.used_bytes + len(cache) * OVERHEAD * 0.5 + 200_000


async def test_alone_it_is_always_ones_turn() -> None:
    turns = Alone()
    assert [await turns.take(ONE), await turns.take(ONE)] == [True, True]
    await turns.give_back(ONE)


# Shared


async def test_what_one_replica_keeps_another_finds(replicas: Replicas) -> None:
    here, there = replicas.cache(), replicas.cache()
    await here.put(ONE, b"data", ttl_s=60)

    assert there.peek(ONE) is None
    assert await there.get(ONE) == b"data"
    assert there.peek(ONE) == b"data"  # from now on near by


async def test_the_store_lets_go_of_an_answer_when_its_time_is_over(replicas: Replicas) -> None:
    await replicas.cache().put(ONE, b"data", ttl_s=60)
    valkey = replicas.valkey()
    (name,) = await names_in(valkey, "pointsman:answer:*")

    assert 50_000 < int(str(await valkey.call("PTTL", name))) <= 60_000


async def names_in(valkey: Valkey, pattern: str) -> list[Any]:
    found = await valkey.call("KEYS", pattern)
    assert isinstance(found, list)
    return found


async def test_no_name_in_the_store_is_a_digest_or_a_tenant(replicas: Replicas) -> None:
    await (cache := replicas.cache()).put(ONE, b"data", ttl_s=60)
    await cache.purge("search")
    names = b" ".join(await names_in(replicas.valkey(), "*"))

    assert ONE.digest.hex().encode() not in names
    assert b"search" not in names


async def test_replicas_that_begin_together_agree_on_one_secret(replicas: Replicas) -> None:
    caches = [replicas.cache() for _ in range(8)]
    await asyncio.gather(*(cache.put(ONE, b"data", ttl_s=60) for cache in caches))

    assert len(await names_in(replicas.valkey(), "pointsman:answer:*")) == 1


async def test_replicas_agree_again_when_the_store_has_forgotten_everything(own_valkey: ValkeyServer, own_replicas: Replicas) -> None:
    old = own_replicas.cache()
    await old.put(ONE, b"before", ttl_s=60)
    own_valkey.stop()
    own_valkey.start()
    young = own_replicas.cache()
    await young.put(OTHER, b"by the young one", ttl_s=60)
    await old.put(STRANGERS, b"by the old one", ttl_s=60)

    assert await old.get(OTHER) == b"by the young one"
    assert await young.get(STRANGERS) == b"by the old one"


async def test_other_replicas_hear_of_a_purge_when_what_they_have_near_by_ends(replicas: Replicas, clock: FakeClock) -> None:
    here, there = replicas.cache(), replicas.cache()
    await here.put(ONE, b"data", ttl_s=3600)
    await there.get(ONE)
    clock.advance(1)
    await here.purge("search")
    clock.advance(NEAR_S)

    assert await there.get(ONE) is None


async def test_other_replicas_hear_of_a_purge_also_where_they_were_being_answered(replicas: Replicas, clock: FakeClock) -> None:
    here, there = replicas.cache(), replicas.cache()
    asked_s = clock.now().timestamp()
    clock.advance(1)
    await here.purge("search")
    clock.advance(NEAR_S - 2)
    await there.put(ONE, b"data", ttl_s=3600, asked_s=asked_s)
    clock.advance(1)

    assert await there.get(ONE) is None


Spoil = Callable[[Valkey, bytes], Any]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda valkey, name: valkey.call("SET", name, b""),
        lambda valkey, name: valkey.call("SET", name, b"short"),
        lambda valkey, name: valkey.pipeline([("DEL", name), ("LPUSH", name, b"a list")]),
        lambda valkey, name: valkey.call("DEL", name),
    ],
)
async def test_wrong_data_counts_as_none(replicas: Replicas, spoil: Spoil) -> None:
    await replicas.cache().put(ONE, b"data", ttl_s=60)
    valkey = replicas.valkey()
    (name,) = await names_in(valkey, "pointsman:answer:*")
    await spoil(valkey, name)

    assert await replicas.cache().get(ONE) is None


async def test_a_very_long_answer_is_kept_near_by_only(replicas: Replicas) -> None:
    here, there = replicas.cache(), replicas.cache()
    await here.put(ONE, bytes(LARGEST + 1), ttl_s=60)

    assert here.peek(ONE) is not None
    assert await there.get(ONE) is None


async def test_a_store_that_is_down_keeps_nothing_and_fails_nobody(own_valkey: ValkeyServer, own_replicas: Replicas) -> None:
    here, there = own_replicas.cache(), own_replicas.cache()
    own_valkey.kill()
    await here.put(ONE, b"data", ttl_s=60)

    assert await here.get(ONE) == b"data"
    assert await there.get(ONE) is None


# Turns


async def test_a_turn_is_one_replicas_until_it_gives_it_back(replicas: Replicas) -> None:
    here, there = replicas.turns(), replicas.turns()

    assert [await here.take(ONE), await there.take(ONE), await there.take(OTHER)] == [True, False, True]
    await there.give_back(ONE)  # it never had that
    assert not await there.take(ONE)
    await here.give_back(ONE)
    assert await there.take(ONE)


async def test_a_replica_does_not_wait_for_itself(replicas: Replicas) -> None:
    here, there = replicas.turns(), replicas.turns()
    assert [await here.take(ONE), await here.take(ONE), await there.take(ONE)] == [True, True, False]

    for _ in range(2):
        await here.give_back(ONE)
    assert await there.take(ONE)


async def test_a_turn_ends_by_itself_within_seconds_unless_it_is_renewed(replicas: Replicas) -> None:
    turns, valkey = replicas.turns(), replicas.valkey()
    await turns.take(ONE)
    (name,) = await names_in(valkey, "pointsman:turn:*")

    assert 0 < int(str(await valkey.call("PTTL", name))) <= LEASE_MS
    await valkey.call("PEXPIRE", name, 2_500)
    async with asyncio.timeout(5):
        while int(str(await valkey.call("PTTL", name))) <= 2_500:  # noqa: ASYNC110  # it tells nobody
            await asyncio.sleep(0.02)


async def test_where_nobody_can_say_it_is_everybodys_turn(own_valkey: ValkeyServer, own_replicas: Replicas) -> None:
    here, there = own_replicas.turns(), own_replicas.turns()
    await here.take(ONE)
    own_valkey.kill()

    assert await there.take(ONE)
    await here.give_back(ONE)


# Conversations


async def test_a_conversation_that_another_replica_served_is_known_here(replicas: Replicas, clock: FakeClock) -> None:
    long = Message(role=Role.USER, parts=("word " * 500,))
    first = Request(prompt=Prompt(messages=(long,)))
    then = Request(prompt=Prompt(messages=(long, Message(role=Role.ASSISTANT, parts=("so",)), long)))
    here, there = (Affinity(replicas.cache(), clock) for _ in range(2))
    known = await here.known("search", first, RULES.catalog)
    assert known is not None
    usage = Usage(input_tokens=700, output_tokens=5)
    attempt = Attempt(model="m", provider="p", reason=AttemptReason.PRIMARY, latency_ms=1.0, usage=usage)
    here.note(
        known, RULES, DECISION, Completion(message=None, finish_reason=FinishReason.STOP, usage=usage, attempts=(attempt,), model="m")
    )
    await asyncio.gather(*here._keeping)

    found = await there.known("search", then, RULES.catalog)
    assert found is not None
    assert found.trail.tokens("m") == 700
    by_itself = await Affinity(replicas.cache(), clock).known("search", then, RULES.catalog, ask_others=False)
    assert by_itself is not None
    assert by_itself.trail.turns == ()
