"""Responses as JSON in the form that protobuf defines, for `--json`."""

from __future__ import annotations

from google.protobuf.json_format import MessageToJson

from pointsman.core.account import Account
from pointsman.core.cachebook import CacheAccount
from pointsman.core.completion import Completion
from pointsman.core.decision import Decision
from pointsman.core.ledger import Group
from pointsman.v1 import admin_service_pb2 as admin_pb
from pointsman.wire import codec


def decision_to_json(decision: Decision) -> str:
    """Return a RouteResponse."""
    return MessageToJson(codec.route_response(decision))


def completion_to_json(decision: Decision, completion: Completion) -> str:
    """Return a CompleteResponse."""
    return MessageToJson(codec.complete_response(decision, completion))


def models_to_json(models: list[codec.ListedModel]) -> str:
    """Return a ListModelsResponse."""
    return MessageToJson(admin_pb.ListModelsResponse(models=[codec.listed_model_to_pb(model) for model in models]))


def usage_to_json(groups: list[Group]) -> str:
    """Return a GetUsageResponse of one page, whose numbers of zero are there, too."""
    response = admin_pb.GetUsageResponse(rows=[codec.usage_row_to_pb(group) for group in groups])
    return MessageToJson(response, always_print_fields_with_no_presence=True)


def account_to_json(account: Account) -> str:
    """Return an ExplainDecisionResponse."""
    return MessageToJson(codec.account_to_pb(account))


def cache_account_to_json(account: CacheAccount) -> str:
    """Return a GetCacheResponse."""
    return MessageToJson(codec.cache_account_to_pb(account))


def purged_to_json(entries: int) -> str:
    """Return a PurgeCacheResponse."""
    return MessageToJson(admin_pb.PurgeCacheResponse(entries=entries), always_print_fields_with_no_presence=True)
