"""Metrics over OTLP: what has been counted is sent again and again, on a thread of its own. A collector that is down costs nothing else.

The counting is that of `metrics`, for Prometheus; here it is only told in another language. Exemplars come along, which name a trace to
look at for a slow call.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from threading import Event, Thread
from time import time_ns

from opentelemetry.sdk.metrics import Exemplar
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricExporter,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from prometheus_client import Metric as Family
from prometheus_client.samples import Sample

from pointsman.telemetry.metrics import Described, Metrics

_CUMULATIVE = AggregationTemporality.CUMULATIVE
_SCOPE = InstrumentationScope("pointsman")


class Pushing:
    """Sends metrics until it is closed."""

    def __init__(self, metrics: Metrics, exporter: MetricExporter, resource: Resource, every_s: float) -> None:
        self._metrics = metrics
        self._exporter = exporter
        self._resource = resource
        self._every_s = every_s
        self._began_ns = time_ns()
        self._is_over = Event()
        self._thread = Thread(target=self._run, name="metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Send them once more. Takes as long as the collector; call it on a thread."""
        self._is_over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._is_over.wait(self._every_s):
            self._send()
        self._send()
        self._exporter.shutdown()

    def _send(self) -> None:
        self._exporter.export(told(self._metrics, self._resource, began_ns=self._began_ns, now_ns=time_ns()))


def told(metrics: Metrics, resource: Resource, *, began_ns: int, now_ns: int) -> MetricsData:
    """Return all metrics as they are now, counted since `began_ns`."""
    described = {each.family: each for each in metrics.described}
    found = [_metric(described[family.name], family, began_ns, now_ns) for family in metrics.registry.collect()]
    scope = ScopeMetrics(scope=_SCOPE, metrics=[each for each in found if each is not None], schema_url="")
    return MetricsData([ResourceMetrics(resource=resource, scope_metrics=[scope], schema_url="")])


def _metric(each: Described, family: Family, began_ns: int, now_ns: int) -> Metric | None:
    names = {label.replace(".", "_"): label for label in each.labels}
    if each.kind == "histogram":
        points = list(_histograms(family.samples, names, began_ns, now_ns))
        return Metric(each.name, each.says, each.unit, Histogram(points, _CUMULATIVE)) if points else None
    values = [sample for sample in family.samples if not sample.name.endswith("_created")]
    numbers = [NumberDataPoint(_attributes(sample, names), began_ns, now_ns, sample.value) for sample in values]
    if not numbers:
        return None
    is_counter = each.kind == "counter"
    return Metric(each.name, each.says, each.unit, Sum(numbers, _CUMULATIVE, is_monotonic=True) if is_counter else Gauge(numbers))


def _histograms(samples: Iterable[Sample], names: dict[str, str], began_ns: int, now_ns: int) -> Iterator[HistogramDataPoint]:
    """Yield one point for each series; its samples come one after the other, the buckets first."""
    buckets: list[Sample] = []
    count = 0.0
    for sample in samples:
        if sample.name.endswith("_bucket"):
            buckets.append(sample)
        elif sample.name.endswith("_count"):
            count = sample.value
        elif sample.name.endswith("_sum"):
            below = [int(bucket.value) for bucket in buckets]
            yield HistogramDataPoint(
                attributes=_attributes(sample, names),
                start_time_unix_nano=began_ns,
                time_unix_nano=now_ns,
                count=int(count),
                sum=sample.value,
                bucket_counts=[most - least for least, most in zip([0, *below], below, strict=False)],
                explicit_bounds=[float(bucket.labels["le"]) for bucket in buckets[:-1]],
                min=None,  # type: ignore[arg-type]  # nobody knows; the encoder leaves out what is None
                max=None,  # type: ignore[arg-type]
                exemplars=list(_exemplars(buckets, now_ns)),
            )
            buckets = []


def _exemplars(buckets: Sequence[Sample], now_ns: int) -> Iterator[Exemplar]:
    for bucket in buckets:
        if bucket.exemplar is not None:
            at_ns = now_ns if bucket.exemplar.timestamp is None else round(float(bucket.exemplar.timestamp) * 1e9)
            yield Exemplar({}, bucket.exemplar.value, at_ns, *_ids(bucket.exemplar.labels))


def _ids(labels: Mapping[str, str]) -> tuple[int, int]:
    """Return the ids of a span and its trace."""
    return int(labels["span_id"], 16), int(labels["trace_id"], 16)


def _attributes(sample: Sample, names: dict[str, str]) -> dict[str, str]:
    return {names[label]: value for label, value in sample.labels.items() if label in names}
