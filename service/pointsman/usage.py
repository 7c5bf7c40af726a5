"""What was used, for those who run Pointsman."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from pointsman.core.diagnostics import did_you_mean
from pointsman.core.errors import InvalidRequest, StoreUnavailable, Violation
from pointsman.core.ledger import Page, Query, Row, page
from pointsman.ports import StoreDown, Usages


async def check_tenant(usages: Usages, tenants: Iterable[str], name: str) -> None:
    """Raise InvalidRequest for a name that is none of these, and under which nothing was used. Where that cannot be told, any will do."""
    known = set(tenants)
    if name and name not in known:
        with suppress(StoreDown):
            known.update(await usages.tenants())
            if name not in known:
                told = f"there is no tenant '{name[:80]}', nor one of whom usage is kept; {did_you_mean(name[:80], known)}"
                raise InvalidRequest(Violation(field="tenant", message=told))


async def used(usages: Usages, tenants: Iterable[str], query: Query) -> Page:
    """Return a page of what was used; where the query names no tenant, by these and those that are no more. Raises StoreUnavailable."""
    rows: list[Row] = []
    try:
        for tenant in (query.tenant,) if query.tenant else sorted({*tenants, *await usages.tenants()}):
            rows += await usages.rows(tenant, query.first_hour, query.last_hour)
    except StoreDown:
        raise StoreUnavailable("what was used is kept in Valkey, which cannot be asked now; ask again in a moment") from None
    return page(rows, query)
