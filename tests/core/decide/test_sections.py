"""What a route can say beside candidates: shares, an end, shadow, weights, worth, a limit of cost."""

from __future__ import annotations

import pytest

from fakes import catalog_yaml, facts_of, model_yaml, ruleset_of
from pointsman.core.decide import decide
from pointsman.core.decision import Decision, Explanation, Shadowed
from pointsman.core.errors import NoEligibleModel
from pointsman.core.explain import explain
from pointsman.core.market import Market
from pointsman.core.rulefile import load
from pointsman.core.ruleset import Ruleset
from pointsman.core.vocabulary import DecisionReason, DropReason, RuleOutcome

MODELS = catalog_yaml(
    {
        "mini": model_yaml(ability=0.6, price=1, tier="small"),
        "medium": model_yaml(ability=0.8, price=10, tier="medium"),
        "large": model_yaml(ability=0.9, price=100, tier="large"),
    }
)
LAST = "  - {id: default, why: w, use: {candidates: [mini]}}\n"


def rules(routes: str, constraints: str = "") -> Ruleset:
    """Return rules of some routes before a default."""
    return ruleset_of(MODELS, f"version: 1\nconstraints: [{constraints}]\nroutes:\n{routes}{LAST}")


def decided(ruleset: Ruleset, **facts: object) -> Decision:
    """Return the decision."""
    return decide(ruleset, facts_of(**facts), Market())


def explained(ruleset: Ruleset, **facts: object) -> Explanation:
    """Return the explanation of a decision."""
    return explain(ruleset, facts_of(**facts), decided(ruleset, **facts))


CANARY = (
    "  - {id: canary, why: w, when: features.task == 'math', rollout: {percent: 30, by: request.session}, use: {candidates: [large]}}\n"
)


def test_a_rollout_takes_its_share_and_says_so() -> None:
    ruleset = rules(CANARY)
    found = [decided(ruleset, features_task="math", request_session=f"s{number}") for number in range(400)]
    inside = [decision for decision in found if decision.rule.id == "canary"]

    assert 0.2 < len(inside) / 400 < 0.4
    assert {decision.reason for decision in inside} == {DecisionReason.ROLLOUT}
    assert {decision.rule.id for decision in found} == {"canary", "default"}


def test_an_explanation_names_the_bucket() -> None:
    ruleset = rules(CANARY)
    outside = next(f"s{n}" for n in range(400) if decided(ruleset, features_task="math", request_session=f"s{n}").rule.id == "default")
    trace = explained(ruleset, features_task="math", request_session=outside).rules[0]

    assert trace.outcome is RuleOutcome.ROLLED_OUT_OF
    assert trace.detail.startswith("rollout: bucket ")
    assert trace.detail.endswith(" is not under 30 %")


def test_a_route_ends_after_its_last_day() -> None:
    ruleset = rules("  - {id: trial, why: w, when: features.task == 'math', expires: 2027-01-31, use: {candidates: [large]}}\n")

    assert decided(ruleset, features_task="math", time_date="2027-01-31").rule.id == "trial"
    assert decided(ruleset, features_task="math", time_date="2027-02-01").rule.id == "default"
    trace = explained(ruleset, features_task="math", time_date="2027-02-01").rules[0]
    assert (trace.outcome, trace.detail) == (RuleOutcome.SKIPPED, "expired 2027-01-31")


SHADOWED = """  - {id: better, why: w, mode: shadow, when: features.task == 'math', use: {candidates: [large, medium], strategy: best}}
  - {id: nobody, why: w, mode: shadow, when: features.task == 'math', use: {candidates: [mini], min_quality: 0.99}}
  - {id: maths, why: w, when: features.task == 'math', use: {candidates: [medium]}}
  - {id: behind, why: w, mode: shadow, when: features.task == 'math', use: {candidates: [large]}}
"""


def test_a_shadow_route_is_reported_and_never_serves() -> None:
    decision = decided(rules(SHADOWED), features_task="math")

    assert (decision.rule.id, decision.chosen.model) == ("maths", "medium")
    assert [(shadow.rule.id, shadow.model) for shadow in decision.shadows] == [("better", "large"), ("nobody", "")]
    assert decision.shadows[0].quality == pytest.approx(0.9)
    assert decision.shadows[0].expected_cost == 20_000_000
    assert decision.dropped == ()
    assert decided(rules(SHADOWED)).shadows == ()


