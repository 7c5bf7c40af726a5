"""What of a caller's trace is passed on."""

from __future__ import annotations

import pytest

from pointsman.wire.metadata import passed_on

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    ("parent", "state", "expected"),
    [
        (PARENT, "a=1,b=2", {"traceparent": PARENT, "tracestate": "a=1,b=2"}),
        (PARENT, "", {"traceparent": PARENT}),
        (PARENT, "x" * 513, {"traceparent": PARENT}),
        (PARENT, "a\r\nb", {"traceparent": PARENT}),
        (f"{PARENT}\r\nX-Other: 1", "a=1", {}),
        ("", "a=1", {}),
    ],
)
def test_only_a_w3c_trace_context_is_passed_on(parent: str, state: str, expected: dict[str, str]) -> None:
    assert passed_on(parent, state) == expected
