"""The last decisions, made anew by other rules."""

from __future__ import annotations

import pytest

from fakes import catalog_yaml, facts_of, model_yaml, ruleset_of
from pointsman.core.account import Situation
from pointsman.core.decide import outcome_of
from pointsman.core.errors import UnknownDecision
from pointsman.core.market import Market
from pointsman.core.ruleset import Ruleset
from pointsman.recent import KEPT, Recent, changed

MODELS = catalog_yaml({"mini": model_yaml(ability=0.6), "large": model_yaml(ability=0.9, price=9)})


def rules(routes: str) -> Ruleset:
    """Return rules over two models."""
    return ruleset_of(MODELS, f"version: 1\nroutes: [{routes}]\n")


ONE = rules("{id: default, why: w, use: {candidates: [mini, large]}}")


def noted(recent: Recent, ruleset: Ruleset, **facts: object) -> None:
    """Decide, and keep it."""
    found = facts_of(**facts)
    recent.note(Situation(ruleset=ruleset, facts=found, market=Market()), outcome_of(ruleset, found, Market()))


def test_what_would_change_is_counted() -> None:
    recent = Recent()
    for accuracy in (0.5, 0.7, 0.99):
        noted(recent, ONE, request_accuracy=accuracy)

    assert changed(recent.made(), ONE) == 0
    assert changed(recent.made(), rules("{id: default, why: w, use: {candidates: [large]}}")) == 1
    assert changed(recent.made(), rules("{id: default, why: w, use: {candidates: [large], on_empty: best_effort}}")) == 2
    assert changed(recent.made(), rules("{id: other, why: w, use: {candidates: [mini, large]}}")) == 3


def test_only_the_last_are_kept() -> None:
    recent = Recent()
    for number in range(KEPT + 5):
        noted(recent, ONE, tokens_input=number)

    assert len(recent.made()) == KEPT
    assert recent.made()[0].situation.facts.tokens.input == 5


def test_a_decision_is_found_by_its_id_with_the_rules_that_made_it() -> None:
    recent = Recent()
    other = rules("{id: other, why: w, use: {candidates: [large]}}")
    for ruleset, number in ((ONE, 1), (other, 2), (ONE, 3)):
        noted(recent, ruleset, request_id=f"id-{number}")

    assert recent.find("id-2").situation.ruleset is other
    with pytest.raises(UnknownDecision, match="the last 3 decisions"):
        recent.find("id-4")
