"""The built-in responder: what it answers, what it leaves alone, and its promise: every ask has an answer, the same each time, and soon."""

from __future__ import annotations

import json
import time
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pointsman.adapters.builtin_answers import DIVIDES_BY_ZERO, answer, evaluate, summarize

MEGABYTE = 1_000_000
HARBOUR = (
    "The harbour opened in 1990. It serves ships from many ports. Ships pay the harbour a fee. Dr. Smith was happy. "
    "The harbour fee pays for the harbour pilots who guide ships. Birds sing."
)
FEE, PILOTS = "Ships pay the harbour a fee.", "The harbour fee pays for the harbour pilots who guide ships."


def is_echo(said: str) -> bool:
    return said.startswith("I am the built-in responder, not a language model.")


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        pytest.param("What is 17 * 23?", "391", id="question"),
        pytest.param("2+2?", "4", id="bare expression"),
        pytest.param("compute (3.5 - 1) / 2", "1.25", id="parentheses"),
        pytest.param("12 % 5", "2", id="remainder"),
        pytest.param("12 % (-5)", "-3", id="remainder has the sign of the divisor"),
        pytest.param("15% of 240", "36", id="percentage of"),
        pytest.param("What is 15 percent of 240?", "36", id="percentage in words"),
        pytest.param("10% + 5", "5.1", id="percentage alone is a hundredth"),
        pytest.param("2^10", "1024", id="caret"),
        pytest.param("2**10", "1024", id="two stars"),
        pytest.param("2**3**2", "512", id="powers group to the right"),
        pytest.param("-2**2", "-4", id="sign binds less than the power"),
        pytest.param("8^(1/3)", "2", id="cube root"),
        pytest.param("1.0001^1000", "1.1051653926", id="near one, to a high power"),
        pytest.param("sqrt(144)", "12", id="square root"),
        pytest.param("What is the square root of 2?", "1.41421356237", id="square root in words, twelve digits"),
        pytest.param("√144 \u00d7 2", "24", id="typographic root and times"),
        pytest.param("6 ÷ 4", "1.5", id="typographic division"),
        pytest.param("7 \u2212 10", "-3", id="typographic minus"),
        pytest.param("What is 5 plus 3 times 2", "11", id="operators in words"),
        pytest.param("3 x 4", "12", id="the letter x"),
        pytest.param("what's 1,000 + 5", "1005", id="thousands separator"),
        pytest.param("0.1 + 0.2", "0.3", id="decimals are exact"),
        pytest.param("12345678901234567890.5 - 12345678901234567890", "0.5", id="long decimals are exact"),
        pytest.param("1/3", "0.333333333333", id="twelve digits"),
        pytest.param("1/30000000000", "3.33333333333e-11", id="small"),
        pytest.param("10 ** 20.5", "3.16227766017e+20", id="large and rounded"),
        pytest.param("2^1000", str(2**1000), id="large and exact"),
        pytest.param("2 + 2 = ?", "4", id="equals sign"),
        pytest.param("What does 2+2 equal?", "4", id="equal in words"),
        pytest.param("Question: can you tell me what is 3 * 4, please?", "12", id="polite"),
        pytest.param("What is 2+2? Answer with just the number.", "4", id="how to answer"),
        pytest.param("1/0", DIVIDES_BY_ZERO, id="division by zero"),
        pytest.param("What is 5 % 0?", DIVIDES_BY_ZERO, id="remainder by zero"),
        pytest.param("0 ** -1", DIVIDES_BY_ZERO, id="negative power of zero"),
        pytest.param("0 ^ -0.5", DIVIDES_BY_ZERO, id="negative root of zero"),
        pytest.param("+".join("1" * 100), "100", id="long sums are not nested"),
    ],
)
def test_arithmetic_is_answered_with_its_value(ask: str, expected: str) -> None:
    assert answer(ask) == expected


