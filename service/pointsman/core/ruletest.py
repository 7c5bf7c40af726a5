"""Runs the tests that stand beside the rules: facts in, expected rule and model out, through the same `decide` that serves.

A test fixes the time, and may fix the predicted quality of models, so that neither the calendar nor a better estimator breaks it. Keys of
providers play no part: every model counts as callable.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from pointsman.core.decide import decide
from pointsman.core.decision import Decision, Explanation
from pointsman.core.diagnostics import Problem, did_you_mean
from pointsman.core.errors import NoEligibleModel
from pointsman.core.explain import explain
from pointsman.core.facts import FACTS, LABELS, BudgetFacts, Facts, FactSpec, FeatureFacts, RequestFacts, TenantFacts, TokenFacts
from pointsman.core.gather import ANONYMOUS, time_facts
from pointsman.core.market import Market, ModelState
from pointsman.core.money import nano_usd
from pointsman.core.quality import BASE_RATE
from pointsman.core.rulefile.documents import CaseDefaultsDoc, CaseDoc
from pointsman.core.rulefile.structure import problem_at, salvage
from pointsman.core.ruleset import Ruleset
from pointsman.core.yamlnodes import Mapping as MappingNode
from pointsman.core.yamlnodes import Node, Scalar, Sequence, find

Given = dict[str, Any]
"""Facts by full name, checked; "request.tags" beside them."""

TAGS = "request.tags"

_GROUPS = ("request", "features", "tokens", "tenant", "budget")
_COMPUTED = {"tokens.total": "it is computed from the others"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """What one test came to. No failures: it passed."""

    name: str
    file: str
    line: int
    failures: tuple[str, ...]
    explanation: Explanation | None
    """Why it came out so, for a test that failed."""


def run(ruleset: Ruleset, files: Mapping[str, Node]) -> tuple[list[CaseResult], list[Problem]]:
    """Return the results of all tests in the files, and what is wrong with the tests themselves; those with a problem do not run."""
    problems: list[Problem] = []
    results = [result for file, root in files.items() for result in _run_file(ruleset, file, root, problems)]
    return results, sorted(problems)


def _run_file(ruleset: Ruleset, file: str, root: Node, problems: list[Problem]) -> Iterator[CaseResult]:
    reader = _Reader(ruleset, file, problems)
    entries = root.entries if isinstance(root, MappingNode) else {}
    defaults = entries["defaults"].node if "defaults" in entries else None
    now = reader.now(defaults)
    base, base_quality = reader.given(defaults), reader.quality(defaults)
    tests = entries["tests"].node if "tests" in entries else None
    for item in tests.items if isinstance(tests, Sequence) else ():
        before = len(problems)
        doc = salvage(CaseDoc, item)
        given_node = item.entries["given"].node if isinstance(item, MappingNode) and "given" in item.entries else None
        given, quality = reader.given(given_node), reader.quality(given_node)
        if doc is None or not reader.expectations(item) or len(problems) > before:
            continue
        facts = _facts(base | given, now, ruleset, doc.name)
        market = Market(models={model: ModelState(quality=value) for model, value in (base_quality | quality).items()})
        yield _result(ruleset, doc, facts, market, file=file, line=item.line)


def _result(ruleset: Ruleset, doc: CaseDoc, facts: Facts, market: Market, *, file: str, line: int) -> CaseResult:
    outcome: Decision | NoEligibleModel
    try:
        outcome = decide(ruleset, facts, market)
    except NoEligibleModel as refused:
        outcome = refused
    failures = tuple(_failures(doc, outcome))
    explanation = explain(ruleset, facts, outcome) if failures else None
    return CaseResult(name=doc.name, file=file, line=line, failures=failures, explanation=explanation)


def _failures(doc: CaseDoc, outcome: Decision | NoEligibleModel) -> Iterator[str]:
    if isinstance(outcome, NoEligibleModel):
        yield f"expected a decision, but: {outcome}"
        return
    found = {"rule": outcome.rule.id, "model": outcome.chosen.model}
    for what, expected in (("rule", doc.expect.rule), ("model", doc.expect.model)):
        if expected and found[what] != expected:
            yield f"expected {what} {expected}, found {found[what]}"


class _Reader:
    """Reads what tests are given and expect; problems gather in `problems`."""

    def __init__(self, ruleset: Ruleset, file: str, problems: list[Problem]) -> None:
        self._ruleset = ruleset
        self._file = file
        self._problems = problems

    def _error(self, node: Node, message: str, help_: str = "") -> None:
        self._problems.append(problem_at(node, self._file, message, help_))

    def now(self, defaults: Node | None) -> datetime:
        """Return the time that the tests run at."""
        entries = defaults.entries if isinstance(defaults, MappingNode) else {}
        text = str(CaseDefaultsDoc.model_fields["now"].default)
        if "now" in entries and isinstance(entries["now"].node, Scalar):
            text = entries["now"].node.text
        try:
            moment = datetime.fromisoformat(text)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            self._error(entries["now"].node, f"'{text[:40]}' is no time", "as in 2026-12-01T10:00:00Z")
            return datetime(2026, 1, 1, tzinfo=UTC)

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
                found |= self._fact(f"{group}.{name}", entry.key, entry.node)
        return found

    def _fact(self, name: str, key: Scalar, node: Node) -> Given:
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

    def expectations(self, item: Node) -> bool:
        """Return whether the test expects something, and note rules and models that do not exist."""
        expect = find(item, ("expect",))
        entries = expect.entries if isinstance(expect, MappingNode) else {}
        known = {"rule": [route.ref.id for route in self._ruleset.routes], "model": list(self._ruleset.catalog.models)}
        named = {what: entries[what].node for what in known if what in entries}
        for what, node in named.items():
            if isinstance(node, Scalar) and node.text not in known[what]:
                self._error(node, f"there is no {what} '{node.text}'", did_you_mean(node.text, known[what]))
        if not named:
            self._error(item, "the test expects nothing", "add rule: or model: under expect")
        return bool(named)


def _misfit(spec: FactSpec, value: object) -> str:
    """Return what a value ought to be, or an empty string where it is that."""
    fits = {"bool": (bool,), "int": (int,), "double": (int, Decimal), "string": (str,)}[spec.type.name]
    if not isinstance(value, fits) or (isinstance(value, bool) and spec.type.name != "bool"):
        return spec.type.described
    if spec.choices and value not in spec.choices:
        return f"one of {', '.join(spec.choices)}"
    low, high = spec.about.low, spec.about.high
    number = value if isinstance(value, int | Decimal) else None
    if number is not None and ((low is not None and number < low) or (high is not None and number > high)):
        return f"in the range {spec.range}"
    return ""


def _facts(given: Given, now: datetime, ruleset: Ruleset, name: str) -> Facts:
    """Return the facts of a case; what is not given is what a plain request would have."""
    tokens: Given = {"input": 100, "output": 100, "output_p90": 200} | _group(given, "tokens")
    features: Given = {"complexity": BASE_RATE, "gain": 0.3, "confidence": 1.0} | _group(given, "features")
    request: Given = {"tenant": ANONYMOUS, "accuracy": ruleset.defaults.accuracy, "id": name} | _group(given, "request")
    if (limit := given.get("request.max_cost_usd")) is not None:
        request["max_cost"] = nano_usd(round(Decimal(limit), 9))
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
