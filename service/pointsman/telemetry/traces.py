"""Spans of a call: why this model, what each attempt came to, what it cost. Made when the call has ended, from its story.

    SERVER    pointsman.v1.RouterService/Complete
    INTERNAL   pointsman.decide         the rule, its file and line, who lost and why, what was expected
    INTERNAL   pointsman.cache.lookup   where answers are kept: whether this one was
    INTERNAL   pointsman.budget.hold    where the tenant has windows: what an attempt may use at most, and whether there is room for it
    CLIENT     chat MODEL               one for each attempt, with usage and cost beside what was expected

A span that is made afterwards cannot leak, cannot be in the way, and can be kept because of how the call ended: failed and slow calls are,
whatever the sampler says, a few in a second. No span holds text of a prompt, but where two switches ask for it.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from functools import partial
from random import Random
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.sampling import Decision as Sampling
from opentelemetry.sdk.trace.sampling import Sampler
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from pointsman.core.completion import Attempt
from pointsman.core.decision import Decision
from pointsman.core.limits import Rate
from pointsman.core.money import usd
from pointsman.core.vocabulary import CacheStatus
from pointsman.telemetry import attributes, names
from pointsman.telemetry.story import Decided, HoldAsked, LookedUp, Parent, Story, Told

FAULTS = frozenset({"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"})
"""Codes by which a call is the server's failure, as the RPC conventions have it; the others are answers."""

SLOW_S = 30.0

KEPT_PER_MINUTE = 120
"""Traces of failed and slow calls that the sampler would not have taken: when everything fails, some are enough."""

_CONTEXT = TraceContextTextMapPropagator()
_SCOPE = InstrumentationScope("pointsman")
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_FAILED, _FINE = StatusCode.ERROR, Status(StatusCode.UNSET)
_RANDOM = Random(secrets.randbits(256))  # noqa: S311  # ids need to be different, not secret


class Traces:
    """Tells stories as spans."""

    def __init__(self, sampler: Sampler, resource: Resource, processors: Sequence[SpanProcessor]) -> None:
        self.span = partial(ReadableSpan, resource=resource, instrumentation_scope=_SCOPE)
        """Makes a span that has ended. The library's own way to one checks each attribute anew, which took most of 330 us for a trace."""
        self._sampler = sampler
        self._processors = processors
        self._kept = Rate(KEPT_PER_MINUTE)

    def tell(self, story: Story) -> Told:
        """Make the spans of a call that has ended, and return where."""
        context = _context_of(story.parent)
        parent = trace.get_current_span(context).get_span_context() if context is not None else None
        trace_id = parent.trace_id if parent is not None and parent.is_valid else _RANDOM.getrandbits(128) or 1
        sampled = self._sampler.should_sample(context, trace_id, story.method, SpanKind.SERVER)
        is_sampled = sampled.decision is Sampling.RECORD_AND_SAMPLE
        kept_for = "" if is_sampled else self._kept_for(story)
        if not (is_sampled or kept_for):
            return Told(trace.format_trace_id(trace_id))
        telling = _Telling(self, story, trace_id, sampled.trace_state)
        telling.tell(parent if parent is not None and parent.is_valid else None, kept_for)
        return Told(trace.format_trace_id(trace_id), trace.format_span_id(telling.server.span_id))

    def emit(self, span: ReadableSpan) -> None:
        """Hand a span over."""
        for processor in self._processors:
            processor.on_end(span)

    def _kept_for(self, story: Story) -> str:
        """Return why the trace is kept that the sampler would not take; empty where it is not."""
        why = "failed" if story.code in FAULTS else "slow" if story.ended_s - story.began_s >= SLOW_S else ""
        if not why or not self._kept.has_room(story.ended_s):
            return ""
        self._kept.take(story.ended_s, 1)
        return why


