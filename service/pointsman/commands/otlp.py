"""Spans read from OTLP in JSON, as Jaeger's query API, collectors' files and collectors' requests have it."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec import Struct

Value = str | int | float | bool | list["Value"]


class _Value(Struct, frozen=True, rename="camel"):
    string_value: str | None = None
    int_value: int | str | None = None
    """A string, as the protobuf of a 64-bit integer is in JSON; some write a number."""
    double_value: float | None = None
    bool_value: bool | None = None
    array_value: _Values | None = None

    def plain(self) -> Value:
        """Return the value that is there; an empty text where it is of a kind that we never write."""
        if self.array_value is not None:
            return [value.plain() for value in self.array_value.values]
        if self.int_value is not None:
            return int(self.int_value)
        return next((value for value in (self.string_value, self.bool_value, self.double_value) if value is not None), "")


class _Values(Struct, frozen=True):
    values: list[_Value] = []


class _Attribute(Struct, frozen=True):
    key: str
    value: _Value = _Value()


class _Status(Struct, frozen=True):
    code: int | str = 0
    message: str = ""


class _Event(Struct, frozen=True, rename="camel"):
    name: str
    time_unix_nano: int | str = 0


class _Span(Struct, frozen=True, rename="camel"):
    trace_id: str
    span_id: str
    name: str
    start_time_unix_nano: int | str
    end_time_unix_nano: int | str
    parent_span_id: str = ""
    attributes: list[_Attribute] = []
    events: list[_Event] = []
    status: _Status = _Status()


class _Scope(Struct, frozen=True):
    spans: list[_Span] = []


class _Resource(Struct, frozen=True, rename="camel"):
    scope_spans: list[_Scope] = []


class _Document(Struct, frozen=True, rename="camel"):
    resource_spans: list[_Resource] = []
    result: _Document | None = None
    """Around the whole, in answers of Jaeger."""


class ReadSpan(Struct, frozen=True, kw_only=True):
    """A span. Times are in nanoseconds of the Unix epoch."""

    trace: str
    id: str
    parent: str
    name: str
    began_ns: int
    ended_ns: int
    attributes: dict[str, Value]
    events: dict[str, int]
    """When each happened, by name."""
    error: str
    """How it failed; empty where it did not."""

    @property
    def ms(self) -> float:
        return (self.ended_ns - self.began_ns) / 1e6


class NoSpans(ValueError):
    """The text holds no spans in JSON."""


_DECODER = msgspec.json.Decoder(_Document)


def spans_of(text: bytes) -> list[ReadSpan]:
    """Return the spans of a document, or of one on each line, in the order in which they began. Raises NoSpans."""
    try:
        documents = [_DECODER.decode(text)]
    except msgspec.MsgspecError:
        documents = list(_lines(text))
    found = [_read(span) for document in documents for span in _of(document)]
    if not found:
        raise NoSpans("no spans: expected OTLP in JSON, an object with `resourceSpans`")
    return sorted(found, key=lambda span: span.began_ns)


def _lines(text: bytes) -> Iterator[_Document]:
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            try:
                yield _DECODER.decode(line)
            except msgspec.MsgspecError as error:
                raise NoSpans(f"line {number}: no OTLP in JSON: {error}") from None


def _of(document: _Document) -> Iterator[_Span]:
    resources = document.result.resource_spans if document.result is not None else document.resource_spans
    for resource in resources:
        for scope in resource.scope_spans:
            yield from scope.spans


def _read(span: _Span) -> ReadSpan:
    failed = str(span.status.code) in {"2", "STATUS_CODE_ERROR"}
    return ReadSpan(
        trace=span.trace_id,
        id=span.span_id,
        parent=span.parent_span_id,
        name=span.name,
        began_ns=int(span.start_time_unix_nano),
        ended_ns=int(span.end_time_unix_nano),
        attributes={attribute.key: attribute.value.plain() for attribute in span.attributes},
        events={event.name: int(event.time_unix_nano) for event in span.events},
        error=(span.status.message or "failed") if failed else "",
    )
