"""What comes with a call beside its message, as metadata: its id, a credential, the caller's own key, a trace."""

from __future__ import annotations

import re
import secrets
import time
from random import Random
from typing import Any

import grpc

from pointsman.core.errors import InvalidRequest, Violation

REQUEST_ID = "x-request-id"
AUTHORIZATION = "authorization"
IDEMPOTENCY_KEY = "idempotency-key"
TRACEPARENT, TRACESTATE = "traceparent", "tracestate"
PREVIOUS = "grpc-previous-rpc-attempts"

_OWN_KEY = re.compile(r"[!-~]{1,255}")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_TRACESTATE = re.compile(r"[ -~]{1,512}")
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")

_RANDOM = Random(secrets.randbits(256))  # noqa: S311  # ids need to be different, not secret, and asking the system costs a call of it


def is_request_id(text: str) -> bool:
    """Return whether a text can be the id of a request."""
    return _ID.fullmatch(text) is not None


class CallMetadata:
    """What came with a call that counts; nothing else does."""

    __slots__ = ("authorization", "idempotency_keys", "request_id", "traceparent", "tracestate", "tried_before")

    def __init__(self) -> None:
        self.request_id = ""
        """Of the caller; empty where there is none that can be used."""
        self.authorization: tuple[str, ...] = ()
        self.idempotency_keys: tuple[str, ...] = ()
        self.tried_before = 0
        self.traceparent = ""
        self.tracestate: tuple[str, ...] = ()


def metadata_of(context: grpc.aio.ServicerContext[Any, Any]) -> CallMetadata:
    """Return what came with a call."""
    found = CallMetadata()
    for key, value in context.invocation_metadata() or ():
        if key == AUTHORIZATION:
            found.authorization = (*found.authorization, str(value))
        elif key == REQUEST_ID and not found.request_id and is_request_id(str(value)):
            found.request_id = str(value)
        elif key == IDEMPOTENCY_KEY:
            found.idempotency_keys = (*found.idempotency_keys, str(value))
        elif key == TRACEPARENT:
            found.traceparent = str(value)
        elif key == TRACESTATE:
            found.tracestate = (*found.tracestate, str(value))
        elif key == PREVIOUS:
            found.tried_before = int(value) if str(value).isdecimal() and len(value) < 4 else 1
    return found


def passed_on(traceparent: str, tracestate: str) -> dict[str, str]:
    """Return the headers by which others go on with a trace; none where what came is no W3C trace context."""
    if not _TRACEPARENT.fullmatch(traceparent):
        return {}
    return {TRACEPARENT: traceparent, **({TRACESTATE: tracestate} if _TRACESTATE.fullmatch(tracestate) else {})}


def own_key_of(keys: tuple[str, ...]) -> str:
    """Return the key by which a caller may repeat a call, empty where he gives none. Raises InvalidRequest for what is no key."""
    if keys and (len(keys) > 1 or not _OWN_KEY.fullmatch(keys[0])):
        raise InvalidRequest(Violation(field=IDEMPOTENCY_KEY, message="must be given once, as 1 to 255 characters of ASCII without spaces"))
    return keys[0] if keys else ""


def new_id() -> str:
    """Return a new id that sorts by time: version 7 of RFC 9562, without dashes."""
    milliseconds = time.time_ns() // 1_000_000
    random = _RANDOM.getrandbits(74)
    return f"{milliseconds << 80 | 7 << 76 | (random >> 62) << 64 | 2 << 62 | random & (1 << 62) - 1:032x}"
