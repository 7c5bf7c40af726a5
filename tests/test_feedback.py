"""What callers say of answers: of their own decisions alone, and for a day."""

from __future__ import annotations

import asyncio

import pytest

from fakes import FakeClock, catalog_yaml, facts_of, model_yaml, ruleset_of
from pointsman.adapters.cache import MemoryCache
from pointsman.call import Call
from pointsman.core.account import Situation
from pointsman.core.decide import decide
from pointsman.core.errors import UnknownDecision
from pointsman.core.market import Market
from pointsman.core.tenants import Tenant
from pointsman.feedback import REMEMBERED_S, Feedback
from pointsman.recent import KEPT, Recent
from pointsman.telemetry import Happening, Scored

RULES = ruleset_of(catalog_yaml({"m": model_yaml()}), "version: 1\nroutes: [{id: all, why: w, use: {candidates: [m]}}]\n")


class House:
    """Decisions that were made, and what is said of them."""

    def __init__(self, *, remembers: bool) -> None:
        self.clock, self.recent = FakeClock(), Recent()
        self.feedback = Feedback(self.recent, MemoryCache(self.clock) if remembers else None)
        self.heard: list[Happening] = []

    async def decided(self, decision_id: str, tenant: str = "one") -> None:
        facts = facts_of(request_id=decision_id, request_tenant=tenant)
        decision = decide(RULES, facts, Market())
        self.recent.note(Situation(ruleset=RULES, facts=facts, market=Market()), decision)
        self.feedback.remember(tenant, decision)
        await asyncio.sleep(0)

    async def said(self, decision_id: str, tenant: str = "one") -> None:
        await self.feedback.take(Call(id="f", tenant=Tenant(id=tenant), hear=self.heard.append), decision_id, 0.5, "user")


@pytest.mark.parametrize("remembers", [False, True])
async def test_whoever_hears_of_it_knows_which_rule_and_model_it_is_about(remembers: bool) -> None:
    house = House(remembers=remembers)
    await house.decided("a")
    await house.said("a")

    assert house.heard == [Scored(decision_id="a", score=0.5, source="user", rule="all", model="m")]


@pytest.mark.parametrize("remembers", [False, True])
async def test_nobody_says_anything_of_a_decision_that_is_anothers_or_nobodys(remembers: bool) -> None:
    house = House(remembers=remembers)
    await house.decided("a", tenant="other")

    for unknown in ("a", "b"):
        with pytest.raises(UnknownDecision, match=f"no decision of id '{unknown}' was made for this tenant"):
            await house.said(unknown)
    assert house.heard == []


async def test_a_decision_is_known_for_a_day_where_records_are_kept() -> None:
    house = House(remembers=True)
    await house.decided("a")
    for number in range(KEPT):
        await house.decided(f"later-{number}")

    house.clock.advance(REMEMBERED_S - 1)
    await house.said("a")
    house.clock.advance(2)
    with pytest.raises(UnknownDecision):
        await house.said("a")
