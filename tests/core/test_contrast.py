"""What would have had to be otherwise."""

from __future__ import annotations

import pytest
from hypothesis import given

from fakes import catalog_yaml, facts_of, model_yaml, ruleset_of
from pointsman.core.contrast import contrast
from pointsman.core.decide import decide
from pointsman.core.decision import Contrast
from pointsman.core.errors import NoEligibleModel
from pointsman.core.facts import Facts, value_of
from pointsman.core.market import Market
from pointsman.core.samples import with_fact
from worlds import World, checked, worlds

RULES = ruleset_of(
    catalog_yaml(
        {
            "cheap": model_yaml(price=1, window=4000),
            "dear": model_yaml(price=10, ability=0.95, window=100_000, ttft_ms=20, tokens_per_s=500),
        }
    ),
    """\
version: 1
routes:
  - {id: hard, why: w, when: features.complexity > 0.7, use: {candidates: [dear]}}
  - {id: spent, why: w, when: budget.spend_ratio >= 0.9, use: {candidates: [cheap], on_empty: next_rule}}
  - {id: rest, why: w, use: {candidates: [cheap, dear], strategy: cheapest}}
""",
)


def found(facts: Facts) -> dict[tuple[str, bool], Contrast]:
    """Return the contrasts by fact and direction, True for up."""
    return {(each.fact, each.new > (each.old if each.old is not None else 1e9)): each for each in contrast(RULES, facts, Market())}


def test_a_boundary_of_the_rules_is_found() -> None:
    by = found(facts_of())

    hard = by["features.complexity", True]
    assert (hard.old, hard.rule, hard.model) == (0.42, "hard", "dear")
    assert 0.7 < hard.new < 0.7001
    assert by["budget.spend_ratio", True] == Contrast(fact="budget.spend_ratio", old=0.0, new=0.9, rule="spent", model="cheap")


def test_a_boundary_that_no_rule_names_is_found() -> None:
    needed = decide(RULES, facts_of(), Market()).chosen.quality
    more = found(facts_of())["request.accuracy", True]

    assert (more.rule, more.model) == ("rest", "dear")
    assert more.new == pytest.approx(needed, abs=0.001)
    assert more.new > needed


def test_whole_numbers_are_found_exactly() -> None:
    longer = found(facts_of())["tokens.input", True]

    assert longer.model == "dear"
    assert isinstance(longer.new, int)
    for tokens, model in ((longer.new, "dear"), (longer.new - 1, "cheap")):
        assert decide(RULES, with_fact(facts_of(), "tokens.input", tokens), Market()).chosen.model == model


def test_a_limit_that_is_absent_may_be_set() -> None:
    faster = found(facts_of())["request.max_latency_ms", False]

    assert (faster.old, faster.model) == (None, "dear")
    assert faster.new == pytest.approx(1100, rel=0.01)


def test_a_refusal_is_told_what_would_have_served() -> None:
    refused = facts_of(request_accuracy=0.999)

    assert found(refused)["request.accuracy", False].model == "dear"


def test_a_refusal_is_no_contrast() -> None:
    assert ("request.max_cost_usd", False) not in found(facts_of())


@given(worlds)
@checked
def test_every_contrast_is_true(world: World) -> None:
    ruleset, facts, market = world
    for each in contrast(*world):
        chosen = decide(ruleset, with_fact(facts, each.fact, each.new), market)
        assert (chosen.rule.id, chosen.chosen.model) == (each.rule, each.model)
        assert value_of(facts, each.fact) == each.old != each.new
        try:
            now = decide(ruleset, facts, market)
        except NoEligibleModel:
            continue
        assert (now.rule.id, now.chosen.model) != (each.rule, each.model)
