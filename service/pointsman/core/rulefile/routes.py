"""Routing files -> constraints and routes, checked against the catalog and each other, ready to be compiled.

Files are read in order of name into one set: a file may use the lists and vars of those before it, and ids are unique over all. A file
that is wholly in shadow has constraints and routes of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pointsman.core.decision import RuleRef
from pointsman.core.diagnostics import Problem, Severity, did_you_mean
from pointsman.core.expr.codegen import Expression
from pointsman.core.expr.types import DOUBLE
from pointsman.core.rulefile.catalog import CatalogReader
from pointsman.core.rulefile.documents import ConstraintDoc, DefaultsDoc, RouteDoc, SelectDoc
from pointsman.core.rulefile.expressions import ExpressionReader, Written
from pointsman.core.rulefile.names import Names, NamesReader
from pointsman.core.rulefile.structure import problem_at, salvage
from pointsman.core.rulefile.terms import misfits
from pointsman.core.ruleset import Defaults
from pointsman.core.yamlnodes import Mapping, Node, Scalar, Sequence, find, key_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ConstraintDraft:
    """A constraint before its conditions are compiled."""

    ref: RuleRef
    conditions: list[Written]
    permitted: frozenset[str]
    item: Node
    """The whole of it, as written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteDraft:
    """A route before its conditions are compiled."""

    ref: RuleRef
    conditions: list[Written]
    doc: RouteDoc
    candidates: tuple[str, ...]
    weights: dict[str, float]
    fallbacks: tuple[str, ...]
    min_quality: Expression | None
    item: Node
    """The whole of it, as written."""
    unconditional: bool
    """It has no `when` at all; one whose conditions could not be read is not unconditional."""

    @property
    def place(self) -> Node:
        """Where it is reported."""
        return find(self.item, ("id",))

    @property
    def takes_all(self) -> bool:
        """Whether no request passes it by."""
        return self.unconditional and self.doc.mode == "enforce" and self.doc.rollout is None and self.doc.expires is None


@dataclass(slots=True)
class Rules:
    """Constraints and routes that are asked together."""

    constraints: list[ConstraintDraft] = field(default_factory=list)
    routes: list[RouteDraft] = field(default_factory=list)

    def in_order(self) -> list[RouteDraft]:
        """Return the routes as they are looked at: by priority, highest first, then as they stand in the files."""
        return sorted(self.routes, key=lambda route: -route.doc.priority)


@dataclass(slots=True)
class Drafts:
    """What all routing files come to."""

    defaults: Defaults = field(default_factory=Defaults)
    names: Names = field(default_factory=Names)
    rules: Rules = field(default_factory=Rules)
    shadows: dict[str, Rules] = field(default_factory=dict)
    """Of files that are wholly in shadow, by name."""


