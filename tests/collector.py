"""A collector of spans that speaks OTLP over gRPC, as far as tests need one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Condition
from typing import Any

import grpc
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceServicer, add_TraceServiceServicer_to_server
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

PATIENCE_S = 10.0


@dataclass
class Collector(TraceServiceServicer):
    """Keeps the spans that it is sent."""

    endpoint: str = ""
    spans: list[Span] = field(default_factory=list)
    resources: list[dict[str, object]] = field(default_factory=list)
    raw: bytes = b""
    """All that was sent, as it came."""
    arrived: Condition = field(default_factory=Condition)

    def Export(self, request: ExportTraceServiceRequest, context: object) -> ExportTraceServiceResponse:  # noqa: N802  # the protocol's name
        with self.arrived:
            self.raw += request.SerializeToString()
            for resource_spans in request.resource_spans:
                self.resources.append(attributes(resource_spans.resource.attributes))
                for scope_spans in resource_spans.scope_spans:
                    self.spans += scope_spans.spans
            self.arrived.notify_all()
        return ExportTraceServiceResponse()

    def as_json(self) -> str:
        """Return all that was sent as OTLP has it in JSON, where ids are hexadecimal."""
        spans = [MessageToDict(span) for span in self.spans]
        for told, span in zip(spans, self.spans, strict=True):
            told |= {"traceId": span.trace_id.hex(), "spanId": span.span_id.hex(), "parentSpanId": span.parent_span_id.hex()}
        return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]})

    def named(self, name: str, count: int = 1) -> list[Span]:
        """Return the spans of a name, once there are so many."""
        with self.arrived:
            if not self.arrived.wait_for(lambda: len(self._found(name)) >= count, PATIENCE_S):
                raise AssertionError(f"expected {count} spans named {name}; there are {sorted(span.name for span in self.spans)}")
            return self._found(name)

    def _found(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]


@contextmanager
def collecting() -> Iterator[Collector]:
    """Run a collector on a free port of the loopback."""
    server, collector = grpc.server(ThreadPoolExecutor(2)), Collector()
    add_TraceServiceServicer_to_server(collector, server)  # type: ignore[no-untyped-call]  # generated without types
    collector.endpoint = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield collector
    finally:
        server.stop(None).wait()


def attributes(pairs: Iterator[KeyValue] | Any) -> dict[str, object]:
    """Return attributes as a plain map."""
    return {pair.key: _plain(pair.value) for pair in pairs}


def _plain(value: AnyValue) -> object:
    kind = str(value.WhichOneof("value"))
    return [_plain(each) for each in value.array_value.values] if kind == "array_value" else getattr(value, kind)
