"""What the checker accepts and of which type it is; what it refuses, with the place, the reason and the way out; and that it says the truth."""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Iterator

import pytest

from pointsman.core.expr.checker import Checked, Scope, check
from pointsman.core.expr.parser import parse
from pointsman.core.expr.syntax import Binary, Flaw
from pointsman.core.expr.types import ANY, BOOL, DOUBLE, INT, STRING, Type, list_of
from pointsman.core.facts import FACTS, FactSpec

SCOPE = Scope(
    vars={"hard": BOOL, "share": DOUBLE, "length": INT, "place": STRING, "broken": ANY},
    lists={"premium": list_of(STRING), "sizes": list_of(INT), "prices": list_of(DOUBLE), "none": list_of(ANY)},
)

OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip


def checked(text: str, *, expected: Type | None = None, present: frozenset[str] = frozenset()) -> Checked:
    return check(parse(text), SCOPE, expected=expected, present=present)


def flaws_of(text: str, *, expected: Type | None = None, present: frozenset[str] = frozenset()) -> list[Flaw]:
    return sorted(checked(text, expected=expected, present=present).flaws, key=lambda flaw: (flaw.start, flaw.end))


def unmarked(text: str) -> tuple[str, list[tuple[int, int]]]:
    """Return the text without its « » and what each pair of them encloses, by offsets, sorted."""
    plain, opened, spans = "", [], []
    for char in text:
        if char == "«":
            opened.append(len(plain))
        elif char == "»":
            spans.append((opened.pop(), len(plain)))
        else:
            plain += char
    return plain, sorted(spans)


def test_unmarked_gives_the_places_of_the_marks() -> None:
    assert unmarked("a «b «c»»«d»") == ("a b cd", [(2, 5), (4, 5), (5, 6)])


# Types


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("true", "bool"),
        ("7", "int"),
        ("-7", "int"),
        ("7.0", "double"),
        ("'a'", "string"),
        ("null", "null"),
        ("[]", "list of any"),
        ("[1, 2]", "list of int"),
        ("[1, 2.5]", "list of int"),
        ("['a']", "list of string"),
        ("[null]", "list of null"),
        ("request.tenant", "string"),
        ("features.task", "string"),
        ("features.gain", "double"),
        ("tokens.input", "int"),
        ("request.stream", "bool"),
        ("vars.share", "double"),
        ("lists.premium", "list of string"),
        ("has(request.session)", "bool"),
        ("has(request.labels.data)", "bool"),
        ("has(tenant.labels['data-class'])", "bool"),
        ("!request.stream", "bool"),
        ("-tokens.input", "int"),
        ("-features.gain", "double"),
        ("tokens.input + 1", "int"),
        ("tokens.input * 2 - 1", "int"),
        ("tokens.input / 2", "int"),
        ("tokens.input / -2", "int"),
        ("tokens.input / (2)", "int"),
        ("tokens.input % 2", "int"),
        ("features.gain / 2.0", "double"),
        ("features.gain * features.confidence", "double"),
        ("request.tenant + '/' + request.model", "string"),
        ("size(request.tenant)", "int"),
        ("size(lists.premium)", "int"),
        ("size([])", "int"),
        ("size('a') / 2", "int"),
        ("tokens.input > 7", "bool"),
        ("tokens.input > 7.5", "bool"),
        ("features.gain == 1", "bool"),
        ("request.tenant < 'b'", "bool"),
        ("request.stream == true", "bool"),
        ("null == null", "bool"),
        ("tokens.input < 7 == request.stream", "bool"),
        ("request.tenant in ['a', 'b']", "bool"),
        ("request.tenant in lists.premium", "bool"),
        ("tokens.input in lists.prices", "bool"),
        ("features.gain in lists.sizes", "bool"),
        ("tokens.input in [1, 2.5]", "bool"),
        ("tokens.input in []", "bool"),
        ("request.tenant in lists.none", "bool"),
        ("request.tenant in (request.stream ? ['a'] : lists.premium)", "bool"),
        ("request.tenant.startsWith('a')", "bool"),
        ("request.tenant.endsWith(request.model)", "bool"),
        ("(request.tenant + 'x').contains('a')", "bool"),
        ("'abc'.matches('b+')", "bool"),
        ("request.stream ? 1 : 2", "int"),
        ("request.stream ? 'a' : request.tenant", "string"),
        ("request.stream ? [1] : lists.sizes", "list of int"),
        ("request.stream && vars.hard || !vars.hard", "bool"),
    ],
)
def test_accepted_expressions_and_their_types(text: str, expected: str) -> None:
    node = parse(text)
    found = check(node, SCOPE, expected=None)

    assert found.flaws == []
    assert str(found.type_of(node)) == expected


