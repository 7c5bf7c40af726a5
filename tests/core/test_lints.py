"""Warnings of what is legal but hardly meant. One file per lint stands in tests/data/rulefile (`lint_*`); here is what must stay silent."""

from __future__ import annotations

import os
from collections.abc import Sequence
from random import Random

import pytest
from msgspec import structs

from fakes import catalog_yaml, facts_of, model_yaml
from pointsman.core.facts import Facts
from pointsman.core.rulefile import Loaded, load
from pointsman.core.vocabulary import TASKS

ROUNDS = 2_000 if "POINTSMAN_TEST_SOAK" in os.environ else 250
SEED = 20261123

MODELS = catalog_yaml(
    {"mini": model_yaml(ability=0.6), "coder": model_yaml(ability=0.8, tier="large"), "long": model_yaml(window=100_000)},
    aliases="{any: [mini, coder, long]}",
)
DEFAULT = "  - {id: default, why: w, use: {candidates: [mini]}}\n"


def loaded(routes: str, *, names: str = "", default: str = DEFAULT, models: str = MODELS, today: str | None = None) -> Loaded:
    """Return what some routes before the default one come to."""
    routing = f"version: 1\n{names}\nroutes:\n{routes}\n{default}"
    return load({"models.yaml": models.encode(), "routing.yaml": routing.encode()}, today=today)


def warnings(routes: str, *, names: str = "", default: str = DEFAULT, models: str = MODELS, today: str | None = None) -> list[str]:
    """Return what is said of some routes before the default one."""
    found = loaded(routes, names=names, default=default, models=models, today=today)
    assert found.ruleset is not None, found.problems
    return [problem.message for problem in found.problems]


def route(rule_id: str, when: str, more: str = "", *, use: str = "candidates: [mini]") -> str:
    """Return a route as a line of YAML; what it says is quoted so that nothing needs to be escaped."""
    quoted = when.replace("'", "''")
    return f"  - {{id: {rule_id}, why: w, when: '{quoted}', use: {{{use}}}{more}}}\n"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param("features.complexity > 0.7", "features.complexity >= 0.7", id="the bound itself is left"),
        pytest.param("features.complexity > 0.7", "features.complexity > 0.6", id="wider"),
        pytest.param("tokens.input >= 5", "tokens.input > 3", id="one integer is left"),
        pytest.param('features.task in ["code", "math"]', 'features.task in ["code", "chat"]', id="sets that overlap"),
        pytest.param('features.task != "code"', 'features.task in ["code", "math"]', id="what is shut out"),
        pytest.param('request.tenant != "a"', 'request.tenant != "b"', id="different exceptions"),
        pytest.param('request.tenant < "m"', 'request.tenant <= "m"', id="order of strings"),
        pytest.param('has(request.user) && request.user != "a"', "has(request.user)", id="one user is left"),
        pytest.param("has(request.user)", "!has(request.user)", id="present and absent"),
        pytest.param("has(request.labels.a)", "has(request.labels.b)", id="different labels"),
        pytest.param("features.has_code", "request.stream", id="different facts"),
        pytest.param("features.has_code", "!features.has_code", id="negated"),
        pytest.param("features.has_code && request.stream", "features.has_code", id="narrower"),
        pytest.param("tokens.input + tokens.output > 100", "tokens.input + tokens.output > 200", id="sums are not understood"),
        pytest.param("size(request.tenant) > 3", "size(request.tenant) >= 3", id="sizes are not understood"),
        pytest.param("tokens.input > tokens.output", "tokens.output > tokens.input", id="two facts"),
        pytest.param('request.tenant.startsWith("a")', 'request.tenant.endsWith("a")', id="methods"),
        pytest.param("features.complexity > 0.7", "features.complexity > 0.8 || request.stream", id="one side of an or"),
        pytest.param("(features.has_code ? 1 : 2) > 1", "features.has_code", id="a choice"),
        pytest.param("features.complexity > 0.5 || request.stream", 'features.task == "code"', id="an or of others"),
        pytest.param("!(features.has_code && request.stream)", "features.has_code", id="an or in disguise"),
    ],
)
def test_a_route_that_some_request_reaches_is_not_called_unreachable(first: str, second: str) -> None:
    assert warnings(route("first", first) + route("second", second)) == []