@pytest.mark.parametrize(
    "ask",
    [
        "call me at 555-1234",
        "555-0134",
        "version 3.11-rc1",
        "the 2024-2025 season",
        "What is the 2024-2025 season?",
        "what is 2024-01-15?",
        "10.0.0.1",
        "in 1999",
        "1999",
        "What is 5?",
        "-5",
        "What is 2+2 and why?",
        "What is 2+2? And what is 3+3?",
        "what is 3+5!",
        "().__class__",
        "1 if 1 else 2",
        "what is __import__('os')?",
    ],
)
def test_text_with_numbers_is_no_arithmetic(ask: str) -> None:
    assert is_echo(answer(ask))


@pytest.mark.parametrize(
    "expression",
    [
        pytest.param("9**9**9", id="exponent"),
        pytest.param("10**999 * 10**999 * 10**999 * 10**999", id="bits of the result"),
        pytest.param("10 ** 90.5", id="size of a rounded power"),
        pytest.param("1e9999 + 1", id="exponent of a literal"),
        pytest.param("1+" * 100 + "1", id="length"),
        pytest.param("(" * 33 + "1+1" + ")" * 33, id="parentheses"),
        pytest.param("-" * 40 + "1", id="signs"),
        pytest.param("(-8)^(1/3)", id="not real"),
        pytest.param("sqrt(-1)", id="root not real"),
        pytest.param("sqrt", id="function without operand"),
        pytest.param("3(4)", id="call of a number"),
        pytest.param("", id="empty"),
        pytest.param("2\0+2", id="null character"),
        pytest.param("2+\n2", id="two lines"),
        pytest.param("0x10+1", id="hexadecimal"),
        pytest.param("1_000+1", id="underscore"),
    ],
)
def test_evaluate_returns_none_past_a_cap_and_for_what_is_no_expression(expression: str) -> None:
    assert evaluate(expression) is None


