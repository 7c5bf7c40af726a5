"""What is legal but hardly meant: routes that are never reached, candidates that can never serve, names that nobody uses.

A warning is only given where it is certain. What cannot be understood is passed over: a false alarm costs more than a missed one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from math import ceil

from pointsman.core.catalog import Catalog, Model
from pointsman.core.diagnostics import Problem, Severity
from pointsman.core.expr.syntax import Literal, Name, Node, names
from pointsman.core.quality import quality
from pointsman.core.rulefile.atoms import Region, atoms, implied, literal, region
from pointsman.core.rulefile.condition_lints import of_conditions
from pointsman.core.rulefile.expressions import Written, conjunction
from pointsman.core.rulefile.names import Names
from pointsman.core.rulefile.routes import ConstraintDraft, Drafts, RouteDraft, Rules, named
from pointsman.core.rulefile.structure import problem_at
from pointsman.core.rulefile.values import Values
from pointsman.core.textclass import TEXT_CLASSES
from pointsman.core.tokenisers import factor
from pointsman.core.vocabulary import TASKS
from pointsman.core.yamlnodes import Mapping, Scalar, find, key_of
from pointsman.core.yamlnodes import Node as YamlNode

_SOON = timedelta(days=14)
_FAR = timedelta(days=2 * 366)


def warnings(drafts: Drafts, catalog: Catalog, models: YamlNode, today: str | None = None) -> Iterator[Problem]:
    """Yield what is odd about rules that have no error. `models` is the catalog as written, `today` an ISO date."""
    every = [drafts.rules, *drafts.shadows.values()]
    for rules in every:
        yield from _of_rules(rules, drafts.names, catalog)
        if today is not None:
            yield from _expiry(rules.routes, date.fromisoformat(today))
    for name, scalar in drafts.names.var_scalars.items():
        if isinstance(drafts.names.vars[name].node, Literal):
            continue  # a switch, or a number with a name
        file, _ = drafts.names.places[f"vars.{name}"]
        yield from of_conditions([Written(scalar, drafts.names.vars[name])], file, drafts.names)
    yield from _unused_names(every, drafts.names)
    yield from _unused_models(every, catalog, models)


def _warning(node: YamlNode, file: str, message: str, help_: str) -> Problem:
    return problem_at(node, file, message, help_, severity=Severity.WARNING)


def _of_rules(rules: Rules, known: Names, catalog: Catalog) -> Iterator[Problem]:
    for rule in _each(rules):
        yield from of_conditions(rule.conditions, rule.ref.file, known)
    yield from _unreachable(rules.in_order(), known)
    for route in rules.routes:
        where = _region(route, known)[0]
        yield from _sticky(route, where)
        yield from _repeated_fallbacks(route, catalog)
        yield from _too_weak(route, where, known, catalog)
        yield from _too_small(route, where, catalog)


def _each(rules: Rules) -> list[ConstraintDraft | RouteDraft]:
    return [*rules.constraints, *rules.routes]


def _region(route: RouteDraft, known: Names) -> tuple[Region, bool]:
    """Return where a route's conditions hold, and whether they may hold at all."""
    if not route.conditions:
        return Region(), True
    found, clash = region(atoms(conjunction(route.conditions).node, known), known)
    return found, clash is None


# Routes that are never reached


def _unreachable(ordered: list[RouteDraft], known: Names) -> Iterator[Problem]:
    for index, route in enumerate(ordered):
        where, possible = _region(route, known)
        before = next((other for other in ordered[:index] if possible and _takes_all_of(other, route, where, known)), None)
        if before is not None:
            yield _never_reached(route, before)


def _takes_all_of(other: RouteDraft, route: RouteDraft, where: Region, known: Names) -> bool:
    doc = other.doc
    if doc.mode == "shadow" or doc.rollout is not None or doc.expires is not None:
        return False
    if doc.use.on_empty == "next_rule" and route.doc.mode == "enforce":
        return False  # where it keeps no candidate, those behind it are asked
    return all(implied(written.expression.node, where, known) for written in other.conditions)


def _never_reached(route: RouteDraft, before: RouteDraft) -> Problem:
    if route.doc.mode == "shadow":
        message = f"shadow route '{route.ref.id}' is never looked at: '{before.ref.id}' takes all its requests before it"
    else:
        message = f"route '{route.ref.id}' is never reached: '{before.ref.id}' takes all its requests before it"
    return _warning(route.place, route.ref.file, message, "give it a higher priority, narrow the other, or remove it")


# Shares and ends


def _sticky(route: RouteDraft, where: Region) -> Iterator[Problem]:
    share = route.doc.rollout
    if share is not None and share.by is not None and 0 < share.percent < 100:
        yield from _may_be_absent(route, ("rollout", "by"), share.by, where)
    if route.doc.use.by is not None:
        yield from _may_be_absent(route, ("use", "by"), route.doc.use.by, where)


def _may_be_absent(route: RouteDraft, path: tuple[str, str], fact: str, where: Region) -> Iterator[Problem]:
    if not where.proves_present(fact):
        message = f"'{fact}' may be absent; requests without it draw anew each time"
        yield _warning(find(route.item, path), route.ref.file, message, f"add the condition has({_written(fact)}), if that is not meant")


def _written(fact: str) -> str:
    group, _, rest = fact.partition(".")
    parts = (group, *rest.split(".", 1)) if rest.startswith("labels.") else (group, rest)
    return Name(0, 0, parts).written


