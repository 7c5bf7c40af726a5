"""Requests that are made up from the rules' own boundaries."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fakes import catalog_yaml, model_yaml, ruleset_of
from pointsman.core.facts import value_of
from pointsman.core.ruleset import Ruleset
from pointsman.core.samples import MOST, OTHER, PLAIN, boundaries, samples, with_fact

MODELS = catalog_yaml({"m": model_yaml(), "n": model_yaml()})


def rules(*conditions: str, more: str = "", route: str = "") -> Ruleset:
    """Return rules with a route per condition."""
    routes = "".join(f"  - {{id: r{i}, why: w, when: '{text}', use: {{candidates: [n]}}{route}}}\n" for i, text in enumerate(conditions))
    return ruleset_of(MODELS, f"version: 1\n{more}routes:\n{routes}  - {{id: rest, why: w, use: {{candidates: [m]}}}}\n")


def axis(name: str, *rulesets: Ruleset) -> tuple[object, ...]:
    """Return what is tried of a fact beside its plain value."""
    return boundaries(rulesets)[name][1:]


def test_numbers_are_tried_just_below_at_and_just_above_every_boundary() -> None:
    assert axis("features.gain", rules("features.gain > 0.5", "features.gain < 0.7")) == (0.4995, 0.5, 0.5005, 0.6993, 0.7, 0.7007)
    assert axis("features.turns", rules("features.turns >= 4")) == (3, 4, 5)


def test_boundaries_that_are_close_keep_a_value_between_them() -> None:
    values = axis("features.gain", rules("features.gain > 0.5", "features.gain > 0.5001"))

    assert any(0.5 < value < 0.5001 for value in values if isinstance(value, float))


def test_nothing_is_tried_beyond_what_a_fact_can_be() -> None:
    assert axis("time.hour", rules("time.hour >= 23")) == (22, 23)
    assert axis("features.confidence", rules("features.confidence >= 1.0")) == (0.999, 1.0)


def test_the_boundaries_of_both_rules_count() -> None:
    assert {4, 9} <= set(axis("features.turns", rules("features.turns > 4"), rules("features.turns > 9")))


def test_of_an_enum_those_that_are_named_are_tried_and_one_other() -> None:
    values = axis("features.subject", rules('features.subject == "law"'))

    assert values[0] == "law"
    assert len(values) == 2


def test_optional_facts_are_tried_absent_and_present() -> None:
    found = boundaries([rules("has(request.max_ttft_ms)", 'has(request.labels.team) && request.labels.team == "x"')])

    assert found["request.max_ttft_ms"] == (None, 1.0)
    assert found["request.labels.team"] == (None, "x", OTHER)


def test_boundaries_are_found_in_vars_lists_groups_bars_and_calls() -> None:
    looked = rules(
        "vars.long && features.language in lists.near",
        'request.tenant.startsWith("team-")',
        "-3 < features.turns * 2 ? features.has_code : request.stream",
        more="lists: {near: [de, fr]}\nvars: {long: tokens.output_p90 > 700}\n",
    )

    assert looked.comparisons["tokens.output_p90"] == (700,)
    assert {"de", "fr"} <= set(axis("features.language", looked))
    assert "team-" in axis("request.tenant", looked)
    assert set(looked.comparisons["features.turns"]) == {-3, 2}
    assert {"features.has_code", "request.stream"} <= set(looked.comparisons)


def test_the_last_day_of_a_route_is_a_boundary() -> None:
    looked = rules("features.turns > 4", route=", expires: 2026-12-31")

    assert axis("time.date", looked) == ("2026-12-31", "2026-12-30", "2027-01-01")


def test_samples_are_the_same_each_time_bounded_and_begin_with_the_plain_request() -> None:
    many = rules(*(f"features.gain > 0.{n} && tokens.output > {n} && features.turns > {n}" for n in range(1, 9)))
    found = samples([many])

    assert found == samples([many])
    assert len(found) == MOST
    assert with_fact(found[0].facts, "request.id", "") == PLAIN
    assert len({sample.facts.request.id for sample in found}) == MOST
    for name, values in boundaries([many]).items():
        assert {value_of(sample.facts, name) for sample in found} >= set(values)


def test_few_boundaries_are_tried_in_all_combinations() -> None:
    found = samples([rules("features.turns > 4")], most=100_000)
    combinations = {(each.facts.features.turns, each.facts.features.complexity, each.facts.features.task) for each in found}

    assert len(combinations) == 4 * 5 * 3


@given(st.floats(0, 10), st.integers(0, 10**6))
def test_what_follows_from_a_fact_changes_with_it(dollars: float, tokens: int) -> None:
    changed = with_fact(with_fact(PLAIN, "request.max_cost_usd", dollars), "tokens.input", tokens)

    assert changed.request.max_cost == round(dollars * 10**9)
    assert changed.tokens.total == tokens + changed.tokens.output_p90
    assert with_fact(changed, "request.max_cost_usd", None).request.max_cost is None
