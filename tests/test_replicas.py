"""Two servers as processes of their own, and one Valkey between them: one asks a model, both answer, and nobody fails when one of the three dies."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from msgspec import structs

from fakes import catalog_yaml, model_yaml
from pointsman.client import Client
from pointsman.core.completion import Completion
from pointsman.core.errors import InvalidRequest, NotCached, PointsmanError, StoreUnavailable
from pointsman.core.request import CachePolicy, Generation, Request
from pointsman.core.vocabulary import CacheMode, CacheStatus
from processes import ROOT
from upstream import Exchange, Upstream
from valkeys import ValkeyServer

pytestmark = pytest.mark.timeout(120)

CALLS = 500 if os.environ.get("POINTSMAN_TEST_SOAK") else 60
TAKES_S = 0.3
ROUTING = "version: 1\nroutes: [{id: default, why: w, use: {candidates: [m]}, cache: {mode: exact, ttl: 10m}}]\n"


async def answers(exchange: Exchange) -> None:
    """Answer after a while, as models do."""
    await asyncio.sleep(TAKES_S)
    choice = {"message": {"role": "assistant", "content": "391"}, "finish_reason": "stop"}
    body = json.dumps({"choices": [choice], "usage": {"prompt_tokens": 12, "completion_tokens": 3}}).encode()
    await exchange.head(Content_Length=len(body))
    await exchange.send(body)


@dataclass(kw_only=True)
class Replica:
    """One server, and a client of it."""

    process: Process
    client: Client

    async def ask(self, seed: int, *, mode: CacheMode = CacheMode.UNSPECIFIED, key: str = "") -> Completion:
        request = structs.replace(Request.of("What is 17 * 23?"), generation=Generation(seed=seed))
        return (await self.client.complete(request, timeout_s=20, cache=CachePolicy(mode=mode), idempotency_key=key))[1]

    async def killed(self) -> None:
        self.process.kill()
        await self.process.wait()


@asynccontextmanager
async def replica(rules: Path, valkey: str) -> AsyncIterator[Replica]:
    arguments = ("serve", "--listen", "127.0.0.1:0", "--rules", str(rules))
    environment = {**os.environ, "POINTSMAN_VALKEY_URL": valkey}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "pointsman.cli", *arguments, cwd=ROOT, stdout=PIPE, stderr=asyncio.subprocess.DEVNULL, env=environment
    )
    assert process.stdout is not None
    try:
        address = (await process.stdout.readline()).decode().rpartition(" ")[2].strip()
        async with Client(address) as client:
            yield Replica(process=process, client=client)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


@asynccontextmanager
async def pair(folder: Path, valkey: ValkeyServer) -> AsyncIterator[tuple[Replica, Replica, Upstream]]:
    """Run two replicas before one upstream."""
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(Upstream(script=[answers]))
        models = catalog_yaml({"m": model_yaml(ttft_ms=1, tokens_per_s=1000)})
        models = models.replace("{api: builtin}", f"{{api: openai, base_url: '{upstream.url}/v1', internal: true}}")
        (folder / "models.yaml").write_text(models)
        (folder / "routing.yaml").write_text(ROUTING)
        both = [replica(folder, valkey.url), replica(folder, valkey.url)]
        one, other = await asyncio.gather(*(stack.enter_async_context(each) for each in both))
        yield one, other, upstream


def said(outcomes: list[Completion | BaseException]) -> Counter[str]:
    return Counter(
        outcome.message.text if isinstance(outcome, Completion) and outcome.message else type(outcome).__name__ for outcome in outcomes
    )


async def test_replicas_that_share_a_valkey_ask_once_and_go_on_when_one_of_them_dies(tmp_path: Path, own_valkey: ValkeyServer) -> None:
    async with pair(tmp_path, own_valkey) as (one, other, upstream):
        # A machine that is busy may keep the store from answering within its 20 ms: then a replica asks by itself.
        outcomes = await asyncio.gather(*((one, other)[number % 2].ask(1) for number in range(CALLS)), return_exceptions=True)
        assert said(outcomes) == {"391": CALLS}
        assert len(upstream.requests) <= 2
        assert sum(outcome.usage.cost > 0 for outcome in outcomes if isinstance(outcome, Completion)) == len(upstream.requests)

        assert (await other.ask(2, key="k")).cache_status is CacheStatus.MISS
        assert [(await one.ask(2, key="k")).cache_status for _ in range(3)][-1] is CacheStatus.HIT
        with pytest.raises(InvalidRequest, match="another request"):
            await one.ask(3, key="k")
        with pytest.raises(NotCached):
            await one.ask(3, mode=CacheMode.ONLY_IF_CACHED)

        before = len(upstream.requests)
        leading = asyncio.create_task(one.ask(4))
        await asked(upstream, before + 1)
        following = [asyncio.create_task(other.ask(4)) for _ in range(CALLS)]
        await asyncio.sleep(TAKES_S / 3)
        await one.killed()
        with pytest.raises(PointsmanError):
            await leading
        assert said(await asyncio.gather(*following, return_exceptions=True)) == {"391": CALLS}
        assert len(upstream.requests) == before + 2  # one further

        calls = [asyncio.create_task(other.ask(5 + number % 5)) for number in range(CALLS)]
        await asked(upstream, before + 3)
        own_valkey.kill()
        calls += [asyncio.create_task(other.ask(10 + number % 5)) for number in range(CALLS)]
        assert said(await asyncio.gather(*calls, return_exceptions=True)) == {"391": 2 * CALLS}
        assert len(upstream.requests) == before + 12  # in one process each question is asked once all the same
        with pytest.raises(StoreUnavailable, match="could not be told; ask again"):
            await other.client.purge_cache("default")


async def asked(upstream: Upstream, times: int) -> None:
    """Wait until the upstream was asked so often."""
    async with asyncio.timeout(10):
        while len(upstream.requests) < times:  # noqa: ASYNC110  # it tells nobody
            await asyncio.sleep(0.01)
