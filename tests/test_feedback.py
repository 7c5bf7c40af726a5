"""What callers say of answers: of their own decisions alone, and for a day."""

from __future__ import annotations

import pytest

from fakes import FakeClock, catalog_yaml, facts_of, model_yaml, ruleset_of
from pointsman.call import Call
from pointsman.core.account import Situation
from pointsman.core.decide import decide
from pointsman.core.errors import UnknownDecision
from pointsman.core.market import Market
from pointsman.core.record import FEEDBACK_S
from pointsman.core.tenants import Tenant
from pointsman.feedback import FeedbackDesk
from pointsman.recent import KEPT, Recent
from pointsman.telemetry import Happening, Scored

RULES = ruleset_of(catalog_yaml({"m": model_yaml()}), "version: 1\nroutes: [{id: all, why: w, use: {candidates: [m]}}]\n")


class House:
    """Decisions that were made, and what is said of them."""

    def __init__(self, *, is_alone: bool = True) -> None:
        self.clock, self.recent = FakeClock(), Recent()
        self.desk = FeedbackDesk(self.recent, self.clock, is_alone=is_alone)
        self.heard: list[Happening] = []

    def decided(self, decision_id: str, tenant: str = "one", *, remember: bool = True) -> None:
        facts = facts_of(request_id=decision_id, request_tenant=tenant)
        decision = decide(RULES, facts, Market())
        self.recent.note(Situation(ruleset=RULES, facts=facts, market=Market()), decision)
        if remember:
            self.desk.remember(tenant, decision)

    def said(self, decision_id: str, tenant: str = "one") -> None:
        self.desk.take(Call(id="f", tenant=Tenant(id=tenant), hear=self.heard.append), decision_id, 0.5, "user")


@pytest.mark.parametrize("remember", [False, True])
def test_whoever_hears_of_it_knows_which_rule_and_model_it_is_about(remember: bool) -> None:
    house = House()
    house.decided("a", remember=remember)
    house.said("a")

    assert house.heard == [Scored(decision_id="a", score=0.5, source="user", rule="all", model="m")]


def test_nobody_says_anything_of_a_decision_that_is_anothers_or_nobodys() -> None:
    house = House()
    house.decided("a", tenant="other")

    for unknown in ("a", "b"):
        with pytest.raises(UnknownDecision, match=f"no decision of id '{unknown}' was made for this tenant"):
            house.said(unknown)
    assert house.heard == []


def test_a_decision_is_known_for_a_day_where_records_are_kept() -> None:
    house = House()
    house.decided("a")
    for number in range(KEPT):
        house.decided(f"later-{number}")

    house.clock.advance(FEEDBACK_S - 1)
    house.said("a")
    house.clock.advance(2)
    with pytest.raises(UnknownDecision):
        house.said("a")


def test_what_another_replica_may_have_decided_is_taken_and_held_against_records_later() -> None:
    house = House(is_alone=False)
    house.said("a")

    assert house.heard == [Scored(decision_id="a", score=0.5, source="user", rule="", model="")]