class RoutesReader:
    """Reads routing files one after the other; problems gather in `problems`."""

    def __init__(self, catalog: CatalogReader, problems: list[Problem]) -> None:
        self.drafts = Drafts()
        self._catalog = catalog
        self._problems = problems
        self._names = NamesReader(self.drafts.names, problems)
        self._ids: dict[str, RuleRef] = {}
        self._defaults_in = ""
        self._file = ""
        self._expressions = ExpressionReader("", problems)

    def read(self, root: Node, file: str) -> None:
        """Add what a file holds to the drafts."""
        self._file = file
        self._expressions = ExpressionReader(file, self._problems)
        self._names.read(root, file)
        self._defaults(root)
        rules = self.drafts.shadows.setdefault(file, Rules()) if is_shadow(root) else self.drafts.rules
        rules.constraints += [draft for item in _items(root, "constraints") if (draft := self._constraint(item))]
        rules.routes += [route for item in _items(root, "routes") if (route := self._route(item))]

    def _error(self, node: Node, message: str, help_: str = "") -> None:
        self._problems.append(problem_at(node, self._file, message, help_))

    def _defaults(self, root: Node) -> None:
        if not isinstance(root, Mapping) or "defaults" not in root.entries:
            return
        if is_shadow(root):
            self._error(
                key_of(root, "defaults"), "a file in shadow has no defaults", "they would change what is served; give them elsewhere"
            )
            return
        if self._defaults_in:
            self._error(key_of(root, "defaults"), "defaults are given twice", f"they stand in {self._defaults_in}, too; keep one")
        self._defaults_in = self._file
        if doc := salvage(DefaultsDoc, find(root, ("defaults",))):
            self.drafts.defaults = Defaults(accuracy=doc.accuracy, max_output=doc.max_output)

    def _constraint(self, item: Node) -> ConstraintDraft | None:
        conditions = self._conditions(item)
        doc = salvage(ConstraintDoc, item)
        if doc is None:
            return None
        ref = self._ref(item, doc.id, doc.why)
        if doc.allow is None and doc.deny is None:
            self._error(item, f"constraint '{doc.id}' narrows nothing", "add allow: or deny:")
        everything = frozenset(self._catalog.models)
        allowed = self._selected(doc.allow, item, "allow") if doc.allow else everything
        denied = self._selected(doc.deny, item, "deny") if doc.deny else frozenset()
        return ConstraintDraft(ref=ref, conditions=conditions, permitted=allowed - denied, item=item)

    def _route(self, item: Node) -> RouteDraft | None:
        conditions = self._conditions(item)
        doc = salvage(RouteDoc, item)
        if doc is None:
            return None
        for misfit in misfits(item, doc):
            self._problems.append(problem_at(misfit.node, self._file, misfit.message, misfit.help, severity=misfit.severity))
        candidates = self._models(item, "use", "candidates")
        return RouteDraft(
            ref=self._ref(item, doc.id, doc.why),
            conditions=conditions,
            doc=doc,
            candidates=candidates,
            weights=self._weights(doc.use.candidates) if isinstance(doc.use.candidates, dict) else {},
            fallbacks=self._models(item, "fallbacks"),
            min_quality=self._min_quality(item),
            item=item,
            unconditional=isinstance(item, Mapping) and "when" not in item.entries,
        )

    def _weights(self, candidates: dict[str, float]) -> dict[str, float]:
        """Return the weights by model; the models of an alias share its weight."""
        weights: dict[str, float] = {}
        for name, weight in candidates.items():
            models = self._catalog.expand(name)
            for model in models:
                weights[model] = weights.get(model, 0.0) + weight / len(models)
        return weights

    def _conditions(self, item: Node) -> list[Written]:
        has_when = isinstance(item, Mapping) and "when" in item.entries
        node = find(item, ("when",))
        if has_when and isinstance(node, Sequence) and not node.items:
            self._error(node, "the list of conditions is empty", "write a condition, or remove the key")
        return self._expressions.conditions(node, self._names.scope) if has_when else []

    def _ref(self, item: Node, rule_id: str, why: str) -> RuleRef:
        ref = RuleRef(id=rule_id, file=self._file, line=item.line, why=why)
        id_node = find(item, ("id",))
        if rule_id in self._ids:
            first = self._ids[rule_id]
            self._error(id_node, f"duplicate rule id '{rule_id}'", f"first used at {_place(first, self._file)}")
        elif not why:
            self._problems.append(
                problem_at(
                    id_node, self._file, f"rule '{rule_id}' has no why", "say in one sentence what it is for", severity=Severity.WARNING
                )
            )
        return self._ids.setdefault(rule_id, ref)

    def _models(self, item: Node, *path: str) -> tuple[str, ...]:
        """Return the ids that a list of ids and aliases stands for, each once."""
        if not isinstance(item, Mapping) or path[0] not in item.entries:
            return ()
        found: dict[str, None] = {}
        for node in named(find(item, path)):
            name = node.text if isinstance(node, Scalar) else ""
            models = self._catalog.expand(name)
            if not models and name not in self._catalog.aliases:
                known = (*self._catalog.models, *self._catalog.aliases)
                self._error(node, f"model '{name}' is not in the catalog", did_you_mean(name, known))
            found |= dict.fromkeys(models)
        return tuple(found)

    def _min_quality(self, item: Node) -> Expression | None:
        use = find(item, ("use",))
        if not isinstance(use, Mapping) or "min_quality" not in use.entries:
            return None
        node = use.entries["min_quality"].node
        written = self._expressions.expression(node, self._names.scope, expected=DOUBLE) if isinstance(node, Scalar) else None
        return written.expression if written else None

    def _selected(self, select: SelectDoc, item: Node, key: str) -> frozenset[str]:
        known = {
            "models": self._catalog.models,
            "tiers": self._catalog.tiers,
            "providers": self._catalog.providers,
            "tags": self._catalog.tags,
        }
        for field_name, names in known.items():
            for node in getattr(find(item, (key, field_name)), "items", ()) if getattr(select, field_name) else ():
                if isinstance(node, Scalar) and node.text not in names:
                    self._error(node, f"no model of the catalog has the {field_name[:-1]} '{node.text}'", did_you_mean(node.text, names))
        return self._catalog.select(models=select.models, tiers=select.tiers, providers=select.providers, tags=select.tags)


def _place(ref: RuleRef, file: str) -> str:
    return f"line {ref.line}" if ref.file == file else f"{ref.file}:{ref.line}"


def is_shadow(root: Node) -> bool:
    """Return whether a whole file is in shadow."""
    mode = root.entries["mode"].node if isinstance(root, Mapping) and "mode" in root.entries else None
    return isinstance(mode, Scalar) and mode.text == "shadow"


def named(node: Node) -> Iterator[Node]:
    """Yield the names in a list, or the keys of a mapping."""
    if isinstance(node, Mapping):
        yield from (entry.key for entry in node.entries.values())
    elif isinstance(node, Sequence):
        yield from node.items


def _items(root: Node, name: str) -> Iterable[Node]:
    section = root.entries[name].node if isinstance(root, Mapping) and name in root.entries else None
    return section.items if isinstance(section, Sequence) else ()
