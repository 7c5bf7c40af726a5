"""Composition of what observes a server: traces, metrics and records, each where the settings or the standard variables ask for it.

Their libraries are loaded only then: together they take 100 ms and 10 MB.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from pointsman.adapters.records import RecordLog, key_in
from pointsman.feedback import FeedbackDesk
from pointsman.live import Live
from pointsman.ports import Clock, Records
from pointsman.router import Router
from pointsman.settings import Settings
from pointsman.telemetry import UNTOLD, Log, Story
from pointsman.telemetry.content import NotMeant, captures
from pointsman.telemetry.recording import Recorder

if TYPE_CHECKING:
    from pointsman.telemetry.export import Exporting
    from pointsman.telemetry.metrics import Metrics


class Expiring(Protocol):
    """Something that counts until a time."""

    expires_at: datetime


class CannotObserve(Exception):
    """Something is wanted in a way that there is not, or at an address or in a folder that cannot be had."""


class Observers:
    """What observes a server."""

    def __init__(
        self, exporting: Exporting | None, metrics: Metrics | None, records: RecordLog | None, recorder: Recorder | None, *, captures: bool
    ) -> None:
        self.traces = exporting.traces if exporting is not None else None
        self.metrics = metrics
        self.captures = captures
        """Whether prompts and answers go into spans."""
        self._exporting = exporting
        self._records = records
        self._recorder = recorder

    def observe(self, story: Story) -> str:
        """Make of the story of a call whatever is wanted, and return the id of its trace; empty where none is made."""
        told = self.traces.tell(story) if self.traces is not None else UNTOLD
        if self.metrics is not None:
            self.metrics.tell(story, told)
        if self._recorder is not None:
            self._recorder.tell(story)
        return told.trace_id

    def lost(self) -> Counter[str]:
        """Return by signal what was lost."""
        found = self._exporting.lost if self._exporting is not None else Counter[str]()
        if self._records is not None:
            found["records"] += self._records.lost
        return found


@asynccontextmanager
async def observing(settings: Settings, log: Log, feedback: FeedbackDesk) -> AsyncIterator[Observers]:
    """Open what observes; send what waits in the end. `feedback` is to know what is recorded. Raises CannotObserve."""
    async with AsyncExitStack() as stack:
        metrics = await stack.enter_async_context(_measuring(settings))
        records, key = await _recording(settings, log, stack)
        exporting = await stack.enter_async_context(_exporting(settings, log, metrics))
        is_captured = _captures(settings) and exporting is not None and exporting.traces is not None
        if is_captured:
            log.note("prompts and answers are put into spans, since two switches ask for it", level="warning")
        sinks: list[Records] = [sink for sink in (records, exporting.records if exporting is not None else None) if sink is not None]
        recorder = Recorder(sinks, key=key, labels=settings.record_labels, remember=feedback.remember) if sinks else None
        try:
            yield Observers(exporting, metrics, records, recorder, captures=is_captured)
        finally:
            log.flush()


async def _recording(settings: Settings, log: Log, stack: AsyncExitStack) -> tuple[RecordLog | None, bytes]:
    """Open what keeps records, where there is a folder for it, and return it with the key for digests of people."""
    folder = settings.records_dir
    if folder is None:
        return None, secrets.token_bytes(32)
    records = await stack.enter_async_context(RecordLog(folder, log.note, most_bytes=settings.records_mb << 20))
    return records, await asyncio.to_thread(key_in, folder, log.note)


@asynccontextmanager
async def _exporting(settings: Settings, log: Log, metrics: Metrics | None) -> AsyncIterator[Exporting | None]:
    if not any(name.startswith("OTEL_") for name in settings.environment):
        yield None
        return
    from pointsman.telemetry.export import CannotExport, Exporting  # noqa: PLC0415  # as said above

    try:
        exporting = Exporting(settings.environment, log.note, metrics, captures=_captures(settings))
    except CannotExport as error:
        raise CannotObserve(str(error)) from None
    except Exception as error:  # the library's, of a variable that it reads itself: they have no type in common
        raise CannotObserve(f"OpenTelemetry cannot use its variables (OTEL_...): {error}") from None
    try:
        yield exporting
    finally:
        await asyncio.to_thread(exporting.close, log.note)


@asynccontextmanager
async def _measuring(settings: Settings) -> AsyncIterator[Metrics | None]:
    """Count, and serve what is counted over HTTP, where somebody wants that."""
    if not (settings.metrics_listen or _pushes(settings)):
        yield None
        return
    from pointsman.telemetry import metrics  # noqa: PLC0415  # as said above

    found = metrics.Metrics()
    try:
        end = metrics.serve(found, settings.metrics_listen) if settings.metrics_listen else None
    except OSError as error:
        raise CannotObserve(f"POINTSMAN_METRICS_LISTEN: cannot listen on {settings.metrics_listen}: {error.strerror}") from None
    try:
        yield found
    finally:
        if end is not None:
            await asyncio.to_thread(end)


def _captures(settings: Settings) -> bool:
    try:
        return captures(settings.environment, is_meant=settings.allow_content_capture)
    except NotMeant as error:
        raise CannotObserve(str(error)) from None


def _pushes(settings: Settings) -> bool:
    if not any(name.startswith("OTEL_") for name in settings.environment):
        return False
    from pointsman.telemetry.export import CannotExport, exporters  # noqa: PLC0415  # as said above

    try:
        return bool(exporters(settings.environment, "METRICS"))
    except CannotExport as error:
        raise CannotObserve(str(error)) from None


@asynccontextmanager
async def watching(
    observers: Observers, router: Router, live: Live, clock: Clock, under_way: Callable[[], int], *, certificates: Expiring | None
) -> AsyncIterator[None]:
    """Take down the state of things for metrics, again and again while it is open."""
    metrics = observers.metrics
    if metrics is None:
        yield
        return
    from pointsman.telemetry.metrics import State, watch  # noqa: PLC0415  # as said above

    def look(lag_s: float) -> None:
        snapshot = live.current
        metrics.state(
            State(
                models=[(status.model.id, status.state) for status in router.models()],
                breakers=router.breakers(),
                revision=snapshot.ruleset.revision,
                age_s=(clock.now() - snapshot.loaded_at).total_seconds(),
                stale=snapshot.stale,
                under_way=under_way(),
                lag_s=lag_s,
                budgets=router.budget_shares(),
                alone=len(router.tenants_alone()),
                lost=observers.lost(),
                certificate_s=None if certificates is None else (certificates.expires_at - clock.now()).total_seconds(),
            )
        )

    task = asyncio.create_task(watch(look), name="metrics")
    try:
        yield
    finally:
        task.cancel()