def test_every_fact_that_is_always_there_can_be_read_and_has_its_declared_type() -> None:
    for spec in FACTS.values():
        if not spec.optional:
            node = parse(spec.name)
            found = check(node, SCOPE, expected=None)
            assert (found.flaws, found.type_of(node)) == ([], spec.type), spec.name


def test_every_node_has_a_type() -> None:
    node = parse("tokens.input / 2 > 1")
    found = check(node, SCOPE, expected=BOOL)

    assert isinstance(node, Binary)
    assert [str(found.type_of(inner)) for inner in (node, node.left, node.right)] == ["bool", "int", "int"]


@pytest.mark.parametrize(
    ("text", "expected", "message", "help_"),
    [
        pytest.param(
            "tokens.input", BOOL, "this is an int, but a bool is expected", "a condition compares something: add '== ...'", id="int"
        ),
        pytest.param("null", BOOL, "this is a null, but a bool is expected", "add '== ...'", id="null"),
        pytest.param("['a']", BOOL, "this is a list of string, but a bool is expected", "", id="a list"),
        pytest.param("true", DOUBLE, "this is a bool, but a double is expected", "", id="bool for double"),
        pytest.param("request.tenant", DOUBLE, "this is a string, but a double is expected", "", id="string for double"),
    ],
)
def test_an_expression_of_another_type_than_expected_is_a_flaw(text: str, expected: Type, message: str, help_: str) -> None:
    [flaw] = flaws_of(text, expected=expected)

    assert (flaw.start, flaw.end) == (0, len(text))
    assert flaw.message == message
    assert help_ in flaw.help


@pytest.mark.parametrize(("text", "expected"), [("1 < 2", BOOL), ("tokens.input", DOUBLE), ("features.gain", INT), ("vars.broken", BOOL)])
def test_numbers_and_what_is_broken_already_fit_what_is_expected(text: str, expected: Type) -> None:
    assert flaws_of(text, expected=expected) == []


# Flaws

UNKNOWN_NAME = "facts are written group.name; strings are written in quotes"


