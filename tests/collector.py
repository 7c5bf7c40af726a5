"""A collector of spans, metrics and log records that speaks OTLP over gRPC, as far as tests need one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Condition
from typing import Any

import grpc
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.logs.v1.logs_service_pb2_grpc import LogsServiceServicer, add_LogsServiceServicer_to_server
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest, ExportMetricsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import MetricsServiceServicer, add_MetricsServiceServicer_to_server
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceServicer, add_TraceServiceServicer_to_server
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
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
    metrics: dict[str, Metric] = field(default_factory=dict)
    """The last of each name."""
    logs: list[LogRecord] = field(default_factory=list)
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

    def wait(self, until: Callable[[], bool], what: str) -> None:
        """Return when something is there."""
        with self.arrived:
            if not self.arrived.wait_for(until, PATIENCE_S):
                raise AssertionError(f"expected {what}; there are {sorted(self.metrics)} and {len(self.logs)} log records")

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


@dataclass
class _Metrics(MetricsServiceServicer):
    collector: Collector

    def Export(self, request: ExportMetricsServiceRequest, context: object) -> ExportMetricsServiceResponse:  # noqa: N802  # as above
        with self.collector.arrived:
            self.collector.raw += request.SerializeToString()
            for resource in request.resource_metrics:
                for scope in resource.scope_metrics:
                    self.collector.metrics |= {metric.name: metric for metric in scope.metrics}
            self.collector.arrived.notify_all()
        return ExportMetricsServiceResponse()


@dataclass
class _Logs(LogsServiceServicer):
    collector: Collector

    def Export(self, request: ExportLogsServiceRequest, context: object) -> ExportLogsServiceResponse:  # noqa: N802  # as above
        with self.collector.arrived:
            self.collector.raw += request.SerializeToString()
            for resource in request.resource_logs:
                for scope in resource.scope_logs:
                    self.collector.logs += scope.log_records
            self.collector.arrived.notify_all()
        return ExportLogsServiceResponse()


@contextmanager
def collecting() -> Iterator[Collector]:
    """Run a collector on a free port of the loopback."""
    server, collector = grpc.server(ThreadPoolExecutor(2)), Collector()
    add_TraceServiceServicer_to_server(collector, server)  # type: ignore[no-untyped-call]  # generated without types
    add_MetricsServiceServicer_to_server(_Metrics(collector), server)  # type: ignore[no-untyped-call]
    add_LogsServiceServicer_to_server(_Logs(collector), server)  # type: ignore[no-untyped-call]
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
