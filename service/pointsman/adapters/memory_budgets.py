"""Budgets and usage in this process: exact as long as it is the only one, and gone when it ends."""

from __future__ import annotations

from pointsman.core.budget import Account, Hold, Levels, Meter, Settled, Taken
from pointsman.core.ledger import Entry, Ledger, Row, in_full
from pointsman.ports import Clock


class MemoryBudgets:
    """Keeps an account and a ledger for each tenant that was ever asked for: as many as there are in tenants.yaml over time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tenants: dict[str, tuple[Account, Ledger]] = {}

    async def hold(self, tenant: str, hold: Hold) -> Taken:
        """As in `ports.Budgets`."""
        account, now_ms = self._opened(tenant)
        return account.hold(hold, now_ms)

    async def settle(self, tenant: str, hold: Hold, actual: tuple[int, ...], entry: Entry | None) -> Settled:
        """As in `ports.Budgets`."""
        account, now_ms = self._opened(tenant)
        settled = account.settle(hold, actual, now_ms)
        if entry is not None and not (settled.late and hold.shares):
            self._tenants[tenant][1].add(entry, now_ms)
        return settled

    async def levels(self, tenant: str, meters: tuple[Meter, ...]) -> Levels:
        """As in `ports.Budgets`."""
        account, now_ms = self._opened(tenant)
        return account.levels(meters, now_ms)

    async def rows(self, tenant: str, first_hour: int, last_hour: int) -> list[Row]:
        """As in `ports.Usages`."""
        if tenant not in self._tenants:
            return []
        self._opened(tenant)
        return self._tenants[tenant][1].rows(first_hour, last_hour)

    async def tenants(self) -> tuple[str, ...]:
        """As in `ports.Usages`."""
        return tuple(self._tenants)

    def _opened(self, tenant: str) -> tuple[Account, int]:
        """Return the account of a tenant, and the time; what has lapsed by then is in the ledger."""
        now_ms = int(self._clock.epoch_s() * 1000)
        if tenant not in self._tenants:
            self._tenants[tenant] = Account(), Ledger(tenant)
        account, ledger = self._tenants[tenant]
        account.levels((), now_ms)
        for entry in account.lapsed():
            ledger.add(in_full(entry), now_ms)
        return account, now_ms
