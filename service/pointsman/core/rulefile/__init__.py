"""Rule text to types: the one place where a rule directory becomes a Ruleset, or the list of all that is wrong with it.

    bytes -> YAML nodes with places (`yamlnodes`)
          -> structure (`structure`, `documents`)
          -> catalog (`catalog`), lists, vars and rules (`routes`), expressions (`expressions`)
          -> where there is no error, what is legal but hardly meant (`lints`)
          -> one compiled function for all conditions, and one for each, for explanations

No stage stops at the first problem, and none hides those of the next: a part that cannot be read is left out, and what would only be a
consequence of that is not reported.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import cast

from pointsman.core.catalog import Catalog
from pointsman.core.diagnostics import Problem, Severity, errors, helping, in_order
from pointsman.core.rulefile.catalog import CatalogReader
from pointsman.core.rulefile.compiled import ruleset as _ruleset
from pointsman.core.rulefile.documents import CasesDoc, Document, ModelsDoc, RoutingDoc, TenantsDoc
from pointsman.core.rulefile.lints import warnings
from pointsman.core.rulefile.routes import Drafts, RouteDraft, RoutesReader, Rules, is_shadow
from pointsman.core.rulefile.structure import check, problem_at
from pointsman.core.rulefile.tenant_lints import strangers
from pointsman.core.rulefile.tenants import TENANTS, TenantsReader
from pointsman.core.rulefile.trust import UNBOUND, Trust
from pointsman.core.ruleset import Ruleset
from pointsman.core.tenants import Tenants
from pointsman.core.yamlnodes import Node, Scalar, find, parse

MODELS = "models.yaml"
TESTS = "_test.yaml"

_DOCUMENTS: dict[str, type[Document]] = {MODELS: ModelsDoc, TENANTS: TenantsDoc}

_NO_RULES = frozenset({"kustomization.yaml"})


def is_rule_file(name: str) -> bool:
    """Return whether a file of a rule directory is one of rules: every *.yaml but kustomization.yaml and names that begin with a dot."""
    return name.endswith(".yaml") and name not in _NO_RULES and not name.startswith(".") and "/" not in name and "\0" not in name


def is_misnamed(name: str) -> bool:
    """Return whether a file looks like one of rules, but for the end of its name."""
    return name.endswith(".yml") and is_rule_file(f"{name.removesuffix('.yml')}.yaml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What a rule directory comes to."""

    ruleset: Ruleset | None
    """None where there is an error among the problems."""
    tenants: Tenants | None = None
    """None where there is no tenants.yaml, or an error among the problems."""
    problems: tuple[Problem, ...]
    """Sorted by place."""
    cases: Mapping[str, Node] = field(default_factory=dict)
    """The test files that could be read, by name."""


def load(sources: Mapping[str, bytes], *, today: str | None = None, trust: Trust = UNBOUND) -> Loaded:
    """Return the ruleset of a rule directory, given its files by name, with every problem in them.

    `today` is an ISO date; without it nothing is said of rules that expire. `trust` bounds which keys may go where. A misnamed file is not
    read, and that is said.
    """
    with helping():
        return _load(sources, today, trust)


def _load(sources: Mapping[str, bytes], today: str | None, trust: Trust) -> Loaded:
    problems = [_unread(name) for name in sources if is_misnamed(name)]
    sources = {name: text for name, text in sources.items() if not is_misnamed(name)}
    nodes = {name: node for name in sorted(sources) if (node := _node(name, sources[name], problems)) is not None}
    if MODELS not in sources:
        problems.append(_missing(MODELS, "the catalog is missing", f"write a {MODELS} with providers and models"))
    tenants = _tenants(nodes, sources, problems)
    drafts, catalog = _read(nodes, problems, trust)
    enforced = {name: node for name, node in nodes.items() if _document(name) is RoutingDoc and not is_shadow(node)}
    if len(nodes) == len(sources):
        _check_default(drafts.rules, enforced, problems)
    problems += _ties(drafts.rules.routes)
    if catalog is not None and not errors(problems):
        problems += warnings(drafts, catalog, nodes[MODELS], today)
        problems += strangers(drafts, tenants) if tenants else ()
    found = in_order(problems)
    cases = {name: node for name, node in nodes.items() if _document(name) is CasesDoc}
    usable = catalog is not None and not errors(found)
    ruleset = _compiled(drafts, catalog, _revision(sources)) if catalog is not None and usable else None
    return Loaded(ruleset=ruleset, tenants=tenants if ruleset else None, problems=found, cases=cases)


