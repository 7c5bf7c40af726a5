"""Where spans, metrics and records go: as the standard variables of OpenTelemetry say, and nowhere if they say nothing.

The library reads most of them itself (sampler, endpoint, headers, certificates, service name, limits). Here is only what it leaves open:
whether there is anything to do at all, and that a collector which is down or slow costs neither calls nor the end of the process.
"""

from __future__ import annotations

import json
import os
import sys
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from importlib.metadata import version
from threading import Thread
from time import monotonic
from typing import Any, cast

from google.protobuf.json_format import MessageToDict
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter
from opentelemetry.trace import format_span_id, format_trace_id

from pointsman.ports import Say
from pointsman.telemetry import encode
from pointsman.telemetry.metrics import Metrics
from pointsman.telemetry.push import Pushing
from pointsman.telemetry.sent import SentRecords
from pointsman.telemetry.traces import Traces
from pointsman.telemetry.watched import Queued, Watched

FLUSH_S = 3.0
"""For what still waits when the process ends. With a collector that is down the library would take half a minute."""

EXPORT_S = 2.0
"""For one batch, unless OTEL_EXPORTER_OTLP_TIMEOUT says otherwise."""

MOST_WAITING = 4096
"""Spans; more are dropped rather than held."""

MOST_AT_ONCE = 512
"""Spans in one message, some 1 MB; collectors take 4."""

MOST_OF_CONTENT = 32
"""The same where they hold prompts and answers."""

EVERY_MS = 1000

METRICS_EVERY_MS = 60_000

SIGNALS = {"TRACES": ("otlp", "console", "none"), "METRICS": ("otlp", "none"), "LOGS": ("otlp", "none")}
"""What may be exported, and how. Traces go where OTEL_EXPORTER_OTLP_ENDPOINT says; metrics and records only if they are asked for by name,
since what takes traces need not take them: Jaeger does not."""

QUEUE, BATCH = "OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE"
TIMEOUT = "OTEL_EXPORTER_OTLP_TIMEOUT"
INTERVAL = "OTEL_METRIC_EXPORT_INTERVAL"
PROTOCOL, ENDPOINT = "OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_ENDPOINT"
SAMPLER = "OTEL_TRACES_SAMPLER"
SAMPLERS = tuple(f"{parent}{how}" for parent in ("", "parentbased_") for how in ("always_on", "always_off", "traceidratio"))


class CannotExport(ValueError):
    """The variables ask for something that there is not."""