def test_an_explanation_says_what_a_shadow_would_have_done() -> None:
    traces = {trace.rule.id: trace for trace in explained(rules(SHADOWED), features_task="math").rules}

    assert traces["better"].outcome is RuleOutcome.SHADOW_MATCH
    assert traces["better"].detail == "would have chosen large, $0.020, quality 0.90"
    assert traces["nobody"].detail == "would have kept no candidate"
    assert traces["behind"].outcome is RuleOutcome.SKIPPED


def test_a_refusal_has_its_shadows_too() -> None:
    ruleset = rules(SHADOWED.replace("candidates: [medium]}", "candidates: [medium], min_quality: 0.99}"))

    with pytest.raises(NoEligibleModel) as refused:
        decided(ruleset, features_task="math")
    assert [shadow.rule.id for shadow in refused.value.shadows] == ["better", "nobody"]
    assert [(drop.model, drop.reason) for drop in refused.value.dropped] == [("medium", DropReason.QUALITY)]


CANDIDATE = """version: 1
mode: shadow
constraints: [{id: strict, why: w, when: request.stream, deny: {models: [large]}}]
routes:
  - {id: new, why: w, when: "features.task in ['math', 'code']", use: {candidates: [large, medium], strategy: best}}
"""


def test_a_whole_file_in_shadow_is_asked_with_its_own_constraints() -> None:
    sources = {
        "models.yaml": MODELS.encode(),
        "routing.yaml": f"version: 1\nroutes:\n{LAST}".encode(),
        "candidate.yaml": CANDIDATE.encode(),
    }
    ruleset = load(sources).ruleset
    assert ruleset is not None

    def shadows(**facts: object) -> list[tuple[str, str]]:
        return [(shadow.rule.id, shadow.model) for shadow in decided(ruleset, **facts).shadows]

    assert shadows(features_task="math") == [("new", "large")]
    assert shadows(features_task="math", request_stream=True) == [("new", "medium")]
    assert shadows(features_task="chat") == []
    assert decided(ruleset, request_stream=True).chosen.model == "mini"
    traces = explained(ruleset, features_task="math").rules
    assert [(trace.rule.id, trace.outcome) for trace in traces] == [("default", RuleOutcome.MATCH), ("new", RuleOutcome.SHADOW_MATCH)]
    assert traces[-1].detail.startswith("would have chosen large")


def test_a_shadow_behind_a_route_that_went_on_is_reported() -> None:
    goes_on = "  - {id: first, why: w, use: {candidates: [mini], min_quality: 0.99, on_empty: next_rule}, when: features.task == 'math'}\n"
    decision = decided(rules(goes_on + SHADOWED), features_task="math")

    assert decision.rule.id == "maths"
    assert [(shadow.rule.id, shadow.model) for shadow in decision.shadows] == [("better", "large"), ("nobody", "")]


def test_a_file_in_shadow_goes_on_to_its_next_rule() -> None:
    empty = (
        "  - {id: strictest, why: w, when: features.task == 'math', use: {candidates: [mini], min_quality: 0.99, on_empty: next_rule}}\n"
    )
    candidate = CANDIDATE.replace("routes:\n", f"routes:\n{empty}")
    sources = {"models.yaml": MODELS, "routing.yaml": f"version: 1\nroutes:\n{LAST}", "trial.yaml": candidate}
    ruleset = load({name: text.encode() for name, text in sources.items()}).ruleset
    assert ruleset is not None

    assert [(shadow.rule.id, shadow.model) for shadow in decided(ruleset, features_task="math").shadows] == [("new", "large")]
    outcomes = {trace.rule.id: trace.detail for trace in explained(ruleset, features_task="math").rules}
    assert outcomes["strictest"] == "kept no candidate, and went on to the next rule"


def test_weights_are_drawn_on_what_is_sticky() -> None:
    route = "  - {id: split, why: w, when: features.task == 'math', use: {candidates: {mini: 70, medium: 30}, strategy: weighted, by: request.session}}\n"
    ruleset = rules(route)
    chosen = [decided(ruleset, features_task="math", request_session=f"s{number}").chosen.model for number in range(600)]

    assert 0.63 < chosen.count("mini") / 600 < 0.77
    assert {len(decided(ruleset, features_task="math", request_session="s").fallbacks)} == {1}
    assert len({decided(ruleset, features_task="math", request_session="s", request_id=f"i{n}").chosen.model for n in range(50)}) == 1


