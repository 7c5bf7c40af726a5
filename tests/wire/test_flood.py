"""A few megabytes of wire must not become minutes of work: every list of a request has its most, and is not looked at beyond."""

from __future__ import annotations

import time

import pytest

from pointsman.core.errors import InvalidRequest
from pointsman.v1 import routing_pb2 as pb
from pointsman.wire.codec import request_from_pb
from pointsman.wire.codec.request import MOST_VIOLATIONS

HI = pb.Prompt(text="hi")


@pytest.mark.parametrize(
    ("request_", "path"),
    [
        pytest.param(pb.Request(prompt=pb.Prompt(messages=[pb.Message()] * 1_000_000)), "request.prompt.messages", id="messages"),
        pytest.param(
            pb.Request(prompt=pb.Prompt(messages=[pb.Message(role=pb.ROLE_USER, parts=[pb.Part()] * 1_000_000)])),
            "request.prompt.messages.parts",
            id="parts",
        ),
        pytest.param(pb.Request(prompt=pb.Prompt(text="hi", tools=[pb.Tool()] * 1_000_000)), "request.prompt.tools", id="tools"),
        pytest.param(pb.Request(prompt=HI, generation=pb.Generation(stop=["x"] * 1_000_000)), "request.generation.stop", id="stops"),
        pytest.param(pb.Request(prompt=HI, requirements=pb.Requirements(tags=["x"] * 1_000_000)), "request.requirements.tags", id="tags"),
        pytest.param(
            pb.Request(prompt=HI, requirements=pb.Requirements(capabilities=["x"] * 1_000_000)),
            "request.requirements.capabilities",
            id="capabilities",
        ),
        pytest.param(
            pb.Request(prompt=HI, context=pb.Context(labels={str(number): "x" for number in range(200_000)})),
            "request.context.labels",
            id="labels",
        ),
    ],
)
def test_a_list_that_is_too_long_is_refused_at_once(request_: pb.Request, path: str) -> None:
    began = time.process_time()
    with pytest.raises(InvalidRequest) as refused:
        request_from_pb(request_)

    assert path in [violation.field for violation in refused.value.violations]
    assert time.process_time() - began < 0.5


def test_violations_are_told_up_to_a_hundred() -> None:
    with pytest.raises(InvalidRequest) as refused:
        request_from_pb(pb.Request(prompt=pb.Prompt(messages=[pb.Message()] * 4_000)))

    assert len(refused.value.violations) == MOST_VIOLATIONS
