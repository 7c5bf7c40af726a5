"""What checked expressions are worth, how rules are matched, and that the generated code is what it promises: few nodes, few names, no waiting."""

from __future__ import annotations

import ast
import re
import time
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from fakes import facts_of
from pointsman.core.expr import codegen
from pointsman.core.expr.checker import Scope, check
from pointsman.core.expr.codegen import WHITELIST, Choice, Code, Expression
from pointsman.core.expr.parser import parse
from pointsman.core.expr.syntax import SyntaxFlaw
from pointsman.core.expr.types import ANY, BOOL, DOUBLE, INT, STRING, Type, list_of
from pointsman.core.facts import Facts

TABLE: dict[str, Any] = yaml.safe_load((Path(__file__).parents[2] / "data/expr/evaluations.yaml").read_text())
TYPES: dict[type, Type] = {bool: BOOL, int: INT, float: DOUBLE, str: STRING}

LISTS: Mapping[str, tuple[object, ...]] = {name: tuple(items) for name, items in TABLE["lists"].items()}
LIST_TYPES = {name: list_of(TYPES[type(items[0])] if items else ANY) for name, items in LISTS.items()}


def expression(text: str, vars: Mapping[str, Expression] = {}, *, expected: Type | None = None) -> Expression:
    """Return a checked expression; flaws fail the test."""
    types = {name: var.checked.type_of(var.node) for name, var in vars.items()}
    node = parse(text)
    checked = check(node, Scope(vars=types, lists=LIST_TYPES), expected=expected)
    assert checked.flaws == [], text
    return Expression(node, checked)


def vars_of(texts: Mapping[str, str]) -> dict[str, Expression]:
    """Return vars, each of which may use those before it."""
    vars: dict[str, Expression] = {}
    for name, text in texts.items():
        vars[name] = expression(text, vars)
    return vars


@cache
def table_vars() -> dict[str, Expression]:
    return vars_of(TABLE["vars"])


def value_of(text: str, facts: Facts, vars: Mapping[str, Expression] | None = None) -> object:
    vars = table_vars() if vars is None else vars
    code = Code(vars=vars, lists=LISTS)
    name = code.value(expression(text, vars))
    return code.compile()(name)(facts)


def matcher(
    collected: Iterable[str], first: Iterable[str | None], vars: Mapping[str, Expression] | None = None
) -> Callable[[Facts], object]:
    """Return the compiled `match` of conditions."""
    vars = vars or {}
    code = Code(vars=vars, lists=LISTS)
    name = code.match(
        [expression(text, vars) for text in collected],
        [Choice(condition=None if text is None else expression(text, vars)) for text in first],
    )
    return code.compile()(name)


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in TABLE["cases"]])
def test_values(case: dict[str, Any]) -> None:
    value = value_of(case["expr"], facts_of(**case.get("facts", {})))

    assert type(value) is type(case["value"])
    assert repr(value) == repr(case["value"])


def test_names_of_cases_are_unique() -> None:
    names = [case["name"] for case in TABLE["cases"]]

    assert len(set(names)) == len(names) > 100


# Guards


@pytest.mark.parametrize(
    ("fact", "use"),
    [
        ("request.session", "{} == 'a'"),
        ("request.user", "{}.contains('a')"),
        ("request.user", "{}.matches('a')"),
        ("request.labels.data", "size({}) > 1"),
        ("tenant.labels['data-class']", "{} in lists.premium"),
        ("request.max_total_tokens", "{} % 2 == 1"),
        ("request.max_cost_usd", "{} / 2.0 > 0.5"),
        ("budget.tokens_left", "-{} < 5"),
        ("budget.usd_left", "{} * 2.0 >= budget.pace"),
    ],
)
@pytest.mark.parametrize(
    ("form", "otherwise"),
    [
        ("has({fact}) && {use}", False),
        ("!has({fact}) || {use}", True),
        ("has({fact}) ? {use} : false", False),
        ("!has({fact}) ? true : {use}", True),
        ("!(!has({fact})) && (request.stream || {use})", False),
        ("!(has({fact}) && request.needs_json == false) || {use}", True),
        ("!(!has({fact}) || request.stream) && {use}", False),
        ("has({fact}) && (has(request.max_ttft_ms) ? request.max_ttft_ms > 5.0 : {use})", False),
    ],
)
def test_whatever_guards_an_absent_fact_keeps_it_from_being_read(fact: str, use: str, form: str, otherwise: bool) -> None:
    text = form.format(fact=fact, use=use.format(fact))

    assert value_of(text, facts_of()) is otherwise


