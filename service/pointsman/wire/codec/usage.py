"""What was used, as AdminService tells it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from datetime import datetime

import msgspec

from pointsman.core.errors import InvalidRequest, Violation
from pointsman.core.ledger import GROUPS, KEPT_DAYS, Group, Page, Query, Sums
from pointsman.v1 import admin_service_pb2 as pb
from pointsman.wire.codec.scalars import money_to_pb, time_to_pb

MOST_ROWS = 1000
"""Of a page."""

_HOUR_S = 3600
_KEY = msgspec.json.Decoder(tuple[str, ...])


def usage_query_from_pb(message: pb.GetUsageRequest, now: datetime) -> Query:
    """Return what is asked for; without times all that is known until now. Raises InvalidRequest."""
    by, now_hour = tuple(message.group_by), int(now.timestamp()) // _HOUR_S
    first, last = now_hour - KEPT_DAYS * 24, now_hour
    if message.HasField("start_time"):
        first = max(first, message.start_time.seconds // _HOUR_S)
    if message.HasField("end_time"):
        last = min(last, -(-message.end_time.seconds // _HOUR_S) - 1)
    after = _after(message.page_token, by)
    if violations := list(_wrong(message, by, after)):
        raise InvalidRequest(*violations)
    size = min(message.page_size or MOST_ROWS, MOST_ROWS)
    return Query(first_hour=first, last_hour=last, by=by, tenant=message.tenant, size=size, after=after or None)


def _wrong(message: pb.GetUsageRequest, by: tuple[str, ...], after: tuple[str, ...] | None) -> Iterator[Violation]:
    unknown = [name[:40] for name in by if name not in GROUPS]
    if unknown or len(set(by)) < len(by):
        yield Violation(field="group_by", message=f"must be some of {', '.join(GROUPS)}, each once")
    if message.page_size < 0:
        yield Violation(field="page_size", message=f"must be 0 to {MOST_ROWS}, found {message.page_size}")
    if message.HasField("start_time") and message.HasField("end_time") and message.start_time.seconds >= message.end_time.seconds:
        yield Violation(field="end_time", message="must be later than start_time")
    if after is None:
        yield Violation(
            field="page_token", message="must be the next_page_token of the page before, of a request that is otherwise the same"
        )


def _after(token: str, by: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return the last group of the page before, empty where there is none; None where the token is none of ours."""
    if not token:
        return ()
    try:
        key = _KEY.decode(base64.urlsafe_b64decode(token.encode()))
    except (binascii.Error, UnicodeError, msgspec.MsgspecError):
        return None
    return key if key and len(key) == len(by) else None


def usage_query_to_pb(
    *, start: datetime | None, end: datetime | None, by: tuple[str, ...], tenant: str, page_token: str
) -> pb.GetUsageRequest:
    """Return a query as a message."""
    message = pb.GetUsageRequest(group_by=by, tenant=tenant, page_token=page_token)
    if start is not None:
        message.start_time.CopyFrom(time_to_pb(start))
    if end is not None:
        message.end_time.CopyFrom(time_to_pb(end))
    return message


def usage_to_pb(page: Page) -> pb.GetUsageResponse:
    """Return a page as a message."""
    token = base64.urlsafe_b64encode(msgspec.json.encode(page.groups[-1].key)).decode() if page.more else ""
    return pb.GetUsageResponse(rows=[usage_row_to_pb(group) for group in page.groups], next_page_token=token)


def usage_row_to_pb(group: Group) -> pb.UsageRow:
    """Return a group as a message."""
    sums = group.sums
    return pb.UsageRow(
        group=group.names,
        requests=sums.requests,
        input_tokens=sums.input_tokens,
        cached_input_tokens=sums.cached_input_tokens,
        output_tokens=sums.output_tokens,
        reasoning_tokens=sums.reasoning_tokens,
        cost=money_to_pb(sums.cost),
        baseline_cost=money_to_pb(sums.baseline_cost),
        cache_hits=sums.cache_hits,
        fallbacks=sums.fallbacks,
        estimated=sums.estimated,
    )


def usage_row_from_pb(row: pb.UsageRow, by: tuple[str, ...]) -> Group:
    """Return a group, its names in the order in which they were asked for."""
    return Group(
        names={name: row.group.get(name, "") for name in by},
        sums=Sums(
            requests=row.requests,
            input_tokens=row.input_tokens,
            cached_input_tokens=row.cached_input_tokens,
            output_tokens=row.output_tokens,
            reasoning_tokens=row.reasoning_tokens,
            cost=row.cost.nano_usd,
            baseline_cost=row.baseline_cost.nano_usd,
            cache_hits=row.cache_hits,
            fallbacks=row.fallbacks,
            estimated=row.estimated,
        ),
    )