def joined(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(parts, st.sampled_from(["+", "-", "*", "//", "%", "/"]), parts).map(
        lambda drawn: f"({drawn[0]} {drawn[1]} ({drawn[2]}))"
    )


@settings(deadline=None)
@given(st.recursive(st.integers(-999, 999).map(str), joined, max_leaves=8))
def test_evaluate_agrees_with_python(expression: str) -> None:
    """Python computes the same text on Fractions; only the test may eval, and only what it drew itself."""
    exact = "".join(f"Fraction({part})" if part.isdigit() else part for part in spaced(expression))
    try:
        value = eval(exact, {"Fraction": Fraction})  # noqa: S307  # see above
    except ZeroDivisionError:
        assert evaluate(expression) == DIVIDES_BY_ZERO
        return

    said = evaluate(expression)
    assert said is not None
    if value == int(value):
        assert said == str(int(value))
    else:
        assert float(said) == pytest.approx(float(value), rel=1e-11)


def spaced(expression: str) -> list[str]:
    for mark in "()-+*/%":
        expression = expression.replace(mark, f" {mark} ")
    return expression.replace("/  /", "//").split()


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        pytest.param("Uppercase: hello", "HELLO", id="upper case"),
        pytest.param("Make 'hello world' uppercase", "HELLO WORLD", id="instruction around the text"),
        pytest.param("What is “abc” in upper case?", "ABC", id="typographic quotes"),
        pytest.param("Uppercase 'what is 2+2'", "WHAT IS 2+2", id="arithmetic in quotes is text"),
        pytest.param('lowercase this: "ABC"', "abc", id="lower case, colon and quotes"),
        pytest.param("Convert to title case: don't panic now", "Don't Panic Now", id="title case"),
        pytest.param("Reverse the word 'stressed'", "desserts", id="reverse"),
        pytest.param("Reverse the word 'don't'", "t'nod", id="apostrophe in quotes"),
        pytest.param("Reverse the words: a b c", "c b a", id="reverse words"),
        pytest.param("How many words are in: a b c", "3", id="count words"),
        pytest.param("Count the characters in 'abc d'", "5", id="count characters"),
        pytest.param("How many lines are in:\na\nb\n", "2", id="count lines"),
        pytest.param("Sort: pear, apple, Fig", "apple, Fig, pear", id="sort by comma"),
        pytest.param("Sort these numbers: 10, 9, 2.5, -3", "-3, 2.5, 9, 10", id="sort numbers by value"),
        pytest.param("Sort the lines:\nb c\na", "a\nb c", id="sort lines"),
        pytest.param("Sort descending: b a c", "c b a", id="sort downwards"),
        pytest.param("Remove duplicates: a, b, a", "a, b", id="dedupe by comma"),
        pytest.param("dedupe:\nx\ny\nx", "x\ny", id="dedupe lines"),
        pytest.param("First 3 words of: one two three four", "one two three", id="first words"),
        pytest.param("Give me the last two words of 'one two three'", "two three", id="last words, count in words"),
        pytest.param("last 9 words: a b", "a b", id="more words than there are"),
        pytest.param(
            "Extract the email addresses from: a@b.co, x.y+z@foo.example.org. And bad@", "a@b.co\nx.y+z@foo.example.org", id="emails"
        ),
        pytest.param("Extract URLs from: see https://a.b/c?d=e. (http://x.y/z)", "https://a.b/c?d=e\nhttp://x.y/z", id="urls"),
        pytest.param("Extract all numbers: 3.5 apples, -2, 1,000; 2024-2025", "3.5\n-2\n1,000\n2024\n2025", id="numbers"),
        pytest.param("Find the dates in: 2024-01-15, 3 March 2021, Jan 5, 2020", "2024-01-15\n3 March 2021\nJan 5, 2020", id="dates"),
        pytest.param("List the words: don't stop, me-now", "don't\nstop\nme-now", id="list words"),
        pytest.param("Extract emails from: none here", "Nothing found.", id="nothing to extract"),
    ],
)
def test_text_operations_work_on_what_is_quoted_or_follows_the_colon(ask: str, expected: str) -> None:
    assert answer(ask) == expected


@pytest.mark.parametrize("ask", ["What sort of animal is: a cat", "How do I reverse a list: ask", "Reverse:   ", "Uppercase http://x"])
def test_an_operation_that_is_only_mentioned_or_has_no_text_is_echoed(ask: str) -> None:
    assert is_echo(answer(ask))


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        pytest.param(f"Summarize: {HARBOUR}", f"The harbour opened in 1990. {FEE} {PILOTS}", id="three sentences unless asked otherwise"),
        pytest.param(f"Summarise in 2 sentences: {HARBOUR}", f"{FEE} {PILOTS}", id="as many as asked, in the order of the text"),
        pytest.param(f"Summarize this text in 2 sentences. {HARBOUR}", f"{FEE} {PILOTS}", id="text behind the verb"),
        pytest.param(f'Sum up "{HARBOUR}" in one sentence.', FEE, id="quoted"),
        pytest.param(f"Give me a one-sentence summary of: {HARBOUR}", FEE, id="the noun"),
        pytest.param(f"Shorten the text below. Use one sentence.\n\n{HARBOUR}", FEE, id="next paragraph"),
        pytest.param(f"{HARBOUR}\n\nTL;DR in a single sentence", FEE, id="asked below the text"),
    ],
)
def test_summary_keeps_the_sentences_whose_words_the_text_uses_most(ask: str, expected: str) -> None:
    assert answer(ask) == expected


def test_summarize_keeps_one_sentence_at_least_and_drops_repeated_ones() -> None:
    assert summarize("Ships sail. Ships sail. Ships sail.", 0) == "Ships sail."
    assert summarize("Ships sail. Ships sail.", 2) == "Ships sail."


def test_summarize_does_not_split_after_titles_initials_and_before_small_letters() -> None:
    assert summarize("Dr. J. Smith pays e.g. harbour fees. No.", 1) == "Dr. J. Smith pays e.g. harbour fees."