@pytest.mark.parametrize(
    ("marked", "message", "help_"),
    [
        # Type clashes
        pytest.param("«request.tenant > 5»", "'>' compares a string with an int", "", id="string with int"),
        pytest.param("«request.stream == 1»", "'==' compares a bool with an int", "", id="bool with int"),
        pytest.param("«1 < 2 < 3»", "'<' compares a bool with an int", "", id="comparisons in a row"),
        pytest.param("«lists.premium == 'a'»", "'==' compares a list of string with a string", "", id="list with string"),
        pytest.param("«[1] == [1]»", "lists are not compared", "use 'in'", id="list with list"),
        pytest.param("«[1] < [2]»", "'<' orders numbers and strings, not list of int", "", id="lists ordered"),
        pytest.param("«true < false»", "'<' orders numbers and strings, not bool", "", id="bools ordered"),
        pytest.param("«null >= null»", "'>=' orders numbers and strings, not null", "", id="nulls ordered"),
        pytest.param("«request.tenant == null»", "'==' compares a string with a null", "facts are never null; ask has(...)", id="null"),
        pytest.param("«null != tokens.input»", "'!=' compares a null with an int", "ask has(...)", id="null in front"),
        pytest.param("!«tokens.input»", "'!' needs a bool, this is an int", "", id="negated int"),
        pytest.param("-«request.stream»", "'-' needs a number, this is a bool", "", id="negative bool"),
        pytest.param("-«'a'»", "'-' needs a number, this is a string", "", id="negative string"),
        pytest.param("true && «tokens.input»", "'&&' joins conditions, this is an int", "add '== ...'", id="int in and"),
        pytest.param("«'a'» || true", "'||' joins conditions, this is a string", "add '== ...'", id="string in or"),
        pytest.param("«tokens.input» ? 1 : 2", "'?' needs a condition before it, this is an int", "", id="int as condition"),
        pytest.param("«true ? 1 : 'a'»", "the two values of '? :' differ in type: int and string", "", id="ternary"),
        pytest.param("«true ? 1 : 2.0»", "the two values of '? :' differ in type: int and double", "", id="ternary of numbers"),
        # Arithmetic
        pytest.param("«tokens.input * 1.5»", "'*' does not join an int and a double", "write the integer as a double, as in 2.0", id="mixed product"),
        pytest.param("«1.5 + 1»", "'+' does not join a double and an int", "as in 2.0", id="mixed sum"),
        pytest.param("«request.tenant + 1»", "'+' does not join a string and an int", "", id="string plus int"),
        pytest.param("«'a' - 'b'»", "'-' does not join a string and a string", "", id="string minus string"),
        pytest.param("«true + true»", "'+' does not join a bool and a bool", "", id="bools"),
        pytest.param("«[1] + [2]»", "'+' does not join a list of int and a list of int", "", id="lists"),
        pytest.param("«null + null»", "'+' does not join a null and a null", "", id="nulls"),
        pytest.param("tokens.input / «0»", "'/' needs a literal other than zero on its right", "multiply instead", id="by zero"),
        pytest.param("features.gain / «0.0»", "'/' needs a literal other than zero on its right", "", id="by 0.0"),
        pytest.param("features.gain / «-0.0»", "'/' needs a literal other than zero on its right", "", id="by -0.0"),
        pytest.param("features.gain / «1e-400»", "'/' needs a literal other than zero on its right", "", id="by what rounds to zero"),
        pytest.param("tokens.input % «0x0»", "'%' needs a literal other than zero on its right", "", id="modulo zero"),
        pytest.param("1 / «tokens.input»", "'/' needs a literal other than zero on its right", "multiply instead, where you can", id="by a fact"),
        pytest.param("1 % («1 + 1»)", "'%' needs a literal other than zero", "", id="modulo a sum"),
        pytest.param("1 / «--1»", "'/' needs a literal other than zero", "", id="by a number with two signs"),
        pytest.param("«features.gain % 2.0»", "'%' needs two integers", "", id="modulo of doubles"),
        # Names
        pytest.param("«features.complexty» > 0.5", "unknown fact 'features.complexty'", "did you mean 'features.complexity'?", id="typo"),
        pytest.param("«feature.task» == 'code'", "unknown fact 'feature.task'", "did you mean 'features.task'?", id="typo in the group"),
        pytest.param("«request.latency» > 5.0", "unknown fact 'request.latency'", "did you mean 'request.max_latency_ms'?", id="shortened"),
        pytest.param("«request.zzzzzzzzzz» == 1", "unknown fact", "known: request.", id="nothing like it in the group"),
        pytest.param("«zzzz.qqqq» == 1", "unknown fact 'zzzz.qqqq'", "known: budget.pace, budget.spend_ratio,", id="nothing like it at all"),
        pytest.param("«request.id» == 'a'", "unknown fact 'request.id'", "", id="recorded, but no fact"),
        pytest.param("«features.task.x» == 'a'", "unknown fact 'features.task.x'", "did you mean 'features.task'?", id="field of a fact"),
        pytest.param("«complexity» > 0.5", "unknown name 'complexity'", "did you mean 'features.complexity'?", id="without its group"),
        pytest.param("features.task == «code»", "unknown name 'code'", UNKNOWN_NAME, id="a string without quotes"),
        pytest.param("«features»", "unknown name 'features'", UNKNOWN_NAME, id="only the group"),
        pytest.param("«vars.hrad»", "unknown var 'vars.hrad'", "did you mean 'hard'?", id="var"),
        pytest.param("«vars.qqq»", "unknown var 'vars.qqq'", "known: broken, hard, length, place, share", id="no such var"),
        pytest.param("«vars.hard.x»", "unknown var 'vars.hard.x'", "did you mean 'hard'?", id="field of a var"),
        pytest.param("«vars»", "unknown var 'vars'", "known: broken, hard, length, place, share", id="only vars"),
        pytest.param("'a' in «lists.premum»", "unknown list 'lists.premum'", "did you mean 'premium'?", id="list"),
        pytest.param("'a' in «lists.hard»", "unknown list 'lists.hard'", "known: none, premium, prices, sizes", id="a var is no list"),
        # Labels
        pytest.param("«request.labels» == 'a'", "'request.labels' is no fact; a label is named by one key", 'request.labels.data or request.labels["data-class"]', id="without a key"),
        pytest.param("has(«tenant.labels»)", "'tenant.labels' is no fact", "as in tenant.labels.data", id="has without a key"),
        pytest.param("has(«request.labels.a.b»)", "'request.labels.a.b' is no fact", "as in request.labels.data", id="two keys"),
        pytest.param("'a' in «request.labels»", "'request.labels' is no fact", "", id="in all labels"),
        pytest.param("«request.label.data» == 'a'", "unknown fact 'request.label.data'", "", id="label for labels"),
        pytest.param("«features.labels.data» == 'a'", "unknown fact 'features.labels.data'", "", id="labels of another group"),
        # Lists
        pytest.param("request.tenant in ['a', «1», «true»]", "the list mixes string and", "all items must be of one type", id="mixed items"),
        pytest.param("request.tenant in ['a', «null»]", "the list mixes string and null", "", id="null among strings"),
        pytest.param("request.tenant in [«request.model»]", "a list holds literals only", "", id="fact as item"),
        pytest.param("size([«[1]»])", "a list holds literals only", "", id="list as item"),
        pytest.param("1 in [«1 + 1»]", "a list holds literals only", "", id="sum as item"),
        pytest.param("«tokens.input in ['a']»", "an int is never in a list of string", "", id="int in strings"),
        pytest.param("«request.tenant in lists.sizes»", "a string is never in a list of int", "", id="string in a list of ints"),
        pytest.param("«null in lists.premium»", "a null is never in a list of string", "", id="null in strings"),
        pytest.param("'a' in «request.tenant»", "'in' needs a list, this is a string", 'as in ["a", "b"] or lists.NAME', id="in a string"),
        pytest.param("'a' in «tokens.input»", "'in' needs a list, this is an int", "lists.NAME", id="in a number"),
        # Functions
        pytest.param("«has(request.tenant)»", "'request.tenant' is always there", "has(...) is for optional facts and labels; leave it out", id="has of what is always there"),
        pytest.param("has(«request.sesion»)", "unknown fact 'request.sesion'", "did you mean 'request.session'?", id="has of a typo"),
        pytest.param("has(«session»)", "unknown name 'session'", "did you mean 'request.session'?", id="has without the group"),
        pytest.param("«has()»", "'has' asks for one fact", "as in has(request.session)", id="has of nothing"),
        pytest.param("«has(request.session, request.user)»", "'has' asks for one fact", "", id="has of two"),
        pytest.param("«has('request.session')»", "'has' asks for one fact", "", id="has of a string"),
        pytest.param("«has(vars.hard)»", "'has' asks for one fact", "", id="has of a var"),
        pytest.param("«has(lists.premium)»", "'has' asks for one fact", "", id="has of a list"),
        pytest.param("«request.tenant.has()»", "'has' is written differently", "write has(x)", id="has as method"),
        pytest.param("«request.tenant.size()» > 1", "'size' is written differently", "write size(x)", id="size as method"),
        pytest.param("«size()» > 1", "'size' needs one string or list", "", id="size of nothing"),
        pytest.param("«size('a', 'b')» > 1", "'size' needs one string or list", "", id="size of two"),
        pytest.param("«size(tokens.input)» > 1", "'size' needs one string or list", "", id="size of a number"),
        pytest.param("«startsWith(request.tenant, 'a')»", "'startsWith' is written differently", "write x.startsWith('...')", id="method as function"),
        pytest.param("«request.tenant.startsWith()»", "'startsWith' is asked of a string with one string", "as in features.language.startsWith('en')", id="no argument"),
        pytest.param("«request.tenant.endsWith('a', 'b')»", "'endsWith' is asked of a string with one string", "", id="two arguments"),
        pytest.param("«request.tenant.contains(5)»", "'contains' is asked of a string with one string", "", id="argument of another type"),
        pytest.param("«tokens.input.contains('5')»", "'contains' is asked of a string with one string", "", id="method of a number"),
        pytest.param("«lists.premium.contains('5')»", "'contains' is asked of a string with one string", "", id="method of a list"),
        pytest.param("«request.tenant.startswith('a')»", "unknown function 'startswith'", "did you mean 'startsWith'?", id="other spelling"),
        pytest.param("«request.tenant.lower()» == 'a'", "unknown function 'lower'", "known: contains, endsWith, has, matches, size, startsWith", id="unknown method"),
        pytest.param("«exists(request.tenant)»", "unknown function 'exists'", "", id="unknown function"),
        pytest.param("request.tenant.matches(«request.model»)", "'matches' needs a literal pattern", "", id="pattern of a fact"),
        pytest.param("request.tenant.matches(«'a' + 'b'»)", "'matches' needs a literal pattern", "", id="pattern of a sum"),
        pytest.param("request.tenant.matches(«'(a'»)", "the pattern is no RE2 regular expression: missing ): (a", "", id="bad pattern"),
        pytest.param(r"request.tenant.matches(«r'(a)\1'»)", r"the pattern is no RE2 regular expression: invalid escape sequence: \1", "", id="back reference"),
        pytest.param("request.tenant.matches(«'(?=a)'»)", "the pattern is no RE2 regular expression", "", id="look-ahead"),
        pytest.param("request.tenant.matches(«'((a{100}){100}){100}'»)", "the pattern is no RE2 regular expression", "", id="pattern too large"),
        pytest.param(r"request.tenant.matches(«r'(\pL{100}){2}'»)", "the pattern is no RE2 regular expression: pattern too large", "", id="pattern that RE2 alone would take"),
        # Ranges and enums
        pytest.param("features.gain > «70»", "70 is outside the range of features.gain (0..1); this is always false", "", id="above"),
        pytest.param("features.gain <= «1.01»", "1.01 is outside the range of features.gain (0..1); this is always true", "", id="above, true"),
        pytest.param("«-1» < tokens.input", "-1 is outside the range of tokens.input (from 0); this is always true", "", id="below, in front"),
        pytest.param("time.weekday != «0»", "0 is outside the range of time.weekday (1..7); this is always true", "", id="unequal"),
        pytest.param("«24» == time.hour", "24 is outside the range of time.hour (0..23); this is always false", "", id="equal, in front"),
        pytest.param("time.hour in [«24»]", "24 is outside the range of time.hour (0..23)", "", id="in a list"),
        pytest.param("has(request.max_cost_usd) && request.max_cost_usd < «-0.5»", "-0.5 is outside the range of request.max_cost_usd (from 0); this is always false", "", id="optional"),
        pytest.param("features.task == «'codee'»", "features.task is never 'codee'", "did you mean 'code'?", id="enum"),
        pytest.param("«'Code'» != features.task", "features.task is never 'Code'", "did you mean 'code'?", id="enum in front"),
        pytest.param("features.task in ['code', «'codde'»]", "features.task is never 'codde'", "did you mean 'code'?", id="enum in a list"),
        pytest.param("features.subject == «'zzz'»", "features.subject is never 'zzz'", "known: biology, business,", id="enum, nothing like it"),
    ],
)  # fmt: skip
def test_flaws(marked: str, message: str, help_: str) -> None:
    text, spans = unmarked(marked)
    found = flaws_of(text)

    assert [(flaw.start, flaw.end) for flaw in found] == spans
    assert all(message in flaw.message for flaw in found), found
    assert all(help_ in flaw.help for flaw in found), found


