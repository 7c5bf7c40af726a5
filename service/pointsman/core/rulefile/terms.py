"""What a route says beside its conditions and models: shares, settings of calls, and what does not go together."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from pointsman.core.diagnostics import Severity
from pointsman.core.money import nearest_nano_usd
from pointsman.core.rollout import BUCKETS, Rollout
from pointsman.core.rulefile.documents import CacheDoc, RouteDoc
from pointsman.core.ruleset import RouteSettings
from pointsman.core.yamlnodes import Mapping, Node, find, key_of

_ASKED_FOR_TTL = CacheDoc.model_fields["ttl"].default
"""Of answers that are kept because their callers ask for it, where the route says nothing."""

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SPAN = re.compile(r"(\d+)(ms|s|m|h|d)")


@dataclass(frozen=True, slots=True)
class Misfit:
    """Something that a route says and that cannot be meant, with its place."""

    node: Node
    message: str
    help: str
    severity: Severity = Severity.ERROR


def seconds(span: str) -> float:
    """Return a span such as 10m in seconds. It must be of that form."""
    match = _SPAN.fullmatch(span)
    assert match is not None  # the document's pattern
    return int(match[1]) * _SECONDS[match[2]]


def rollout(doc: RouteDoc) -> Rollout | None:
    """Return the share of the requests that a route takes; None for all."""
    if doc.rollout is None:
        return None
    return Rollout(seed=doc.rollout.seed or doc.id, by=doc.rollout.by, below=round(doc.rollout.percent * BUCKETS / 100))


def settings(doc: RouteDoc) -> RouteSettings:
    """Return what a route says of the calls that it decides on."""
    return RouteSettings(
        cache_mode=doc.cache.mode if doc.cache else "off",
        cache_ttl_s=0.0 if doc.cache and doc.cache.mode == "off" else seconds(doc.cache.ttl if doc.cache else _ASKED_FOR_TTL),
        optimize=doc.optimize.prompt if doc.optimize else "",
        target_tokens=doc.optimize.target_tokens if doc.optimize else None,
        timeout_s=seconds(doc.timeout) if doc.timeout else None,
        hedge_after_s=seconds(doc.hedge.after) if doc.hedge else None,
    )


def dollars_at(item: Node, *path: str) -> int | None:
    """Return an amount of dollars in nano-USD, read from its text; None where there is none, or it is no amount."""
    value = getattr(_at(item, *path), "value", None)
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    return nearest_nano_usd(value)


def misfits(item: Node, doc: RouteDoc) -> Iterator[Misfit]:
    """Yield what does not go together in a route."""
    yield from _strategy(item, doc)
    if doc.use.on_empty == "fallback" and not doc.fallbacks:
        yield Misfit(
            _key(item, "use", "on_empty"), "on_empty: fallback, and there are no fallbacks", "add fallbacks: with models", Severity.WARNING
        )
    if doc.rollout is not None and round(doc.rollout.percent * 100, 6) % 1:
        yield Misfit(
            find(item, ("rollout", "percent")), f"{doc.rollout.percent:g} % is too fine", "shares are drawn to the hundredth of a percent"
        )
    if doc.optimize is not None and (doc.optimize.prompt == "trim_history") is not (doc.optimize.target_tokens is not None):
        yield Misfit(_key(item, "optimize"), "trim_history and target_tokens go together", "give both, or neither")
    if doc.expires is not None and not is_date(doc.expires):
        yield Misfit(find(item, ("expires",)), f"'{doc.expires}' is no date", "as in 2027-01-31")


def _strategy(item: Node, doc: RouteDoc) -> Iterator[Misfit]:
    use, weighted = doc.use, isinstance(doc.use.candidates, dict)
    if weighted and use.strategy != "weighted":
        yield Misfit(
            _key(item, "use", "candidates"),
            f"weights are for strategy weighted, not {use.strategy}",
            "give a list of models, or strategy: weighted",
        )
    if not weighted and use.strategy == "weighted":
        yield Misfit(_key(item, "use", "candidates"), "strategy weighted needs weights", "as in {mini: 80, medium: 20}")
    if isinstance(use.candidates, dict) and not any(use.candidates.values()):
        yield Misfit(_key(item, "use", "candidates"), "all weights are 0", "give at least one model a weight")
    if use.by is not None and use.strategy != "weighted":
        yield Misfit(_key(item, "use", "by"), "'by' is for strategy weighted", "remove it; a rollout has its own 'by'")
    if use.value_usd is not None and use.strategy != "balanced":
        yield Misfit(_key(item, "use", "value_usd"), "'value_usd' is for strategy balanced", "remove it, or say strategy: balanced")
    if use.value_usd is None and use.strategy == "balanced":
        yield Misfit(_key(item, "use", "strategy"), "strategy balanced needs value_usd", "say what one right answer is worth, in dollars")


def is_date(text: str) -> bool:
    """Return whether a text is a day of the calendar in ISO form."""
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _at(item: Node, *path: str) -> Node | None:
    for step in path:
        if not isinstance(item, Mapping) or step not in item.entries:
            return None
        item = item.entries[step].node
    return item


def _key(item: Node, *path: str) -> Node:
    parent = find(item, path[:-1])
    return key_of(parent, path[-1]) if isinstance(parent, Mapping) and path[-1] in parent.entries else parent
