"""Where spans go, and that a collector which is down is in nobody's way."""

from __future__ import annotations

import socket
import time
from datetime import UTC, datetime

import pytest
from msgspec import structs

from collector import Collector, collecting
from fakes import Said, catalog_yaml, facts_of, model_yaml, ruleset_of
from pointsman.commands.otlp import spans_of
from pointsman.core.decide import decide
from pointsman.core.market import Market, ModelState
from pointsman.core.record import Feedback, record
from pointsman.core.request import Message, Prompt
from pointsman.core.vocabulary import Role
from pointsman.ports import unheard
from pointsman.telemetry.export import FLUSH_S, CannotExport, Exporting, exporters
from pointsman.telemetry.metrics import Metrics
from pointsman.telemetry.story import Content, Story

STORY = Story(method="pointsman.v1.RouterService/Route", id="id-1", began_s=0.0, began_ns=1, ended_s=1.0, code="OK")


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, ()),
        ({"OTEL_TRACES_EXPORTER": "none"}, ()),
        ({"OTEL_TRACES_EXPORTER": "console"}, ("console",)),
        ({"OTEL_TRACES_EXPORTER": "otlp, console"}, ("otlp", "console")),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4317"}, ("otlp",)),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4317"}, ("otlp",)),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4317", "OTEL_TRACES_EXPORTER": "none"}, ()),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4317", "OTEL_SDK_DISABLED": "true"}, ()),
    ],
)
def test_nothing_is_exported_unless_something_is_asked_for(environment: dict[str, str], expected: tuple[str, ...]) -> None:
    assert exporters(environment) == expected


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER: expected otlp, console or none, found zipkin"),
        (
            {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"},
            "OTEL_EXPORTER_OTLP_PROTOCOL: expected grpc, found http/protobuf; point the endpoint at the collector's gRPC port",
        ),
    ],
)
def test_what_there_is_not_is_refused_with_what_there_is(environment: dict[str, str], says: str) -> None:
    with pytest.raises(CannotExport, match=says):
        exporters(environment)


@pytest.mark.parametrize(
    ("share", "is_fine"),
    [("0.01", True), ("1", True), (".5", True), ("0", True), ("1e-3", True), ("5", False), ("-0.1", False), ("nan", False)],
)
def test_a_share_to_sample_is_one(share: str, is_fine: bool) -> None:
    environment = {"OTEL_TRACES_EXPORTER": "console", "OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": share}
    if is_fine:
        assert exporters(environment) == ("console",)
    else:
        with pytest.raises(CannotExport, match=f"OTEL_TRACES_SAMPLER_ARG: expected a share, 0 to 1, found {share}"):
            exporters(environment)


@pytest.mark.parametrize(
    ("variable", "text", "says"),
    [
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", "expected gzip, found zstd; unset it for none"),
        ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "", "expected gzip, found nothing; unset it for none"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere/ca.pem", "cannot read /nowhere/ca.pem"),
    ],
)
def test_what_the_library_would_pass_over_or_break_off_at_is_refused(variable: str, text: str, says: str) -> None:
    with pytest.raises(CannotExport, match=f"{variable}: {says}"):
        exporters({"OTEL_TRACES_EXPORTER": "otlp", variable: text})


