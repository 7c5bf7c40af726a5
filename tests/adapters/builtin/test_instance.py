"""JSON Schemas: what they are filled with, which are refused, and that what is filled in satisfies them."""

from __future__ import annotations

import json
import os
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.adapters.builtin.answers import answer

EXAMPLES = 1000 if "POINTSMAN_TEST_SOAK" in os.environ else 100
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


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.recursive(leaves, containers, max_leaves=12), st.sampled_from(["2+2", "hi", "1/4"]))
def test_what_is_filled_in_satisfies_the_schema(schema: dict[str, Any], ask: str) -> None:
    assert satisfies(json.loads(answer(ask, json_schema=json.dumps(schema))), schema)
