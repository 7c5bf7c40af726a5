"""Questions about usage are understood or refused field by field, and answers arrive as they were sent."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from pointsman.core.errors import InvalidRequest
from pointsman.core.ledger import KEPT_DAYS, Group, Page, Sums
from pointsman.v1 import admin_service_pb2 as pb
from pointsman.wire import codec

NOW = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
NOW_HOUR = int(NOW.timestamp()) // 3600
GROUP = Group(names={"tenant": "search", "day": "2026-11-23"}, sums=Sums(requests=3, input_tokens=9, output_tokens=4, cost=10**15, baseline_cost=2 * 10**15, cache_hits=1, fallbacks=1, estimated=2))  # fmt: skip


def asked(**fields: Any) -> pb.GetUsageRequest:
    return codec.usage_query_to_pb(**({"start": None, "end": None, "by": (), "tenant": "", "page_token": ""} | fields))


def test_without_times_all_that_is_kept_is_asked_for() -> None:
    query = codec.usage_query_from_pb(asked(), NOW)

    assert (query.first_hour, query.last_hour, query.by, query.size, query.after) == (NOW_HOUR - KEPT_DAYS * 24, NOW_HOUR, (), 1000, None)


def test_from_an_hour_on_up_to_another_exclusive() -> None:
    query = codec.usage_query_from_pb(
        asked(start=datetime(2026, 11, 23, 9, 59, tzinfo=UTC), end=datetime(2026, 11, 23, 11, tzinfo=UTC), by=("hour",)), NOW
    )

    assert (query.first_hour, query.last_hour) == (NOW_HOUR - 3, NOW_HOUR - 2)


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (pb.GetUsageRequest(group_by=["tenants"]), "group_by"),
        (pb.GetUsageRequest(group_by=["day", "day"]), "group_by"),
        (pb.GetUsageRequest(page_size=-1), "page_size"),
        (asked(start=NOW, end=NOW), "end_time"),
        (pb.GetUsageRequest(group_by=["day"], page_token="%%%"), "page_token"),
        (pb.GetUsageRequest(group_by=["day"], page_token="WyJhIiwiYiJd"), "page_token"),
        (pb.GetUsageRequest(group_by=["day"], page_token="e30="), "page_token"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_its_field(message: pb.GetUsageRequest, field: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        codec.usage_query_from_pb(message, NOW)

    assert [violation.field for violation in refused.value.violations] == [field]


def test_a_group_arrives_as_it_was_sent() -> None:
    response = codec.usage_to_pb(Page(groups=(GROUP,), more=False))

    assert response.next_page_token == ""
    assert codec.usage_row_from_pb(response.rows[0], ("tenant", "day")) == GROUP


def test_the_next_page_begins_behind_the_last_group() -> None:
    response = codec.usage_to_pb(Page(groups=(GROUP,), more=True))

    query = codec.usage_query_from_pb(asked(by=("tenant", "day"), page_token=response.next_page_token), NOW)

    assert query.after == ("search", "2026-11-23")
