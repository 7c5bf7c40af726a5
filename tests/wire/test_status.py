"""Every error has a way out and a way back, and no status is larger than what a client takes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, TypeVar
from urllib.parse import quote

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2 as details
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.decision import Dropped
from pointsman.core.errors import (
    AllUnavailable,
    BudgetExhausted,
    ConstrainedOut,
    ContextTooLong,
    DeadlinePassed,
    InvalidRequest,
    NoEligibleModel,
    NotYet,
    PointsmanError,
    RateLimited,
    ServerError,
    StreamInterrupted,
    UnknownModel,
    UpstreamUnavailable,
    Violation,
    refusal,
)
from pointsman.core.relief import Relief
from pointsman.core.vocabulary import DropReason
from pointsman.wire.status import DOMAIN, INTERNAL, STATUSES, error_of, reason_of, status_of

E = TypeVar("E", bound=Message)

METADATA = 8 * 1024
"""Bytes that a client of gRPC takes unless it is told otherwise; above, calls fail now and then, above 16 KB always."""


def tree(kind: type[PointsmanError] = PointsmanError) -> Iterator[type[PointsmanError]]:
    """Yield every error below the root, this project's own and no test's."""
    for child in kind.__subclasses__():
        if child.__module__.startswith("pointsman."):
            yield child
            yield from tree(child)


def example(kind: type[PointsmanError]) -> PointsmanError:
    """Return an error of the class that says all that the class can say."""
    if issubclass(kind, InvalidRequest):
        return kind(Violation(field="request.prompt", message="is empty"), Violation(field="request.context.labels", message="too many"))
    if issubclass(kind, NoEligibleModel):
        error = kind("no model on offer", rule="default", counts={"COST": 2, "NOT_ASKED": 1, "CONTEXT_WINDOW": 3})
        if isinstance(error, ConstrainedOut):
            error.constraints = ("eu-only", "no/preview.models")
        return error
    if issubclass(kind, RateLimited):
        return kind("too often", retry_after_s=2.5)
    if issubclass(kind, StreamInterrupted):
        return kind("it broke off", emitted_tokens=7)
    return kind("a sentence")


def found_in(status: Status, kind: type[E]) -> list[E]:
    """Return the details of one kind."""
    found = []
    for packed in status.details:
        detail = kind()
        if packed.Unpack(detail):
            found.append(detail)
    return found


def raised(status: Status) -> grpc.aio.AioRpcError:
    """Return what grpc raises at the client for a status that the server ended a call with."""
    told: Any = rpc_status.to_status(status)
    return grpc.aio.AioRpcError(told.code, grpc.aio.Metadata(), grpc.aio.Metadata(*told.trailing_metadata), details=told.details)


def back(error: PointsmanError, request_id: str = "id-1") -> PointsmanError:
    """Return the error after its way over the wire."""
    return error_of(raised(status_of(error, request_id)))


@pytest.mark.parametrize("kind", list(tree()))
def test_every_error_has_a_row(kind: type[PointsmanError]) -> None:
    """A new error fails here until the table says how it leaves."""
    assert kind in STATUSES


def test_reasons_are_unique_and_spelled_as_aip_193_says() -> None:
    reasons = [reason for _, reason in STATUSES.values()]

    assert len(set(reasons)) == len(reasons)
    assert all(re.fullmatch(r"[A-Z][A-Z0-9_]+[A-Z0-9]", reason) and len(reason) <= 63 for reason in reasons)


def test_no_error_is_told_as_fine_or_as_unknown() -> None:
    assert {code for code, _ in STATUSES.values()}.isdisjoint({grpc.StatusCode.OK, grpc.StatusCode.UNKNOWN, grpc.StatusCode.CANCELLED})


@pytest.mark.parametrize("kind", STATUSES)
def test_a_status_has_one_error_info_and_the_id_of_the_request(kind: type[PointsmanError]) -> None:
    error = example(kind)
    code, reason = STATUSES[kind]

    status = status_of(error, "id-1")

    (info,) = found_in(status, details.ErrorInfo)
    (request,) = found_in(status, details.RequestInfo)
    assert (status.code, status.message) == (code.value[0], str(error))
    assert (info.reason, info.domain, request.request_id) == (reason, DOMAIN, "id-1")
    assert all(re.fullmatch(r"[a-z][a-zA-Z0-9-_]{0,63}", key) for key in info.metadata)
    assert reason_of(error) == (code.name, reason)


@pytest.mark.parametrize(
    ("kind", "detail"),
    [
        (InvalidRequest, details.BadRequest),
        (UnknownModel, details.BadRequest),
        (ConstrainedOut, details.PreconditionFailure),
        (BudgetExhausted, details.QuotaFailure),
        (RateLimited, details.QuotaFailure),
        (RateLimited, details.RetryInfo),
        (AllUnavailable, details.RetryInfo),
        (UpstreamUnavailable, details.RetryInfo),
    ],
)
def test_a_status_has_the_detail_that_helps(kind: type[PointsmanError], detail: type[Message]) -> None:
    assert len(found_in(status_of(example(kind), ""), detail)) == 1


def test_a_bad_request_names_the_fields() -> None:
    (bad,) = found_in(status_of(example(InvalidRequest), ""), details.BadRequest)

    assert [(wrong.field, wrong.description) for wrong in bad.field_violations] == [
        ("request.prompt", "is empty"),
        ("request.context.labels", "too many"),
    ]


def test_a_refusal_counts_by_reason_for_programs() -> None:
    (info,) = found_in(status_of(example(ConstrainedOut), ""), details.ErrorInfo)

    assert dict(info.metadata) == {
        "rule": "default",
        "cost": "2",
        "notAsked": "1",
        "contextWindow": "3",
        "constraints": "eu-only,no/preview.models",
    }


@pytest.mark.parametrize("kind", STATUSES)
def test_an_error_comes_back_as_it_left(kind: type[PointsmanError]) -> None:
    error = example(kind)

    returned = back(error)

    assert type(returned) is kind
    assert str(returned) == str(error)
    assert returned.request_id == "id-1"
    for name in ("violations", "rule", "counts", "constraints", "emitted_tokens"):
        assert getattr(returned, name, None) == getattr(error, name, None), name


@pytest.mark.parametrize("reason", DropReason)
def test_every_reason_is_counted_under_its_name_on_both_sides(reason: DropReason) -> None:
    error = back(NoEligibleModel("none", counts={reason.name: 7}))

    assert isinstance(error, NoEligibleModel)
    assert error.counts == {reason.name: 7}


@given(st.text(min_size=1, max_size=2000))
def test_any_sentence_comes_back(sentence: str) -> None:
    assert str(back(UpstreamUnavailable(sentence))) == sentence


def many_dropped(reason: DropReason, constraints: tuple[str, ...] = ()) -> NoEligibleModel:
    """Return the refusal of sixty models with long names."""
    dropped = tuple(Dropped(model=f"{number:02}".ljust(63, "m"), reason=reason, detail="d" * 200) for number in range(60))
    return refusal("r" * 63, dropped, constraints)


def refused(field: str, message: str) -> InvalidRequest:
    """Return two hundred violations."""
    return InvalidRequest(*(Violation(field=field.format(number), message=message) for number in range(10**6, 10**6 + 200)))


def unknown_capabilities(name: str) -> InvalidRequest:
    """Return the violations of unknown capabilities as the codec words them."""
    return refused("request.requirements.capabilities[{}]", f"must be one of tools, json, vision, found {name[:40]!r}")


HUGE = {
    "a long sentence": UpstreamUnavailable("x" * 100_000),
    "a long sentence in Chinese": UpstreamUnavailable("模" * 100_000),
    "sixty models dropped": many_dropped(DropReason.COST),
    "sixty models in use": many_dropped(DropReason.CAPACITY),
    "sixty models too small": many_dropped(DropReason.CONTEXT_WINDOW),
    "sixty models without budget": many_dropped(DropReason.BUDGET),
    "sixty constraints": many_dropped(DropReason.CONSTRAINT, tuple(f"{number:02}".ljust(63, "c") for number in range(60))),
    "two hundred violations": refused(
        "request.prompt.messages[{0}].parts[{0}].tool_result.tool_call_id", "is empty: it names the call that this answers"
    ),
    "two hundred unknown capabilities": unknown_capabilities("x" * 100),
    "two hundred unknown capabilities of pictures": unknown_capabilities("🚂" * 100),
    "two hundred unknown capabilities of control characters": unknown_capabilities("\U000e0001" * 100),
    "a long name of a model": UnknownModel(Violation(field="request.requirements.model", message="🚂" * 5_000)),
}


@pytest.mark.parametrize("error", HUGE.values(), ids=HUGE)
def test_a_status_fits_into_the_metadata_of_a_response(error: PointsmanError) -> None:
    """The details and, percent-encoded, the message travel as metadata; where they do not fit, the client sees neither."""
    status = status_of(error, "i" * 64)

    assert len(status.SerializeToString()) + len(quote(status.message)) < METADATA


@pytest.mark.parametrize("error", HUGE.values(), ids=HUGE)
def test_the_beginning_of_a_huge_error_comes_back(error: PointsmanError) -> None:
    returned = back(error)

    assert type(returned) is type(error)
    assert str(returned)[:100] == str(error)[:100]


def test_an_error_that_nobody_foresaw_says_where_to_look_and_no_more() -> None:
    status = status_of(INTERNAL, "id-1")

    assert status.code == grpc.StatusCode.INTERNAL.value[0]
    assert "log" in status.message
    assert type(back(INTERNAL)) is ServerError


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (grpc.StatusCode.DEADLINE_EXCEEDED, DeadlinePassed),
        (grpc.StatusCode.UNAVAILABLE, UpstreamUnavailable),
        (grpc.StatusCode.UNIMPLEMENTED, NotYet),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, ServerError),
        (grpc.StatusCode.UNKNOWN, ServerError),
        (grpc.StatusCode.CANCELLED, ServerError),
    ],
)
def test_what_grpc_itself_says_is_told_by_its_code(code: grpc.StatusCode, expected: type[PointsmanError]) -> None:
    error = error_of(grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), details="from grpc"))

    assert type(error) is expected
    assert (str(error), error.request_id) == ("from grpc", "")


def test_a_stream_that_a_proxy_cuts_is_one_whose_server_is_gone() -> None:
    cut = grpc.aio.AioRpcError(
        grpc.StatusCode.INTERNAL, grpc.aio.Metadata(), grpc.aio.Metadata(), details="Received RST_STREAM with error code 2"
    )

    assert type(error_of(cut)) is UpstreamUnavailable


def test_a_reason_of_another_domain_is_not_ours() -> None:
    status = status_of(ContextTooLong("none"), "")
    foreign = details.ErrorInfo(reason="CONTEXT_TOO_LONG", domain="elsewhere.example")
    status.details[0].Pack(foreign)

    assert type(error_of(raised(status))) is ServerError


def test_a_code_without_words_is_told_by_its_name() -> None:
    error = error_of(grpc.aio.AioRpcError(grpc.StatusCode.UNKNOWN, grpc.aio.Metadata(), grpc.aio.Metadata()))

    assert str(error) == "UNKNOWN"


STATUS_BIN = "grpc-status-details-bin"


@pytest.mark.parametrize(
    "trailing",
    [
        pytest.param(status_of(NoEligibleModel("none"), "").SerializeToString(), id="of another code, as where grpc gave up on metadata"),
        pytest.param(Status(code=8, message="another").SerializeToString(), id="of another message, as from a proxy"),
        pytest.param(b"\xff\xff\xff", id="no status at all"),
    ],
)
def test_details_that_do_not_go_with_the_status_are_no_reason_to_raise_anything_else(trailing: bytes) -> None:
    """Whoever calls catches PointsmanError; a ValueError out of a failed call would pass him by."""
    failed = grpc.aio.AioRpcError(
        grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.aio.Metadata(), grpc.aio.Metadata((STATUS_BIN, trailing)), details="too large"
    )

    assert type(error_of(failed)) is ServerError


RELIEFS = (
    Relief(limit="accuracy", given=0.95, needed=0.84, model="gpt-6.1-terra"),
    Relief(limit="max_cost", given=1_000, needed=2_500_000_000, model="openai/gpt-oss-120b"),
    Relief(limit="wait", given=0, needed=12.25, model="small"),
)


@pytest.mark.parametrize("kind", [NoEligibleModel, BudgetExhausted])
def test_what_would_help_arrives_as_it_was_sent(kind: type[NoEligibleModel]) -> None:
    error = kind("nothing fits", rule="default", counts={"QUALITY": 2})
    error.reliefs = RELIEFS

    arrived = back(error)

    assert isinstance(arrived, kind)
    assert (arrived.reliefs, arrived.counts, arrived.rule) == (RELIEFS, {"QUALITY": 2}, "default")


def test_limits_to_relax_are_preconditions_for_those_who_read_standard_details() -> None:
    error = NoEligibleModel("nothing fits", counts={"QUALITY": 2})
    error.reliefs = RELIEFS

    (failure,) = found_in(status_of(error, ""), details.PreconditionFailure)

    assert [(found.type, found.subject, found.description) for found in failure.violations] == [
        ("LIMIT", "accuracy", "accuracy 0.84 (gpt-6.1-terra)"),
        ("LIMIT", "max_cost", "max_cost $2.50 (openai/gpt-oss-120b)"),
        ("LIMIT", "wait", "a wait of 12 s (small)"),
    ]


def test_a_budget_that_heals_says_when_and_one_that_does_not_says_nothing() -> None:
    heals, does_not = BudgetExhausted("spent"), BudgetExhausted("spent")
    heals.reliefs = RELIEFS

    (retry,) = found_in(status_of(heals, ""), details.RetryInfo)

    assert retry.retry_delay.ToMilliseconds() == 12_250
    assert found_in(status_of(does_not, ""), details.RetryInfo) == []


def test_when_to_come_back_arrives_as_it_was_sent() -> None:
    arrived = back(RateLimited("too often", retry_after_s=2.5))

    assert isinstance(arrived, RateLimited)
    assert arrived.retry_after_s == 2.5