class _Telling:
    """Makes the spans of one trace."""

    def __init__(self, traces: Traces, story: Story, trace_id: int, state: TraceState | None) -> None:
        self._traces = traces
        self._story = story
        self._trace_id = trace_id
        self._state = state
        self.server = self._context()

    def _context(self) -> SpanContext:
        return SpanContext(self._trace_id, _RANDOM.getrandbits(64) or 1, is_remote=False, trace_flags=_SAMPLED, trace_state=self._state)

    def _emit(self, **span: Any) -> None:  # noqa: ANN401  # what a span is made of
        self._traces.emit(self._traces.span(**span))

    def tell(self, parent: SpanContext | None, kept_for: str) -> None:
        """Make them all, those below the call's first, as they ended."""
        story = self._story
        if story.decided is not None:
            self._decision(story.decided)
            self._lookup(story.decided.ended_s)
        for hold in story.holds:
            self._hold(hold)
        for number, attempt in enumerate(story.attempts, start=1):
            self._attempt(attempt, number)
        self._emit(
            name=story.method,
            context=self.server,
            parent=parent,
            kind=SpanKind.SERVER,
            attributes=dict(attributes.served(story, kept_for)),
            status=Status(_FAILED, story.reason or story.code) if story.code in FAULTS else _FINE,
            start_time=story.began_ns,
            end_time=story.ns(story.ended_s),
        )

    def _decision(self, decided: Decided) -> None:
        outcome, ended_ns = decided.outcome, self._story.ns(decided.ended_s)
        plan = outcome.plan if isinstance(outcome, Decision) else ()
        self._emit(
            name=names.DECIDE,
            context=self._context(),
            parent=self.server,
            attributes=dict(attributes.decided(decided)),
            events=[
                Event(event, {names.REQUEST_MODEL: candidate.model, names.EXPECTED: attributes.expected_of(candidate)}, ended_ns)
                for event, candidate in zip((names.CHOSEN_EVENT, names.RUNNER_UP_EVENT), plan, strict=False)
            ],
            status=_FINE if plan else Status(_FAILED, type(outcome).__name__),
            start_time=self._story.ns(decided.began_s),
            end_time=ended_ns,
        )

    def _lookup(self, began_s: float) -> None:
        """Tell what the cache had; of an answer that another call was about to get, also how long that took."""
        story = self._story
        status = story.completion.cache_status if story.completion is not None else CacheStatus.UNSPECIFIED
        looked_up = story.looked_up or (LookedUp(status, story.ended_s) if status else None)
        if looked_up is not None:
            self._emit(
                name=names.CACHE_LOOKUP,
                context=self._context(),
                parent=self.server,
                attributes={names.CACHE_STATUS: looked_up.status.name.lower()},
                status=_FINE,
                start_time=story.ns(began_s),
                end_time=story.ns(max(began_s, looked_up.at_s)),
            )

    def _hold(self, hold: HoldAsked) -> None:
        found = {names.REQUEST_MODEL: hold.model, names.HELD_TOKENS: hold.tokens, names.HELD_USD: usd(hold.cost)}
        self._emit(
            name=names.BUDGET_HOLD,
            context=self._context(),
            parent=self.server,
            attributes=found | {names.HOLD_REFUSED: hold.refused} if hold.refused else found,
            status=Status(_FAILED, "refused") if hold.refused else _FINE,
            start_time=self._story.ns(hold.began_s),
            end_time=self._story.ns(hold.ended_s),
        )

    def _attempt(self, attempt: Attempt, number: int) -> None:
        began_ns = self._story.ns(attempt.began_s)
        is_begun = attempt.ttft_ms is not None and self._story.is_stream
        first_ns = began_ns + round((attempt.ttft_ms or 0.0) * 1e6)
        self._emit(
            name=f"chat {attempt.model}",
            context=self._context(),
            parent=self.server,
            kind=SpanKind.CLIENT,
            attributes=dict(attributes.attempted(self._story, attempt, number)),
            events=[Event(names.FIRST_TOKEN_EVENT, timestamp=first_ns)] if is_begun else [],
            status=Status(_FAILED, attempt.error_type) if attempt.error_type else _FINE,
            start_time=began_ns,
            end_time=began_ns + round(attempt.latency_ms * 1e6),
        )


def _context_of(parent: Parent) -> Context | None:
    """Return the context of the caller's span; None where it sent none, and one without a span where it cannot be read."""
    if not parent.traceparent:
        return None
    return _CONTEXT.extract({"traceparent": parent.traceparent, "tracestate": parent.tracestate}, Context())