def exporters(environment: Mapping[str, str], signal: str = "TRACES") -> tuple[str, ...]:
    """Return the exporters that are asked for, of "otlp" and "console". Raises CannotExport for others."""
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return ()
    variable, own = f"OTEL_{signal}_EXPORTER", f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT"
    has_endpoint = environment.get(own) or (signal == "TRACES" and environment.get(ENDPOINT))
    asked = tuple(filter(None, (environment.get(variable) or ("otlp" if has_endpoint else "none")).replace(" ", "").split(",")))
    if unknown := set(asked) - set(SIGNALS[signal]):
        hint = "; for Prometheus set POINTSMAN_METRICS_LISTEN" if "prometheus" in unknown else ""
        *most, last = SIGNALS[signal]
        raise CannotExport(f"{variable}: expected {', '.join(most)} or {last}, found {', '.join(sorted(unknown))}{hint}")
    protocol = environment.get(f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL") or environment.get(PROTOCOL)
    if "otlp" in asked and protocol not in (None, "", "grpc"):
        raise CannotExport(f"{PROTOCOL}: expected grpc, found {protocol}; point the endpoint at the collector's gRPC port, 4317 as a rule")
    if signal == "TRACES" and (sampler := environment.get(SAMPLER, "")) and sampler not in SAMPLERS:
        raise CannotExport(f"{SAMPLER}: expected one of {', '.join(SAMPLERS)}, found {sampler}")
    if (
        signal == "TRACES"
        and environment.get(SAMPLER, "").endswith("ratio")
        and not _is_share(share := environment.get(f"{SAMPLER}_ARG", "1"))
    ):
        raise CannotExport(f"{SAMPLER}_ARG: expected a share, 0 to 1, found {share}")
    if "otlp" in asked:
        _check_of_exporter(environment, signal)
    return tuple(name for name in asked if name != "none")


def _is_share(text: str) -> bool:
    try:
        return 0.0 <= float(text) <= 1.0
    except ValueError:
        return False


def _check_of_exporter(environment: Mapping[str, str], signal: str) -> None:
    """Raise CannotExport for what the library would pass over, or break off at."""
    for prefix in ("OTEL_EXPORTER_OTLP", f"OTEL_EXPORTER_OTLP_{signal}"):
        compression = environment.get(f"{prefix}_COMPRESSION", "gzip")
        if compression != "gzip":
            raise CannotExport(f"{prefix}_COMPRESSION: expected gzip, found {compression or 'nothing'}; unset it for none")
        for name in ("CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY"):
            file = environment.get(f"{prefix}_{name}", "")
            if file and not os.access(file, os.R_OK):
                raise CannotExport(f"{prefix}_{name}: cannot read {file}")


class Exporting:
    """What one process sends while it runs."""

    def __init__(self, environment: Mapping[str, str], say: Say, metrics: Metrics | None = None, *, captures: bool = False) -> None:
        """`metrics` are those to send, where that is asked for; `say` is told what a collector does not take, on any thread.
        `captures` says whether spans hold prompts and answers.

        Connects later, by itself. Raises CannotExport.
        """
        asked = {signal: exporters(environment, signal) for signal in SIGNALS}
        every_s = _interval_s(environment)
        resource = _resource(environment)

        def watched(exporter: Any, signal: str, what: str) -> Any:  # noqa: ANN401  # the library's exporters have nothing in common
            return Watched(exporter, what, _endpoint(environment, signal), say)

        def timeout_s(signal: str) -> float | None:
            return None if environment.get(TIMEOUT) or environment.get(f"OTEL_EXPORTER_OTLP_{signal}_TIMEOUT") else EXPORT_S

        most = _whole(environment, QUEUE, 512 if captures else MOST_WAITING)

        self.traces: Traces | None = None
        self.records: SentRecords | None = None
        self._spans: list[Watched] = []
        self._records: list[Watched] = []
        self._ends: list[Callable[[], object]] = []
        if "console" in asked["TRACES"]:
            self._spans.append(watched(ConsoleSpanExporter(out=sys.stderr, formatter=_line), "TRACES", "spans"))
        if "otlp" in asked["TRACES"]:
            self._spans.append(watched(encode.SpanExporter(timeout=timeout_s("TRACES")), "TRACES", "spans"))
        if self._spans:
            processors = [_batching(exporter, environment, most, MOST_OF_CONTENT if captures else MOST_AT_ONCE) for exporter in self._spans]
            sampler = TracerProvider(resource=resource, shutdown_on_exit=False).sampler  # it knows what the variables say of sampling
            self.traces = Traces(sampler, resource, processors)
            self._ends += [processor.shutdown for processor in processors]
        if asked["METRICS"] and metrics is not None:
            exporter = watched(OTLPMetricExporter(timeout=timeout_s("METRICS")), "METRICS", "metrics")
            self._ends.append(Pushing(metrics, exporter, resource, every_s).close)
        if asked["LOGS"]:
            self._records.append(watched(OTLPLogExporter(timeout=timeout_s("LOGS")), "LOGS", "decision records"))
            self.records = SentRecords(self._records[0], resource)
            self._ends.append(self.records.shutdown)

    @property
    def lost(self) -> Counter[str]:
        """Spans and records that no collector took."""
        return Counter(spans=sum(each.lost for each in self._spans), records=sum(each.lost for each in self._records))

    def close(self, say: Say) -> None:
        """Send what waits, for FLUSH_S at most. Takes as long; call it on a thread."""
        flushing = [Thread(target=end, daemon=True) for end in self._ends]
        for each in flushing:
            each.start()
        ends_s = monotonic() + FLUSH_S
        for each in flushing:
            each.join(max(0.0, ends_s - monotonic()))
        if any(each.is_alive() for each in flushing):
            say(f"what still waited to be exported is lost: the collector did not take it in {FLUSH_S:g} s", level="warning")


def _line(span: ReadableSpan) -> str:
    """Return a span as OTLP in JSON, where ids are hexadecimal, on one line: what `pointsman trace` reads."""
    document = MessageToDict(encode_spans([span]))
    told, own, parent = document["resourceSpans"][0]["scopeSpans"][0]["spans"][0], span.get_span_context(), span.parent
    if own is not None:
        told |= {"traceId": format_trace_id(own.trace_id), "spanId": format_span_id(own.span_id)}
    told["parentSpanId"] = "" if parent is None else format_span_id(parent.span_id)
    return json.dumps(document) + "\n"


def _batching(exporter: Watched, environment: Mapping[str, str], most: int, at_once: int) -> SpanProcessor:
    """Return what hands spans over in batches; where a variable says how often, the library reads it."""
    delay_ms = None if "OTEL_BSP_SCHEDULE_DELAY" in environment else EVERY_MS
    at_once = min(most, at_once, _whole(environment, BATCH, at_once))
    batching = BatchSpanProcessor(
        cast("SpanExporter", exporter), max_queue_size=most, schedule_delay_millis=delay_ms, max_export_batch_size=at_once
    )
    return Queued(batching, exporter, most + at_once)


def _whole(environment: Mapping[str, str], variable: str, default: int) -> int:
    """Return a number of 1 or more. Raises CannotExport."""
    text = environment.get(variable, "")
    if text and not (text.isascii() and text.isdecimal() and int(text)):
        raise CannotExport(f"{variable}: expected a whole number, 1 or more, found {text}")
    return int(text) if text else default


def _endpoint(environment: Mapping[str, str], signal: str) -> str:
    """Return where a signal goes, for people: without the user and password that an address may have."""
    address = environment.get(f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT") or environment.get(ENDPOINT) or "http://localhost:4317"
    return address.rpartition("@")[2]


def _interval_s(environment: Mapping[str, str]) -> float:
    """Return the seconds between two lots of metrics. Raises CannotExport."""
    return _whole(environment, INTERVAL, METRICS_EVERY_MS) / 1000


def _resource(environment: Mapping[str, str]) -> Resource:
    """What the variables say of the service goes before what is said here."""
    own = {"service.version": version("pointsman"), "service.instance.id": str(uuid.uuid4())}
    named = environment.get("OTEL_SERVICE_NAME") or "service.name=" in environment.get("OTEL_RESOURCE_ATTRIBUTES", "")
    return Resource.create(own if named else {"service.name": "pointsman", **own})
