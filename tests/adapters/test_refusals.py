"""What a refusal means: for how long to leave an upstream alone, and when no waiting helps."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pointsman.adapters.http import Reply
from pointsman.adapters.refusals import LONGEST_S, UNREADABLE_S, refused

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def failed(status: int, body: bytes = b"", *, headers: dict[str, str] | None = None) -> tuple[str, float | None]:
    error = refused(
        Reply(status=status, headers={name.replace("_", "-"): value for name, value in (headers or {}).items()}, body=body), NOW
    )
    return error.error_type, error.retry_after_s


WAITS: list[tuple[dict[str, str], float | None]] = [
    ({}, None),
    ({"retry_after": "7"}, 7.0),
    ({"retry_after": " 1.5 "}, 1.5),
    ({"retry_after": "0"}, 0.0),
    ({"retry_after_ms": "250"}, 0.25),
    ({"retry_after_ms": "250", "retry_after": "7"}, 0.25),
    ({"retry_after": "Tue, 24 Nov 2026 12:00:30 GMT"}, 30.0),
    ({"retry_after": "Tue, 24 Nov 2026 12:00:30 -0000"}, 30.0),
    ({"retry_after": "Tue, 24 Nov 2026 11:59:30 GMT"}, UNREADABLE_S),
    ({"retry_after": "Fri, 24 Nov 2056 11:59:30 GMT"}, LONGEST_S),
    ({"retry_after": "1000000000"}, LONGEST_S),
    *(
        ({"retry_after": text}, UNREADABLE_S)
        for text in (
            "-5",
            "nan",
            "inf",
            "1e9",
            "soon",
            "",
            "0x10",
            "9" * 400,
            "٣",
            "Mon, 99 Nov 2026",
            "Mon, 24 Nov 99999999999999999999 10:00:00 GMT",
            "Mon, 24 Nov 2026 10:00:00 +99999999999999",
        )
    ),
    ({"retry_after_ms": "never"}, UNREADABLE_S),
]


@pytest.mark.parametrize(("headers", "seconds"), WAITS)
def test_how_long_to_wait_is_understood_in_every_form_and_bounded(headers: dict[str, str], seconds: float | None) -> None:
    assert failed(429, headers=headers) == ("429", seconds)


def test_only_who_may_heal_by_waiting_is_waited_for() -> None:
    assert [failed(status, headers={"retry_after": "7"})[1] for status in (429, 503, 529, 500, 401, 400)] == [
        7.0,
        7.0,
        7.0,
        None,
        None,
        None,
    ]


@pytest.mark.parametrize("code", ["insufficient_quota", "billing_hard_limit_reached"])
def test_where_the_money_is_gone_no_waiting_helps(code: str) -> None:
    assert failed(429, f'{{"error": {{"message": "m", "type": "{code}", "code": "x"}}}}'.encode(), headers={"retry_after": "7"}) == (
        "quota",
        None,
    )
    assert failed(429, f'{{"error": {{"code": "{code}"}}}}'.encode()) == ("quota", None)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"insufficient_quota",
        b"[]",
        b'{"error": "insufficient_quota"}',
        b'{"error": {"code": 7}}',
        b"\xff",
        b"[" * 9000,
        b'{"error": []}',
    ],
)
def test_a_refusal_that_cannot_be_read_is_one_by_its_status(body: bytes) -> None:
    assert failed(429, body) == ("429", None)