# Matching


@pytest.mark.parametrize(
    ("collected", "first", "facts", "expected"),
    [
        pytest.param([], [], {}, ((), -1), id="nothing to match"),
        pytest.param([], ["request.stream"], {}, ((), -1), id="none holds"),
        pytest.param([], [None], {}, ((), 0), id="no condition always holds"),
        pytest.param([], ["request.stream", None], {}, ((), 1), id="the last one takes what is left"),
        pytest.param([], ["request.stream", None], {"request_stream": True}, ((), 0), id="the first that holds"),
        pytest.param([], [None, "request.stream"], {"request_stream": True}, ((), 0), id="nothing comes after no condition"),
        pytest.param([], ["false", "true", "true"], {}, ((), 1), id="only the first"),
        pytest.param(["true", "false", "true"], [], {}, ((0, 2), -1), id="all that are collected"),
        pytest.param(["request.stream", "features.task == 'code'"], ["false", "true"], {"features_task": "code"}, ((1,), 1), id="both"),
        pytest.param(["false"], ["has(request.user) && request.user == 'a'", None], {}, ((), 1), id="absent"),
        pytest.param(["has(request.user)"], ["has(request.user) && request.user == 'a'", None], {"request_user": "a"}, ((0,), 0), id="there"),
    ],
)  # fmt: skip
def test_match_gives_all_collected_and_the_first_of_the_rest(
    collected: list[str], first: list[str | None], facts: dict[str, Any], expected: tuple[object, ...]
) -> None:
    assert matcher(collected, first)(facts_of(**facts)) == (*expected, ())


def test_vars_are_shared_by_all_conditions_of_a_match() -> None:
    match = matcher(["vars.whole", "!vars.hard"], ["vars.guarded", "vars.half > 50 && vars.whole"], table_vars())

    assert match(facts_of(tokens_input=102)) == ((0, 1), 1, ())
    assert match(facts_of(tokens_input=101, features_task="math")) == ((), -1, ())
    assert match(facts_of(tokens_input=101, request_session="vip-7")) == ((1,), 0, ())


