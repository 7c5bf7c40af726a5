"""Errors to statuses and back: the one table that says with which code and reason each error leaves.

Every status carries one ErrorInfo (domain "pointsman") and, where they help, BadRequest, PreconditionFailure, QuotaFailure or RetryInfo
(AIP-193). What is not in the tree of `core.errors` leaves as INTERNAL with a constant sentence: its own text may quote a prompt.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import accumulate
from math import ceil
from urllib.parse import quote

import grpc
from google.protobuf.any_pb2 import Any as AnyPb
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2 as details
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from pointsman.core import errors
from pointsman.core.errors import PointsmanError, Violation
from pointsman.core.relief import LIMITS, Relief, in_words

DOMAIN = "pointsman"
RETRY_AFTER_S = 1

STATUSES: dict[type[PointsmanError], tuple[grpc.StatusCode, str]] = {
    errors.InvalidRequest: (grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID"),
    errors.UnknownModel: (grpc.StatusCode.INVALID_ARGUMENT, "MODEL_UNKNOWN"),
    errors.MalformedMessage: (grpc.StatusCode.INVALID_ARGUMENT, "MESSAGE_MALFORMED"),
    errors.Unauthenticated: (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED"),
    errors.CredentialMissing: (grpc.StatusCode.UNAUTHENTICATED, "CREDENTIAL_MISSING"),
    errors.CredentialInvalid: (grpc.StatusCode.UNAUTHENTICATED, "CREDENTIAL_INVALID"),
    errors.CredentialExpired: (grpc.StatusCode.UNAUTHENTICATED, "CREDENTIAL_EXPIRED"),
    errors.RoleMissing: (grpc.StatusCode.PERMISSION_DENIED, "ROLE_MISSING"),
    errors.NoEligibleModel: (grpc.StatusCode.FAILED_PRECONDITION, "NO_ELIGIBLE_MODEL"),
    errors.ConstrainedOut: (grpc.StatusCode.FAILED_PRECONDITION, "CONSTRAINED_OUT"),
    errors.ContextTooLong: (grpc.StatusCode.INVALID_ARGUMENT, "CONTEXT_TOO_LONG"),
    errors.BudgetExhausted: (grpc.StatusCode.RESOURCE_EXHAUSTED, "BUDGET_EXHAUSTED"),
    errors.RateLimited: (grpc.StatusCode.RESOURCE_EXHAUSTED, "TENANT_RATE_LIMIT"),
    errors.AllUnavailable: (grpc.StatusCode.UNAVAILABLE, "MODELS_UNAVAILABLE"),
    errors.DeadlineTooShort: (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_TOO_SHORT"),
    errors.DeadlinePassed: (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_PASSED"),
    errors.UpstreamUnavailable: (grpc.StatusCode.UNAVAILABLE, "UPSTREAM_UNAVAILABLE"),
    errors.StreamInterrupted: (grpc.StatusCode.UNAVAILABLE, "STREAM_INTERRUPTED"),
    errors.Overloaded: (grpc.StatusCode.UNAVAILABLE, "OVERLOADED"),
    errors.NotCached: (grpc.StatusCode.NOT_FOUND, "NOT_CACHED"),
    errors.StoreUnavailable: (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE"),
    errors.UnknownDecision: (grpc.StatusCode.NOT_FOUND, "DECISION_UNKNOWN"),
    errors.Ending: (grpc.StatusCode.UNAVAILABLE, "ENDING"),
    errors.NotYet: (grpc.StatusCode.UNIMPLEMENTED, "NOT_YET"),
    errors.ServerError: (grpc.StatusCode.INTERNAL, "INTERNAL"),
}

INTERNAL = errors.ServerError("an error that nobody foresaw; the server's log has it under this request's id")

_SENT_AS_THEY_ARE = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")

_BY_REASON = {reason: kind for kind, (_, reason) in STATUSES.items()}

# Statuses travel as metadata, for which many clients allow 8 KB: each part gets its share, in bytes as they are sent.
_MESSAGE_SHARE, _FIELDS_SHARE, _CONSTRAINTS_SHARE = 1_500, 2_000, 500
_LONGEST_DESCRIPTION = 300


def status_of(error: PointsmanError, request_id: str) -> Status:
    """Return the status with which an error leaves."""
    code, reason = STATUSES[type(error)]
    info = details.ErrorInfo(reason=reason, domain=DOMAIN, metadata=_metadata(error))
    packed = [info, *_details(error), details.RequestInfo(request_id=request_id)]
    return Status(code=code.value[0], message=_cut(str(error)), details=[_packed(detail) for detail in packed])


def _cut(message: str) -> str:
    """Return as much of a message as its share allows, percent-encoded as grpc sends it."""
    sent = 0
    for at, char in enumerate(message):
        sent += len(quote(char, safe=_SENT_AS_THEY_ARE))
        if sent > _MESSAGE_SHARE:
            return message[: at - 3] + "..."
    return message


def _share(items: Iterable[str], share: int) -> int:
    """Return how many of the items fit into so many bytes."""
    sizes = accumulate(len(item.encode(errors="replace")) + 1 for item in items)
    return sum(size <= share for size in sizes)


def reason_of(error: PointsmanError) -> tuple[str, str]:
    """Return the code's name and the reason, for the log."""
    code, reason = STATUSES[type(error)]
    return code.name, reason


