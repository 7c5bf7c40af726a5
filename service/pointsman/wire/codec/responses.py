"""Whole responses, for the server and for `--json`."""

from __future__ import annotations

from pointsman.core.completion import Completion, Delta
from pointsman.core.decision import Decision
from pointsman.v1 import router_service_pb2 as router_pb
from pointsman.wire.codec.completion import completion_fields, delta_to_pb
from pointsman.wire.codec.decision import decision_fields


def route_response(decision: Decision) -> router_pb.RouteResponse:
    """Return the answer to Route."""
    return router_pb.RouteResponse(decision=decision_fields(decision))


def complete_response(decision: Decision, completion: Completion) -> router_pb.CompleteResponse:
    """Return the answer to Complete."""
    return router_pb.CompleteResponse(
        decision=decision_fields(decision),
        completion=completion_fields(completion),
    )


def stream_response(event: Decision | Delta | Completion) -> router_pb.StreamCompleteResponse:
    """Return one message of the answer to StreamComplete."""
    if isinstance(event, Decision):
        return router_pb.StreamCompleteResponse(decision=decision_fields(event))
    if isinstance(event, Completion):
        return router_pb.StreamCompleteResponse(completion=completion_fields(event))
    return router_pb.StreamCompleteResponse(delta=delta_to_pb(event))
