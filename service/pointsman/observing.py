"""Composition of what observes a server: traces, where the standard variables ask for them, and metrics, where the settings do.

Their libraries are loaded only then: together they take 100 ms and 10 MB.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from pointsman.live import Live
from pointsman.ports import Clock
from pointsman.router import Router
from pointsman.settings import Settings
from pointsman.telemetry import Log, Story

if TYPE_CHECKING:
    from pointsman.telemetry.metrics import Metrics
    from pointsman.telemetry.traces import Traces


class CannotObserve(Exception):
    """Traces or metrics are wanted in a way that there is not, or at an address that is taken."""


@asynccontextmanager
async def exporting(settings: Settings, log: Log) -> AsyncIterator[Traces | None]:
    """Open what exports traces; send what waits in the end. Yields None where nothing is asked for. Raises CannotObserve."""
    if not any(name.startswith("OTEL_") for name in settings.environment):
        yield None
        return
    from pointsman.telemetry.export import CannotTrace, open_exporting  # noqa: PLC0415  # as said above

    try:
        exporting = open_exporting(settings.environment)
    except CannotTrace as error:
        raise CannotObserve(str(error)) from None
    try:
        yield exporting.traces if exporting else None
    finally:
        if exporting:
            log.flush()
            await asyncio.to_thread(exporting.close, log.note)


@asynccontextmanager
async def measuring(settings: Settings) -> AsyncIterator[Metrics | None]:
    """Serve metrics over HTTP. Yields None where nobody wants them. Raises CannotObserve."""
    if not settings.metrics_listen:
        yield None
        return
    from pointsman.telemetry import metrics  # noqa: PLC0415  # as said above

    found = metrics.Metrics()
    try:
        end = metrics.serve(found, settings.metrics_listen)
    except OSError as error:
        raise CannotObserve(f"POINTSMAN_METRICS_LISTEN: cannot listen on {settings.metrics_listen}: {error.strerror}") from None
    try:
        yield found
    finally:
        await asyncio.to_thread(end)


def observer(traces: Traces | None, metrics: Metrics | None) -> Callable[[Story], str]:
    """Return what makes of the story of a call whatever is wanted, and returns the id of its trace; empty where none is made."""

    def observe(story: Story) -> str:
        trace = traces.tell(story) if traces is not None else ""
        if metrics is not None:
            metrics.tell(story, trace)
        return trace

    return observe


@asynccontextmanager
async def watching(metrics: Metrics | None, router: Router, live: Live, clock: Clock, under_way: Callable[[], int]) -> AsyncIterator[None]:
    """Take down the state of things for metrics, again and again while it is open."""
    if metrics is None:
        yield
        return
    from pointsman.telemetry.metrics import State, watch  # noqa: PLC0415  # as said above

    def look(lag_s: float) -> None:
        snapshot = live.current
        metrics.state(
            State(
                models=[(status.model.id, status.state) for status in router.models()],
                revision=snapshot.ruleset.revision,
                age_s=(clock.now() - snapshot.loaded_at).total_seconds(),
                stale=snapshot.stale,
                under_way=under_way(),
                lag_s=lag_s,
                budgets=router.budget_shares(),
                alone=len(router.tenants_alone()),
            )
        )

    task = asyncio.create_task(watch(look), name="metrics")
    try:
        yield
    finally:
        task.cancel()