def test_a_subject_to_summarize_is_not_taken_for_a_text() -> None:
    assert is_echo(answer("Summarize the war"))


def test_echo_is_on_one_line_and_cut_at_the_end_of_a_word() -> None:
    said = answer("hello \n world " + "word " * 100)

    assert said.startswith('I am the built-in responder, not a language model. You asked: "hello world word')
    assert said.endswith(' word…"')
    assert len(said) < 320


@pytest.mark.parametrize("ask", ["", " \n\t"])
def test_an_empty_ask_is_called_empty(ask: str) -> None:
    assert answer(ask) == "I am the built-in responder, not a language model. The message was empty, so there is nothing to answer."


def test_the_system_text_changes_nothing() -> None:
    assert answer("2+2", system="Reverse: abc") == "4"


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        pytest.param("2+2", '{"answer": 4}', id="integer"),
        pytest.param("1/4", '{"answer": 0.25}', id="decimal"),
        pytest.param("Reverse: hé", '{"answer": "éh"}', id="text, not escaped"),
        pytest.param("2^100", f'{{"answer": "{2**100}"}}', id="digits that a reader of JSON would lose stay text"),
    ],
)
def test_json_wraps_the_answer(ask: str, expected: str) -> None:
    assert answer(ask, json=True) == expected


NODE = {"type": "object", "required": ["next"], "properties": {"next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}}}
TEXT, WHOLE = {"type": "string"}, {"type": "integer"}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        pytest.param(TEXT, "4", id="text"),
        pytest.param({"type": "object", "properties": {"n": WHOLE, "a": TEXT}, "required": ["n"]}, {"n": 0, "a": "4"}, id="first text"),
        pytest.param(
            {"properties": {"m": {"properties": {"s": TEXT}, "required": ["s"]}, "a": TEXT}, "required": ["m"]},
            {"m": {"s": ""}, "a": "4"},
            id="near first",
        ),
        pytest.param(
            {"type": "object", "properties": {"e": {"enum": ["x", "y"]}, "a": TEXT}, "required": ["e"]}, {"e": "x", "a": "4"}, id="enum"
        ),
        pytest.param({"type": "object", "properties": {"n": WHOLE}}, {"n": 4}, id="a number where no text has room for it"),
        pytest.param(
            {"type": "object", "properties": {"n": WHOLE | {"maximum": 3}}, "required": ["n"]}, {"n": 0}, id="not past its bounds"
        ),
        pytest.param(TEXT | {"minLength": 3}, "4..", id="minLength"),
        pytest.param(TEXT | {"maxLength": 0}, "", id="maxLength"),
        pytest.param({"type": "number", "minimum": 0.5, "maximum": 0.7}, 0.5, id="minimum"),
        pytest.param({"type": "integer", "maximum": -2.5}, -3, id="maximum"),
        pytest.param({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.5}, 0.25, id="open range"),
        pytest.param({"type": "array", "items": WHOLE, "minItems": 2}, [4, 0], id="minItems"),
        pytest.param({"type": "array", "items": TEXT}, [], id="no items unless asked"),
        pytest.param({"type": "boolean", "default": True}, True, id="default"),
        pytest.param({"const": {"a": None}}, {"a": None}, id="const"),
        pytest.param({"type": ["null", "string"]}, None, id="first of several types"),
        pytest.param({"oneOf": [{"type": "boolean"}, TEXT]}, False, id="first branch"),
        pytest.param({"$ref": "#/$defs/a~1b", "$defs": {"a/b": TEXT}}, "4", id="reference with an escape"),
        pytest.param(
            {"allOf": [{"properties": {"a": TEXT}}, {"properties": {"b": {}}, "required": ["b"]}]}, {"a": "4", "b": None}, id="allOf"
        ),
        pytest.param({"type": "object", "properties": {"no": False, "a": TEXT}}, {"a": "4"}, id="forbidden property"),
        pytest.param({}, None, id="anything"),
    ],
)
def test_a_schema_is_filled_with_the_answer_and_the_smallest_rest(schema: dict[str, Any], expected: object) -> None:
    assert json.loads(answer("2+2", json_schema=json.dumps(schema))) == expected