@pytest.mark.parametrize(
    ("marked", "messages"),
    [
        pytest.param(
            "«features.complexty» > 0.5 && features.gain > «2» && «request.session» == 'a' || !«tokens.input»",
            ["unknown fact", "always false", "may be absent", "needs a bool"],
            id="of all kinds",
        ),
        pytest.param("«feature.task» == «code»", ["unknown fact", "unknown name"], id="on both sides"),
        pytest.param("«request.session» == «request.user»", ["may be absent", "may be absent"], id="two guards"),
        pytest.param("«request.max_cost_usd» < «-1»", ["may be absent", "always false"], id="guard and range"),
        pytest.param("size(«request.session» + «code») > 1", ["may be absent", "unknown name"], id="in an argument"),
        pytest.param(
            "«foo(«bar()», «a.b»)»",
            ["unknown function 'foo'", "unknown function 'bar'", "unknown fact 'a.b'"],
            id="in arguments of one unknown",
        ),
        pytest.param("true ? «a.b» : «c.d»", ["unknown fact 'a.b'", "unknown fact 'c.d'"], id="in both values of a ternary"),
        pytest.param("«a.b» in ['x', «1»]", ["unknown fact", "the list mixes"], id="around in"),
        pytest.param("«[1] == [1]» && «'a' < 1»", ["lists are not compared", "compares a string"], id="in both operands"),
    ],
)
def test_all_flaws_of_an_expression_are_found_at_once(marked: str, messages: list[str]) -> None:
    text, spans = unmarked(marked)
    found = flaws_of(text)

    assert [(flaw.start, flaw.end) for flaw in found] == sorted(spans)
    assert len(found) == len(messages)
    by_start = sorted(found, key=lambda flaw: (flaw.start, -flaw.end))
    assert all(message in flaw.message for message, flaw in zip(messages, by_start, strict=True)), by_start