@pytest.mark.parametrize(
    "more",
    [
        pytest.param(", rollout: {percent: 50, by: request.tenant}", id="takes a share"),
        pytest.param(", expires: 2027-01-31", id="ends some day"),
        pytest.param(", mode: shadow", id="is in shadow"),
        pytest.param(", priority: -1", id="comes later"),
    ],
)
def test_a_route_behind_one_that_leaves_requests_is_reached(more: str) -> None:
    default = DEFAULT.replace("why: w", "why: w, priority: -2")

    second = route("second", "features.has_code && request.stream")

    assert warnings(route("first", "features.has_code", more) + second, default=default) == []


def test_a_route_behind_one_that_may_pass_on_to_the_next_rule_is_reached() -> None:
    first = route("first", "features.has_code", use="candidates: [mini], on_empty: next_rule")

    assert warnings(first + route("second", "features.has_code")) == []


@pytest.mark.parametrize(
    "when",
    [
        pytest.param("features.complexity > 0.3 && features.complexity < 0.7", id="an interval"),
        pytest.param("tokens.input > 3 && tokens.input < 5", id="one integer"),
        pytest.param("features.complexity >= 0.5 && features.complexity <= 0.5", id="one number"),
        pytest.param("features.complexity > 0", id="all but the lowest"),
        pytest.param("features.complexity < 1", id="all but the highest"),
        pytest.param("time.weekday in [1, 2, 3, 4, 5, 6]", id="all days but one"),
        pytest.param("tokens.input >= 1", id="not empty"),
        pytest.param('request.tenant > "a" && request.tenant < "b"', id="names between"),
        pytest.param('features.task == "code" || features.task == "math"', id="either"),
        pytest.param('has(request.user) && request.user == "a" || has(request.user) && request.user == "b"', id="a guard on both sides"),
        pytest.param("has(request.max_cost_usd) && request.max_cost_usd > 0", id="a limit that is not 0"),
        pytest.param("!has(request.user) || request.user != 'a'", id="absent or another"),
        pytest.param("vars.hard && features.complexity < 0.8", id="within a var"),
        pytest.param("vars.on && features.has_code", id="a switch that is on"),
        pytest.param("vars.off && features.has_code", id="a switch that is off"),
        pytest.param("(features.has_code || request.stream) && (features.has_code || request.needs_json)", id="in two ors"),
    ],
)
def test_a_condition_that_asks_something_is_left_alone(when: str) -> None:
    names = "vars: {hard: features.complexity > 0.7, on: 'true', off: 'false'}"

    found = warnings(route("first", when), names=names)

    assert [message for message in found if "is not used" not in message] == []


def test_a_guard_may_stand_in_each_of_the_conditions_that_need_it() -> None:
    when = """['has(request.user) && request.user != "a"', 'has(request.user) && request.user != "b"']"""

    assert warnings(f"  - {{id: a, why: w, when: {when}, use: {{candidates: [mini]}}}}") == []


