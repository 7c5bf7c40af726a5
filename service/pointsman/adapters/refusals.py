"""What an upstream's refusal means: a reply that is no answer, as the error of the attempt. Nothing of its text is kept.

Both wire formats put a type or code into `error`; of the many words, those count that change what is done next.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from msgspec import DecodeError, Struct, json

from pointsman.adapters.http import Reply
from pointsman.ports import AttemptFailed

LONGEST_S = 120.0
"""A provider that asks for more is asked again after this, all the same."""

UNREADABLE_S = 1.0
"""Where a provider asks to wait, but not for a time that can be understood."""

_OUT_OF_MONEY = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_error", "credit_balance_too_low"})
_SECONDS = re.compile(r"\d{1,18}(?:\.\d{1,9})?", re.ASCII)


class _Error(Struct, frozen=True):
    type: str | None = None
    code: str | int | None = None


class _Refusal(Struct, frozen=True):
    error: _Error | str | None = None


_REFUSAL = json.Decoder(_Refusal)


def refused(reply: Reply, now: datetime | None = None) -> AttemptFailed:
    """Return the error of an attempt that was refused: its `error_type` is the status, or "quota" where no waiting helps."""
    if reply.status == 429 and not _OUT_OF_MONEY.isdisjoint(_words(reply.body)):
        return AttemptFailed("quota")
    waits = reply.status in (429, 503, 529)
    return AttemptFailed(str(reply.status), retry_after_s=retry_after_s(reply.headers, now or datetime.now(UTC)) if waits else None)


def _words(body: bytes) -> tuple[object, ...]:
    try:
        error = _REFUSAL.decode(body).error
    except (DecodeError, UnicodeDecodeError, RecursionError):
        return ()
    return (error.type, error.code) if isinstance(error, _Error) else ()


def retry_after_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return for how long a provider asks to be left alone, 0..LONGEST_S seconds; None where it does not ask.

    It may say so in milliseconds, in seconds, or by a date; what is none of these counts as UNREADABLE_S.
    """
    if (milliseconds := headers.get("retry-after-ms")) is not None:
        return _bounded(_number(milliseconds) / 1000)
    if (value := headers.get("retry-after")) is None:
        return None
    seconds = _number(value)
    return _bounded(_until(value, now) if math.isnan(seconds) else seconds)


def _number(text: str) -> float:
    return float(text) if _SECONDS.fullmatch(text.strip()) else math.nan


def _until(text: str, now: datetime) -> float:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return math.nan
    return (moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds()


def _bounded(seconds: float) -> float:
    return UNREADABLE_S if math.isnan(seconds) or seconds < 0 else min(seconds, LONGEST_S)
