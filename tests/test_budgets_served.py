"""Budgets and limits as callers and ops people meet them: over a real server, by the Python client and the command line."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from budgeting import window
from pointsman import Client
from pointsman.core.errors import BudgetExhausted, InvalidRequest, NoEligibleModel, RateLimited, RoleMissing
from pointsman.core.facts import TenantFacts
from pointsman.core.ledger import Sums
from pointsman.core.request import Request
from pointsman.core.tenants import Holder, Tenant, TenantRole, Tenants

if TYPE_CHECKING:
    from conftest import Running, Start

pytestmark = pytest.mark.timeout(30)

KEY, OPS_KEY = "pm_search", "pm_ops"
OPS = Tenant(id="ops", roles=frozenset(TenantRole))
PROMPT = "What is 17 * 23?"


def only(tenant: Tenant) -> Tenants:
    """Return one tenant with a key, and an admin."""
    keys = {sha256(key.encode()).digest(): Holder(tenant=who) for key, who in ((KEY, tenant), (OPS_KEY, OPS))}
    return Tenants(revision="0123456789ab", by_id={tenant.id: tenant, "ops": OPS}, keys=keys)


def requests_a_day(limit: int) -> Tenant:
    return Tenant(id="search", windows=(window(86_400, kind="requests", limit=limit),))


@pytest.fixture
async def running(start: Start) -> Running:
    return await start(tenants=only(requests_a_day(1)))


@pytest.fixture
async def client(running: Running) -> AsyncIterator[Client]:
    async with Client(running.address, api_key=KEY) as client:
        yield client


@pytest.fixture
async def ops(running: Running) -> AsyncIterator[Client]:
    async with Client(running.address, api_key=OPS_KEY) as ops:
        yield ops


async def test_a_budget_bites_says_when_it_heals_and_heals_when_it_is_raised(running: Running, client: Client) -> None:
    await client.complete(PROMPT)
    with pytest.raises(BudgetExhausted) as refused:
        await client.complete(PROMPT)
    running.live.current = replace(running.live.current, tenants=only(requests_a_day(2)))

    _, completion = await client.complete(PROMPT)

    assert completion.model == "builtin"
    assert refused.value.heals_in_s is not None
    assert 0 < refused.value.heals_in_s <= 86_400
    assert "it would be served with a wait of" in str(refused.value)
    assert [line["reason"] for line in running.calls() if "reason" in line] == ["BUDGET_EXHAUSTED"]


async def test_a_budget_binds_streams_as_well(client: Client) -> None:
    async for _ in client.stream(PROMPT):
        pass

    with pytest.raises(BudgetExhausted):
        async for _ in client.stream(PROMPT):
            pass


async def test_a_tenant_that_asks_too_often_is_told_when_to_come_back(start: Start) -> None:
    running = await start(tenants=only(Tenant(id="search", facts=TenantFacts(requests_per_minute=1))))
    async with Client(running.address, api_key=KEY) as client:
        await client.route(PROMPT)
        with pytest.raises(RateLimited, match="may ask 1 times per minute") as refused:
            await client.route(PROMPT)

    assert 50 < refused.value.retry_after_s <= 60


async def test_a_refusal_names_the_limit_to_relax_as_values(client: Client) -> None:
    with pytest.raises(NoEligibleModel) as refused:
        await client.route(Request.of(PROMPT, max_total_tokens=3))

    (relief,) = refused.value.reliefs
    assert (relief.limit, relief.given) == ("max_total_tokens", 3)
    assert (await client.route(Request.of(PROMPT, max_total_tokens=int(relief.needed)))).chosen.model == relief.model


async def test_what_was_used_is_summed_as_asked(client: Client, ops: Client) -> None:
    _, completion = await client.complete(PROMPT)

    groups = await ops.usage(by=("tenant", "model", "day"))

    (group,) = groups
    assert (group.names["tenant"], group.names["model"]) == ("search", "builtin")
    assert list(group.names) == ["tenant", "model", "day"]
    usage = completion.usage
    assert group.sums == Sums(
        requests=1, input_tokens=usage.input_tokens, output_tokens=usage.output_tokens, cost=usage.cost, baseline_cost=usage.baseline_cost
    )


async def test_a_tenant_that_is_mistyped_is_none_that_did_nothing(ops: Client) -> None:
    for asking in (ops.usage(tenant="serch"), ops.cache("serch"), ops.purge_cache("serch")):
        with pytest.raises(InvalidRequest, match="there is no tenant 'serch', nor one of whom usage is kept; did you mean 'search'"):
            await asking
    assert await ops.usage(tenant="search") == []


async def test_what_a_tenant_used_is_told_after_he_was_removed(running: Running, client: Client, ops: Client) -> None:
    await client.complete(PROMPT)
    running.live.current = replace(running.live.current, tenants=only(Tenant(id="renamed")))

    assert [group.names for group in await ops.usage(by=("tenant",))] == [{"tenant": "search"}]
    assert len(await ops.usage(tenant="search")) == 1


@pytest.mark.parametrize("by", [("colour",), ("day", "day")], ids=["unknown", "twice"])
async def test_what_cannot_be_summed_by_is_refused(ops: Client, by: tuple[str, ...]) -> None:
    with pytest.raises(InvalidRequest, match="group_by"):
        await ops.usage(by=by)


async def test_usage_is_for_admins(client: Client) -> None:
    with pytest.raises(RoleMissing):
        await client.usage()


def usage(running: Running, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the command against a server, with the key of the admin."""
    return subprocess.run(
        [sys.executable, "-m", "pointsman.cli", "usage", "--server", running.address, *options],
        capture_output=True,
        text=True,
        timeout=20,
        env={"POINTSMAN_API_KEY": OPS_KEY, "PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path)},
    )


async def test_the_command_prints_a_table_csv_and_json(running: Running, client: Client) -> None:
    _, completion = await client.complete(PROMPT)
    cost = completion.usage.cost

    table, lines, document, wrong, when = await asyncio.gather(
        *(
            asyncio.to_thread(usage, running, *options)
            for options in ((), ("--csv", "--by", "tenant"), ("--json", "--since", "24h"), ("--by", "colour"), ("--since", "soon"))
        )
    )

    assert "search" in table.stdout
    assert "builtin" in table.stdout
    (row,) = csv.DictReader(io.StringIO(lines.stdout))
    assert (row["tenant"], row["requests"], row["input_tokens"]) == ("search", "1", "14")
    assert Decimal(row["cost_usd"]) * 10**9 == cost
    (found,) = json.loads(document.stdout)["rows"]
    assert (found["group"], found["requests"], found["cost"]) == ({"tenant": "search", "model": "builtin"}, "1", {"nanoUsd": f"{cost}"})
    assert (wrong.returncode, when.returncode) == (2, 2)
    assert "some of tenant, model, route, day, hour are expected" in wrong.stderr
    assert "'soon' is no time" in when.stderr


async def test_the_command_says_so_where_nothing_was_used(running: Running) -> None:
    assert "nothing was used in that time" in (await asyncio.to_thread(usage, running)).stdout
