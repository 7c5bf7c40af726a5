"""What the tests of rules have seen: which routes decided, which constraints fired, which conditions were true and which false."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from pointsman.core.decision import Decision, RuleRef
from pointsman.core.errors import NoEligibleModel
from pointsman.core.facts import Facts
from pointsman.core.ruleset import Condition, Route, Ruleset


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Something that tests ought to bring about."""

    file: str
    line: int
    what: str
    """In words, as "route 'default' decides"."""


@dataclass(slots=True)
class Coverage:
    """Gathers what is seen."""

    ruleset: Ruleset
    _seen: set[tuple[str, str, int]] = field(default_factory=set)

    def look(self, facts: Facts, outcome: Decision | NoEligibleModel) -> None:
        """Take down what one run has shown."""
        decided_by = outcome.rule.id if isinstance(outcome, Decision) else outcome.rule
        self._seen.add(("decides", decided_by, 0))
        self._seen |= {("decides", shadow.rule.id, 0) for shadow in outcome.shadows}
        for constraint in self.ruleset.constraints:
            if self._conditions(constraint.ref.id, constraint.conditions, facts):
                self._seen.add(("decides", constraint.ref.id, 0))
        for route in self.ruleset.routes:
            self._conditions(route.ref.id, route.conditions, facts)
            if route.ref.id == decided_by:
                break
        for aside in self.ruleset.shadows:
            for constraint in aside.constraints:
                self._conditions(constraint.ref.id, constraint.conditions, facts)
            for route in aside.routes:
                self._conditions(route.ref.id, route.conditions, facts)

    def _conditions(self, rule: str, conditions: tuple[Condition, ...], facts: Facts) -> bool:
        """Note the conditions up to the first that does not hold; return whether all hold."""
        for index, condition in enumerate(conditions):
            held = condition.holds(facts)
            self._seen.add(("true" if held else "false", rule, index))
            if not held:
                return False
        return True

    def points(self) -> Iterator[tuple[Point, bool]]:
        """Yield all there is to be seen, and whether it was."""
        rules = self.ruleset
        for constraint in rules.constraints:
            yield from self._points(constraint.ref, f"constraint '{constraint.ref.id}' fires", constraint.conditions)
        for route in (*rules.routes, *(route for aside in rules.shadows for route in aside.routes)):
            yield from self._points(route.ref, _decides(route), route.conditions)

    def _points(self, ref: RuleRef, what: str, conditions: tuple[Condition, ...]) -> Iterator[tuple[Point, bool]]:
        yield Point(file=ref.file, line=ref.line, what=what), ("decides", ref.id, 0) in self._seen
        for index, condition in enumerate(conditions):
            for value in ("true", "false"):
                told = Point(file=ref.file, line=condition.line, what=f"'{condition.text}' is {value}")
                yield told, (value, ref.id, index) in self._seen

    def missed(self) -> list[Point]:
        """Return what no test has shown, in the order of the rules."""
        return [point for point, seen in self.points() if not seen]

    @property
    def percent(self) -> float:
        """Share of all points that were seen, in percent; 100 where there is nothing to see."""
        seen = [seen for _, seen in self.points()]
        return 100.0 * sum(seen) / len(seen) if seen else 100.0


def _decides(route: Route) -> str:
    return f"shadow route '{route.ref.id}' matches" if route.shadow else f"route '{route.ref.id}' decides"
