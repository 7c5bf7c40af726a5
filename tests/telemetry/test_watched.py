"""That a collector takes nothing is said once, and counted."""

from __future__ import annotations

from typing import cast

import pytest
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExportResult

from fakes import Said
from pointsman.telemetry.watched import Queued, Watched


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
    assert (watched.lost, watched.done) == (6, 12)
    assert [text.split(",")[0].split(";")[0] for text in said] == [
        "spans are not taken at http://collector:4317",
        "spans are taken again at http://collector:4317",
        "spans are not taken at http://collector:4317",
    ]


class Full:
    """A processor whose queue nobody empties."""

    def __init__(self) -> None:
        self.ended = 0

    def on_end(self, _span: object) -> None:
        self.ended += 1

    def shutdown(self) -> None:
        raise AssertionError


def test_spans_for_which_there_is_no_room_are_counted() -> None:
    watched, full = Watched(Exporter(SpanExportResult.SUCCESS), "spans", "here", Said()), Full()
    queued = Queued(cast("SpanProcessor", full), watched, room=3)
    for _ in range(5):
        queued.on_end(cast("ReadableSpan", object()))
    assert (watched.lost, full.ended) == (2, 5)

    watched.export(["a", "b"])
    for _ in range(3):
        queued.on_end(cast("ReadableSpan", object()))
    assert watched.lost == 3


def test_an_exporter_that_raises_has_lost_what_it_was_given() -> None:
    said = Said()
    watched = Watched(Exporter(), "spans", "here", said)
    with pytest.raises(IndexError):
        watched.export(["a", "b"])

    assert (watched.lost, watched.done, len(said)) == (2, 2, 1)
