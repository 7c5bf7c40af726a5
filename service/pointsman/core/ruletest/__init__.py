"""Runs the tests that stand beside the rules: facts in, expected outcome out, through the same `decide` that serves.

A test fixes the time, and may fix the predicted quality of models, so that neither the calendar nor a better estimator breaks it. Keys of
providers play no part: every model counts as callable. With `matrix` every combination of values is tested, with `vary` many values of one
fact, of which a share must come out in a certain way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from math import prod

from pointsman.core.decide import Outcome, outcome_of
from pointsman.core.decision import Decision, Explanation
from pointsman.core.diagnostics import Problem, helping, in_order
from pointsman.core.explain import explain
from pointsman.core.facts import Facts
from pointsman.core.market import Market, ModelState
from pointsman.core.rulefile.documents import CaseDoc, ShareDoc
from pointsman.core.rulefile.structure import problem_at, salvage
from pointsman.core.ruleset import Ruleset
from pointsman.core.ruletest.coverage import Coverage, Point
from pointsman.core.ruletest.expected import failures, key_of_section, misfits
from pointsman.core.ruletest.given import Given, GivenReader, facts
from pointsman.core.yamlnodes import Mapping as MappingNode
from pointsman.core.yamlnodes import Node, Sequence

MIDYEAR = datetime(2026, 1, 1, 12, tzinfo=UTC)
"""When tests run that do not say."""

MOST_RUNS = 100_000
"""Of one test: more combinations are a mistake, and would hold up a reload."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """What one test came to. No failures: it passed."""

    name: str
    file: str
    line: int
    failures: tuple[str, ...]
    explanation: Explanation | None
    """Why it came out so, for a test that failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What all tests came to."""

    results: tuple[CaseResult, ...] = ()
    problems: tuple[Problem, ...]
    """What is wrong with the tests themselves; those with a problem do not run."""
    missed: tuple[Point, ...] = ()
    """What no test has shown."""
    covered: float = 0.0
    """Percent of what tests could show."""

    @property
    def failed(self) -> tuple[CaseResult, ...]:
        """The tests that failed."""
        return tuple(result for result in self.results if result.failures)


def run(ruleset: Ruleset, files: Mapping[str, Node]) -> Report:
    """Return what all tests in the files came to."""
    problems: list[Problem] = []
    coverage = Coverage(ruleset)
    with helping():
        results = tuple(result for file, root in files.items() for result in _File(ruleset, file, coverage, problems).run(root))
    return Report(results=results, problems=in_order(problems), missed=tuple(coverage.missed()), covered=coverage.percent)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """A test, read."""

    doc: CaseDoc
    line: int
    given: Given
    quality: dict[str, float]
    now: datetime
    combinations: list[Given]
    varied: tuple[str, int] | None


class _File:
    """Runs the tests of one file."""

    def __init__(self, ruleset: Ruleset, file: str, coverage: Coverage, problems: list[Problem]) -> None:
        self._ruleset = ruleset
        self._file = file
        self._coverage = coverage
        self._problems = problems
        self._reader = GivenReader(ruleset, file, problems)

    def run(self, root: Node) -> Iterator[CaseResult]:
        """Yield the results of the tests that can run."""
        defaults = _part(root, "defaults")
        now = self._reader.now(defaults) or MIDYEAR
        given, quality = self._reader.given(defaults), self._reader.quality(defaults)
        tests = _part(root, "tests")
        for item in tests.items if isinstance(tests, Sequence) else ():
            case = self._case(item, given, quality, now)
            if case is not None:
                yield self._result(case)

    def _case(self, item: Node, given: Given, quality: dict[str, float], now: datetime) -> _Case | None:
        """Return the test, or None where something is wrong with it."""
        before, reader, own = len(self._problems), self._reader, _part(item, "given")
        doc = salvage(CaseDoc, item)
        if doc is None:
            return None
        matrix, varied = reader.matrix(_part(item, "matrix")), reader.varied(_part(item, "vary"))
        runs = prod(map(len, matrix.values())) * (varied[1] if varied else 1)
        case = _Case(
            doc=doc,
            line=item.line,
            given=given | reader.given(own),
            quality=quality | reader.quality(own),
            now=reader.now(own) or now,
            combinations=[{} if not values else _merged(values) for values in product(*matrix.values())] if runs <= MOST_RUNS else [],
            varied=varied,
        )
        self._problems += misfits(item, doc, self._ruleset, self._file)
        if runs > MOST_RUNS:
            self._problems.append(
                problem_at(key_of_section(item, "matrix"), self._file, f"the test would run {runs} times", f"at most {MOST_RUNS}")
            )
        return case if len(self._problems) == before else None

    def _result(self, case: _Case) -> CaseResult:
        failed: list[str] = []
        explanation: Explanation | None = None
        for combination in case.combinations:
            outcomes = [(found, self._outcome(found, case)) for found in self._facts(case, combination)]
            told = _told(combination)
            for found, outcome in outcomes:
                self._coverage.look(found, outcome)
                wrong = [told + failure for failure in failures(case.doc.expect, outcome, self._ruleset, found)] if case.doc.expect else []
                if wrong and not failed:
                    explanation = explain(self._ruleset, found, outcome)
                failed += wrong
            if case.doc.expect_share is not None:
                failed += [told + failure for failure in _share(case.doc.expect_share, [outcome for _, outcome in outcomes])]
        return CaseResult(name=case.doc.name, file=self._file, line=case.line, failures=_few(failed), explanation=explanation)

    def _facts(self, case: _Case, combination: Given) -> Iterator[Facts]:
        given = case.given | combination
        if case.varied is None:
            yield facts(given, case.now, self._ruleset, case.doc.name)
            return
        name, count = case.varied
        for number in range(count):
            yield facts(given | {name: f"{case.doc.name}-{number}"}, case.now, self._ruleset, f"{case.doc.name}-{number}")

    def _outcome(self, found: Facts, case: _Case) -> Outcome:
        market = Market(models={model: ModelState(quality=value) for model, value in case.quality.items()})
        return outcome_of(self._ruleset, found, market)


MOST_TOLD = 5
"""Failures that are told of one test; a matrix may have thousands."""


def _few(failed: list[str]) -> tuple[str, ...]:
    more = [f"and {len(failed) - MOST_TOLD} more"] if len(failed) > MOST_TOLD else []
    return (*failed[:MOST_TOLD], *more)


def _share(expected: ShareDoc, outcomes: list[Outcome]) -> Iterator[str]:
    """Yield how the share of the runs that came out as expected is wrong."""
    hits = sum(
        isinstance(outcome, Decision)
        and (not expected.rule or outcome.rule.id == expected.rule)
        and (not expected.model or outcome.chosen.model == expected.model)
        for outcome in outcomes
    )
    least, most = expected.between
    if not least <= hits / len(outcomes) <= most:
        what = " and ".join(filter(None, (expected.rule and f"rule {expected.rule}", expected.model and f"model {expected.model}")))
        yield f"expected {what} in {least:g} to {most:g} of {len(outcomes)} runs, found it in {hits / len(outcomes):.4f}"


def _merged(values: tuple[Given, ...]) -> Given:
    return {name: value for one in values for name, value in one.items()}


def _told(combination: Given) -> str:
    return f"[{', '.join(f'{name}={value}' for name, value in combination.items())}] " if combination else ""


def _part(node: Node, name: str) -> Node | None:
    return node.entries[name].node if isinstance(node, MappingNode) and name in node.entries else None


__all__ = ["CaseResult", "Point", "Report", "run"]
