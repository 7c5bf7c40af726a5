"""Fills a JSON Schema: a small instance of it, with what is said in the first place that takes it."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import reduce
from json import dumps, loads
from math import ceil, floor, isfinite
from typing import Any, TypeVar

DEPTH_CAP = 32
FIRST_BRANCH_DEPTH = 6
WORK_CAP = 400_000  # characters and keywords of one instance; a few lines of schema can ask for billions


def as_number(text: str, otherwise: object) -> object:
    """Return the number that the text is, where every JSON reader holds it exactly enough; else the other value."""
    if not re.fullmatch(r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,12})?", text):
        return otherwise
    return float(text) if "." in text else int(text)


def instance(json_schema: str, said: str) -> object:
    """Return a small instance of the schema, with the answer in its first text or, failing that, as a number in its first number."""
    try:
        root = loads(json_schema, parse_float=_finite, parse_constant=_finite)
    except (ValueError, RecursionError):
        raise ValueError("json_schema is not valid JSON; give a JSON Schema as JSON text, such as an object with a `type`.") from None
    try:
        filling = _Filling(root, said)
        filled = filling.fill(root)
        return filled if filling.placed else _Filling(root, as_number(said, None)).fill(root)
    except (OverflowError, RecursionError):
        raise ValueError("json_schema has a bound too large for a number, or nests too deeply; simplify it.") from None


def _finite(text: str) -> float:
    if isfinite(number := float(text)):
        return number
    raise ValueError("not a finite number")


_Schema = dict[str, Any]
_T = TypeVar("_T")
_ABSENT = object()


class _Filling:
    """One instance in the making; `placed` tells whether what is said has found a place of its type."""

    def __init__(self, root: object, said: object) -> None:
        self._root, self._said, self._left = root, said, WORK_CAP
        self.placed = False

    def fill(self, schema: object, depth: int = 0) -> object:
        if depth > DEPTH_CAP:
            raise ValueError(f"json_schema nests more than {DEPTH_CAP} levels deep; does a required property contain its own parent?")
        known = self._resolved(schema, depth)
        given = _given(known)
        if given is _ABSENT or self._takes(known):
            return _MAKERS[_kind(known)](self, known, depth + 1)
        self._spend(len(dumps(given)))
        return given

    def fill_object(self, schema: _Schema, depth: int) -> _Schema:
        """Return the required properties and the one that takes what is said, which is filled before any below it can."""
        properties, required = _read(schema, "properties", dict, {}), [str(name) for name in _read(schema, "required", list, [])]
        taker = next((name for name, each in properties.items() if each is not False and self._takes(self._resolved(each, depth))), None)
        wanted = {*required, taker}
        names = [name for name in properties | dict.fromkeys(required) if name in wanted]
        filled = {name: self.fill(properties.get(name, True), depth) for name in sorted(names, key=lambda name: name != taker)}
        return {name: filled[name] for name in names}

    def fill_array(self, schema: _Schema, depth: int) -> list[object]:
        return [self.fill(schema.get("items", True), depth) for _ in range(_read(schema, "minItems", int, 0))]

    def fill_string(self, schema: _Schema, _depth: int) -> str:
        least = _read(schema, "minLength", int, 0)
        most = _read(schema, "maxLength", int, max(least, WORK_CAP))
        if least > most:
            raise ValueError("json_schema has a `minLength` above its `maxLength`; no text is both.")
        self._spend(max(least, 0))
        takes = self._takes(schema)
        self.placed |= takes
        return (str(self._said) if takes else "")[: max(most, 0)].ljust(least, ".")

    def fill_number(self, schema: _Schema, _depth: int) -> float:
        said = [self._said] if isinstance(self._said, int | float) and self._takes(schema) else []
        fitting = _fitting_numbers(schema, said)
        if not fitting:
            raise ValueError("json_schema has bounds that leave no number between them.")
        self.placed |= fitting[0] in said
        return fitting[0]

    def _takes(self, known: _Schema) -> bool:
        fixed = self.placed or "const" in known or "enum" in known
        return not fixed and _kind(known) in _PLACES.get(type(self._said), ())

    def _resolved(self, schema: object, depth: int) -> _Schema:
        """Return the schema with its references followed and its branches merged in, so that only plain keywords are left."""
        for _ in range(DEPTH_CAP):
            known = _keywords(schema)
            self._spend(8 + sum(len(value) for value in known.values() if isinstance(value, dict | list | str)))
            key = next((key for key in ("$ref", "allOf", "anyOf", "oneOf") if key in known), None)
            if key is None:
                return known
            rest = {name: known[name] for name in known if name != key}
            schema = reduce(_merged, map(_keywords, self._branches(key, known[key], depth)), rest)
        raise ValueError(f"json_schema has more than {DEPTH_CAP} references in a row; does a `$ref` lead back to itself?")

    def _branches(self, key: str, value: object, depth: int) -> list[object]:
        if key == "$ref":
            return [self._referred(value)]
        if not isinstance(value, list) or not value:
            raise ValueError(f"json_schema has an `{key}` that is no list of schemas.")
        # A node whose `next` is a node or null ends only if the last branch is taken at some depth.
        return value if key == "allOf" else value[:1] if depth < FIRST_BRANCH_DEPTH else value[-1:]

    def _referred(self, reference: object) -> object:
        target = self._root
        first, *steps = str(reference).split("/")
        for step in steps:
            target = target.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(target, dict) else None
        if first != "#" or target is None:
            raise ValueError("json_schema has a `$ref` to something that is not in it; write `#/$defs/<name>`.")
        return target

    def _spend(self, amount: int) -> None:
        self._left -= amount
        if self._left < 0:
            raise ValueError("json_schema asks for too large an answer; lower its `minItems` and `minLength`, or nest less.")


def _read(schema: _Schema, key: str, kind: type[_T], otherwise: _T) -> _T:
    value = schema.get(key, otherwise)
    if isinstance(value, kind):
        return value
    raise ValueError(f"json_schema has a `{key}` that is no {_JSON_NAMES[kind]}.")


def _keywords(schema: object) -> _Schema:
    if schema is True:
        return {}
    if isinstance(schema, dict):
        return schema
    raise ValueError("json_schema has something that is neither an object nor `true` in the place of a schema; nothing fits it.")


def _merged(outer: _Schema, inner: _Schema) -> _Schema:
    """Return what holds where both do: a keyword replaces its like, save for the two that add up."""
    properties = _read(outer, "properties", dict, {}) | _read(inner, "properties", dict, {})
    required = _read(outer, "required", list, []) + _read(inner, "required", list, [])
    return outer | inner | ({"properties": properties} if properties else {}) | ({"required": required} if required else {})


def _given(schema: _Schema) -> object:
    """Return the value that the schema itself writes down, or _ABSENT."""
    if "const" in schema:
        return schema["const"]
    if "enum" not in schema:
        return schema.get("default", _ABSENT)
    if choices := _read(schema, "enum", list, []):
        return choices[0]
    raise ValueError("json_schema has an `enum` without a choice.")


def _kind(schema: _Schema) -> str:
    named = schema.get("type") or ("object" if "properties" in schema else "null")
    kind = named[0] if isinstance(named, list) else named
    if isinstance(kind, str) and kind in _MAKERS:
        return kind
    raise ValueError(f"json_schema has a `type` that is none of {', '.join(_MAKERS)}.")


def _fitting_numbers(schema: _Schema, first: list[float]) -> list[float]:
    """Return the numbers within the bounds among those given first, 0, the bounds, the whole ones next to them, and the middle."""
    low, high, above, below = bounds = [schema.get(key, far) for key, far in _FAR_BOUNDS.items()]
    if not all(isinstance(bound, int | float) for bound in bounds):
        raise ValueError("json_schema has a bound that is not a number.")
    tried = [*first, 0, ceil(low), floor(high), floor(above) + 1, ceil(below) - 1]
    if _kind(schema) == "number":
        tried += [low, high, above + (below - above) / 2]
    return [number for number in tried if low <= number <= high and above < number < below]


_FAR_BOUNDS = {"minimum": -1e308, "maximum": 1e308, "exclusiveMinimum": -1e308, "exclusiveMaximum": 1e308}
_JSON_NAMES: dict[type, str] = {int: "whole number", dict: "object", list: "array"}
_PLACES: dict[type, tuple[str, ...]] = {str: ("string",), int: ("integer", "number"), float: ("number",)}
_MAKERS: dict[str, Callable[[_Filling, _Schema, int], object]] = {
    "object": _Filling.fill_object,
    "array": _Filling.fill_array,
    "string": _Filling.fill_string,
    "number": _Filling.fill_number,
    "integer": _Filling.fill_number,
    "boolean": lambda *_: False,
    "null": lambda *_: None,
}
