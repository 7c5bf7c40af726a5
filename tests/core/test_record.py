"""What is recorded of a decision, and what is not; a replay decides the same."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from fakes import catalog_yaml, facts_of, model_yaml, ruleset_of
from pointsman.core.decide import decide
from pointsman.core.decision import Decision
from pointsman.core.errors import NoEligibleModel
from pointsman.core.facts import Facts, value_of
from pointsman.core.market import Market
from pointsman.core.pins import NO_PINS, asked_in_turn
from pointsman.core.record import BadRecord, DecisionRecord, from_json, record, replay, to_json
from pointsman.core.rollout import BUCKETS, Rollout
from pointsman.core.ruleset import Condition, Route, Ruleset
from pointsman.core.vocabulary import Strategy
from worlds import NAMES, World, checked, facts, markets, rulesets

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
KEY = b"of the service"
HIDDEN = ("request.user", "request.session", "request.labels.team", "tenant.labels.desk")
VALUES = ("ann", "bob", "cem", "dora")


def said(fact: str, value: str) -> Callable[[Facts], bool]:
    return lambda facts: value_of(facts, fact) == value


def bar(fact: str, value: str) -> Callable[[Facts], float]:
    return lambda facts: 0.9 if value_of(facts, fact) == value else 0.3


@st.composite
def personal(draw: st.DrawFn) -> Ruleset:
    """Rules that look at who calls, in every way in which rules can."""
    ruleset = draw(rulesets(most=4))
    names, values = st.sampled_from(HIDDEN), st.sampled_from(VALUES)

    def chance() -> bool:
        return draw(st.booleans())

    def looking(condition: Condition) -> Condition:
        fact, value = draw(names), draw(values)
        return dataclasses.replace(condition, text=f"{fact} == {value}", facts=(fact,), holds=said(fact, value))

    def route(route: Route) -> Route:
        conditions = tuple(looking(each) if chance() else each for each in route.conditions)
        share = Rollout(seed=route.ref.id, by=draw(names), below=BUCKETS // 2) if conditions and chance() else None
        weights = (
            {model: draw(st.sampled_from((0.0, 1.0, 2.0))) for model in route.candidates} if route.strategy is Strategy.WEIGHTED else {}
        )
        return dataclasses.replace(
            route, conditions=conditions, rollout=share, weights=weights, by=draw(names), shadow=bool(conditions) and chance(),
            min_quality=draw(st.sampled_from((None, bar(draw(names), draw(values))))),
        )  # fmt: skip

    constraints = tuple(dataclasses.replace(each, conditions=tuple(map(looking, each.conditions))) for each in ruleset.constraints)
    return compiled(dataclasses.replace(ruleset, constraints=constraints, routes=tuple(map(route, ruleset.routes))))


def compiled(ruleset: Ruleset) -> Ruleset:
    """Return the ruleset with a function that asks its rules."""
    return dataclasses.replace(ruleset, match=lambda facts: asked_in_turn(ruleset.constraints, ruleset.routes, facts))


@st.composite
def callers(draw: st.DrawFn) -> Facts:
    """Facts with people and labels in them, or without."""
    found, values = draw(facts), st.sampled_from((None, *VALUES))
    team, desk = draw(values), draw(values)
    request = structs.replace(
        found.request,
        id=draw(st.sampled_from(("id-1", "id-2"))),
        user=draw(values),
        session=draw(values),
        labels={"team": team} if team else {},
    )
    return structs.replace(found, request=request, tenant=structs.replace(found.tenant, labels={"desk": desk} if desk else {}))


people = st.tuples(personal(), callers(), markets)


def recorded(world: World, labels: tuple[str, ...] = ()) -> tuple[DecisionRecord, Decision | NoEligibleModel]:
    outcome: Decision | NoEligibleModel
    try:
        outcome = decide(*world)
    except NoEligibleModel as refused:
        outcome = refused
    return record(*world, outcome, time=NOW, key=KEY, labels=labels), outcome


def same(one: Decision | NoEligibleModel, other: Decision | NoEligibleModel) -> bool:
    """Whether two outcomes are equal; errors by what they say."""
    if isinstance(one, NoEligibleModel) and isinstance(other, NoEligibleModel):
        return (type(one), str(one), one.rule, one.counts, one.dropped, one.shadows) == (
            type(other), str(other), other.rule, other.counts, other.dropped, other.shadows,
        )  # fmt: skip
    return one == other


@given(people, st.sampled_from(((), ("team",), ("team", "desk"))))
@checked
def test_a_replay_decides_the_same_bit_for_bit_after_a_round_trip_over_json(world: World, labels: tuple[str, ...]) -> None:
    kept, outcome = recorded(world, labels)
    read = from_json(to_json(kept))

    assert read == kept
    assert same(replay(read, world[0]), outcome)
    assert (read.decision is None) == isinstance(outcome, NoEligibleModel)


@given(people)
@checked
def test_no_user_session_or_label_is_in_a_record(world: World) -> None:
    text = to_json(structs.replace(recorded(world)[0], pins=NO_PINS)).decode()

    assert not any(f'"{value}"' in text for value in VALUES)
    assert "team" not in text
    assert "desk" not in text


def test_of_labels_whose_names_have_dots_only_the_group_is_named() -> None:
    kept, _ = recorded((RULES, facts_of(request_labels={"acme.com/user-jane": "x"}, request_user="jane"), Market()))

    assert kept.withheld == ("request.labels", "request.user")


def test_the_same_user_has_the_same_digest_and_only_under_the_same_key() -> None:
    world = (RULES, facts_of(request_user="ann", request_session="ann"), Market())
    outcome = decide(*world)
    one, same_, other = (record(*world, outcome, time=NOW, key=key).facts.request for key in (b"k", b"k", b"another"))

    assert one.user == same_.user == one.session != other.user
    assert one.user is not None
    assert len(one.user) == 32


RULES = ruleset_of(
    catalog_yaml({name: model_yaml(ability=0.5 + 0.1 * place, price=place) for place, name in enumerate(NAMES[:3])}),
    """\