@pytest.mark.parametrize("signal", ["METRICS", "LOGS"])
def test_what_takes_spans_is_not_sent_anything_else_unasked(signal: str) -> None:
    assert exporters({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://jaeger:4317"}, signal) == ()
    assert exporters({f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT": "http://collector:4317"}, signal) == ("otlp",)
    assert exporters({f"OTEL_{signal}_EXPORTER": "otlp"}, signal) == ("otlp",)


def test_metrics_for_prometheus_have_a_setting_of_their_own() -> None:
    with pytest.raises(
        CannotExport, match="OTEL_METRICS_EXPORTER: expected otlp or none, found prometheus; for Prometheus set POINTSMAN_METRICS_LISTEN"
    ):
        exporters({"OTEL_METRICS_EXPORTER": "prometheus"}, "METRICS")


def test_a_sampler_that_there_is_not_is_refused() -> None:
    with pytest.raises(CannotExport, match=r"OTEL_TRACES_SAMPLER: expected one of always_on, .*, found bogus"):
        exporters({"OTEL_TRACES_EXPORTER": "console", "OTEL_TRACES_SAMPLER": "bogus"})


def test_what_goes_to_the_console_is_what_the_command_reads(capsys: pytest.CaptureFixture[str]) -> None:
    exporting = Exporting({"OTEL_TRACES_EXPORTER": "console"}, unheard)
    assert exporting.traces is not None
    trace = exporting.traces.tell(STORY).trace_id
    exporting.close(unheard)

    log = capsys.readouterr().err + '{"event": "call", "method": "Route"}\n'
    (span,) = spans_of(log.encode())
    assert (span.name, span.trace, span.attributes["pointsman.call.id"]) == (STORY.method, trace, "id-1")


def exported(monkeypatch: pytest.MonkeyPatch, **environment: str) -> Collector:
    """Return what a collector has after one story was told."""
    with collecting() as collector:
        for name, value in ({"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint} | environment).items():
            monkeypatch.setenv(name, value)  # the library reads the environment itself
        exporting = Exporting({"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint} | environment, unheard)
        assert exporting.traces is not None
        exporting.traces.tell(STORY)
        exporting.close(unheard)
        collector.named(STORY.method)
    return collector


def test_spans_reach_a_collector_and_say_which_service_they_are_of(monkeypatch: pytest.MonkeyPatch) -> None:
    (resource,) = exported(monkeypatch).resources

    assert resource["service.name"] == "pointsman"
    assert {"service.version", "service.instance.id"} <= set(resource)


def test_the_name_of_the_service_is_the_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    (resource,) = exported(monkeypatch, OTEL_SERVICE_NAME="router-eu").resources

    assert resource["service.name"] == "router-eu"


def test_a_collector_that_takes_nothing_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        wanted = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_METRICS_EXPORTER": "otlp", "OTEL_LOGS_EXPORTER": "otlp"}
        said = Said()
        exporting = Exporting(wanted, unheard, Metrics())
        assert exporting.traces is not None
        assert exporting.records is not None
        exporting.records.add(Feedback(id="a", tenant="t", time=datetime.now(UTC), score=1.0))
        for _ in range(100):
            exporting.traces.tell(STORY)
        began = time.monotonic()
        exporting.close(said)

    assert time.monotonic() - began < FLUSH_S + 1
    assert len(said) <= 1


def test_spans_that_nobody_takes_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    exporting = Exporting({"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}, unheard)
    assert exporting.traces is not None
    exporting.traces.tell(STORY)
    exporting.close(unheard)

    assert exporting.lost == {"spans": 1, "records": 0}


def test_records_of_a_large_catalog_and_spans_with_content_fit_in_what_a_collector_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    models = {f"m{number}": model_yaml() for number in range(100)}
    many = ruleset_of(catalog_yaml(models), f"version: 1\nroutes: [{{id: all, why: w, use: {{candidates: [{', '.join(models)}]}}}}]\n")
    market = Market(models={name: ModelState(note="n" * 40, ttft_ms=1.0, tokens_per_s=2.0) for name in models})
    kept = record(many, facts_of(), market, decide(many, facts_of(), market), time=datetime.now(UTC), key=b"k")
    said = Message(role=Role.USER, parts=("x" * 100_000,))
    told = structs.replace(STORY, content=Content(prompt=Prompt(messages=(said,)), answer=said))
    with collecting() as collector:
        variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint, "OTEL_LOGS_EXPORTER": "otlp"}
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        exporting = Exporting(variables, unheard, captures=True)
        assert exporting.traces is not None
        assert exporting.records is not None
        for _ in range(150):
            exporting.traces.tell(told)
            exporting.records.add(kept)
        exporting.close(unheard)

    assert (len(collector.spans), len(collector.logs)) == (150, 150)


@pytest.mark.parametrize("variable", ["OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "OTEL_METRIC_EXPORT_INTERVAL"])
@pytest.mark.parametrize("text", ["0", "-1", "soon", "nan", "1.5"])
def test_numbers_that_are_none_are_refused(variable: str, text: str) -> None:
    with pytest.raises(CannotExport, match=f"{variable}: expected .*, 1 or more, found {text}"):
        Exporting({"OTEL_TRACES_EXPORTER": "console", variable: text}, unheard)


def test_what_a_collector_does_not_take_is_said_without_the_password_of_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        endpoint = f"http://user:secret@127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    said = Said()
    exporting = Exporting({"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}, said)
    assert exporting.traces is not None
    exporting.traces.tell(STORY)
    exporting.close(unheard)

    assert [text.startswith("spans are not taken at 127.0.0.1:") for text in said] == [True]


def test_an_interval_that_is_none_is_refused() -> None:
    with pytest.raises(CannotExport, match="OTEL_METRIC_EXPORT_INTERVAL: expected a whole number, 1 or more, found soon"):
        Exporting({"OTEL_METRICS_EXPORTER": "otlp", "OTEL_METRIC_EXPORT_INTERVAL": "soon"}, unheard, Metrics())