def _packed(detail: Message) -> AnyPb:
    packed = AnyPb()
    packed.Pack(detail)
    return packed


def _metadata(error: PointsmanError) -> dict[str, str]:
    """Return what a program may want to know: for a refusal the rule, the counts by reason, and the constraints."""
    if isinstance(error, errors.StreamInterrupted):
        return {"emittedTokens": str(error.emitted_tokens)}
    if not isinstance(error, errors.NoEligibleModel):
        return {}
    found = {"rule": error.rule} | {_camel(reason): str(count) for reason, count in error.counts.items()}
    found |= {_camel(f"RELAX_{relief.limit}"): f"{relief.given} {relief.needed} {relief.model}" for relief in error.reliefs}
    if isinstance(error, errors.ConstrainedOut):
        found["constraints"] = ",".join(error.constraints[: _share(error.constraints, _CONSTRAINTS_SHARE)])
    return found


def _camel(reason: str) -> str:
    """Return NO_CREDENTIAL as noCredential: keys of ErrorInfo are written so."""
    first, *rest = reason.lower().split("_")
    return first + "".join(word.capitalize() for word in rest)


def _snake(key: str) -> str:
    return re.sub(r"(?=[A-Z])", "_", key).upper()


def _details(error: PointsmanError) -> list[Message]:
    match error:
        case errors.InvalidRequest(violations=violations):
            told = [(wrong.field, wrong.message[:_LONGEST_DESCRIPTION]) for wrong in violations]
            fitting = told[: max(1, _share(map("".join, told), _FIELDS_SHARE))]
            fields = [details.BadRequest.FieldViolation(field=field, description=message) for field, message in fitting]
            return [details.BadRequest(field_violations=fields)]
        case errors.ConstrainedOut(constraints=constraints):
            fitting_ids = constraints[: _share(constraints, _CONSTRAINTS_SHARE)]
            violations_of = [details.PreconditionFailure.Violation(type="CONSTRAINT", subject=name) for name in fitting_ids]
            return [details.PreconditionFailure(violations=violations_of)]
        case errors.BudgetExhausted(heals_in_s=heals_in_s):
            quota = details.QuotaFailure(violations=[details.QuotaFailure.Violation(subject="tenant", description=str(error)[:500])])
            return [quota] if heals_in_s is None else [quota, _retry_after(heals_in_s)]
        case errors.RateLimited(retry_after_s=retry_after_s):
            limit = details.QuotaFailure.Violation(subject="tenant", description=str(error)[:500])
            return [details.QuotaFailure(violations=[limit]), _retry_after(retry_after_s)]
        case errors.NoEligibleModel(reliefs=reliefs) if reliefs:
            return [
                details.PreconditionFailure(
                    violations=[
                        details.PreconditionFailure.Violation(type="LIMIT", subject=relief.limit, description=in_words(relief))
                        for relief in reliefs
                    ]
                )
            ]
        case errors.AllUnavailable() | errors.UpstreamUnavailable() | errors.Overloaded() | errors.Ending() | errors.StoreUnavailable():
            return [_retry_after(RETRY_AFTER_S)]
        case _:
            return []


