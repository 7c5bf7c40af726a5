"""Wire types to domain values and back; nothing else in the house knows protobuf messages.

`x_from_pb` and `x_to_pb` are the two directions of a message, since the server and the Python client share them; answers are made whole, by
`route_response` and its like, since protobuf would copy a message into another.
Requests are checked here, field by field, and nowhere else: a value that exists is valid.
"""

from pointsman.wire.codec.asking import cache_policy_to_pb, request_to_pb
from pointsman.wire.codec.cache import cache_account_from_pb, cache_account_to_pb
from pointsman.wire.codec.catalog import ListedModel, listed, listed_model_from_pb, listed_model_to_pb
from pointsman.wire.codec.completion import completion_from_pb, delta_from_pb, delta_to_pb
from pointsman.wire.codec.decision import decision_from_pb
from pointsman.wire.codec.explanation import account_from_pb, account_to_pb
from pointsman.wire.codec.feedback import Score, score_from_pb, score_to_pb
from pointsman.wire.codec.request import cache_policy_from_pb, request_from_pb
from pointsman.wire.codec.responses import complete_response, route_response, stream_response
from pointsman.wire.codec.rules import (
    Judgement,
    RulesInUse,
    judgement_from_pb,
    judgement_to_pb,
    problem_from_pb,
    problem_to_pb,
    rules_from_pb,
    rules_in_use,
    rules_to_pb,
)
from pointsman.wire.codec.usage import usage_query_from_pb, usage_query_to_pb, usage_row_from_pb, usage_row_to_pb, usage_to_pb

__all__ = [
    "Judgement",
    "ListedModel",
    "RulesInUse",
    "Score",
    "account_from_pb",
    "account_to_pb",
    "cache_account_from_pb",
    "cache_account_to_pb",
    "cache_policy_from_pb",
    "cache_policy_to_pb",
    "complete_response",
    "completion_from_pb",
    "decision_from_pb",
    "delta_from_pb",
    "delta_to_pb",
    "judgement_from_pb",
    "judgement_to_pb",
    "listed",
    "listed_model_from_pb",
    "listed_model_to_pb",
    "problem_from_pb",
    "problem_to_pb",
    "request_from_pb",
    "request_to_pb",
    "route_response",
    "rules_from_pb",
    "rules_in_use",
    "rules_to_pb",
    "score_from_pb",
    "score_to_pb",
    "stream_response",
    "usage_query_from_pb",
    "usage_query_to_pb",
    "usage_row_from_pb",
    "usage_row_to_pb",
    "usage_to_pb",
]