@pytest.mark.parametrize(
    "text",
    [
        "vars.broken",
        "!vars.broken && -vars.broken > 5",
        "vars.broken + 1 < 2.5 && 'a' + vars.broken == 'ab'",
        "vars.broken * 2.0 == 1 || vars.broken == 'a' || vars.broken == null",
        "vars.broken in ['a'] && 'a' in vars.broken && vars.broken in lists.sizes",
        "vars.broken % 2 == 1 && vars.broken / 2.0 > 0.5",
        "(vars.broken ? vars.broken : 1) > 0",
        "size(vars.broken) > 1 && vars.broken.startsWith('a') && 'a'.contains(vars.broken)",
        "vars.broken.matches('a')",
        "(request.stream ? vars.broken : 'a') == 'b'",
    ],
)
def test_what_uses_a_broken_var_is_not_wrong_for_that(text: str) -> None:
    assert flaws_of(text) == []


@pytest.mark.parametrize(
    "marked",
    [
        "«request.session» + 1 < 2.0",
        "!«features.x» && true",
        "-«a.b» * 2 / 3 > 1.5",
        "size(«a.b») > 1",
        "(true ? «a.b» : 'x') == 'x'",
        "(«a.b» ? 1 : 2) == 1",
        "«1 + 'a'» == 2",
        "(«1 + 'a'») + 'b' == 'x'",
        "«a.b».startsWith('x')",
        "«f(1)» > 2 && true",
        "(«true ? 1 : 'a'» ) == 1",
        "5 in [«tokens.input»]",
    ],
)
def test_one_mistake_is_reported_once(marked: str) -> None:
    text, spans = unmarked(marked)

    assert [(flaw.start, flaw.end) for flaw in flaws_of(text)] == spans


