"""Whole responses, for the server and for `--json`."""

from __future__ import annotations

from pointsman.core.completion import Completion, Delta
from pointsman.core.decision import Decision
from pointsman.v1 import router_service_pb2 as router_pb
from pointsman.wire.codec.completion import delta_to_pb, fill_completion
from pointsman.wire.codec.decision import fill_decision


def route_response(decision: Decision) -> router_pb.RouteResponse:
    """Return the answer to Route."""
    response = router_pb.RouteResponse()
    fill_decision(response.decision, decision)
    return response


def complete_response(decision: Decision, completion: Completion) -> router_pb.CompleteResponse:
    """Return the answer to Complete."""
    response = router_pb.CompleteResponse()
    fill_decision(response.decision, decision)
    fill_completion(response.completion, completion)
    return response


def stream_response(event: Decision | Delta | Completion) -> router_pb.StreamCompleteResponse:
    """Return one message of the answer to StreamComplete."""
    response = router_pb.StreamCompleteResponse()
    if isinstance(event, Decision):
        fill_decision(response.decision, event)
    elif isinstance(event, Completion):
        fill_completion(response.completion, event)
    else:
        return router_pb.StreamCompleteResponse(delta=delta_to_pb(event))
    return response
