"""What was used, for those who run Pointsman."""

from __future__ import annotations

from collections.abc import Iterable

from pointsman.core.errors import StoreUnavailable
from pointsman.core.ledger import Page, Query, Row, page
from pointsman.ports import StoreDown, Usages


async def used(usages: Usages, tenants: Iterable[str], query: Query) -> Page:
    """Return a page of what was used; where the query names no tenant, by these and those that are no more. Raises StoreUnavailable."""
    rows: list[Row] = []
    try:
        for tenant in (query.tenant,) if query.tenant else sorted({*tenants, *await usages.tenants()}):
            rows += await usages.rows(tenant, query.first_hour, query.last_hour)
    except StoreDown:
        raise StoreUnavailable("what was used is kept in Valkey, which cannot be asked now; ask again in a moment") from None
    return page(rows, query)