def test_a_node_that_refers_to_itself_or_null_comes_to_an_end() -> None:
    said = json.loads(answer("hi", json_schema=json.dumps({"$ref": "#/$defs/node", "$defs": {"node": NODE}})))

    while said is not None:
        assert list(said) == ["next"]
        said = said["next"]


DOUBLING = {f"d{i}": {"type": "array", "minItems": 2, "items": {"$ref": f"#/$defs/d{i + 1}"}} for i in range(30)} | {"d30": {}}


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        pytest.param("{secret", "not valid JSON", id="no JSON"),
        pytest.param('{"const": NaN}', "not valid JSON", id="not a number"),
        pytest.param("[" * 100_000, "not valid JSON", id="brackets"),
        pytest.param("[]", "neither an object nor `true`", id="no schema"),
        pytest.param("false", "neither an object nor `true`", id="nothing fits"),
        pytest.param('{"type": "secret"}', "a `type` that is none of object, array", id="unknown type"),
        pytest.param('{"type": "object", "properties": "secret"}', "a `properties` that is no object", id="wrong kind"),
        pytest.param('{"type": "integer", "minimum": "secret"}', "a bound that is not a number", id="wrong bound"),
        pytest.param('{"type": "integer", "minimum": 0.2, "maximum": 0.7}', "leave no number", id="no number between"),
        pytest.param('{"type": "string", "minLength": 3, "maxLength": 2}', "above its `maxLength`", id="no text between"),
        pytest.param('{"enum": []}', "without a choice", id="empty enum"),
        pytest.param('{"anyOf": []}', "no list of schemas", id="no branch"),
        pytest.param('{"$ref": "#/$defs/secret"}', "is not in it", id="missing reference"),
        pytest.param('{"$ref": "https://secret/"}', "is not in it", id="foreign reference"),
        pytest.param('{"$ref": "#"}', "references in a row", id="reference to itself"),
        pytest.param('{"type": "object", "required": ["a"], "properties": {"a": {"$ref": "#"}}}', "32 levels", id="endless"),
        pytest.param('{"type": "array", "minItems": 1000000000000}', "too large an answer", id="items without end"),
        pytest.param('{"type": "string", "minLength": 1000000000000}', "too large an answer", id="text without end"),
        pytest.param(json.dumps({"$ref": "#/$defs/d0", "$defs": DOUBLING}), "too large an answer", id="doubling"),
    ],
)
def test_a_bad_schema_is_refused_soon_with_a_reason_that_does_not_quote_it(schema: str, message: str) -> None:
    started = time.process_time()
    with pytest.raises(ValueError, match=message) as refusal:
        answer("hi", json_schema=schema)

    assert "secret" not in str(refusal.value)
    assert refusal.value.__cause__ is None
    assert time.process_time() - started < 1


leaves: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.builds(lambda low, room: {"type": "integer", "minimum": low, "maximum": low + room}, st.integers(-9, 9), st.integers(0, 9)),
    st.builds(lambda low, room: {"type": "number", "minimum": low, "maximum": low + room}, st.floats(-9, 9), st.floats(0, 9)),
    st.builds(lambda least, room: {"type": "string", "minLength": least, "maxLength": least + room}, st.integers(0, 9), st.integers(0, 9)),
    st.builds(lambda choices: {"enum": choices}, st.lists(st.text(max_size=2), min_size=1)),
    st.sampled_from([{"type": "boolean"}, {"type": "null"}, {"const": [1]}]),
)


