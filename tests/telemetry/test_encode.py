"""Our spans as messages are those that the library would make of them."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from pointsman.telemetry.encode import request_of
from pointsman.telemetry.story import Parent, Story
from pointsman.telemetry.traces import Traces
from stories import story

RESOURCE = Resource({"service.name": "pointsman", "numbers": [1, 2]})
SCOPE = InstrumentationScope("pointsman")

texts = st.text(st.characters(codec="utf-8"), max_size=20)
values = st.one_of(
    texts, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.lists(texts, max_size=3).map(tuple)
)
maps = st.dictionaries(texts.filter(bool), values, max_size=5)
states = st.sampled_from([TraceState(), TraceState([("a", "1"), ("b", "2")])])
contexts = st.builds(
    SpanContext, st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.booleans(), st.just(TraceFlags(TraceFlags.SAMPLED)), states
)
spans = st.builds(
    ReadableSpan,
    name=texts,
    context=contexts,
    parent=st.none() | contexts,
    resource=st.just(RESOURCE),
    instrumentation_scope=st.just(SCOPE),
    attributes=maps,
    events=st.lists(st.builds(Event, texts, maps, st.integers(0, 2**63)), max_size=2),
    kind=st.sampled_from(SpanKind),
    status=st.just(Status(StatusCode.UNSET)) | st.builds(Status, st.just(StatusCode.ERROR), texts),
    start_time=st.integers(0, 2**63),
    end_time=st.integers(0, 2**63),
)


@given(st.lists(spans, min_size=1, max_size=3))
def test_any_span_is_told_as_the_library_tells_it(made: list[ReadableSpan]) -> None:
    assert request_of(made) == encode_spans(made)


def told(*stories: Story) -> Sequence[ReadableSpan]:
    exporter = InMemorySpanExporter()
    traces = Traces(ALWAYS_ON, RESOURCE, [SimpleSpanProcessor(exporter)])
    for each in stories:
        traces.tell(each)
    return exporter.get_finished_spans()


def test_the_spans_of_calls_are_too() -> None:
    parent = Parent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "a=1,b=2")
    made = told(story(), story(parent=parent), story(code="UNAVAILABLE", reason="UPSTREAM_UNAVAILABLE", completion=None))

    assert request_of(made) == encode_spans(made)
