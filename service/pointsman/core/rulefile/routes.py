"""Routing files -> lists, vars, constraints and routes, checked against the catalog and each other, ready to be compiled.

Files are read in order of name into one set: a file may use the lists and vars of those before it, and ids are unique over all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from pointsman.core.decision import RuleRef
from pointsman.core.diagnostics import Problem, Severity, did_you_mean
from pointsman.core.expr.checker import Scope
from pointsman.core.expr.codegen import Expression
from pointsman.core.expr.types import ANY, BOOL, DOUBLE, INT, STRING, Type, list_of
from pointsman.core.rulefile.catalog import CatalogReader
from pointsman.core.rulefile.documents import ConstraintDoc, DefaultsDoc, RouteDoc, SelectDoc
from pointsman.core.rulefile.expressions import ExpressionReader, Written, facts_in
from pointsman.core.rulefile.structure import problem_at, salvage
from pointsman.core.ruleset import Defaults
from pointsman.core.yamlnodes import Mapping, Node, Scalar, Sequence, find, key_of

_LITERALS: dict[type, Type] = {str: STRING, bool: BOOL, int: INT, float: DOUBLE}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConstraintDraft:
    """A constraint before its conditions are compiled."""

    ref: RuleRef
    conditions: list[Written]
    permitted: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteDraft:
    """A route before its conditions are compiled."""

    ref: RuleRef
    conditions: list[Written]
    doc: RouteDoc
    candidates: tuple[str, ...]
    fallbacks: tuple[str, ...]
    min_quality: Expression | None
    place: Node
    """Where it is reported."""
    unconditional: bool
    """It has no `when` at all; one whose conditions could not be read is not unconditional."""


@dataclass(slots=True)
class Drafts:
    """What all routing files come to."""

    defaults: Defaults = field(default_factory=Defaults)
    lists: dict[str, tuple[object, ...]] = field(default_factory=dict)
    vars: dict[str, Expression] = field(default_factory=dict)
    var_facts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    constraints: list[ConstraintDraft] = field(default_factory=list)
    routes: list[RouteDraft] = field(default_factory=list)

    def in_order(self) -> list[RouteDraft]:
        """Return the routes as they are looked at: by priority, highest first, then as they stand in the files."""
        return sorted(self.routes, key=lambda route: -route.doc.priority)


class RoutesReader:
    """Reads routing files one after the other; problems gather in `problems`."""

    def __init__(self, catalog: CatalogReader, problems: list[Problem]) -> None:
        self.drafts = Drafts()
        self._catalog = catalog
        self._problems = problems
        self._scope_vars: dict[str, Type] = {}
        self._scope_lists: dict[str, Type] = {}
        self._growths: dict[str, int] = {}
        self._ids: dict[str, RuleRef] = {}
        self._defaults_in = ""
        self._file = ""
        self._expressions = ExpressionReader("", problems)

    def read(self, root: Node, file: str) -> None:
        """Add what a file holds to the drafts."""
        self._file = file
        self._expressions = ExpressionReader(file, self._problems)
        for key, node in _section(root, "lists"):
            self._list(key, node)
        for key, node in _section(root, "vars"):
            self._var(key, node)
        self._defaults(root)
        for item in _items(root, "constraints"):
            self._constraint(item)
        for item in _items(root, "routes"):
            self._route(item)

    @property
    def _scope(self) -> Scope:
        return Scope(vars=self._scope_vars, lists=self._scope_lists, growths=self._growths)

    def _error(self, node: Node, message: str, help_: str = "") -> None:
        self._problems.append(problem_at(node, self._file, message, help_))

    def _defaults(self, root: Node) -> None:
        if not isinstance(root, Mapping) or "defaults" not in root.entries:
            return
        if self._defaults_in:
            self._error(key_of(root, "defaults"), "defaults are given twice", f"they stand in {self._defaults_in}, too; keep one")
        self._defaults_in = self._file
        if doc := salvage(DefaultsDoc, find(root, ("defaults",))):
            self.drafts.defaults = Defaults(accuracy=doc.accuracy, max_output=doc.max_output)

    # Lists and vars

    def _list(self, key: Scalar, node: Node) -> None:
        if self._taken(key, self._scope_lists, "list"):
            return
        values = tuple(self._literal(item) for item in getattr(node, "items", ()))
        types = [_LITERALS.get(type(value), ANY) for value in values]
        for item, found in zip(getattr(node, "items", ()), types, strict=True):
            if found == ANY:
                self._error(item, "a list holds strings, numbers or booleans")
            elif found != types[0] and types[0] != ANY:
                self._error(
                    item, f"the list mixes {types[0]} and {found}", "all items must be of one type; quote a text that looks like a number"
                )
        self._scope_lists[key.text] = list_of(types[0] if types else ANY)
        self.drafts.lists[key.text] = values

    def _literal(self, node: Node) -> object:
        value = node.value if isinstance(node, Scalar) else None
        return float(value) if isinstance(value, Decimal) else value

    def _var(self, key: Scalar, node: Node) -> None:
        if self._taken(key, self._scope_vars, "var") or not isinstance(node, Scalar):
            return
        written = self._expressions.expression(node, self._scope, expected=None)
        if written is None:
            self._scope_vars[key.text], self._growths[key.text] = ANY, 0  # poisoned: those who use it must not complain again
            return
        self._scope_vars[key.text] = written.expression.checked.type_of(written.expression.node)
        self.drafts.var_facts[key.text] = facts_in(written.expression, self.drafts.var_facts)
        self.drafts.vars[key.text] = written.expression
        self._growths[key.text] = written.expression.checked.growth

    def _taken(self, key: Scalar, known: dict[str, Type], kind: str) -> bool:
        if key.text in known:
            self._error(key, f"{kind} '{key.text}' is defined in an earlier file, too", "names are shared by all files; choose another")
        return key.text in known

    # Rules

    def _constraint(self, item: Node) -> None:
        conditions = self._conditions(item)
        doc = salvage(ConstraintDoc, item)
        if doc is None:
            return
        ref = self._ref(item, doc.id, doc.why)
        if doc.allow is None and doc.deny is None:
            self._error(item, f"constraint '{doc.id}' narrows nothing", "add allow: or deny:")
        everything = frozenset(self._catalog.models)
        allowed = self._selected(doc.allow, item, "allow") if doc.allow else everything
        denied = self._selected(doc.deny, item, "deny") if doc.deny else frozenset()
        self.drafts.constraints.append(ConstraintDraft(ref=ref, conditions=conditions, permitted=allowed - denied))

    def _route(self, item: Node) -> None:
        conditions = self._conditions(item)
        doc = salvage(RouteDoc, item)
        if doc is None:
            return
        draft = RouteDraft(
            ref=self._ref(item, doc.id, doc.why),
            conditions=conditions,
            doc=doc,
            candidates=self._models(item, "use", "candidates"),
            fallbacks=self._models(item, "fallbacks"),
            min_quality=self._min_quality(item),
            place=find(item, ("id",)),
            unconditional=isinstance(item, Mapping) and "when" not in item.entries,
        )
        self.drafts.routes.append(draft)

    def _conditions(self, item: Node) -> list[Written]:
        has_when = isinstance(item, Mapping) and "when" in item.entries
        node = find(item, ("when",))
        if has_when and isinstance(node, Sequence) and not node.items:
            self._error(node, "the list of conditions is empty", "write a condition, or remove the key")
        return self._expressions.conditions(node, self._scope) if has_when else []

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
        for node in getattr(find(item, path), "items", ()):
            name = node.text if isinstance(node, Scalar) else ""
            models = self._catalog.expand(name)
            if not models and name not in self._catalog.aliases:
                self._error(
                    node, f"model '{name}' is not in the catalog", did_you_mean(name, (*self._catalog.models, *self._catalog.aliases))
                )
            found |= dict.fromkeys(models)
        return tuple(found)

    def _min_quality(self, item: Node) -> Expression | None:
        use = find(item, ("use",))
        if not isinstance(use, Mapping) or "min_quality" not in use.entries:
            return None
        node = use.entries["min_quality"].node
        written = self._expressions.expression(node, self._scope, expected=DOUBLE) if isinstance(node, Scalar) else None
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


def _section(root: Node, name: str) -> Iterator[tuple[Scalar, Node]]:
    section = root.entries[name].node if isinstance(root, Mapping) and name in root.entries else None
    if isinstance(section, Mapping):
        yield from ((entry.key, entry.node) for entry in section.entries.values())


def _items(root: Node, name: str) -> Iterable[Node]:
    section = root.entries[name].node if isinstance(root, Mapping) and name in root.entries else None
    return section.items if isinstance(section, Sequence) else ()