def _retry_after(seconds: float) -> details.RetryInfo:
    delay = Duration()
    delay.FromMilliseconds(ceil(seconds * 1000))
    return details.RetryInfo(retry_delay=delay)


def error_of(rpc_error: grpc.aio.AioRpcError) -> PointsmanError:
    """Return the error that a failed call stands for: of the class that the server raised where it said so, else by the code."""
    status = _status_in(rpc_error)
    found = {detail.DESCRIPTOR.name: detail for detail in _unpacked(status)} if status else {}
    info = found.get("ErrorInfo")
    kind = _BY_REASON.get(info.reason) if isinstance(info, details.ErrorInfo) and info.domain == DOMAIN else None
    message = rpc_error.details() or rpc_error.code().name
    error = _rebuilt(kind or _without_reason(rpc_error), message, found)
    request = found.get("RequestInfo")
    error.request_id = request.request_id if isinstance(request, details.RequestInfo) else ""
    return error


def _status_in(rpc_error: grpc.aio.AioRpcError) -> Status | None:
    """Return the status that came with an error, None where there is none or a proxy has put its own code or words on top."""
    try:
        status: Status | None = rpc_status.from_call(rpc_error)
    except (ValueError, DecodeError):
        return None
    return status


def _unpacked(status: Status) -> list[Message]:
    kinds: tuple[type[Message], ...] = (details.ErrorInfo, details.BadRequest, details.RequestInfo, details.RetryInfo)
    unpacked = []
    for packed in status.details:
        for kind in kinds:
            message = kind()
            if packed.Unpack(message):
                unpacked.append(message)
    return unpacked


def _rebuilt(kind: type[PointsmanError], message: str, found: dict[str, Message]) -> PointsmanError:
    if issubclass(kind, errors.InvalidRequest):
        bad = found.get("BadRequest")
        fields = bad.field_violations if isinstance(bad, details.BadRequest) else []
        return kind(*(Violation(field=wrong.field, message=wrong.description) for wrong in fields))
    info = found.get("ErrorInfo")
    metadata = dict(info.metadata) if isinstance(info, details.ErrorInfo) else {}
    if issubclass(kind, errors.StreamInterrupted):
        return kind(message, emitted_tokens=int(metadata.get("emittedTokens", 0)))
    if issubclass(kind, errors.RateLimited):
        retry = found.get("RetryInfo")
        return kind(message, retry_after_s=retry.retry_delay.ToTimedelta().total_seconds() if isinstance(retry, details.RetryInfo) else 0.0)
    if not issubclass(kind, errors.NoEligibleModel):
        return kind(message)
    error = kind(message, rule=metadata.pop("rule", ""))
    if isinstance(error, errors.ConstrainedOut):
        error.constraints = tuple(filter(None, metadata.pop("constraints", "").split(",")))
    error.reliefs = tuple(_reliefs(metadata))
    error.counts = {_snake(key): int(count) for key, count in metadata.items() if count.isdecimal()}
    return error


def _reliefs(metadata: dict[str, str]) -> Iterator[Relief]:
    """Yield what metadata say would help; what a newer server says and this client does not know is passed over."""
    for limit in LIMITS:
        match metadata.get(_camel(f"RELAX_{limit}"), "").split(" "):
            case [given, needed, model]:
                yield Relief(limit=limit, given=float(given), needed=float(needed), model=model)


RESET = "RST_STREAM"
"""In the words of grpc for a stream that was cut, as proxies do when the replica behind them has died."""


def _without_reason(rpc_error: grpc.aio.AioRpcError) -> type[PointsmanError]:
    """Return the error for a status that gRPC itself made, which says no reason."""
    code = rpc_error.code()
    if code in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN) and RESET in str(rpc_error.details()):
        return errors.UpstreamUnavailable
    return {
        grpc.StatusCode.DEADLINE_EXCEEDED: errors.DeadlinePassed,
        grpc.StatusCode.UNAVAILABLE: errors.UpstreamUnavailable,
        grpc.StatusCode.UNIMPLEMENTED: errors.NotYet,
        grpc.StatusCode.UNAUTHENTICATED: errors.Unauthenticated,
        grpc.StatusCode.PERMISSION_DENIED: errors.RoleMissing,
    }.get(code, errors.ServerError)
