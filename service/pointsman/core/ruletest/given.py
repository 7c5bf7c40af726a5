"""What a test is given: facts by name, read and held against their declarations; what is not given is what a plain request would have."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from pointsman.core.diagnostics import Problem, did_you_mean
from pointsman.core.facts import FACTS, LABELS, BudgetFacts, Facts, FactSpec, FeatureFacts, RequestFacts, TenantFacts, TokenFacts
from pointsman.core.gather import time_facts
from pointsman.core.money import nearest_nano_usd
from pointsman.core.quality import BASE_RATE
from pointsman.core.rulefile.structure import problem_at
from pointsman.core.ruleset import Ruleset
from pointsman.core.tenants import NOBODY_TOLD_APART
from pointsman.core.yamlnodes import Mapping as MappingNode
from pointsman.core.yamlnodes import Node, Scalar, Sequence

Given = dict[str, Any]
"""Facts by full name, checked; "request.tags" beside them."""

TAGS = "request.tags"

LARGEST = (1 << 63) - 1
"""Number that a fact may have."""

_GROUPS = ("request", "features", "tokens", "tenant", "budget")
_COMPUTED = {"tokens.total": "it is computed from the others"}
_VARIED = ("request.session", "request.user", "request.tenant", "request.id")


class GivenReader:
    """Reads what the tests of one file are given; problems gather in `problems`."""

    def __init__(self, ruleset: Ruleset, file: str, problems: list[Problem]) -> None:
        self._ruleset = ruleset
        self._file = file
        self._problems = problems

    def _error(self, node: Node, message: str, help_: str = "") -> None:
        self._problems.append(problem_at(node, self._file, message, help_))

    def now(self, node: Node | None) -> datetime | None:
        """Return the time that is given, None where there is none."""
        found = node.entries["now"].node if isinstance(node, MappingNode) and "now" in node.entries else None
        if not isinstance(found, Scalar):
            return None
        try:
            moment = datetime.fromisoformat(found.text)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            self._error(found, f"'{found.text[:40]}' is no time", "as in 2026-12-01T10:00:00Z")
            return None

    def quality(self, node: Node | None) -> dict[str, float]:
        """Return the qualities that are fixed, by model."""
        section = node.entries["quality"].node if isinstance(node, MappingNode) and "quality" in node.entries else None
        found: dict[str, float] = {}
        for name, entry in section.entries.items() if isinstance(section, MappingNode) else ():
            if name not in self._ruleset.catalog.models:
                self._error(entry.key, f"model '{name}' is not in the catalog", did_you_mean(name, self._ruleset.catalog.models))
            elif isinstance(entry.node, Scalar) and isinstance(entry.node.value, int | Decimal):
                found[name] = float(entry.node.value)
        return found

    def given(self, node: Node | None) -> Given:
        """Return the facts that are given, by full name."""
        found: Given = {}
        for group in _GROUPS:
            section = node.entries[group].node if isinstance(node, MappingNode) and group in node.entries else None
            for name, entry in section.entries.items() if isinstance(section, MappingNode) else ():
                found |= self.fact(f"{group}.{name}", entry.key, entry.node)
        return found

    def matrix(self, node: Node | None) -> dict[str, list[Given]]:
        """Return the values that facts take, by name; every combination of them is tested."""
        return {
            name: [self.fact(name, entry.key, item) for item in getattr(entry.node, "items", ())]
            for name, entry in (node.entries.items() if isinstance(node, MappingNode) else ())
        }

    def varied(self, node: Node | None) -> tuple[str, int] | None:
        """Return the fact that takes many values, and how many; None where there is none."""
        for name, entry in node.entries.items() if isinstance(node, MappingNode) else ():
            count = getattr(entry.node, "value", None)
            if name not in _VARIED and not name.startswith("request.labels."):
                self._error(entry.key, f"'{name}' cannot be varied", f"one of {', '.join(_VARIED)} or request.labels.KEY")
            elif isinstance(count, int):
                return name, count
        return None

    def fact(self, name: str, key: Scalar, node: Node) -> Given:
        """Return the value of a fact under its full name; nothing where it is not one."""
        group, _, label = name.rpartition(".")
        if group in LABELS and label and isinstance(node, Scalar):
            return {name: node.text}
        if name in LABELS and isinstance(node, MappingNode):
            return {f"{name}.{label}": entry.node.text for label, entry in node.entries.items() if isinstance(entry.node, Scalar)}
        if name == TAGS and isinstance(node, Sequence):
            return {name: frozenset(item.text for item in node.items if isinstance(item, Scalar))}
        spec = FACTS.get(name)
        if spec is None or name in _COMPUTED:
            why = _COMPUTED.get(name) or did_you_mean(name, (*FACTS, *LABELS, TAGS))
            self._error(key, f"'{name}' cannot be given" if spec else f"unknown fact '{name}'", why)
            return {}
        value = node.value if isinstance(node, Scalar) else None
        if wrong := _misfit(spec, value):
            self._error(node, f"{name} must be {wrong}")
            return {}
        return {name: value}


def _misfit(spec: FactSpec, value: object) -> str:
    """Return what a value ought to be, or an empty string where it is that."""
    fits = {"bool": (bool,), "int": (int,), "double": (int, Decimal), "string": (str,)}[spec.type.name]
    if not isinstance(value, fits) or (isinstance(value, bool) and spec.type.name != "bool"):
        return spec.type.described
    if spec.choices and value not in spec.choices:
        return f"one of {', '.join(spec.choices)}"
    low, high = spec.about.low, spec.about.high
    number = value if isinstance(value, int | Decimal) else None
    if number is not None and not -LARGEST <= number <= LARGEST:
        return "a number that fits into 64 bits"
    if number is not None and ((low is not None and number < low) or (high is not None and number > high)):
        return f"in the range {spec.range}"
    return ""


def facts(given: Given, now: datetime, ruleset: Ruleset, name: str) -> Facts:
    """Return the facts of a case; what is not given is what a plain request would have."""
    tokens: Given = {"input": 100, "output": 100, "output_p90": 200} | _group(given, "tokens")
    features: Given = {"complexity": BASE_RATE, "gain": 0.3, "confidence": 1.0} | _group(given, "features")
    request: Given = {"tenant": NOBODY_TOLD_APART.id, "accuracy": ruleset.defaults.accuracy, "id": name} | _group(given, "request")
    if (limit := given.get("request.max_cost_usd")) is not None:
        request["max_cost"] = nearest_nano_usd(limit)
    total = tokens["input"] + min(tokens["output_p90"], tokens.get("output_max", tokens["output_p90"]))
    return Facts(
        request=RequestFacts(**request),
        features=FeatureFacts(**features),
        tokens=TokenFacts(**tokens, total=total),
        tenant=TenantFacts(**_group(given, "tenant")),
        budget=BudgetFacts(**_group(given, "budget")),
        time=time_facts(now),
    )


def _group(given: Given, group: str) -> dict[str, Any]:
    """Return the fields of one group, labels gathered in a map, numbers with a point as floats."""
    fields: dict[str, Any] = {}
    for name, value in given.items():
        own, _, field = name.partition(".")
        if own != group:
            continue
        if field.startswith("labels."):
            fields.setdefault("labels", {})[field.removeprefix("labels.")] = value
        else:
            fields[field] = float(value) if isinstance(value, Decimal) else value
    return fields