# Guards of optional facts

S, U = "request.session == 'a'", "request.user == 'b'"
HAS_S, HAS_U = "has(request.session)", "has(request.user)"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"{HAS_S} && {S}", id="and"),
        pytest.param(f"{HAS_S} && request.stream && {S}", id="and, later"),
        pytest.param(f"{HAS_S} && (request.stream || {S})", id="and, deeper"),
        pytest.param(f"!{HAS_S} || {S}", id="negated or"),
        pytest.param(f"request.stream || !{HAS_S} || {S}", id="negated or, later"),
        pytest.param(f"{HAS_S} ? {S} : true", id="ternary"),
        pytest.param(f"!{HAS_S} ? true : {S}", id="negated ternary"),
        pytest.param(f"({HAS_S} ? request.session : 'x') == 'a'", id="ternary as a default"),
        pytest.param(f"!!{HAS_S} && {S}", id="negated twice"),
        pytest.param(f"!(!{HAS_S}) && {S}", id="negated twice, in parentheses"),
        pytest.param(f"{HAS_S} && {HAS_U} && {S} && {U}", id="two facts"),
        pytest.param(f"({HAS_S} && {HAS_U}) && ({S} || {U})", id="nested ands"),
        pytest.param(f"!({HAS_S} && {HAS_U}) || {S} && {U}", id="negated and"),
        pytest.param(f"!(!{HAS_S} || !{HAS_U}) && {S} && {U}", id="negated or of negations"),
        pytest.param(f"!(request.stream || !{HAS_S}) && {S}", id="negated or with another"),
        pytest.param(f"({HAS_S} && request.stream || {HAS_S} && {HAS_U}) && {S}", id="asked on both sides of an or"),
        pytest.param(f"!(!{HAS_S} && !{HAS_S}) && {S}", id="negated and of the same"),
        pytest.param(f"{HAS_S} && ({HAS_U} ? {S} && {U} : {S})", id="ternary inside and"),
        pytest.param(f"({HAS_S} && {HAS_U}) ? {S} && {U} : true", id="and as condition"),
        pytest.param(f"(!{HAS_S} || !{HAS_U}) ? true : {S} && {U}", id="or of negations as condition"),
        pytest.param(f"{HAS_S} && size(request.session) > 1", id="in an argument"),
        pytest.param(f"{HAS_S} && request.session.startsWith('a')", id="as receiver"),
        pytest.param(f"{HAS_S} && request.session in lists.premium", id="in a list"),
        pytest.param("has(request.labels.data) && request.labels.data == 'x'", id="label"),
        pytest.param("has(request.labels['data']) && request.labels.data == 'x'", id="label asked in brackets"),
        pytest.param("has(request.labels.data) && request.labels['data'] == 'x'", id="label read in brackets"),
        pytest.param("has(tenant.labels['a b']) && tenant.labels['a b'] == 'x'", id="label with a blank"),
        pytest.param("has(request.max_total_tokens) && request.max_total_tokens / 2 > 5", id="number"),
    ],
)
def test_a_guarded_optional_fact_can_be_read(text: str) -> None:
    assert flaws_of(text, expected=BOOL) == []


