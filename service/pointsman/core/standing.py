"""How a tenant stands: what its windows have left, for rules, for selection and for people. Derived from what the meters show."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct, structs

from pointsman.core.budget import SETTLES_MS, Level, Levels, Meter, meter, meters
from pointsman.core.facts import BudgetFacts
from pointsman.core.market import Market, WindowLeft
from pointsman.core.money import dollars, usd
from pointsman.core.tenants import Window

LEAST_ELAPSED = 0.01
"""Of a window, for its pace: in its first moments every call would look like a stampede."""

SAME_MS = 250
"""For so long a pace is told as it was: it hardly changes, and many may ask."""

_NOTHING = BudgetFacts()

EMPTY = Level(0, -1)


class Filled(Struct, frozen=True, kw_only=True):
    """A window, and how far it is filled."""

    window: Window
    meter: Meter
    level: Level

    def used(self, now_ms: int) -> int:
        """Return what counts at a time not before that of the level; more than that where buckets have left since that are not known."""
        rolled = self.meter.reach == 0 and now_ms // self.meter.width_ms > self.level.oldest
        return 0 if rolled else self.level.used

    def left(self, now_ms: int) -> int:
        """Return how much there is, 0 where too much was used."""
        return max(0, self.window.limit - self.used(now_ms))

    def is_exhausted(self, now_ms: int) -> bool:
        """Return whether all of it is spent: what is only held may be given back in a moment."""
        return not self.left(now_ms) and not self.level.leaves(1, self.window.limit)

    def heals_ms(self) -> int:
        """Return when something of it is free again."""
        return self.meter.leaves_ms(self.level.oldest)

    def share_and_pace(self, now_ms: int) -> tuple[float, float]:
        """Return the spent share, and that over the share that is over: of a sliding window all is, of a fixed one a hundredth at least."""
        share = self.used(now_ms) / max(1, self.window.limit)
        elapsed = 1.0 if self.window.sliding else max(LEAST_ELAPSED, now_ms % self.meter.width_ms / self.meter.width_ms)
        return share, share / elapsed

    @property
    def is_plain(self) -> bool:
        """Whether it binds every model alike, in tokens or money."""
        return not self.window.tier and self.window.on_exhausted == "reject" and self.window.kind != "requests"

    def told_to_selection(self, now_ms: int) -> WindowLeft:
        """Return the window as selection needs it."""
        window = self.window
        return WindowLeft(kind=window.kind, left=self.left(now_ms), tier=window.tier, degrades=window.on_exhausted == "degrade")

    def told(self, now_ms: int) -> str:
        """Return the window in words, as in "usd per 1d: $0.0042 of $0.01 left, $0.005 held by calls under way"."""
        counts = self.left(now_ms), self.window.limit, self.level.held
        left, limit, held = (dollars(each) if self.window.kind == "usd" else f"{each}" for each in counts)
        under_way = f", {held} held by calls under way" if self.level.held and self.level.leaves(1, self.window.limit) else ""
        return f"{name_of(self.window)}: {left} of {limit} left{under_way}"


class Bound(Struct, frozen=True, kw_only=True):
    """What selection and rules are told of a standing."""

    standing: Standing
    facts: BudgetFacts
    tokens_left: int | None
    cost_left: int | None
    windows: tuple[WindowLeft, ...]
    until_ms: int
    """Until then it may be told again."""

    def market(self, market: Market) -> Market:
        """Return a market with what is left."""
        return structs.replace(market, tokens_left=self.tokens_left, cost_left=self.cost_left, windows=self.windows)


class Standing(Struct, frozen=True, kw_only=True):
    """The windows of one tenant at one moment."""

    at_ms: int
    filled: tuple[Filled, ...] = ()

    def facts(self, now_ms: int) -> BudgetFacts:
        """Return what rules may know: the spent share and the pace of the tightest window for all tiers, and the least that is left."""
        general = [each for each in self.filled if not each.window.tier]
        if not general:
            return _NOTHING
        now_ms = max(now_ms, self.at_ms)
        ratio, pace = max([each.share_and_pace(now_ms) for each in general])
        tokens, cost = least(general, "tokens", now_ms), least(general, "usd", now_ms)
        return BudgetFacts(spend_ratio=ratio, pace=pace, tokens_left=tokens, usd_left=None if cost is None else usd(cost))

    def binds(self, market: Market, now_ms: int) -> Market:
        """Return a market in which selection is bound by what is left. Windows that only warn bind nobody."""
        return self.bound(now_ms).market(market)

    def bound(self, now_ms: int) -> Bound:
        """Return what selection and rules are told, which stays as it is for a while."""
        now_ms = max(now_ms, self.at_ms)
        binding = [each for each in self.filled if each.window.on_exhausted != "warn"]
        plain = [each for each in binding if each.is_plain]
        return Bound(
            standing=self,
            facts=self.facts(now_ms),
            tokens_left=least(plain, "tokens", now_ms),
            cost_left=least(plain, "usd", now_ms),
            windows=tuple([each.told_to_selection(now_ms) for each in binding if not each.is_plain]),
            until_ms=min([now_ms + SAME_MS, *(each.meter.leaves_ms(now_ms // each.meter.width_ms) for each in self.filled)]),
        )

    def heals_ms(self) -> list[int]:
        """Return the times at which more may be left, the soonest first."""
        moment = [self.at_ms + SETTLES_MS] if any(each.level.held for each in self.filled) else []
        return sorted({at_ms for at_ms in (*moment, *(each.heals_ms() for each in self.filled)) if at_ms > self.at_ms})

    def healed(self, now_ms: int) -> Standing:
        """Return how the tenant may stand at a later time if nothing is used until then: what was oldest has left its window, and what is
        held was given back."""
        filled = [structs.replace(each, level=EMPTY if each.heals_ms() <= now_ms else each.level.released()) for each in self.filled]
        return Standing(at_ms=now_ms, filled=tuple(filled))


def least(filled: Iterable[Filled], kind: str, now_ms: int) -> int | None:
    """Return what the tightest window of a kind has left; None without one."""
    return min([each.left(now_ms) for each in filled if each.window.kind == kind], default=None)


Layout = tuple[tuple[Window, Meter, int], ...]
"""Windows with their meters, and where each of these stands among those that are asked for."""


def layout(windows: tuple[Window, ...]) -> Layout:
    """Return the windows as `meters` asks for them."""
    places = {each.name: at for at, each in enumerate(meters(windows))}
    return tuple([(window, found := meter(window), places[found.name]) for window in windows])


def standing(windows: Layout, found: Levels) -> Standing:
    """Return how a tenant stands with its windows, by what their meters show."""
    levels = found.levels
    filled = [Filled(window=window, meter=each, level=levels[at]) for window, each, at in windows]
    return Standing(at_ms=found.now_ms, filled=tuple(filled))


_UNITS = ((86_400, "d"), (3600, "h"), (60, "m"), (1, "s"))


def name_of(window: Window) -> str:
    """Return a window for people, as in "usd per 1d" or "tokens per 1h of tier large"."""
    seconds = round(window.span_s)
    size, unit = next(((size, unit) for size, unit in _UNITS if seconds % size == 0), (1, "s"))
    sliding, tier = " sliding" if window.sliding else "", f" of tier {window.tier}" if window.tier else ""
    return f"{window.kind} per {seconds // size}{unit}{sliding}{tier}"
