"""Domain enums and words against the contract: the codec converts by number alone, so the two sides must not drift apart."""

from __future__ import annotations

import inspect
import re
from enum import IntEnum
from pathlib import Path
from typing import Any

import pytest

from pointsman.core import vocabulary
from pointsman.core.vocabulary import CAPABILITIES, SUBJECTS, TASKS
from pointsman.v1 import routing_pb2 as pb

PROTO = (Path(__file__).parents[2] / "protos/pointsman/v1/routing.proto").read_text()

ENUMS: list[type[IntEnum]] = [
    enum for _, enum in inspect.getmembers(vocabulary, inspect.isclass) if issubclass(enum, IntEnum) and enum is not IntEnum
]


def prefix(enum: type[IntEnum]) -> str:
    """Return what the wire puts before the names: DROP_REASON_ for DropReason."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", enum.__name__).upper() + "_"


def comment_on(field: str) -> str:
    """Return the comment lines above a field of the contract."""
    found = re.search(rf"((?:^\s*//.*\n)+)^.*\b{field} = \d+;", PROTO, re.MULTILINE)
    assert found is not None, field
    return found[1]


def test_there_are_enums_to_compare() -> None:
    assert {enum.__name__ for enum in ENUMS} == set(pb.DESCRIPTOR.enum_types_by_name)


@pytest.mark.parametrize("enum", ENUMS)
def test_an_enum_has_the_names_and_numbers_of_the_wire(enum: type[IntEnum]) -> None:
    """Where UNSPECIFIED says nothing that the house could use, the domain does without it."""
    wire: Any = pb.DESCRIPTOR.enum_types_by_name[enum.__name__]
    values = {value.name.removeprefix(prefix(enum)): value.number for value in wire.values}
    unspecified = {"UNSPECIFIED": 0}

    assert {member.name: member.value for member in enum} | unspecified == values


def test_capabilities_are_those_of_the_contract() -> None:
    assert re.findall(r'"(\w+)"', comment_on("capabilities")) == list(CAPABILITIES)


def test_tasks_are_those_of_the_contract() -> None:
    assert re.findall(r"\w+", comment_on("task").partition(":")[2]) == list(TASKS)


def test_subjects_of_the_contract_are_subjects() -> None:
    named = re.findall(r"\w+", comment_on("subject").partition(":")[2].replace(" and the like", "").replace(" and ", ","))

    assert {"math", "other", "unknown"} <= set(named) <= set(SUBJECTS)