@pytest.mark.parametrize(
    "marked",
    [
        pytest.param("«request.session» == 'a'", id="not at all"),
        pytest.param(f"«request.session» == 'a' && {HAS_S}", id="too late"),
        pytest.param(f"{HAS_S} || «request.session» == 'a'", id="or"),
        pytest.param(f"!{HAS_S} && «request.session» == 'a'", id="negated and"),
        pytest.param(f"{HAS_U} && «request.session» == 'a'", id="another fact"),
        pytest.param(f"{HAS_S} ? true : «request.session» == 'a'", id="wrong side of a ternary"),
        pytest.param(f"!{HAS_S} ? «request.session» == 'a' : true", id="wrong side of a negated ternary"),
        pytest.param(f"({HAS_S} || {HAS_U}) && «request.session» == 'a'", id="perhaps another"),
        pytest.param(f"({HAS_S} || request.stream) && «request.session» == 'a'", id="perhaps not"),
        pytest.param(f"!({HAS_S} && {HAS_U}) && «request.session» == 'a'", id="negated and, wrong side"),
        pytest.param(f"!(!{HAS_S} && !{HAS_U}) && «request.session» == 'a'", id="either of two"),
        pytest.param(f"({HAS_S} && true) || «request.session» == 'a'", id="or after and"),
        pytest.param(f"{HAS_S} && {S} || «request.session» == 'b'", id="beyond the end of the and"),
        pytest.param(f"({HAS_S} ? {S} : true) && «request.session» == 'b'", id="beyond the end of the ternary"),
        pytest.param(f"({HAS_S} && {S}) == («request.session» == 'b')", id="on the other side of a comparison"),
        pytest.param(f"({HAS_S}) == true && «request.session» == 'b'", id="a guard that is compared"),
        pytest.param("has(request.labels.data) && «request.labels.other» == 'x'", id="another label"),
        pytest.param("has(request.labels.data) && «tenant.labels.data» == 'x'", id="a label of another group"),
        pytest.param("«request.labels['a b']» == 'x'", id="label in brackets"),
        pytest.param("size(«request.user») > 1", id="in an argument"),
        pytest.param("«request.user».startsWith('a')", id="as receiver"),
        pytest.param("'a' + «request.user» == 'ab'", id="in a sum"),
    ],
)
def test_an_optional_fact_without_a_guard_is_a_flaw(marked: str) -> None:
    text, spans = unmarked(marked)
    [flaw] = flaws_of(text)

    assert [(flaw.start, flaw.end)] == spans
    assert "may be absent" in flaw.message
    assert flaw.help.startswith("ask for it first: has(")


@pytest.mark.parametrize("key", ["data", "data-class", "a b", "", "7", "größe", "in", 'say "a"', "it's", "back\\slash", "tab\tline\n"])
def test_the_help_of_a_missing_guard_can_be_pasted(key: str) -> None:
    """A key that is no identifier needs its brackets there, too: has(request.labels.data-class) is a subtraction."""
    read = f"request.labels[{json.dumps(key, ensure_ascii=False)}] == 'x'"
    [flaw] = flaws_of(read)
    guard = flaw.help.removeprefix("ask for it first: ").removesuffix(" && ...")

    assert flaws_of(f"{guard} && {read}") == []


def test_facts_that_an_earlier_condition_proved_need_no_guard() -> None:
    assert flaws_of(S, present=frozenset({"request.session"})) == []
    assert len(flaws_of(S, present=frozenset({"request.user"}))) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (HAS_S, {"request.session"}),
        (f"!{HAS_S}", set()),
        (f"!!{HAS_S}", {"request.session"}),
        (f"{HAS_S} && {HAS_U} && request.stream", {"request.session", "request.user"}),
        (f"{HAS_S} || {HAS_U}", set()),
        (f"{HAS_S} && {HAS_U} || {HAS_S}", {"request.session"}),
        (f"!(!{HAS_S} || !{HAS_U})", {"request.session", "request.user"}),
        ("has(request.labels['data-class'])", {"request.labels.data-class"}),
        ("request.stream", set()),
    ],
)
def test_what_a_condition_proves_is_what_the_next_one_may_rely_on(text: str, expected: set[str]) -> None:
    assert checked(text).when_true == expected