def containers(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    names = st.sampled_from("abcd")
    return st.one_of(
        st.builds(
            lambda p, r: {"type": "object", "properties": p, "required": r}, st.dictionaries(names, inner), st.lists(names, unique=True)
        ),
        st.builds(lambda items, least: {"type": "array", "items": items, "minItems": least}, inner, st.integers(0, 3)),
        st.builds(lambda branches: {"anyOf": branches}, st.lists(inner, min_size=1, max_size=2)),
    )


def satisfies(value: Any, schema: dict[str, Any]) -> bool:
    """Tell whether the value is an instance, as far as the schemas drawn here go."""
    if "anyOf" in schema:
        return any(satisfies(value, branch) for branch in schema["anyOf"])
    if "type" not in schema:
        return value in schema.get("enum", [schema.get("const", value)])
    match schema["type"], value:
        case "object", dict():
            return set(schema["required"]) <= set(value) and all(
                satisfies(value[n], s) for n, s in schema["properties"].items() if n in value
            )
        case "array", list():
            return len(value) >= schema["minItems"] and all(satisfies(item, schema["items"]) for item in value)
        case "string", str():
            return bool(schema["minLength"] <= len(value) <= schema["maxLength"])
        case ("boolean", bool()) | ("null", None):
            return True
        case ("integer", int()) | ("number", int() | float()):
            return bool(schema["minimum"] <= value <= schema["maximum"])
    return False


@settings(deadline=None)
@given(st.recursive(leaves, containers, max_leaves=12), st.sampled_from(["2+2", "hi", "1/4"]))
def test_what_is_filled_in_satisfies_the_schema(schema: dict[str, Any], ask: str) -> None:
    assert satisfies(json.loads(answer(ask, json_schema=json.dumps(schema))), schema)


@settings(deadline=None)
@given(st.text(), st.sampled_from(["", "what is ", "Summarize ", "Extract the dates: ", "Sort: ", "Uppercase '"]), st.booleans())
def test_any_text_has_an_answer_and_always_the_same(text: str, lead: str, as_json: bool) -> None:
    said = answer(lead + text, json=as_json)

    assert said.strip()
    assert said == answer(lead + text, json=as_json)
    assert not as_json or list(json.loads(said)) == ["answer"]


@settings(deadline=None)
@given(st.text("0123456789.,+-*/%^() =?ex√", max_size=60))
def test_any_jumble_of_signs_has_an_answer(text: str) -> None:
    assert answer(text)


ANYWHERE = ["(", " ", "'", '"', "“", ":", ". ", "\n ", "a", "a ", "1+", "what is ", 'A." ']
LOOKALIKES = {
    "Extract the emails: ": ["a@", "a.", "a-", "a"],
    "Extract the urls: ": ["http://", ".", "www."],
    "Extract the dates: ": ["1 Jan ", "Jan 1, ", "1-", "1."],
    "Extract the numbers: ": ["1,111", "1,", "-", "1"],
    "List the words: ": ["a-", "a'"],
    "Sort: ": ["1,", "a "],
    "Title case: ": ["a ", "a"],
    "": ANYWHERE,
    "what is ": ANYWHERE,
    "Summarize ": ANYWHERE,
    'Reverse "': ANYWHERE,
}


@pytest.mark.parametrize(("lead", "unit"), [(lead, unit) for lead, units in LOOKALIKES.items() for unit in units])
def test_a_hostile_megabyte_is_answered_within_a_second(lead: str, unit: str) -> None:
    ask = lead + unit * (MEGABYTE // len(unit)) + "x"
    started = time.process_time()

    assert answer(ask)
    assert time.process_time() - started < 1


def test_a_megabyte_of_prose_is_summarized_within_a_second() -> None:
    text = " ".join(f"Ship {number} pays the harbour a fee of {number * 7} crowns." for number in range(22_000))
    started = time.process_time()

    assert len(text) > MEGABYTE
    assert summarize(text, 3).count("crowns.") == 3
    assert time.process_time() - started < 1
