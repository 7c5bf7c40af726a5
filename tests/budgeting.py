"""Random life of a tenant's budget, for every place where it is kept: holds, settlements, time that goes on, and clocks that go back.

What should be counted is worked out from the list of everything that happened, with none of the arithmetic of the code.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from pointsman.core.budget import Hold, Levels, Share, meter, meters
from pointsman.core.ledger import Entry, Row, Sums
from pointsman.core.tenants import Window
from pointsman.ports import Budgets, Usages

T = TypeVar("T")

START_MS = 1_764_000_000_000
MINUTE_MS = 60_000
LASTS_MS = 45_000


def window(
    span_s: float = 60, *, kind: str = "tokens", limit: int = 1000, sliding: bool = False, tier: str = "", on_exhausted: str = "reject"
) -> Window:
    amounts: dict[str, int | None] = {"tokens": None, "usd": None, "requests": None} | {kind: limit}
    return Window(span_s=span_s, sliding=sliding, tier=tier, on_exhausted=on_exhausted, **amounts)


WINDOWS = (
    window(60),
    window(180, limit=1500),
    window(60, kind="usd", limit=3_000_000_000_000, sliding=True),
    window(120, kind="requests", limit=7, sliding=True),
)
MONEY = 1_000_000_007
"""Nano-USD per token: sums that a double would round, were they counted in doubles of dollars."""


class SteppedClock:
    """A clock that goes to where it is put, back, too."""

    def __init__(self) -> None:
        self.ms = START_MS

    def monotonic(self) -> float:
        raise NotImplementedError("budgets live by the calendar")

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.ms / 1000, UTC)

    def epoch_s(self) -> float:
        return self.ms / 1000


@dataclass
class Happened:
    """A hold that was granted, and what became of it."""

    hold: Hold
    at_ms: int
    settled: tuple[int, ...] | None = None
    counts: tuple[int, ...] = field(default=())

    def __post_init__(self) -> None:
        self.counts = tuple(share.amount for share in self.hold.shares)


def hold_of(id_: str, tokens: int, windows: tuple[Window, ...] = WINDOWS, lasts_ms: int = LASTS_MS) -> Hold:
    """Return a hold on all windows, and the entry that it would leave."""
    amounts = {"tokens": tokens, "usd": tokens * MONEY, "requests": 1}
    limits = {meter(each).name: each.limit for each in windows}
    shares = tuple(Share(meter=each, amount=amounts[each.kind], limit=limits[each.name]) for each in meters(windows))
    return Hold(id=id_, shares=shares, lasts_ms=lasts_ms, entry=entry_of(tokens))


def entry_of(tokens: int) -> Entry:
    return Entry(model="m", route="r", sums=Sums(output_tokens=tokens, cost=tokens * MONEY))


class BudgetLife(RuleBasedStateMachine):
    """Subclasses say where the budget is kept."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = SteppedClock()
        self.runner = asyncio.Runner()
        self.tenant = f"tenant-{next(_TENANTS)}"
        self.now_ms = START_MS
        self.ids = count()
        self.happened: list[Happened] = []
        self.settled_in_full = 0

    def open(self) -> tuple[Budgets, Usages]:
        raise NotImplementedError

    def teardown(self) -> None:
        self.runner.close()

    def do(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(coroutine)

    @initialize()
    def begin(self) -> None:
        self.budgets, self.usages = self.open()

    @rule(tokens=st.integers(1, 700))
    def hold(self, tokens: int) -> None:
        hold = hold_of(f"h{next(self.ids)}", tokens)
        before = self._counted()
        fits = all(shown + share.amount <= (share.limit or 0) for shown, share in zip(before, hold.shares, strict=True))

        taken = self.do(self.budgets.hold(self.tenant, hold))

        assert taken.granted is fits
        if fits:
            self.happened.append(Happened(hold, self.now_ms))
        self._agree(taken.levels)

    @rule(data=st.data(), share=st.floats(0, 1.3))
    def settle(self, data: st.DataObject, share: float) -> None:
        if not self.happened:
            return
        which = data.draw(st.sampled_from(self.happened))
        tokens = round(which.hold.entry.sums.output_tokens * share)
        actual = (tokens, tokens, tokens * MONEY, int(tokens > 0))
        is_late = which.settled is not None or which.at_ms + LASTS_MS <= self.now_ms

        found = self.do(self.budgets.settle(self.tenant, which.hold, actual, entry_of(tokens) if tokens else None))

        assert found.late is is_late
        if not is_late:
            assert found.beyond is any(amount > held for amount, held in zip(actual, which.counts, strict=True))
            which.settled = which.counts = actual
        self._agree(found.levels)

    @rule(ms=st.integers(1, 4 * MINUTE_MS))
    def go_on(self, ms: int) -> None:
        self.clock.ms += ms
        self.now_ms = max(self.now_ms, self.clock.ms)

    @rule(ms=st.integers(1, 10 * MINUTE_MS))
    def step_back(self, ms: int) -> None:
        self.clock.ms -= ms

    @invariant()
    def what_counts_is_what_happened(self) -> None:
        if hasattr(self, "budgets"):
            self._agree(self.do(self.budgets.levels(self.tenant, meters(WINDOWS))))

    @invariant()
    def nothing_was_given_out_beyond_a_limit(self) -> None:
        for at, each in enumerate(WINDOWS):
            spans = [happened for happened in self.happened if self._is_within(happened, each)]
            if all(happened.settled is None or happened.counts[at] <= happened.hold.shares[at].amount for happened in spans):
                assert sum(happened.counts[at] for happened in spans) <= each.limit

    @invariant()
    def the_ledger_has_what_was_settled(self) -> None:
        if not hasattr(self, "budgets"):
            return
        self.do(self.budgets.levels(self.tenant, meters(WINDOWS)))
        rows: list[Row] = self.do(self.usages.rows(self.tenant, 0, self.now_ms // 3_600_000))
        ended = [each for each in self.happened if each.settled is not None or each.at_ms + LASTS_MS <= self.now_ms]
        assert sum(row.sums.cost for row in rows) == sum(each.counts[2] for each in ended)
        assert sum(row.sums.output_tokens for row in rows) == sum(each.counts[0] for each in ended)
        assert sum(row.sums.estimated for row in rows) == sum(each.settled is None for each in ended)

    def _is_within(self, happened: Happened, each: Window) -> bool:
        span_ms = round(each.span_s * 1000)
        if each.sliding:
            return happened.at_ms > self.now_ms - span_ms
        return happened.at_ms // span_ms == self.now_ms // span_ms

    def _counted(self, among: list[Happened] | None = None) -> list[int]:
        sums, among = [], self.happened if among is None else among
        for at, each in enumerate(WINDOWS):
            span_ms = round(each.span_s * 1000)
            part_ms, parts = (span_ms // 60, 60) if each.sliding else (span_ms, 0)
            first_ms = (self.now_ms // part_ms - parts) * part_ms
            sums.append(sum(happened.counts[at] for happened in among if happened.at_ms >= first_ms))
        return sums

    def _agree(self, levels: Levels) -> None:
        assert levels.now_ms == self.now_ms
        assert [level.used for level in levels.levels] == self._counted()
        assert [level.held for level in levels.levels] == self._counted(
            [each for each in self.happened if each.settled is None and each.at_ms + LASTS_MS > self.now_ms]
        )


_TENANTS = count()
