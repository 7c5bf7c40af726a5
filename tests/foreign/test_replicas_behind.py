"""Three replicas behind a real Envoy, and behind a client that balances by itself, while one is drained, one is killed, and rules change.

What costs nothing or is answered once never fails; what may have been paid for fails only where it was under way on the one that was killed.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

from fakes import catalog_yaml, model_yaml
from fleets import Load, Replica, envoy, fleet, round_robin
from pointsman.adapters.rulefiles import read_directory
from pointsman.client import Client
from pointsman.core.errors import UpstreamUnavailable
from pointsman.core.rulefile import load
from valkeys import ValkeyServer
from volumes import swap

SOAK = bool(os.environ.get("POINTSMAN_TEST_SOAK"))
CALLS_PER_S = 300 if SOAK else 100
LASTS_S = 15.0 if SOAK else 9.0
SEEN_WITHIN_S = 2.0
AT_ONCE_S = 0.1
"""Within which a caller notices that a connection has broken."""

pytestmark = [pytest.mark.foreign, pytest.mark.timeout(120)]

_NUMBERS = count(1)


def change(rules: Path) -> str:
    """Swap the rules as a ConfigMap is swapped, and return the new revision."""
    model = model_yaml().strip().removesuffix("}") + ", options: {ttft_ms: 20, tokens_per_s: 40}}"
    routing = f"version: 1\nroutes: [{{id: default, why: w, use: {{candidates: [m]}}}}]\n# change {next(_NUMBERS)}\n"
    swap(rules, {"models.yaml": catalog_yaml({"m": model}).encode(), "routing.yaml": routing.encode()})
    ruleset = load(read_directory(rules)).ruleset
    assert ruleset is not None
    return ruleset.revision


@asynccontextmanager
async def loaded(target: str) -> AsyncIterator[Load]:
    async with Client(target) as client:
        load, ended = Load(client, CALLS_PER_S), asyncio.Event()
        calls = asyncio.create_task(load.run(ended))
        try:
            yield load
        finally:
            ended.set()
            await calls


@dataclass
class Course:
    """When what happened, by the clock of the machine."""

    swaps: list[tuple[float, str]] = field(default_factory=list)
    """When the rules were changed, and to which revision."""
    drain: float = 0.0
    drained: float = 0.0
    killed: float = 0.0
    ended: float = 0.0


async def suffer(replicas: list[Replica], rules: Path) -> Course:
    """Change rules, drain one replica, kill another, change rules again."""
    course, (one, other, _) = Course(), replicas

    def swap_rules() -> None:
        revision = change(rules)
        course.swaps.append((time.time(), revision))

    await asyncio.sleep(LASTS_S * 0.15)
    swap_rules()
    await asyncio.sleep(LASTS_S * 0.2)
    course.drain = time.time()
    one.process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(one.process.wait(), 15) == 0
    course.drained = time.time()
    await asyncio.sleep(max(0.0, course.drain + LASTS_S * 0.25 - time.time()))
    course.killed = time.time()
    other.process.kill()
    await asyncio.sleep(LASTS_S * 0.15)
    swap_rules()
    await asyncio.sleep(SEEN_WITHIN_S + 0.5)
    course.ended = time.time()
    return course


def check(load: Load, course: Course) -> None:
    """Assert what must hold whatever happened."""
    print(f"drained in {course.drained - course.drain:.2f} s; {load.summary()}")
    for moment, revision in course.swaps:
        following = min((at for at, _ in course.swaps if at > moment), default=course.ended)
        late = [each for each in load.outcomes if moment + SEEN_WITHIN_S < each.began and each.ended < following and each.error is None]
        assert late
        assert {each.revision for each in late} == {revision}
    assert load.failed("route") == []
    assert load.failed("keyed") == []
    for each in load.failed("complete") + load.failed("stream"):
        assert isinstance(each.error, UpstreamUnavailable), repr(each.error)
        told = f"{each.kind} from {each.began - course.killed:.2f} to {each.ended - course.killed:.2f} s after the kill: {each.error!r}"
        assert each.began < course.killed + AT_ONCE_S, told
        assert each.ended >= course.killed, told


def unexpected(replicas: list[Replica]) -> list[str]:
    """Return what the logs say that is worse than a warning.

    A server's last line says that it ended. Behind it, grpc has been seen to print the trace of a call that the closing loop cancelled.
    """
    ours = (replica.log.read_text().partition('"message":"ended"') for replica in replicas)
    texts = (before + said + behind.partition("\n")[0] for before, said, behind in ours)
    lines = (json.loads(line) for text in texts for line in text.splitlines())
    return [line["message"] for line in lines if line.get("level") == "error"]


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """Return a rule directory as a volume has it, with room for logs beside it."""
    (tmp_path / "logs").mkdir()
    change(tmp_path / "rules")
    return tmp_path / "rules"


async def test_behind_a_client_that_balances_by_itself(rules: Path, tmp_path: Path, valkey: ValkeyServer) -> None:
    async with fleet(3, rules, tmp_path / "logs", POINTSMAN_VALKEY_URL=valkey.url) as replicas:
        async with loaded(round_robin(replicas)) as load:
            course = await suffer(replicas, rules)
        check(load, course)
    assert unexpected(replicas) == []


async def test_behind_envoy(rules: Path, tmp_path: Path, valkey: ValkeyServer) -> None:
    async with (
        fleet(3, rules, tmp_path / "logs", POINTSMAN_VALKEY_URL=valkey.url) as replicas,
        envoy(replicas, tmp_path) as address,
    ):
        async with loaded(address) as load:
            course = await suffer(replicas, rules)
        check(load, course)
    assert unexpected(replicas) == []
