"""Why a model may not serve a request: one check per DropReason, in the order of that enum."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import compress, product

from msgspec import Struct

from pointsman.core.catalog import Model
from pointsman.core.decision import Candidate, Dropped
from pointsman.core.facts import Facts
from pointsman.core.market import Market, WindowLeft
from pointsman.core.money import NANO_PER_USD, dollars
from pointsman.core.ruleset import Constraint, Ruleset
from pointsman.core.vocabulary import CAPABILITIES, DropReason


class Bar(Struct, frozen=True, kw_only=True):
    """What differs between routes, and between candidates and fallbacks."""

    quality: float
    """Least acceptable, 0..1."""
    cost: int | None
    """Nano-USD at most, by the caller's limit and the route's; None for any."""


class Terms(Struct, frozen=True, kw_only=True):
    """All else that candidates of one request are judged by."""

    ruleset: Ruleset
    facts: Facts
    market: Market
    constraints: tuple[Constraint, ...]
    """Those that hold."""
    asked: tuple[str, ...] | None
    """The models that the caller asked for; None for any."""
    capabilities: frozenset[str]
    tags: frozenset[str] = frozenset()
    """That models of the catalog have; none where the request asks for none."""

    @classmethod
    def of(cls, ruleset: Ruleset, facts: Facts, market: Market, constraints: tuple[Constraint, ...]) -> Terms:
        """Return the terms of a request."""
        request = facts.request
        return cls(
            ruleset=ruleset,
            facts=facts,
            market=market,
            constraints=constraints,
            asked=ruleset.catalog.named(request.model) if request.model else None,
            capabilities=_NEEDS[request.needs_tools, request.needs_json, request.needs_vision],
            tags=ruleset.catalog.tags if request.tags else frozenset(),
        )


_NEEDS = {flags: frozenset(compress(CAPABILITIES, flags)) for flags in product((False, True), repeat=len(CAPABILITIES))}
"""The capabilities behind the three `needs_*` facts, looked up rather than built for every call."""


def barred(model: Model, terms: Terms) -> Iterator[Dropped]:
    """Yield the reasons why the model may not serve that need no estimate of what it would take, in the order of DropReason."""
    for constraint in terms.constraints:
        if model.id not in constraint.permitted:
            yield _dropped(model, DropReason.CONSTRAINT, f"constraint {constraint.ref.id}")
            break
    if terms.asked is not None and model.id not in terms.asked:
        yield _dropped(model, DropReason.NOT_ASKED, f"the caller asked for {terms.facts.request.model}")
    if missing := terms.facts.request.tags - model.tags:
        yield _dropped(model, DropReason.TAGS, _lacking(missing, terms.tags))
    if missing := terms.capabilities - model.capabilities:
        yield _dropped(model, DropReason.CAPABILITY, f"cannot do {', '.join(sorted(missing))}")
    if not terms.market.state(model.id).has_credential:
        yield _dropped(model, DropReason.NO_CREDENTIAL, f"the key of provider {model.provider} is not set")


def unfit(model: Model, candidate: Candidate, terms: Terms, bar: Bar) -> Iterator[Dropped]:
    """Yield the other reasons, in the order of DropReason."""
    yield from _too_long(model, candidate, terms)
    yield from _too_dear(model, candidate, terms, bar.cost)
    if candidate.quality < bar.quality:
        yield _dropped(model, DropReason.QUALITY, f"quality {_apart(candidate.quality, '<', bar.quality, digits=2)}")
    yield from _too_slow(model, candidate, terms)
    state = terms.market.state(model.id)
    if not state.healthy:
        yield _dropped(model, DropReason.UNHEALTHY, state.note or "it fails at present")
    if not state.has_room:
        yield _dropped(model, DropReason.CAPACITY, state.note or "it is full at present")


def _too_long(model: Model, candidate: Candidate, terms: Terms) -> Iterator[Dropped]:
    tokens = candidate.tokens
    # The answer needs room for its median, or for what was asked where that is less; `tokens.output` is already the smaller of the two.
    needed = tokens.input_upper_bound + (tokens.output or 1)
    if needed > model.context_window:
        yield _dropped(
            model, DropReason.CONTEXT_WINDOW, f"input {tokens.input_upper_bound} + answer {tokens.output} > window {model.context_window}"
        )
    budget = terms.facts.request.max_total_tokens
    if budget is not None and needed > budget:
        yield _dropped(model, DropReason.TOKEN_BUDGET, f"input {tokens.input_upper_bound} + answer {tokens.output} > {budget} tokens")


def _too_dear(model: Model, candidate: Candidate, terms: Terms, limit: int | None) -> Iterator[Dropped]:
    market, tokens = terms.market, candidate.tokens
    expected = tokens.input_upper_bound + tokens.output
    if market.tokens_left is not None and expected > market.tokens_left:
        yield _dropped(model, DropReason.BUDGET, f"{expected} tokens > {market.tokens_left} left")
    elif market.cost_left is not None and candidate.expected_cost > market.cost_left:
        yield _dropped(model, DropReason.BUDGET, f"{_dollars_apart(candidate.expected_cost, market.cost_left)} left")
    elif market.windows and (short := short_of(model, candidate, terms)) is not None:
        yield _dropped(model, DropReason.BUDGET, _told(short, candidate))
    if limit is not None and candidate.expected_cost > limit:
        yield _dropped(model, DropReason.COST, _dollars_apart(candidate.expected_cost, limit))
    elif limit is not None and candidate.tokens.output_cap < 1:
        yield _dropped(model, DropReason.COST, f"the input alone may cost {dollars(limit)}, all that the request may")


def short_of(model: Model, candidate: Candidate, terms: Terms) -> WindowLeft | None:
    """Return the first window of `Market.windows` that has too little left for the candidate; None where there is none."""
    is_cheapest = model.tier == terms.ruleset.catalog.tiers[0]
    binding = [window for window in terms.market.windows if window.tier in ("", model.tier) and not (window.degrades and is_cheapest)]
    return next((window for window in binding if _taken(window, candidate) > window.left), None)


def _taken(window: WindowLeft, candidate: Candidate) -> int:
    if window.kind == "tokens":
        return candidate.tokens.input_upper_bound + candidate.tokens.output
    return candidate.expected_cost if window.kind == "usd" else 1


def _told(short: WindowLeft, candidate: Candidate) -> str:
    taken, of = _taken(short, candidate), f" for tier {short.tier}" if short.tier else ""
    amounts = _dollars_apart(taken, short.left) if short.kind == "usd" else f"{taken} {short.kind} > {short.left}"
    return f"{amounts} left{of}" + ("; only the cheapest tier goes on" if short.degrades else "")


def _too_slow(model: Model, candidate: Candidate, terms: Terms) -> Iterator[Dropped]:
    request, latency, ttft = terms.facts.request, candidate.expected_latency_ms, candidate.expected_ttft_ms
    left = terms.market.time_left_ms
    if request.max_ttft_ms is not None and ttft > request.max_ttft_ms:
        yield _dropped(model, DropReason.LATENCY, f"first token {_apart(ttft, '>', request.max_ttft_ms, ' ms')}")
    elif request.max_latency_ms is not None and latency > request.max_latency_ms:
        yield _dropped(model, DropReason.LATENCY, _apart(latency, ">", request.max_latency_ms, " ms"))
    elif left is not None and latency > left:
        yield _dropped(model, DropReason.LATENCY, f"{_apart(latency, '>', left, ' ms')} until the deadline")


def _lacking(missing: frozenset[str], known: frozenset[str]) -> str:
    """Return which tags a model lacks. Those that nobody has are not named: they may be anything, and this is logged and traced."""
    strange = len(missing - known)
    named = [", ".join(sorted(missing & known))] if missing & known else []
    if not named:
        return f"lacks {strange} {'tag' if strange == 1 else 'tags'} that no model has"
    return f"lacks the tags {named[0]}" + (f" and {strange} that no model has" if strange else "")


def _dropped(model: Model, reason: DropReason, detail: str) -> Dropped:
    return Dropped(model=model.id, reason=reason, detail=detail)


def _apart(left: float, sign: str, right: float, unit: str = "", *, digits: int = 0) -> str:
    """Return a comparison with as many digits after the point, from `digits` on, as it takes to see that it holds."""
    for places in range(digits, 16):
        if f"{left:.{places}f}" != f"{right:.{places}f}":
            return f"{left:.{places}f}{unit} {sign} {right:.{places}f}{unit}"
    return f"{left!r}{unit} {sign} {right!r}{unit}"


def _dollars_apart(more: int, less: int) -> str:
    """Return `more > less` in dollars, exact where the short forms are the same."""
    if dollars(more) != dollars(less):
        return f"{dollars(more)} > {dollars(less)}"
    return f"${more / NANO_PER_USD:.9f} > ${less / NANO_PER_USD:.9f}"
