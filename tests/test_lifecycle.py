"""A server from its start to its end as a process, while what it leans on is down, or hangs, or is there."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

import pointsman.client
from collector import collecting
from fakes import catalog_yaml, model_yaml
from fleets import Load, Replica, fleet, replica, round_robin
from pointsman.client import Client
from pointsman.telemetry.export import FLUSH_S
from processes import GRPCIO_ALONE
from valkeys import ValkeyServer

pytestmark = pytest.mark.timeout(60)

RULES = Path(__file__).parent / "data" / "rules"
NOWHERE = "127.0.0.1:1"
LEAVING_S = 1.5
"""For hearing that no call comes, saying goodbye, and the end of the interpreter."""


def write_rules(directory: Path) -> None:
    """Write rules by which a model whose upstream is down is asked first, and one that takes a second then."""
    slow = model_yaml(price=2).replace("provider: p", "provider: q").strip().removesuffix("}") + ", options: {ttft_ms: 1000}}"
    models = catalog_yaml({"gone": model_yaml(), "slow": slow})
    providers = f"{{p: {{api: openai, base_url: 'http://{NOWHERE}/v1', internal: true}}, q: {{api: builtin}}}}"
    (directory / "models.yaml").write_text(models.replace("{p: {api: builtin}}", providers))
    (directory / "routing.yaml").write_text("version: 1\nroutes: [{id: default, why: w, use: {candidates: [gone, slow]}}]\n")


@asynccontextmanager
async def served(folder: Path, **environment: str) -> AsyncIterator[tuple[Replica, Client]]:
    write_rules(folder)
    async with replica(folder, folder / "log", **environment) as server, Client(server.address) as client:
        yield server, client


def notes(server: Replica, level: str) -> list[str]:
    lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    return [line["message"] for line in lines if line["event"] == "note" and line["level"] == level]


async def ended(server: Replica) -> float:
    """Ask a server to end, and return how long it takes."""
    began = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(server.process.wait(), 30) == 0
    return time.monotonic() - began


async def test_with_collector_store_and_a_model_down_a_server_is_ready_answers_and_says_what_is_lost(tmp_path: Path) -> None:
    down = {"POINTSMAN_VALKEY_URL": f"valkey://{NOWHERE}", "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{NOWHERE}"}
    async with served(tmp_path, **down) as (server, client):
        async with grpc.aio.insecure_channel(server.address) as channel:
            answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service="readiness"))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        answers = await asyncio.gather(*(client.complete(f"hi {number}", timeout_s=10) for number in range(6)))
        assert {completion.model for _, completion in answers} == {"slow"}
        await client.route("hi")  # which sees that the one is left alone now
        took = await ended(server)

    warned = "\n".join(notes(server, "warning"))
    assert "Valkey at 127.0.0.1:1" in warned
    assert "model gone is not called" in warned
    assert "spans are not taken at http://127.0.0.1:1" in warned
    assert took < FLUSH_S + LEAVING_S


@pytest.fixture
def deaf() -> Iterator[str]:
    """Return an address where connections are taken, and nothing is ever answered."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"


async def test_a_collector_that_takes_nothing_holds_up_the_end_for_three_seconds_at_most(tmp_path: Path, deaf: str) -> None:
    async with served(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://{deaf}") as (server, client):
        await client.route("hi")
        took = await ended(server)

    assert took < FLUSH_S + LEAVING_S


async def test_a_call_that_is_under_way_at_the_end_is_answered_settled_and_traced(tmp_path: Path, valkey: ValkeyServer) -> None:
    with collecting() as collector:
        environment = {"POINTSMAN_VALKEY_URL": valkey.url, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint}
        async with served(tmp_path, **environment) as (server, client):
            await client.route("hi")
            calling = asyncio.create_task(client.complete("hi", timeout_s=10))
            await asyncio.sleep(0.3)
            took = await ended(server)
            _, completion = await calling
        assert collector.named("pointsman.v1.RouterService/Complete")
    assert took >= 0.5
    async with served(tmp_path, POINTSMAN_VALKEY_URL=valkey.url) as (_, client):
        (used,) = await client.usage()
        assert (used.sums.requests, used.sums.cost) == (1, completion.usage.cost)


async def test_the_only_server_answers_until_it_ends(tmp_path: Path) -> None:
    """By its address there is no other to go to, so that it says that it is about to end is no reason to fail."""
    async with replica(RULES, tmp_path / "log", POINTSMAN_LEAVE_S="3") as server, Client(server.address) as client:
        await client.route("hi", timeout_s=5)
        ending = asyncio.create_task(ended(server))
        for _ in range(20):
            await client.route("hi", timeout_s=5)
            await asyncio.sleep(0.05)
        await client.close()
        await ending


@GRPCIO_ALONE
async def test_callers_that_do_not_ask_for_health_lose_no_calls_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Node does not. What arrives in the very moment of the end may fail; to be refused before that would cost each caller some calls."""
    for name in ("SERVICE_CONFIG", "KEYED_SERVICE_CONFIG"):
        config = {key: value for key, value in getattr(pointsman.client, name).items() if key != "healthCheckConfig"}
        monkeypatch.setattr(pointsman.client, name, config)
    over = asyncio.Event()
    async with (
        fleet(2, RULES, tmp_path, POINTSMAN_LEAVE_S="0.6") as (one, other),
        Client(round_robin([one, other])) as client,
    ):
        load = Load(client, 150)
        calls = asyncio.create_task(load.run(over))
        await asyncio.sleep(1)
        await ended(one)
        await asyncio.sleep(0.5)
        over.set()
        await calls

    print(load.summary())
    assert len([outcome for outcome in load.outcomes if outcome.error is not None]) <= 1