def test_a_var_is_computed_before_those_that_use_it_and_an_unused_one_not_at_all() -> None:
    """The order is that of the file, not that of their names or of their first use."""
    vars = vars_of({"z": "tokens.input + 1", "unused": "tokens.input * 3", "b": "vars.z * 2", "a": "vars.z + vars.b"})
    code = Code(vars=vars, lists={})
    name = code.value(expression("vars.a + vars.z", vars))

    assigned = [node.id for node in ast.walk(code.tree()) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    assert assigned == ["tokens", "var_z", "var_b", "var_a"]
    assert code.compile()(name)(facts_of(tokens_input=1)) == (2 + 4) + 2


def test_functions_of_one_ruleset_do_not_disturb_each_other() -> None:
    vars = vars_of({"x": "request.tenant.matches('a')"})
    code = Code(vars=vars, lists={})
    texts = {"vars.x": True, "!vars.x": False, "request.tenant.matches('^b')": False, "request.tenant.matches('s$')": True, "1 + 1": 2}
    names = {text: code.value(expression(text, vars)) for text in texts}
    match = code.match([expression("vars.x", vars)], [Choice(condition=None)])
    functions = code.compile()

    assert len({*names.values(), match}) == len(texts) + 1
    assert {text: functions(name)(facts_of(request_tenant="ads")) for text, name in names.items()} == texts
    assert functions(match)(facts_of(request_tenant="ads")) == ((0,), 0, ())
    assert functions(match)(facts_of(request_tenant="docs")) == ((), 0, ())


def test_a_list_in_a_ternary_is_searched_as_one_that_stands_alone() -> None:
    for tenant, expected in (("ads", True), ("x", False)):
        assert value_of("request.tenant in (request.stream ? ['x'] : lists.premium)", facts_of(request_tenant=tenant)) is expected


def test_shadows_are_noted_and_passed_by_and_a_choice_may_be_asked_whether_it_admits() -> None:
    code = Code(vars={}, lists={})
    asked: list[int] = []

    def admits(facts: Facts) -> bool:
        asked.append(facts.tokens.input)
        return facts.tokens.input > 10

    choices = [
        Choice(condition=expression("request.stream"), shadow=True),
        Choice(condition=None, shadow=True, admits=admits),
        Choice(condition=expression("request.stream"), admits=admits),
        Choice(condition=None),
        Choice(condition=None, shadow=True),
    ]
    name = code.match([], choices)
    match = code.compile()(name)

    assert match(facts_of(tokens_input=11, request_stream=True)) == ((), 2, (0, 1))
    assert match(facts_of(tokens_input=5, request_stream=True)) == ((), 3, (0,))
    assert match(facts_of(tokens_input=5)) == ((), 3, ())
    assert asked == [11, 11, 5, 5, 5]


# The generated code


def corpus() -> Code:
    """Return the code of everything that the table holds, and of one match of all its conditions."""
    code = Code(vars=table_vars(), lists=LISTS)
    expressions = [expression(case["expr"], table_vars()) for case in TABLE["cases"]]
    for each in expressions:
        code.value(each)
    conditions = [each for each in expressions if each.checked.type_of(each.node) == BOOL]
    code.match(conditions, [*(Choice(condition=each) for each in conditions), Choice(condition=None)])
    return code


def test_the_tree_holds_only_the_nodes_of_the_whitelist_and_needs_all_of_them() -> None:
    found = {type(node) for node in ast.walk(corpus().tree())}

    assert found - set(WHITELIST) == set()
    assert set(WHITELIST) - found == set()


NAMES = re.compile(
    r"facts|fired|shadows|_Matched|_admits_\d+|len|_quotient|_remainder|_pattern_\d+|rule_\d+|var_[A-Za-z0-9_]+|request|features|tokens|tenant|budget|time"
)


def test_names_and_attributes_come_from_a_closed_set() -> None:
    known = {name for group in Facts.__struct_fields__ for name in getattr(facts_of(), group).__struct_fields__}
    known |= {"startswith", "endswith", *Facts.__struct_fields__}

    for node in ast.walk(corpus().tree()):
        if isinstance(node, ast.Name):
            assert NAMES.fullmatch(node.id)
        if isinstance(node, ast.Attribute):
            assert node.attr in known
        if isinstance(node, ast.FunctionDef):
            assert NAMES.fullmatch(node.name)


@pytest.mark.parametrize("evil", ["__import__('os')", "len", "facts", "__class__", "f(){}", "'\"\\", "\n", "fired"])
def test_what_a_rule_writes_in_quotes_stays_a_constant(evil: str) -> None:
    quoted = '"' + evil.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    text = f"has(request.labels[{quoted}]) && request.labels[{quoted}] == {quoted} && {quoted} in [{quoted}] && !{quoted}.startsWith('zzz')"

    code = Code(vars={}, lists={})
    name = code.value(expression(text))

    assert all(NAMES.fullmatch(node.id) for node in ast.walk(code.tree()) if isinstance(node, ast.Name))
    assert code.compile()(name)(facts_of(request_labels={evil: evil})) is True
    assert code.compile()(name)(facts_of()) is False


def test_vars_may_be_called_like_anything_that_the_code_uses_itself() -> None:
    names = ["facts", "fired", "len", "request", "tokens", "_quotient", "rule_0", "_pattern_1", "var_x", "__builtins__", "class", "None_"]
    vars = vars_of({name: f"tokens.input / 2 + {number}" for number, name in enumerate(names)})
    text = " + ".join(f"vars.{name}" for name in names) + " + size(request.tenant) + tokens.input / 3"

    assert value_of(text, facts_of(tokens_input=10, request_tenant="abcd"), vars) == 5 * len(names) + sum(range(len(names))) + 4 + 3


def test_the_code_sees_no_builtins_but_len() -> None:
    code = corpus()

    assert code._globals["__builtins__"] == {"len": len}


def test_a_list_is_searched_in_one_step() -> None:
    """`in [...]` becomes a frozenset that is made when rules are loaded."""
    code = Code(vars={}, lists=LISTS)
    code.value(expression("request.tenant in ['a', 'b'] || request.tenant in lists.premium"))

    [condition] = [node for node in ast.walk(code.tree()) if isinstance(node, ast.BoolOp)]
    sets = [node.comparators[0] for node in condition.values if isinstance(node, ast.Compare)]
    constants: list[object] = [node.value for node in sets if isinstance(node, ast.Constant)]
    assert constants == [frozenset({"a", "b"}), frozenset({"search", "ads"})]
    assert {type(constant) for constant in constants} == {frozenset}


# It does not fail, and nobody waits for it


def test_matches_takes_linear_time() -> None:
    """Python's own `re` needs longer than the universe is old for this."""
    tenant = "a" * 100_000 + "b"
    begun = time.process_time()

    assert value_of("request.tenant.matches('(a+)+$')", facts_of(request_tenant=tenant)) is False
    assert value_of("request.tenant.matches('^(a|aa|a?)*c')", facts_of(request_tenant=tenant)) is False
    assert value_of("request.tenant.matches('(.*)(.*)(.*)(.*)(.*)[^ab]$')", facts_of(request_tenant=tenant)) is False
    assert time.process_time() - begun < 0.5


def test_a_bad_pattern_writes_nothing_to_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    """The flaw says it all; RE2 would log it, too."""
    checked = check(parse("'a'.matches('(')"), Scope(), expected=None)

    assert len(checked.flaws) == 1
    assert capfd.readouterr().err == ""


def test_a_chain_of_ors_as_long_as_fits_compiles() -> None:
    text = "||".join(["1<0"] * 818)
    assert len(text) > 4000

    assert value_of(text, facts_of()) is False
    assert value_of(text.removesuffix("0") + "2", facts_of()) is True


def test_a_chain_of_1300_operands_compiles() -> None:
    """Nothing that is a condition is so short; types aside, the code generator takes it."""
    node = parse("||".join(["0"] * 1299 + ["7"]))
    code = Code(vars={}, lists={})
    name = code.value(Expression(node, check(node, Scope(), expected=None)))

    assert code.compile()(name)(facts_of()) == 7


DEEP_SUM = "(" * 60 + "1" + ("+1" * 30 + ")") * 60
"""60 levels of parentheses of 30 operators each: both caps kept, and a tree of depth 1,800."""


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("(" * 63 + "true" + ")" * 63, id="parentheses"),
        pytest.param("!" * 63 + "true", id="negations"),
        pytest.param("1" + "+1" * 64 + " > 0", id="a sum"),
        pytest.param("true ? 1 : " * 63 + "2", id="ternaries"),
        pytest.param("(true ? 1 : " * 30 + "2" + ")" * 30, id="ternaries in parentheses"),
        pytest.param(DEEP_SUM, id="sums in parentheses"),
        pytest.param("request.tenant" + ".contains('')" * 300, id="methods in a row"),
        pytest.param("request.tenant" + ".a()" * 1000, id="unknown methods in a row"),
        pytest.param("f(" * 60 + "1" + ("+1" * 20 + ")") * 60, id="sums in calls"),
        pytest.param("(" * 60 + "true" + ("==true" * 9 + ")") * 60, id="comparisons in parentheses"),
    ],
)
def test_nothing_within_the_caps_is_too_deep_for_checker_or_compiler(text: str) -> None:
    """Refused with a flaw, or compiled: a RecursionError would take down whoever loads the rules."""
    assert len(text) <= 4096
    try:
        node = parse(text)
    except SyntaxFlaw:
        return
    checked = check(node, Scope(), expected=None)
    if not checked.flaws:
        code = Code(vars={}, lists={})
        name = code.value(Expression(node, checked))
        code.compile()(name)(facts_of())


@pytest.mark.parametrize(("dividend", "divisor"), [(a, b) for a in range(-7, 8) for b in (-3, -2, -1, 1, 2, 3)])
def test_integer_division_goes_towards_zero_and_the_remainder_makes_up_for_it(dividend: int, divisor: int) -> None:
    quotient, remainder = codegen._quotient(dividend, divisor), codegen._remainder(dividend, divisor)

    assert quotient == int(dividend / divisor)
    assert quotient * divisor + remainder == dividend
    assert remainder == 0 or (remainder < 0) == (dividend < 0)