def _document(name: str) -> type[Document]:
    if name in _DOCUMENTS:
        return _DOCUMENTS[name]
    return CasesDoc if name.endswith(TESTS) else RoutingDoc


def _missing(file: str, message: str, help_: str) -> Problem:
    return Problem(file=file, line=1, column=1, severity=Severity.ERROR, message=message, help=help_)


def _unread(name: str) -> Problem:
    help_ = f"rename it to {name.removesuffix('.yml')}.yaml, or take it out of the rule directory"
    severity = Severity.ERROR if name == "tenants.yml" else Severity.WARNING  # without it, everybody could call
    return Problem(file=name, line=1, column=1, severity=severity, message="not read: rule files end in .yaml", help=help_)


def _node(name: str, text: bytes, problems: list[Problem]) -> Node | None:
    node, found = parse(text, file=name)
    problems += found
    if node is not None:
        problems += check(_document(name), node, name)
    return node


def _tenants(nodes: Mapping[str, Node], sources: Mapping[str, bytes], problems: list[Problem]) -> Tenants | None:
    if TENANTS not in nodes:
        return None
    tiers = CatalogReader(nodes[MODELS], MODELS, []).tiers if MODELS in nodes else ()
    return TenantsReader(nodes[TENANTS], tiers, problems).read(sources[TENANTS])


def _read(nodes: Mapping[str, Node], problems: list[Problem], trust: Trust) -> tuple[Drafts, Catalog | None]:
    if MODELS not in nodes:
        return Drafts(), None
    catalog = CatalogReader(nodes[MODELS], MODELS, problems, trust)
    read = catalog.read()
    routes = RoutesReader(catalog, problems)
    for name, node in nodes.items():
        if _document(name) is RoutingDoc:
            routes.read(node, name)
    return routes.drafts, read


def _check_default(rules: Rules, routing: Mapping[str, Node], problems: list[Problem]) -> None:
    """Note a missing default route, and routes behind one that takes every request."""
    if not routing:
        problems.append(_missing("routing.yaml", "there are no routes", "write a routing.yaml whose last route has no `when`"))
        return
    ordered = rules.in_order()
    open_routes = [route for route in ordered if route.takes_all]
    if not open_routes and len(rules.routes) == sum(len(getattr(find(node, ("routes",)), "items", ())) for node in routing.values()):
        last, node = list(routing.items())[-1]
        problems.append(problem_at(_key(node, "routes"), last, "the default route is missing", "the last route must have no `when`"))
    final = next((route for route in reversed(ordered) if route.doc.mode == "enforce"), None)
    problems += [_early_default(route) for route in open_routes if route is not final]


def _ties(routes: Iterable[RouteDraft]) -> Iterator[Problem]:
    """Yield routes of different files that have the same priority: the order of files is not something that people see."""
    first: dict[int, RouteDraft] = {}
    for route in routes:
        if route.doc.mode == "shadow":
            continue
        other = first.setdefault(route.doc.priority, route)
        if other.ref.file != route.ref.file:
            message = f"route '{route.ref.id}' has the same priority, {route.doc.priority}, as '{other.ref.id}' in {other.ref.file}"
            yield problem_at(route.place, route.ref.file, message, "give one of the two another priority; higher ones are looked at first")


def _early_default(route: RouteDraft) -> Problem:
    message = f"route '{route.ref.id}' has no `when`, so the routes behind it are never reached"
    return problem_at(route.place, route.ref.file, message, "give it a condition, or the lowest priority")


def _key(node: Node, name: str) -> Node:
    entries = getattr(node, "entries", {})
    return cast("Scalar", entries[name].key) if name in entries else node


def _revision(sources: Mapping[str, bytes]) -> str:
    """Return twelve hexadecimal digits over the catalog and the routes: names and contents, in order of name."""
    digest = hashlib.blake2b(digest_size=6)
    for name in sorted(sources):
        if _document(name) not in (CasesDoc, TenantsDoc):
            own = name.encode(errors="surrogatepass")  # a name need not be UTF-8
            digest.update(b"%d:%s%d:" % (len(own), own, len(sources[name])) + sources[name])
    return digest.hexdigest()


def _compiled(drafts: Drafts, catalog: Catalog, revision: str) -> Ruleset:
    asides = tuple(_ruleset(rules, drafts, catalog, revision) for rules in drafts.shadows.values())
    return replace(_ruleset(drafts.rules, drafts, catalog, revision), shadows=asides)


__all__ = ["MODELS", "TENANTS", "TESTS", "UNBOUND", "Loaded", "Trust", "is_misnamed", "is_rule_file", "load"]