@pytest.mark.parametrize(
    ("when", "use", "more"),
    [
        pytest.param("features.has_code", "candidates: [mini], min_quality: 0.95", "", id="easy prompts reach the bar"),
        pytest.param("features.complexity > 0.6", "candidates: [any], min_quality: 0.6", "", id="one of an alias is good enough"),
        pytest.param("features.complexity > 0.6", "candidates: [mini], min_quality: request.accuracy", "", id="the bar moves"),
        pytest.param("features.complexity > 0.6", "candidates: [mini], min_quality: 0.9, on_empty: best_effort", "", id="best effort"),
        pytest.param("features.complexity > 0.6 || request.stream", "candidates: [mini], min_quality: 0.9", "", id="hard or not"),
        pytest.param("tokens.input > 7998", "candidates: [mini]", "", id="one token less"),
        pytest.param("tokens.input > 9000", "candidates: [any]", "", id="one of an alias is long enough"),
        pytest.param("tokens.input > 9000 || features.has_code", "candidates: [mini]", "", id="long or not"),
        pytest.param("tokens.output > 9000", "candidates: [mini]", "", id="answers are cut"),
        pytest.param("features.has_code", "candidates: [mini], min_quality: 0.7", ", fallbacks: [mini]", id="without the bar"),
        pytest.param("features.has_code", "candidates: [mini]", ", fallbacks: [any]", id="an alias adds others"),
        pytest.param("features.has_code", "candidates: {mini: 1, coder: 1}, strategy: weighted, by: request.tenant", "", id="tenant"),
        pytest.param("features.has_code", "candidates: {mini: 1, coder: 1}, strategy: weighted", "", id="not sticky"),
        pytest.param(
            "vars.known && features.has_code", "candidates: [mini]", ", rollout: {percent: 5, by: request.session}", id="guard in a var"
        ),
        pytest.param(
            'has(request.labels["a-b"])', "candidates: [mini]", ", rollout: {percent: 5, by: request.labels.a-b}", id="guarded label"
        ),
        pytest.param("features.has_code", "candidates: [mini]", ", rollout: {percent: 100, by: request.user}", id="all are in"),
    ],
)
def test_models_and_shares_that_may_be_meant_are_left_alone(when: str, use: str, more: str) -> None:
    names = "vars: {known: has(request.session)}"

    found = warnings(route("first", when, more, use=use), names=names)

    assert [message for message in found if message != "var 'known' is not used"] == []


def test_the_bound_of_another_tokeniser_counts_where_a_window_is_too_short() -> None:
    models = MODELS.replace("tags: []", "tags: [], tokenizer: claude")

    assert warnings(route("a", "tokens.input > 5500"), models=models) == [
        "the inputs of route 'a', from 5501 tokens, never fit the window of 'mini'"
    ]
    assert warnings(route("a", "tokens.input > 5000"), models=models) == []


def test_a_model_that_nobody_names_is_told_at_its_key() -> None:
    found = loaded("", models=MODELS.replace("[mini, coder, long]", "[mini, coder]"))

    assert [(problem.file, problem.line, problem.column, problem.message) for problem in found.problems] == [
        ("models.yaml", 12, 3, "no route or alias names model 'long'")
    ]


@pytest.mark.parametrize(
    ("expires", "told"),
    [
        pytest.param("2026-11-22", ["route 'a' is not used any more: its last day was 2026-11-22"], id="yesterday"),
        pytest.param("2026-11-23", ["route 'a' is not used after 2026-11-23, in 0 days"], id="today"),
        pytest.param("2026-12-07", ["route 'a' is not used after 2026-12-07, in 14 days"], id="in two weeks"),
        pytest.param("2026-12-08", [], id="later"),
        pytest.param("2028-11-23", [], id="in two years"),
        pytest.param("2028-11-30", ["route 'a' expires more than two years from now"], id="far away"),
    ],
)
def test_an_end_is_told_where_it_is_past_near_or_far(expires: str, told: Sequence[str]) -> None:
    routes = route("a", "features.has_code", f", expires: {expires}")

    assert warnings(routes, today="2026-11-23") == told
    assert warnings(routes) == []


@pytest.mark.parametrize("operator", ["<", "<=", ">", ">=", "==", "!="])
@pytest.mark.parametrize(
    ("fact", "literal", "values"),
    [
        pytest.param(fact, literal, values, id=f"{fact} and {literal}")
        for fact, literals, values in (
            ("features.complexity", ("0", "0.5", "1"), (0.0, 0.25, 0.5, 0.75, 1.0)),
            ("time.weekday", ("1", "1.5", "6", "7"), (1, 2, 3, 4, 5, 6, 7)),
            ("features.task", ('"chat"', '"code"', '"write"'), TASKS),
            ("tokens.input", ("0", "0.5", "3"), (0, 1, 2, 3, 4, 10**9)),
        )
        for literal in literals
    ],
)
def test_a_comparison_is_called_constant_exactly_where_it_is(fact: str, operator: str, literal: str, values: Sequence[object]) -> None:
    condition = f"{fact} {operator} {literal}"
    found = loaded(route("only", condition))
    assert found.ruleset is not None, found.problems

    outcomes = {found.ruleset.routes[0].matches(facts_of(**{fact.replace(".", "_"): value})) for value in values}

    told = [problem.message for problem in found.problems if "is always" in problem.message]
    assert told == ([f"'{condition}' is always {'true' if outcomes == {True} else 'false'}"] if len(outcomes) == 1 else [])


