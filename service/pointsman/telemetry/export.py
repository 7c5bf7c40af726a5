"""Where spans go: as the standard variables of OpenTelemetry say, and nowhere if they say nothing.

The library reads most of them itself (sampler, endpoint, headers, certificates, service name, limits). Here is only what it leaves open:
whether there is anything to do at all, and that a collector which is down or slow costs neither calls nor the end of the process.
"""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Mapping
from importlib.metadata import version
from threading import Thread

from google.protobuf.json_format import MessageToDict
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter
from opentelemetry.trace import format_span_id, format_trace_id

from pointsman.ports import Say
from pointsman.telemetry.traces import Traces

FLUSH_S = 3.0
"""For what still waits when the process ends. With a collector that is down the library would take half a minute."""

EXPORT_S = 2.0
"""For one batch, unless OTEL_EXPORTER_OTLP_TIMEOUT says otherwise."""

MOST_WAITING = 4096
"""Spans; more are dropped rather than held."""

EVERY_MS = 1000

EXPORTER, PROTOCOL = "OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_PROTOCOL"
SAMPLER = "OTEL_TRACES_SAMPLER"
SAMPLERS = tuple(f"{parent}{how}" for parent in ("", "parentbased_") for how in ("always_on", "always_off", "traceidratio"))
ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


class CannotTrace(ValueError):
    """The variables ask for something that there is not."""


def exporters(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the exporters that are asked for, "otlp" and "console". Raises CannotTrace for others."""
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return ()
    default = "otlp" if any(environment.get(name) for name in ENDPOINTS) else "none"
    asked = tuple(filter(None, (environment.get(EXPORTER) or default).replace(" ", "").split(",")))
    if unknown := set(asked) - {"otlp", "console", "none"}:
        raise CannotTrace(f"{EXPORTER}: expected otlp, console or none, found {', '.join(sorted(unknown))}")
    if "otlp" in asked and (protocol := environment.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or environment.get(PROTOCOL)) not in (
        None,
        "",
        "grpc",
    ):
        raise CannotTrace(f"{PROTOCOL}: expected grpc, found {protocol}; point the endpoint at the collector's gRPC port, 4317 as a rule")
    if (sampler := environment.get(SAMPLER, "")) and sampler not in SAMPLERS:
        raise CannotTrace(f"{SAMPLER}: expected one of {', '.join(SAMPLERS)}, found {sampler}")
    return tuple(name for name in asked if name != "none")


class Exporting:
    """The traces of one process while it runs."""

    def __init__(self, exporters: list[SpanExporter], environment: Mapping[str, str]) -> None:
        provider = TracerProvider(resource=_resource(environment), shutdown_on_exit=False)  # knows what the variables say of sampling
        self._processors = [_batching(exporter, environment) for exporter in exporters]
        self.traces = Traces(provider.sampler, provider.resource, self._processors)

    def close(self, say: Say) -> None:
        """Send what waits, for FLUSH_S at most. Takes as long; call it on a thread."""
        flushing = [Thread(target=processor.shutdown, daemon=True) for processor in self._processors]
        for each in flushing:
            each.start()
        for each in flushing:
            each.join(FLUSH_S)
        if any(each.is_alive() for each in flushing):
            say(f"spans that still waited are lost: the collector did not take them in {FLUSH_S:g} s", level="warning")


def open_exporting(environment: Mapping[str, str]) -> Exporting | None:
    """Return what exports traces, None where nothing is asked for. Connects later, by itself. Raises CannotTrace."""
    asked = exporters(environment)
    return Exporting([_exporter(name, environment) for name in asked], environment) if asked else None


def _exporter(name: str, environment: Mapping[str, str]) -> SpanExporter:
    if name == "console":
        return ConsoleSpanExporter(out=sys.stderr, formatter=_line)
    timed = environment.get("OTEL_EXPORTER_OTLP_TIMEOUT") or environment.get("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT")
    return OTLPSpanExporter() if timed else OTLPSpanExporter(timeout=EXPORT_S)


def _line(span: ReadableSpan) -> str:
    """Return a span as OTLP in JSON, where ids are hexadecimal, on one line: what `pointsman trace` reads."""
    document = MessageToDict(encode_spans([span]))
    told, own, parent = document["resourceSpans"][0]["scopeSpans"][0]["spans"][0], span.get_span_context(), span.parent
    if own is not None:
        told |= {"traceId": format_trace_id(own.trace_id), "spanId": format_span_id(own.span_id)}
    told["parentSpanId"] = "" if parent is None else format_span_id(parent.span_id)
    return json.dumps(document) + "\n"


def _batching(exporter: SpanExporter, environment: Mapping[str, str]) -> BatchSpanProcessor:
    """Return what hands spans over in batches; where a variable says how, the library reads it."""
    delay_ms = None if "OTEL_BSP_SCHEDULE_DELAY" in environment else EVERY_MS
    most = None if "OTEL_BSP_MAX_QUEUE_SIZE" in environment else MOST_WAITING
    return BatchSpanProcessor(exporter, max_queue_size=most, schedule_delay_millis=delay_ms)


def _resource(environment: Mapping[str, str]) -> Resource:
    """What the variables say of the service goes before what is said here."""
    own = {"service.version": version("pointsman"), "service.instance.id": str(uuid.uuid4())}
    named = environment.get("OTEL_SERVICE_NAME") or "service.name=" in environment.get("OTEL_RESOURCE_ATTRIBUTES", "")
    return Resource.create(own if named else {"service.name": "pointsman", **own})
