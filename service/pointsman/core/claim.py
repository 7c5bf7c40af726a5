"""What one call of a model may take from a tenant's windows, how far they reach for it, and what it took in the end."""

from __future__ import annotations

from functools import lru_cache

from msgspec import Struct, structs

from pointsman.core.budget import SETTLES_MS, Hold, Levels, Meter, Share, meter, meters
from pointsman.core.catalog import Price
from pointsman.core.completion import Usage
from pointsman.core.decision import Candidate
from pointsman.core.ledger import Entry
from pointsman.core.money import TOKENS_PER_PRICE, charge
from pointsman.core.tenants import Window

NOTHING = Usage()
"""Of a call that was never charged for: it failed before anything came of it."""


class Bound(Struct, frozen=True, kw_only=True):
    """A meter of a tenant, as it concerns one model."""

    meter: Meter
    counts: bool
    """Whether what the model uses is counted."""
    limit: int | None
    """The least of the windows that refuse the model when they are full; None where none does."""


@lru_cache(maxsize=1024)
def bounds(windows: tuple[Window, ...], tier: str, *, is_cheapest: bool) -> tuple[Bound, ...]:
    """Return the meters of a tenant as they concern models of a tier: the cheapest is not bound by windows that degrade."""
    return tuple(
        Bound(
            meter=each,
            counts=each.tier in ("", tier),
            limit=min(
                (window.limit for window in windows if meter(window) == each and each.tier in ("", tier) and _refuses(window, is_cheapest)),
                default=None,
            ),
        )
        for each in meters(windows)
    )


def _refuses(window: Window, is_cheapest: bool) -> bool:  # a predicate of two facts, asked in one place
    return window.on_exhausted == "reject" or (window.on_exhausted == "degrade" and not is_cheapest)


class Claim(Struct, frozen=True, kw_only=True):
    """The most that one call of a model takes."""

    bounds: tuple[Bound, ...]
    price: Price
    input_bound: int
    """Tokens that the input has at most, by the model's own count."""
    output_cap: int

    @property
    def usage(self) -> Usage:
        """What it comes to as usage."""
        return Usage(input_tokens=self.input_bound, output_tokens=self.output_cap, cost=self.cost, estimated=True)

    @property
    def cost(self) -> int:
        """Nano-USD."""
        return charge(self.input_bound * dearest_input(self.price) + self.output_cap * self.price.output)

    def hold(self, id_: str, lasts_ms: int, entry: Entry) -> Hold:
        """Return the hold that the call needs; `entry` is for the ledger if nobody settles it."""
        return Hold(id=id_, lasts_ms=lasts_ms, shares=self._shares(), entry=entry)

    def affordable(self, shown: Levels) -> int:
        """Return the most output that the windows have room for, by what their meters show; negative where there is none for the input."""
        caps = [self.output_cap]
        for each, level in zip(self.bounds, shown.levels, strict=True):
            if each.limit is not None:
                caps.append(self._reaches(each.meter.kind, each.limit - level.used))
        return min(caps)

    def heals_in_s(self, shown: Levels) -> float | None:
        """Return the seconds until something of every meter may be free again that has no room now; None where time alone does not help."""
        until = 0
        for share, level in zip(self._shares(), shown.levels, strict=True):
            if share.limit is not None and level.used + share.amount > share.limit:
                if share.amount > share.limit:
                    return None
                leaves = share.meter.leaves_ms(level.oldest)
                until = max(until, min(leaves, shown.now_ms + SETTLES_MS) if level.leaves(share.amount, share.limit) else leaves)
        return max(0, until - shown.now_ms) / 1000

    def _shares(self) -> tuple[Share, ...]:
        amounts = {"tokens": self.input_bound + self.output_cap, "usd": self.cost, "requests": 1}
        return tuple(
            [Share(meter=each.meter, amount=amounts[each.meter.kind] if each.counts else 0, limit=each.limit) for each in self.bounds]
        )

    def _reaches(self, kind: str, left: int) -> int:
        if kind == "tokens":
            return left - self.input_bound
        if kind == "usd":
            return output_for(self.price, self.input_bound, left, most=self.output_cap)
        return self.output_cap if left > 0 else -1


def output_for(price: Price, input_bound: int, money: int, *, most: int) -> int:
    """Return how much output an amount of nano-USD pays for beside an input, `most` at most; negative where the input costs more."""
    left = money * TOKENS_PER_PRICE - input_bound * dearest_input(price)
    if left < 0 or not price.output:
        return -1 if left < 0 else most
    return min(most, left // price.output)


def within(candidate: Candidate, price: Price, money: int) -> Candidate:
    """Return a candidate whose output is capped so that it cannot cost more than an amount, at 0 where its input alone may."""
    tokens = candidate.tokens
    cap = max(0, output_for(price, tokens.input_upper_bound, money, most=tokens.output_cap))
    if cap == tokens.output_cap:
        return candidate
    capped = structs.replace(tokens, output_cap=cap)
    written = tokens.input_upper_bound if candidate.writes_prefix else 0
    return structs.replace(candidate, tokens=capped, max_cost=price.cost(tokens.input_upper_bound, cap, cache_write_tokens=written))


def dearest_input(price: Price) -> int:
    """Return the price of input at its dearest: whether a provider writes it to its cache is not known before."""
    return max(price.input, price.cached_input, price.cache_write)


def actual(hold: Hold, usage: Usage) -> tuple[int, ...]:
    """Return what a usage comes to on the meters of a hold."""
    amounts = {"tokens": usage.input_tokens + usage.output_tokens, "usd": usage.cost, "requests": int(usage != NOTHING)}
    return tuple([amounts[share.meter.kind] if share.amount else 0 for share in hold.shares])
