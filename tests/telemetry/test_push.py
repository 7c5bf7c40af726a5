"""Metrics over OTLP: the same counts, in the other spelling, with traces to look at."""

from __future__ import annotations

from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality
from opentelemetry.sdk.resources import Resource

from collector import Collector, attributes, collecting
from pointsman.telemetry.metrics import Metrics
from pointsman.telemetry.push import Pushing
from pointsman.telemetry.story import Told
from stories import METHOD, story

TRACED = Told("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")


def pushed(metrics: Metrics) -> Collector:
    """Return what a collector has of metrics."""
    with collecting() as collector:
        pushing = Pushing(metrics, OTLPMetricExporter(endpoint=collector.endpoint, insecure=True), Resource({}), every_s=3600)
        pushing.close()
    return collector


def test_what_was_counted_arrives_in_the_words_of_the_conventions() -> None:
    metrics = Metrics()
    metrics.tell(story(), TRACED)
    found = pushed(metrics).metrics

    (tokens,) = found["gen_ai.client.inference.usage.cache_read.input_tokens"].sum.data_points
    assert attributes(tokens.attributes) == {"gen_ai.provider.name": "p", "gen_ai.request.model": "large"}
    assert tokens.as_double == 100
    cost = found["pointsman.cost"]
    assert (cost.unit, cost.sum.is_monotonic) == ("USD", True)
    assert cost.sum.aggregation_temporality == AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
    assert cost.sum.data_points[0].start_time_unix_nano <= cost.sum.data_points[0].time_unix_nano


def test_a_histogram_arrives_with_its_buckets_and_a_trace_to_look_at() -> None:
    metrics = Metrics()
    metrics.tell(story(), TRACED)
    metrics.tell(story(ended_s=7.0))
    duration = pushed(metrics).metrics["rpc.server.call.duration"]

    (point,) = duration.histogram.data_points
    assert duration.unit == "s"
    assert attributes(point.attributes) == {"rpc.method": METHOD, "rpc.status_code": "OK"}
    assert (point.count, round(point.sum, 3), point.HasField("min")) == (2, 0.95, False)
    below = dict(zip([*point.explicit_bounds, float("inf")], point.bucket_counts, strict=True))
    assert {bound: count for bound, count in below.items() if count} == {0.005: 1, 1.0: 1}
    (example,) = point.exemplars
    assert (example.trace_id.hex(), example.span_id.hex(), round(example.as_double, 3)) == (*(TRACED.trace_id, TRACED.span_id), 0.95)


def test_what_has_no_series_yet_is_left_out() -> None:
    assert "pointsman.cost" not in pushed(Metrics()).metrics