def test_a_has_that_is_asked_twice_is_no_flaw() -> None:
    assert flaws_of(f"{HAS_S} && {HAS_S}") == []


# What is said of ranges is true


def values_in_range(spec: FactSpec) -> list[float]:
    """Return values that the fact may have: all small whole numbers of the range, both ends, and for a double some between."""
    low = spec.about.low or 0.0
    high = low + 1000 if spec.about.high is None else spec.about.high
    whole = [float(value) for value in range(int(low), int(high) + 1)]
    between = [low + (high - low) * step / 97 for step in range(98)] if spec.type == DOUBLE else []
    return [*whole, *between, *([1e9] if spec.about.high is None else [])]


def range_claims() -> Iterator[tuple[FactSpec, str, float]]:
    for spec in FACTS.values():
        if spec.about.low is not None:
            outside = [spec.about.low - 1, spec.about.low - 0.5, -1e9]
            outside += [] if spec.about.high is None else [spec.about.high + 1, spec.about.high + 0.5, 1e9]
            yield from (
                (spec, symbol, literal) for symbol in OPERATORS for literal in (*outside, *(int(value) - 1 for value in outside[:1]))
            )


@pytest.mark.parametrize("flipped", [False, True], ids=["fact first", "literal first"])
def test_always_true_and_always_false_are_true(flipped: bool) -> None:
    """Every fact with a range, every comparison, literals around it: what the message claims holds for every value in the range."""
    claims = list(range_claims())
    for spec, symbol, literal in claims:
        guard = f"has({spec.name}) && " if spec.optional else ""
        compared = f"{literal!r} {symbol} {spec.name}" if flipped else f"{spec.name} {symbol} {literal!r}"
        compare = OPERATORS[symbol]
        results = {compare(literal, value) if flipped else compare(value, literal) for value in values_in_range(spec)}

        [flaw] = flaws_of(guard + compared)

        assert len(results) == 1, compared
        assert flaw.message.endswith(f"this is always {'true' if results == {True} else 'false'}"), compared
        assert f"the range of {spec.name} ({spec.range})" in flaw.message
    assert len(claims) > 300


@pytest.mark.parametrize("symbol", OPERATORS)
def test_a_literal_inside_the_range_is_no_flaw_and_neither_are_its_ends(symbol: str) -> None:
    for spec in FACTS.values():
        if spec.about.low is not None:
            high = spec.about.low + 7 if spec.about.high is None else spec.about.high
            guard = f"has({spec.name}) && " if spec.optional else ""
            for literal in (spec.about.low, (spec.about.low + high) / 2, high):
                assert flaws_of(f"{guard}{spec.name} {symbol} {literal!r}") == []


def test_a_list_with_one_item_out_of_range_is_not_called_always_false() -> None:
    """`time.hour in [12, 99]` is true at noon: only the item is useless."""
    [flaw] = flaws_of("time.hour in [12, 99]")

    assert "this is always false" not in flaw.message


def test_every_word_of_an_enum_is_accepted_and_its_other_cases_are_not() -> None:
    for spec in FACTS.values():
        for word in spec.choices:
            assert flaws_of(f"{spec.name} == '{word}' || {spec.name} in ['{word}']") == []
            assert len(flaws_of(f"{spec.name} == '{word.upper()}' || {spec.name} in ['{word.upper()}']")) == 2


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("-features.gain > -70.0", id="not the fact itself"),
        pytest.param("features.gain * 100.0 > 70.0", id="a product"),
        pytest.param("features.task + 'x' == 'codex'", id="a sum of strings"),
        pytest.param("features.task < 'm'", id="an enum in alphabetical order"),
        pytest.param("features.task.startsWith('co')", id="a part of an enum"),
        pytest.param("budget.spend_ratio > 1000.0", id="no upper end"),
        pytest.param("vars.share > 70.0", id="a var has no range"),
        pytest.param("request.tenant == 'nobody'", id="a string without choices"),
    ],
)
def test_nothing_is_said_of_what_has_no_known_range(text: str) -> None:
    assert flaws_of(text) == []


def test_a_chain_of_a_thousand_flawed_operands_reports_each() -> None:
    assert len(flaws_of("||".join(["1"] * 1300))) == 1300
