"""Rules that speak of tenants that tenants.yaml does not have: their conditions hold for nobody, and nothing else would say so."""

from __future__ import annotations

from collections.abc import Iterator

from pointsman.core.diagnostics import Problem, Severity, did_you_mean
from pointsman.core.expr.syntax import Binary, ListOf, Literal, Name, Node
from pointsman.core.rulefile.condition_lints import Text, walk
from pointsman.core.rulefile.expressions import Written
from pointsman.core.rulefile.names import Names
from pointsman.core.rulefile.routes import ConstraintDraft, Drafts, RouteDraft
from pointsman.core.rulefile.structure import problem_at
from pointsman.core.tenants import Tenants

_FACT = ("request", "tenant")


def strangers(drafts: Drafts, tenants: Tenants) -> Iterator[Problem]:
    """Yield where a rule, a var or a list compares the tenant with one that there is not."""
    for rules in (drafts.rules, *drafts.shadows.values()):
        every: list[ConstraintDraft | RouteDraft] = [*rules.constraints, *rules.routes]
        for rule in every:
            yield from _in(rule.conditions, rule.ref.file, drafts.names, tenants)
    for name, scalar in drafts.names.var_scalars.items():
        file, _ = drafts.names.places[f"vars.{name}"]
        yield from _in([Written(scalar, drafts.names.vars[name])], file, drafts.names, tenants)


def _in(conditions: list[Written], file: str, names: Names, tenants: Tenants) -> Iterator[Problem]:
    text = Text(file, conditions)
    for written in conditions:
        for node in walk(written.expression.node):
            if isinstance(node, Binary):
                yield from _of(node, text, names, tenants)


def _of(comparison: Binary, text: Text, names: Names, tenants: Tenants) -> Iterator[Problem]:
    sides = (comparison.left, comparison.right)
    if not any(isinstance(side, Name) and side.parts == _FACT for side in sides):
        return
    for side in sides:
        for literal in _literals(side):
            if literal.value not in tenants.by_id:
                yield text.warning(literal, *_told(str(literal.value), tenants))
        if isinstance(side, Name) and side.parts[0] == "lists":
            yield from _listed(side.parts[1], names, tenants)


def _literals(node: Node) -> tuple[Literal, ...]:
    items = node.items if isinstance(node, ListOf) else (node,)
    return tuple(item for item in items if isinstance(item, Literal))


def _listed(name: str, names: Names, tenants: Tenants) -> Iterator[Problem]:
    file, key = names.places[f"lists.{name}"]
    for value in names.lists.get(name, ()):
        if value not in tenants.by_id:
            message, help_ = _told(str(value), tenants)
            yield problem_at(key, file, f"list '{name}': {message}", help_, severity=Severity.WARNING)


def _told(name: str, tenants: Tenants) -> tuple[str, str]:
    return f"there is no tenant '{name[:60]}' in tenants.yaml", did_you_mean(name[:60], tenants.by_id)
