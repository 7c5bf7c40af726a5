"""What the response cache did, as AdminService shows it."""

from __future__ import annotations

from pointsman.core.cachebook import CacheAccount, CacheMiss, CacheRow
from pointsman.v1 import admin_service_pb2 as pb
from pointsman.wire.codec.scalars import money_to_pb, time_from_pb, time_to_pb


def cache_account_to_pb(account: CacheAccount) -> pb.GetCacheResponse:
    """Return the account as a message."""
    return pb.GetCacheResponse(
        rows=[_row_to_pb(row) for row in account.rows],
        misses=[_miss_to_pb(miss) for miss in account.misses],
        entries=account.entries,
        bytes=account.bytes,
    )


def cache_account_from_pb(message: pb.GetCacheResponse) -> CacheAccount:
    """Return the account that a server sent."""
    return CacheAccount(
        rows=tuple(map(_row_from_pb, message.rows)),
        misses=tuple(map(_miss_from_pb, message.misses)),
        entries=message.entries,
        bytes=message.bytes,
    )


def _row_to_pb(row: CacheRow) -> pb.CacheRow:
    return pb.CacheRow(
        tenant=row.tenant,
        rule=row.rule,
        hits=row.hits,
        misses=row.misses,
        coalesced=row.coalesced,
        stale=row.stale,
        bypassed=row.bypassed,
        saved_input_tokens=row.saved_input_tokens,
        saved_output_tokens=row.saved_output_tokens,
        saved=money_to_pb(row.saved),
    )


def _row_from_pb(message: pb.CacheRow) -> CacheRow:
    return CacheRow(
        tenant=message.tenant,
        rule=message.rule,
        hits=message.hits,
        misses=message.misses,
        coalesced=message.coalesced,
        stale=message.stale,
        bypassed=message.bypassed,
        saved_input_tokens=message.saved_input_tokens,
        saved_output_tokens=message.saved_output_tokens,
        saved=message.saved.nano_usd,
    )


def _miss_to_pb(miss: CacheMiss) -> pb.CacheMiss:
    return pb.CacheMiss(decision_id=miss.decision_id, time=time_to_pb(miss.at), tenant=miss.tenant, rule=miss.rule, changed=miss.changed)


def _miss_from_pb(message: pb.CacheMiss) -> CacheMiss:
    return CacheMiss(
        decision_id=message.decision_id, at=time_from_pb(message.time), tenant=message.tenant, rule=message.rule, changed=message.changed
    )