def _expiry(routes: Iterable[RouteDraft], today: date) -> Iterator[Problem]:
    for route in routes:
        if route.doc.expires is None:
            continue
        left = date.fromisoformat(route.doc.expires) - today
        if told := _told_of_expiry(route.doc.expires, left):
            yield _warning(find(route.item, ("expires",)), route.ref.file, f"route '{route.ref.id}' {told[0]}", told[1])


def _told_of_expiry(last_day: str, left: timedelta) -> tuple[str, str] | None:
    if left < timedelta(0):
        return f"is not used any more: its last day was {last_day}", "remove it, or give it a later day"
    if left <= _SOON:
        return f"is not used after {last_day}, in {left.days} days", "decide whether it is to stay"
    if left > _FAR:
        return "expires more than two years from now", "that is hardly an end; choose a nearer day, or leave it out"
    return None


# Models


def _repeated_fallbacks(route: RouteDraft, catalog: Catalog) -> Iterator[Problem]:
    """Yield fallbacks that add nothing. Under `min_quality`, which is not asked of fallbacks, they do."""
    if route.min_quality is not None:
        return
    for node, models in _offered(route, ("fallbacks",), catalog):
        if models and set(models) <= set(route.candidates):
            message = f"fallback '{node.text}' is a candidate of route '{route.ref.id}' already, and so adds nothing"
            yield _warning(node, route.ref.file, message, "remove it from the fallbacks, or from the candidates")


def _offered(route: RouteDraft, path: tuple[str, ...], catalog: Catalog) -> Iterator[tuple[Scalar, tuple[str, ...]]]:
    """Yield the names in a list of models, with the models that each stands for."""
    item = route.item
    if isinstance(item, Mapping) and path[0] in item.entries:
        for node in named(find(item, path)):
            if isinstance(node, Scalar):
                yield node, catalog.named(node.text)


def _too_weak(route: RouteDraft, where: Region, known: Names, catalog: Catalog) -> Iterator[Problem]:
    """Yield candidates below the route's bar even on the easiest prompts. A best effort sets the bar aside."""
    bar = _constant(route.min_quality.node, known) if route.min_quality else None
    if bar is None or route.doc.use.on_empty == "best_effort":
        return
    easiest = _least(where.of("features.complexity"), 0.0)
    for node, models in _offered(route, ("use", "candidates"), catalog):
        best = max((_best(catalog.models[model], where, easiest) for model in models), default=1.0)
        if best < bar:
            message = f"'{node.text}' never has the quality that route '{route.ref.id}' asks for: {best:.2f} at most, {bar:g} is needed"
            yield _warning(node, route.ref.file, message, "remove it, or ask for less")


def _best(model: Model, where: Region, complexity: float) -> float:
    task = where.of("features.task")
    return max((quality(model.ability_for(name), complexity) for name in TASKS if task.holds(name)), default=1.0)


def _constant(node: Node, known: Names) -> float | None:
    if isinstance(node, Name) and node.parts[0] == "vars":
        return _constant(known.vars[node.parts[1]].node, known)
    value = literal(node)
    return float(value) if isinstance(value, int | float) else None


def _least(values: Values, otherwise: float) -> float:
    if values.only:
        return float(min(values.only))
    return otherwise if values.low is None else float(values.low[0])


def _too_small(route: RouteDraft, where: Region, catalog: Catalog) -> Iterator[Problem]:
    """Yield models whose window is shorter than any input that the conditions let through."""
    shortest = int(_least(where.of("tokens.input"), 0))
    for path in (("use", "candidates"), ("fallbacks",)):
        for node, models in _offered(route, path, catalog):
            if models and all(_needs(catalog.models[model], shortest) > catalog.models[model].context_window for model in models):
                message = f"the inputs of route '{route.ref.id}', from {shortest} tokens, never fit the window of '{node.text}'"
                yield _warning(node, route.ref.file, message, "remove it, or change the condition on tokens.input")


def _needs(model: Model, tokens: int) -> int:
    """Return the room that an input takes at least on a model, with one token of an answer."""
    return ceil(tokens * min(factor(model.tokenizer, kind).bound for kind in TEXT_CLASSES)) + 1


# Names that nobody uses


def _unused_names(every: Iterable[Rules], known: Names) -> Iterator[Problem]:
    used = {name.dotted for node in _expressions(every, known) for name in names(node)}
    for name, (file, key) in known.places.items():
        if name not in used:
            kind = "var" if name.startswith("vars.") else "list"
            yield _warning(key, file, f"{kind} '{key.text}' is not used", "remove it")


def _expressions(every: Iterable[Rules], known: Names) -> Iterator[Node]:
    yield from (expression.node for expression in known.vars.values())
    for rules in every:
        for rule in _each(rules):
            yield from (written.expression.node for written in rule.conditions)
        yield from (route.min_quality.node for route in rules.routes if route.min_quality)


def _unused_models(every: Iterable[Rules], catalog: Catalog, written: YamlNode) -> Iterator[Problem]:
    used = {model for models in catalog.aliases.values() for model in models}
    used |= {model for rules in every for route in rules.routes for model in (*route.candidates, *route.fallbacks)}
    section = find(written, ("models",))
    for model in catalog.models:
        if model not in used and isinstance(section, Mapping):
            yield _warning(
                key_of(section, model), "models.yaml", f"no route or alias names model '{model}'", "only callers that ask for it get it"
            )
