"""That a collector takes nothing is said once, and counted."""

from __future__ import annotations

from opentelemetry.sdk.trace.export import SpanExportResult

from fakes import Said
from pointsman.telemetry.watched import Watched


class Exporter:
    def __init__(self, *results: SpanExportResult) -> None:
        self._results = list(results)

    def export(self, _batch: list[str]) -> SpanExportResult:
        return self._results.pop(0)

    def shutdown(self) -> None:
        raise AssertionError


def test_it_is_said_when_nothing_is_taken_and_when_it_is_again() -> None:
    taken, lost, said = SpanExportResult.SUCCESS, SpanExportResult.FAILURE, Said()
    watched = Watched(Exporter(taken, lost, lost, taken, taken, lost), "spans", "http://collector:4317", said)
    results = [watched.export(["a", "b"]) for _ in range(6)]

    assert results == [taken, lost, lost, taken, taken, lost]
    assert watched.lost == 6
    assert [text.split(",")[0].split(";")[0] for text in said] == [
        "spans are not taken at http://collector:4317",
        "spans are taken again at http://collector:4317",
        "spans are not taken at http://collector:4317",
    ]
