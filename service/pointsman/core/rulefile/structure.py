"""Holds a node against the structure it should have: every deviation as a problem with its place, in words for people."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence as Sequenced
from collections.abc import Set as AbstractSet
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from pointsman.core.diagnostics import Problem, Severity, did_you_mean
from pointsman.core.rulefile.documents import EXAMPLES, SECRET, Document
from pointsman.core.yamlnodes import Mapping, Node, Scalar, Sequence, find, key_of, plain

D = TypeVar("D", bound=Document)

_EXPECTED = {
    "string_type": "a string is expected",
    "int_type": "a whole number is expected",
    "float_type": "a number is expected",
    "bool_type": "true or false is expected",
    "list_type": "a list is expected",
    "dict_type": "a mapping is expected",
    "model_type": "a mapping is expected",
    "decimal_type": "an expression is expected",
    "model_attributes_type": "a mapping is expected",
    "too_short": "at least one entry is expected",
    "string_too_short": "an empty text is not allowed here",
}


def problem_at(node: Node, file: str, message: str, help_: str = "", *, severity: Severity = Severity.ERROR) -> Problem:
    """Return a problem that underlines a node's first line."""
    length = node.end_column - node.column if isinstance(node, Scalar) and node.line == node.end_line else 1
    return Problem(file=file, line=node.line, column=node.column, severity=severity, message=message, help=help_, length=max(1, length))


def check(document: type[Document], node: Node, file: str) -> list[Problem]:
    """Return every way in which the node is not such a document."""
    try:
        document.model_validate(plain(node))
    except ValidationError as error:
        # A union reports once for each of its members. One problem a place is enough, and best the one of the member whose type fits;
        # what is wrong within a mapping or list tells more than that a member of another type was possible in its place.
        found = sorted(error.errors(include_url=False), key=lambda details: details["type"] in _EXPECTED)
        at_fault = [find(node, details["loc"]) for details in found]
        around = _around(node, {id(place) for place in at_fault})
        problems: dict[tuple[int, int], Problem] = {}
        for details, place in zip(found, at_fault, strict=True):
            if details["type"] in _EXPECTED and id(place) in around:
                continue
            for problem in _problem(document, node, details, file):
                problems.setdefault((problem.line, problem.column), problem)
        return list(problems.values())
    return []


def _around(root: Node, wanted: AbstractSet[int]) -> set[int]:
    """Return the ids of the nodes that have a wanted one somewhere below them; one walk, for a file may be wrong in thousands of places."""
    found: set[int] = set()

    def holds(node: Node) -> bool:
        below = (
            ()
            if isinstance(node, Scalar)
            else node.items
            if isinstance(node, Sequence)
            else [entry.node for entry in node.entries.values()]
        )
        if sum(map(holds, below)):
            found.add(id(node))
        return id(node) in wanted or id(node) in found

    holds(root)
    return found


def salvage(document: type[D], node: Node) -> D | None:
    """Return the document without the parts that `check` complains of, or None where too much is missing.

    So one mistake does not hide those that only later stages can see.
    """
    values = plain(node)
    for _ in range(20):
        try:
            return document.model_validate(values)
        except ValidationError as error:
            removed = [_remove(values, details["loc"]) for details in error.errors(include_url=False)]
            if not any(removed):
                return None
    return None


def _remove(values: Any, path: Sequenced[str | int]) -> bool:
    """Delete the key of a mapping at the path, and return whether there was one."""
    parents: list[tuple[dict[str, Any], str]] = []
    for step in path:
        if isinstance(values, dict) and str(step) in values:
            parents.append((values, str(step)))
            values = values[str(step)]
        elif isinstance(values, list) and isinstance(step, int) and step < len(values):
            values = values[step]
    if not parents:
        return False
    del parents[-1][0][parents[-1][1]]
    return True


def _problem(document: type[Document], root: Node, details: ErrorDetails, file: str) -> Iterator[Problem]:
    path, kind = details["loc"], details["type"]
    node = (_key_above(root, path[:-1]) if path[-1:] == ("[key]",) else None) or find(root, path)
    if getattr(node, "broken", False):
        return  # whatever broke it has been reported
    if kind == "extra_forbidden":
        yield _unknown_key(document, root, path, file)
    elif kind == "missing":
        place = _key_above(root, path[:-1]) or node
        yield problem_at(place, file, f"'{path[-1]}' is missing")
    else:
        yield problem_at(node, file, *_sentence(details, node))


def _unknown_key(document: type[Document], root: Node, path: tuple[str | int, ...], file: str) -> Problem:
    name = str(path[-1])
    parent = find(root, path[:-1])
    assert isinstance(parent, Mapping)
    known = _fields(document, path[:-1])
    key, (begins, colon, rest) = key_of(parent, name), name.partition(":")
    if colon and rest and begins in known:
        return problem_at(key, file, f"no space after '{begins}:'", f"write '{begins}: ...'; without the space it is no key")
    return problem_at(key, file, f"unknown key '{name}'", did_you_mean(name, known))


def _key_above(root: Node, path: Sequenced[str | int]) -> Scalar | None:
    """Return the key under which the node at the path stands, or None for the root and for items of lists."""
    parent = find(root, path[:-1])
    if path and isinstance(parent, Mapping) and str(path[-1]) in parent.entries:
        return key_of(parent, str(path[-1]))
    return None


def _sentence(details: ErrorDetails, node: Node) -> tuple[str, str]:
    """Return what is wrong and what to do."""
    found = f", found {_shown(node)}"
    if details["type"] in _EXPECTED:
        return _EXPECTED[details["type"]] + ("" if details["type"].endswith("too_short") else found), ""
    context = details.get("ctx", {})
    if details["type"] == "literal_error":
        choices = str(context["expected"]).replace(" or ", ", ").replace("'", "").split(", ")
        return f"{_shown(node)} is not one of {', '.join(choices)}", did_you_mean(str(plain(node)), choices, all_known=False)
    if context.get("pattern") in SECRET:
        return "this is no SHA-256 of a key", EXAMPLES[context["pattern"]]
    if details["type"] == "string_pattern_mismatch":
        return f"{_shown(node)} is not allowed here", EXAMPLES.get(context["pattern"], f"it must match {context['pattern']}")
    message = details["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return f"{_shown(node)} {message}" if message.startswith("should") else f"{message}{found}", ""


def _shown(node: Node) -> str:
    if isinstance(node, Scalar):
        return f"'{node.text[:40]}'" if node.text else "nothing"
    return "a mapping" if isinstance(node, Mapping) else "a list"


def _fields(document: type[Document], path: Sequenced[str | int]) -> list[str]:
    """Return the keys that are known at the path."""
    models: list[type[BaseModel]] = [document]
    for step in path:
        fields = [model.model_fields[str(step)].annotation for model in models if str(step) in model.model_fields]
        models = [found for field in fields for found in _models(field)] or models
    return [name for model in models for name in model.model_fields]


def _models(annotation: Any) -> list[type[BaseModel]]:
    """Return the documents that an annotation speaks of: those of a list's items, a mapping's values, a union's members."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (list, dict, Union, UnionType, Annotated):
        return [model for argument in get_args(annotation) for model in _models(argument)]
    return []