version: 1
routes:
  - id: vip
    why: Ann and those in the pilot
    when:
      - any: ['has(request.user) && request.user == "ann"', 'has(request.labels.team) && request.labels.team == "pilot"']
      - features.complexity > 0.2
    use: {candidates: [cedar]}
  - id: half
    why: half of all sessions
    when: features.complexity > 0.1
    rollout: {percent: 50, by: request.session}
    use: {candidates: {ash: 1, birch: 2, cedar: 3}, strategy: weighted, by: request.user}
  - id: rest
    why: everyone else
    use: {candidates: [ash, birch], min_quality: 'has(request.user) && request.user == "bob" ? 0.6 : 0.0'}
""",
)


@given(st.sampled_from((None, *VALUES)), st.integers(0, 300), st.sampled_from((None, "pilot", "other")), st.floats(0, 1))
@checked
def test_compiled_rules_are_replayed_the_same(user: str | None, session: int, team: str | None, complexity: float) -> None:
    asked = facts_of(
        request_user=user, request_session=f"s{session}", request_labels={"team": team} if team else {}, features_complexity=complexity
    )
    kept, outcome = recorded((RULES, asked, Market()))

    read = from_json(to_json(kept))
    assert isinstance(read, DecisionRecord)
    assert same(replay(read, RULES), outcome)


def test_a_caller_without_a_name_needs_nothing_pinned() -> None:
    assert recorded((RULES, facts_of(), Market()))[0].pins == NO_PINS


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"{}", "no decision record"),
        (b"\xff", "no decision record"),
        (to_json(structs.replace(recorded((RULES, facts_of(), Market()))[0], version=2)), "version 2"),
        (to_json(structs.replace(recorded((RULES, facts_of(), Market()))[0], decision=None)), "a decision or a known refusal"),
    ],
)
def test_what_is_no_record_is_refused(line: bytes, says: str) -> None:
    with pytest.raises(BadRecord, match=says):
        from_json(line)