class Author:
    """Writes conditions over few facts and bounds, so that they often meet."""

    ATOMS = (
        "features.complexity > 0.3", "features.complexity >= 0.3", "features.complexity < 0.7", "0.5 <= features.complexity",
        "features.complexity == 0.5", "features.complexity != 0.3", "tokens.input > 3", "tokens.input < 5", "tokens.input >= 4.5",
        "tokens.input != 4", "tokens.input in [3, 4]", 'features.task == "code"', 'features.task != "math"', "features.task in lists.some",
        "features.has_code", "features.has_code == false", "has(request.user)", "!has(request.user)",
        'has(request.user) && request.user == "a"', 'has(request.user) && !(request.user in ["a", "b"])',
        '(!has(request.user) || request.user < "b")', "has(request.labels.a)", 'has(request.labels.a) && request.labels.a >= "b"',
        "tokens.input + tokens.output > 8", "vars.hard", "vars.both", "vars.either", "time.weekday in [1, 2, 3, 4, 5, 6]",
    )  # fmt: skip
    NAMES = (
        "lists: {some: [code, math]}\n"
        "vars: {hard: features.complexity > 0.5, both: vars.hard && features.has_code, either: vars.both || tokens.input > 4}"
    )

    def __init__(self, rng: Random) -> None:
        self._rng = rng

    def condition(self, depth: int = 2) -> str:
        if depth == 0 or self._rng.random() < 0.3:
            return self._rng.choice(self.ATOMS)
        parts = [f"({self.condition(depth - 1)})" for _ in range(self._rng.randint(1, 3))]
        joined = self._rng.choice((" && ", " && ", " || ")).join(parts)
        return f"!({joined})" if self._rng.random() < 0.25 else joined

    def conjunction(self) -> str:
        return " && ".join(self._rng.choice(self.ATOMS) for _ in range(self._rng.randint(1, 4)))

    def facts(self) -> Facts:
        pick = self._rng.choice
        facts = facts_of(
            features_complexity=pick((0.0, 0.3, 0.4, 0.5, 0.6, 0.7, 1.0)), tokens_input=pick((0, 3, 4, 5, 6)), tokens_output=pick((1, 4, 5)),
            features_task=pick(("code", "math", "chat")), features_has_code=pick((True, False)), request_user=pick((None, "a", "b", "c")),
            time_weekday=pick((1, 7)),
        )  # fmt: skip
        return structs.replace(facts, request=structs.replace(facts.request, labels=pick(({}, {"a": "a"}, {"a": "b"}))))


def test_no_request_reaches_a_route_that_is_called_unreachable() -> None:
    author, told = Author(Random(SEED)), 0  # noqa: S311  # a test's die
    for _ in range(ROUNDS):
        routes = "".join(route(f"r{number}", author.condition()) for number in range(5))
        found = loaded(routes, names=author.NAMES)
        assert found.ruleset is not None, found.problems
        never = {problem.message.split("'")[1] for problem in found.problems if "is never reached" in problem.message}
        told += len(never)
        for facts in (author.facts() for _ in range(100 if never else 0)):
            assert found.ruleset.routes[found.ruleset.match(facts).route].ref.id not in never, routes
    assert told > ROUNDS / 5


def test_no_request_meets_conditions_that_are_said_to_contradict_each_other() -> None:
    author, told = Author(Random(SEED)), 0  # noqa: S311  # a test's die
    for _ in range(ROUNDS):
        condition = author.conjunction()
        found = loaded(route("only", condition), names=author.NAMES)
        assert found.ruleset is not None, found.problems
        if not any("never hold together" in problem.message for problem in found.problems):
            continue
        told += 1
        assert not any(found.ruleset.routes[0].matches(author.facts()) for _ in range(100)), condition
    assert told > ROUNDS / 20