def test_the_models_of_an_alias_share_its_weight() -> None:
    models = MODELS.replace("aliases: {}", "aliases: {dear: [medium, large]}")
    ruleset = ruleset_of(models, "version: 1\nroutes:\n  - {id: d, why: w, use: {candidates: {mini: 1, dear: 4}, strategy: weighted}}\n")

    assert ruleset.routes[0].weights == {"mini": 1.0, "medium": 2.0, "large": 2.0}


@pytest.mark.parametrize(("value", "model"), [("0.0000001", "mini"), ("0.02", "medium"), ("5", "large")])
def test_balanced_pays_for_quality_what_it_is_worth(value: str, model: str) -> None:
    route = f"  - {{id: worth, why: w, when: features.task == 'math', use: {{candidates: [mini, medium, large], strategy: balanced, value_usd: {value}}}}}\n"

    assert decided(rules(route), features_task="math").chosen.model == model


def test_a_route_may_limit_what_a_request_costs() -> None:
    route = "  - {id: frugal, why: w, when: features.task == 'math', use: {candidates: [large, medium]}, fallbacks: [large, mini], budget: {max_usd_per_request: 0.002}}\n"
    decision = decided(rules(route), features_task="math")

    assert [candidate.model for candidate in decision.plan] == ["medium", "mini"]
    assert [(drop.model, drop.reason.name, drop.detail) for drop in decision.dropped] == [("large", "COST", "$0.020 > $0.0020")]
    cheaper = decided(rules(route), features_task="math", request_max_cost=10**9)
    assert [candidate.model for candidate in cheaper.plan] == ["medium", "mini"]


def test_groups_hold_as_they_read() -> None:
    when = """[
      {any: ["!has(request.user)", request.user == "x"]},
      {none: [request.stream, {all: [tokens.input > 50, tokens.input < 60]}]}]"""
    ruleset = rules(f"  - {{id: g, why: w, when: {when}, use: {{candidates: [large]}}}}\n")

    def held(**facts: object) -> bool:
        return decided(ruleset, **facts).rule.id == "g"

    assert held()
    assert held(request_user="x")
    assert not held(request_user="y")
    assert not held(request_stream=True)
    assert not held(tokens_input=55)
    assert held(tokens_input=60)


def test_a_group_is_traced_with_the_parts_that_were_looked_at() -> None:
    when = """[{any: ["!has(request.user)", request.user == "x"]}, {none: [request.stream]}]"""
    ruleset = rules(f"  - {{id: g, why: w, when: {when}, use: {{candidates: [large]}}}}\n")

    def traced(**facts: object) -> list[tuple[str, bool]]:
        return [(condition.text, condition.result) for condition in explained(ruleset, **facts).rules[0].conditions]

    assert traced() == [("any:", True), ("  !has(request.user)", True), ("none:", True), ("  request.stream", False)]
    assert traced(request_user="y") == [("any:", False), ("  !has(request.user)", False), ('  request.user == "x"', False)]


def test_a_shadow_is_a_value() -> None:
    decision = decided(rules(SHADOWED), features_task="math")

    assert decision.shadows[1] == Shadowed(rule=decision.shadows[1].rule)


def test_routes_of_two_files_may_not_have_one_priority() -> None:
    first = b"version: 1\nroutes: [{id: a, why: w, when: request.stream, use: {candidates: [mini]}}]\n"
    sources = {"models.yaml": MODELS.encode(), "a.yaml": first, "b.yaml": f"version: 1\nroutes:\n{LAST}".encode()}
    (problem,) = load(sources).problems

    assert (problem.file, problem.line, problem.message) == ("b.yaml", 3, "route 'default' has the same priority, 0, as 'a' in a.yaml")


def test_a_file_in_shadow_cannot_change_the_defaults() -> None:
    sources = {
        "models.yaml": MODELS.encode(),
        "routing.yaml": f"version: 1\nroutes:\n{LAST}".encode(),
        "trial.yaml": CANDIDATE.replace("constraints", "defaults: {accuracy: 0.9}\nconstraints").encode(),
    }
    (problem,) = load(sources).problems

    assert (problem.file, problem.line, problem.message) == ("trial.yaml", 3, "a file in shadow has no defaults")
