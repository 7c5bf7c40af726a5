"""What would help a request that no model may serve: which one of its limits to relax, and by how much, so that a model fits.

Each answer is tried by deciding again with that one limit changed and everything else as it was, so none is a guess. It takes a few
decisions for each limit, and is asked for only when a request was refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import ceil, floor, isclose

from msgspec import Struct, structs

from pointsman.core.claim import dearest_input
from pointsman.core.decide import decide
from pointsman.core.decision import Candidate
from pointsman.core.duration import spoken
from pointsman.core.errors import BudgetExhausted, NoEligibleModel
from pointsman.core.estimate import estimate
from pointsman.core.facts import Facts
from pointsman.core.market import Market
from pointsman.core.money import charge, dollars, usd
from pointsman.core.ruleset import Ruleset
from pointsman.core.standing import Standing
from pointsman.core.vocabulary import DropReason

Value = float | int


class Relief(Struct, frozen=True, kw_only=True):
    """One way out."""

    limit: str
    """What to relax: "accuracy", "max_total_tokens", "max_output_tokens", "max_cost", "max_latency", "max_time_to_first_token", "deadline",
    or "wait"."""
    given: Value
    """What the request has: 0..1, tokens, nano-USD or ms. For "wait" 0."""
    needed: Value
    """With this, and all else as it is, a model fits. For "wait" seconds, after which it may."""
    model: str
    """That model."""


def relieved(refused: NoEligibleModel, found: tuple[Relief, ...]) -> None:
    """Add to a refusal what would help."""
    refused.reliefs = found
    if found:
        refused.args = (f"{refused}; it would be served with {', or '.join(map(in_words, found))}", *refused.args[1:])


_TOLD: Mapping[str, Callable[[Value], str]] = {
    "accuracy": lambda value: f"accuracy {value:g}",
    "max_total_tokens": lambda value: f"max_total_tokens {value}",
    "max_output_tokens": lambda value: f"max_output_tokens {value}",
    "max_cost": lambda value: f"max_cost {dollars(int(value))}",
    "max_latency": lambda value: f"max_latency {value:.0f} ms",
    "max_time_to_first_token": lambda value: f"max_time_to_first_token {value:.0f} ms",
    "deadline": lambda value: f"a deadline of {value:.0f} ms",
    "wait": lambda value: f"a wait of {spoken(value)}",
}


LIMITS = tuple(_TOLD)


def in_words(relief: Relief) -> str:
    """Return a relief in words, as in "accuracy 0.84 (gpt-6.1-terra)"."""
    return f"{_TOLD[relief.limit](relief.needed)} ({relief.model})"


def unpaid(rule: str, models: tuple[str, ...], why: str, heals_in_s: float | None) -> BudgetExhausted:
    """Return the error of a plan for none of whose models the budget had room at the moment of the call."""
    counts = {DropReason.BUDGET.name: len(models)}
    error = BudgetExhausted(f"the tenant's budget leaves no model; rule {rule}: {why}", rule=rule, counts=counts)
    if heals_in_s is not None:
        relieved(error, (Relief(limit="wait", given=0, needed=heals_in_s, model=models[0]),))
    return error


class _Refusal(Struct, frozen=True, kw_only=True):
    ruleset: Ruleset
    facts: Facts
    market: Market

    def served(self, facts: Facts | None = None, market: Market | None = None) -> str | None:
        """Return the model that would serve by other facts or in another market, None where none would."""
        try:
            return decide(self.ruleset, facts or self.facts, market or self.market).chosen.model
        except NoEligibleModel:
            return None

    def asking(self, **changes: object) -> Facts:
        """Return the facts with other limits of the caller."""
        return structs.replace(self.facts, request=structs.replace(self.facts.request, **changes))


def reliefs(ruleset: Ruleset, facts: Facts, market: Market, refused: NoEligibleModel, standing: Standing | None) -> tuple[Relief, ...]:
    """Return every single limit that would help, with the least change that does."""
    refusal, reasons = _Refusal(ruleset=ruleset, facts=facts, market=market), {DropReason[name] for name in refused.counts}
    offered = [_estimated(refusal, drop.model) for drop in refused.dropped]
    return tuple(_each(refusal, reasons, offered, standing))


def _each(refusal: _Refusal, reasons: set[DropReason], offered: list[Candidate], standing: Standing | None) -> Iterator[Relief]:
    if DropReason.QUALITY in reasons:
        yield from _accuracy(refusal, offered)
    if DropReason.TOKEN_BUDGET in reasons:
        yield from _total_tokens(refusal, offered)
    if DropReason.COST in reasons:
        yield from _cost(refusal, offered)
    if DropReason.LATENCY in reasons:
        yield from _latency(refusal, offered)
    if reasons & {DropReason.TOKEN_BUDGET, DropReason.COST, DropReason.LATENCY, DropReason.BUDGET}:
        yield from _output(refusal, offered)
    if DropReason.BUDGET in reasons and standing is not None:
        yield from _wait(refusal, standing)


def _estimated(refusal: _Refusal, model: str) -> Candidate:
    ruleset = refusal.ruleset
    return estimate(ruleset.catalog.models[model], refusal.facts, refusal.market.state(model), ruleset.defaults)


def _accuracy(refusal: _Refusal, offered: Iterable[Candidate]) -> Iterator[Relief]:
    given = refusal.facts.request.accuracy
    values = sorted({floor(each.quality * 1000) / 1000 for each in offered if each.quality < given}, reverse=True)
    yield from _found("accuracy", given, values, lambda value: refusal.served(refusal.asking(accuracy=value)))


def _total_tokens(refusal: _Refusal, offered: Iterable[Candidate]) -> Iterator[Relief]:
    given = refusal.facts.request.max_total_tokens
    if given is not None:
        values = sorted({each.tokens.input_upper_bound + max(1, each.tokens.output) for each in offered})
        yield from _found(
            "max_total_tokens", given, _above(values, given), lambda value: refusal.served(refusal.asking(max_total_tokens=value))
        )


def _cost(refusal: _Refusal, offered: Iterable[Candidate]) -> Iterator[Relief]:
    given = refusal.facts.request.max_cost
    if given is None:
        return

    def served(value: Value) -> str | None:
        return refusal.served(refusal.asking(max_cost=value, max_cost_usd=usd(int(value))))

    models = refusal.ruleset.catalog.models
    least = {
        max(
            each.expected_cost,
            charge(each.tokens.input_upper_bound * dearest_input(models[each.model].price) + models[each.model].price.output),
        )
        for each in offered
    }
    yield from _found("max_cost", given, _above(sorted(least), given), served)


def _latency(refusal: _Refusal, offered: list[Candidate]) -> Iterator[Relief]:
    request, left = refusal.facts.request, refusal.market.time_left_ms
    whole = sorted({float(ceil(each.expected_latency_ms)) for each in offered})
    first = sorted({float(ceil(each.expected_ttft_ms)) for each in offered})
    if (given := request.max_latency_ms) is not None:
        yield from _found("max_latency", given, _above(whole, given), lambda value: refusal.served(refusal.asking(max_latency_ms=value)))
    if (given := request.max_ttft_ms) is not None:
        yield from _found(
            "max_time_to_first_token", given, _above(first, given), lambda value: refusal.served(refusal.asking(max_ttft_ms=value))
        )
    if left is not None:
        yield from _found(
            "deadline",
            left,
            _above(whole, left),
            lambda value: refusal.served(market=structs.replace(refusal.market, time_left_ms=float(value))),
        )


def _output(refusal: _Refusal, offered: Iterable[Candidate]) -> Iterator[Relief]:
    """Yield how much less output to ask for: what is predicted counts, where that is less than what was asked for."""
    longest = max((each.tokens.output for each in offered), default=0)
    if longest > 1:
        tokens = refusal.facts.tokens
        yield from _found(
            "max_output_tokens",
            tokens.output_max or longest,
            range(longest - 1, 0, -1),
            lambda value: refusal.served(structs.replace(refusal.facts, tokens=structs.replace(tokens, output_max=value))),
        )


def _wait(refusal: _Refusal, standing: Standing) -> Iterator[Relief]:
    for at_ms in standing.heals_ms():
        model = refusal.served(market=standing.healed(at_ms).binds(refusal.market, at_ms))
        if model is not None:
            yield Relief(limit="wait", given=0, needed=(at_ms - standing.at_ms) / 1000, model=model)
            return


def _above(values: Iterable[Value], given: Value) -> list[Value]:
    return [value for value in values if value > given and not isclose(value, given, rel_tol=1e-12)]


def _found(limit: str, given: Value, values: Sequence[Value], served: Callable[[Value], str | None]) -> Iterator[Relief]:
    """Yield the first of the values, which go further and further, with which a model fits: what fits with one fits with all behind it."""
    low, high, model = 0, len(values), None
    while low < high:
        middle = (low + high) // 2
        found = served(values[middle])
        low, high, model = (middle + 1, high, model) if found is None else (low, middle, found)
    if model is not None:
        yield Relief(limit=limit, given=given, needed=values[high], model=model)
