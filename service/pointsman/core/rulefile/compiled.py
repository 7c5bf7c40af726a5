"""Drafts -> Ruleset: all conditions in one function for deciding, and one function each for explaining."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import cast

from pointsman.core.catalog import Catalog
from pointsman.core.expr.codegen import Choice, Code
from pointsman.core.facts import Facts
from pointsman.core.rulefile.comparisons import comparisons
from pointsman.core.rulefile.expressions import Written, conjunction, facts_in
from pointsman.core.rulefile.routes import Drafts, RouteDraft, Rules
from pointsman.core.rulefile.terms import dollars_at, rollout, settings
from pointsman.core.ruleset import Condition, Constraint, Matched, Route, Ruleset
from pointsman.core.vocabulary import OnEmpty, Strategy

Functions = Callable[[str], Callable[[Facts], object]]


def ruleset(rules: Rules, drafts: Drafts, catalog: Catalog, revision: str) -> Ruleset:
    """Return the ruleset of constraints and routes that are asked together."""
    code = Code(vars=drafts.names.vars, lists=drafts.names.lists)
    routes = rules.in_order()
    written = [each for conditions in _conditions_of(rules) for each in _all(conditions)]
    conditions = {id(each): code.value(each.expression) for each in written}
    bars = {route.ref.id: code.value(route.min_quality) for route in routes if route.min_quality}
    function = code.compile()
    compiled = _Conditions(conditions, function, drafts.names.var_facts)
    finished = tuple(
        _route(draft, compiled(draft.conditions), function(bars[draft.ref.id]) if draft.ref.id in bars else None) for draft in routes
    )
    return Ruleset(
        revision=revision,
        catalog=catalog,
        defaults=drafts.defaults,
        constraints=tuple(
            Constraint(ref=draft.ref, conditions=compiled(draft.conditions), permitted=draft.permitted) for draft in rules.constraints
        ),
        routes=finished,
        match=_match(rules, routes, finished, drafts),
        comparisons=comparisons(
            [*(each.expression for each in written), *(route.min_quality for route in routes if route.min_quality)], drafts.names
        ),
    )


def _conditions_of(rules: Rules) -> Iterator[list[Written]]:
    yield from (draft.conditions for draft in rules.constraints)
    yield from (draft.conditions for draft in rules.routes)


def _all(conditions: Iterable[Written]) -> Iterator[Written]:
    for written in conditions:
        yield written
        yield from _all(written.items)


def _match(rules: Rules, drafted: list[RouteDraft], routes: tuple[Route, ...], drafts: Drafts) -> Callable[[Facts], Matched]:
    code = Code(vars=drafts.names.vars, lists=drafts.names.lists)
    choices = [
        Choice(
            condition=conjunction(draft.conditions) if draft.conditions else None,
            admits=route.admits if route.rollout is not None or route.expires is not None else None,
            shadow=route.shadow,
        )
        for draft, route in zip(drafted, routes, strict=True)
    ]
    name = code.match([conjunction(draft.conditions) for draft in rules.constraints], choices)
    return cast("Callable[[Facts], Matched]", code.compile()(name))


class _Conditions:
    """Gives the conditions of rules their compiled functions."""

    def __init__(self, names: dict[int, str], function: Functions, var_facts: dict[str, tuple[str, ...]]) -> None:
        self._names = names
        self._function = function
        self._var_facts = var_facts

    def __call__(self, conditions: Iterable[Written]) -> tuple[Condition, ...]:
        return tuple(map(self._condition, conditions))

    def _condition(self, written: Written) -> Condition:
        line, column = written.scalar.position(0)
        return Condition(
            text=written.text,
            line=line,
            column=column,
            facts=facts_in(written.expression, self._var_facts),
            holds=cast("Callable[[Facts], bool]", self._function(self._names[id(written)])),
            items=self(written.items),
            joined_by=written.scalar.text if written.items else "",
        )


def _route(draft: RouteDraft, conditions: tuple[Condition, ...], bar: Callable[[Facts], object] | None) -> Route:
    doc, use = draft.doc, draft.doc.use
    return Route(
        ref=draft.ref,
        priority=doc.priority,
        conditions=conditions,
        candidates=draft.candidates,
        strategy=Strategy(use.strategy),
        on_empty=OnEmpty(use.on_empty),
        min_quality=cast("Callable[[Facts], float] | None", bar),
        fallbacks=draft.fallbacks,
        shadow=doc.mode == "shadow",
        rollout=rollout(doc),
        expires=doc.expires,
        weights=draft.weights,
        by=use.by,
        value=dollars_at(draft.item, "use", "value_usd") or 0,
        max_cost=dollars_at(draft.item, "budget", "max_usd_per_request"),
        settings=settings(doc),
    )
