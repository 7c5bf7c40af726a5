"""Which decisions change from one set of rules to another."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from msgspec import structs

from fakes import catalog_yaml, facts_of, model_yaml, ruleset_of
from pointsman.core.decide import decide
from pointsman.core.facts import Facts
from pointsman.core.market import Market
from pointsman.core.record import DecisionRecord, record
from pointsman.core.rulediff import Shift, TenantShift, diff
from pointsman.core.ruleset import Ruleset
from pointsman.core.samples import Sample, sample_of, samples

MODELS = catalog_yaml({"cheap": model_yaml(price=1), "dear": model_yaml(price=10, ability=0.9)})


def rules(bar: float = 0.5, *, models: str = MODELS, when: str = "", accuracy: float = 0.0, percent: int = 100) -> Ruleset:
    """Return rules that send what is harder than `bar` to the dear model."""
    condition = when or f"features.complexity > {bar}"
    return ruleset_of(
        models,
        f"""\
version: 1
defaults: {{accuracy: {accuracy}}}
routes:
  - {{id: hard, why: w, when: '{condition}', use: {{candidates: [dear]}}, rollout: {{percent: {percent}, by: request.user}}}}
  - {{id: rest, why: w, use: {{candidates: [cheap, dear]}}}}
""",
    )


def asked(*changes: dict[str, object]) -> list[Sample]:
    return [Sample(facts=facts_of(**each)) for each in changes]


def test_the_same_rules_decide_the_same() -> None:
    found = diff(rules(), rules(), samples([rules()]))

    assert (found.changed, found.by_rule, found.by_model, found.examples) == (0, (), (), ())
    assert found.samples > 100
    assert found.old_cost == found.new_cost


def test_what_changes_is_counted_by_rule_model_and_tenant_with_its_cost() -> None:
    found = diff(
        rules(0.5),
        rules(0.3),
        asked(
            {"features_complexity": 0.2},
            {"features_complexity": 0.4},
            {"features_complexity": 0.4, "request_tenant": "team"},
            {"features_complexity": 0.9, "request_tenant": "team"},
        ),
    )

    assert (found.samples, found.changed, found.other_model) == (4, 2, 2)
    assert found.by_rule == (Shift(old="rest", new="hard", count=2),)
    assert found.by_model == (Shift(old="cheap", new="dear", count=2),)
    assert found.by_tenant == (TenantShift(tenant="default", samples=2, changed=1), TenantShift(tenant="team", samples=2, changed=1))
    assert (found.old_cost, found.new_cost) == (200_000 * (3 + 10), 200_000 * (1 + 30))


def test_the_example_is_the_plainest_that_there_is_and_says_in_what_it_differs() -> None:
    examples = diff(rules(0.5), rules(0.3), samples([rules(0.5), rules(0.3)])).examples

    plainest = next(example for example in examples if not example.facts)  # a plain request has 0.42
    assert (plainest.old.served_by, plainest.new.served_by) == ("cheap", "dear")

    other = diff(rules(0.8), rules(0.5), samples([rules(0.8), rules(0.5)])).examples[0]
    assert "features.complexity" in other.facts
    assert len(other.facts) <= 2


@pytest.mark.parametrize("step", [0.05, 0.001, 0.00001])
def test_a_boundary_that_moves_ever_so_little_is_found(step: float) -> None:
    old, new = rules(0.5), rules(0.5 + step)

    assert diff(old, new, samples([old, new])).changed > 0


def test_a_refusal_is_a_change_and_is_told_by_its_class() -> None:
    found = diff(rules(), rules(accuracy=0.99), [Sample(facts=facts_of(), asks_accuracy=False)])

    assert found.by_model == (Shift(old="cheap", new="NoEligibleModel", count=1),)
    assert (found.old_refused, found.new_refused, found.old_cost, found.new_cost) == (0, 1, 0, 0)


def test_another_price_alone_changes_no_decision_but_its_cost() -> None:
    dearer = catalog_yaml({"cheap": model_yaml(price=2), "dear": model_yaml(price=10, ability=0.9)})
    found = diff(rules(), rules(models=dearer), asked({}))

    assert (found.changed, found.new_cost) == (0, 2 * found.old_cost)


def kept(ruleset: Ruleset, facts: Facts) -> DecisionRecord:
    market = Market()
    return record(ruleset, facts, market, decide(ruleset, facts, market), time=datetime(2026, 11, 23, tzinfo=UTC), key=b"k")


def test_conditions_on_people_hold_for_their_records_though_they_are_not_named_in_them() -> None:
    old = rules(when='has(request.user) && request.user == "ann"')
    new = rules(
        when='has(request.user) && request.user == "ann"', models=MODELS.replace("ability: {default: 0.9}", "ability: {default: 0.8}")
    )
    records = [kept(old, facts_of(request_user=user)) for user in ("ann", "bob")]

    found = diff(old, new, map(sample_of, records))
    gone = diff(old, rules(0.99), map(sample_of, records))

    assert found.changed == 0
    assert gone.by_rule == (Shift(old="hard", new="rest", count=1),)


def test_another_percentage_shows_in_records() -> None:
    old, new = rules(0.1, percent=10), rules(0.1, percent=60)
    records = [kept(old, structs.replace(facts_of(request_user=f"user-{n}"))) for n in range(400)]

    assert diff(old, new, map(sample_of, records)).changed == pytest.approx(200, abs=50)
