"""Spans of a call: why this model, what each attempt came to, what it cost. Made when the call has ended, from its story.

    SERVER    pointsman.v1.RouterService/Complete
    INTERNAL   pointsman.decide         the rule, its file and line, who lost and why, what was expected
    CLIENT     chat MODEL               one for each attempt, with usage and cost

A span that is made afterwards cannot leak, cannot be in the way, and can be kept because of how the call ended: failed and slow calls are,
whatever the sampler says, a few in a second. Nothing in a story holds text of a prompt, so no span does.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
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
from opentelemetry.util.types import AttributeValue

from pointsman.core.completion import Attempt, Usage
from pointsman.core.decision import Candidate, Decision
from pointsman.core.errors import NoEligibleModel
from pointsman.core.explain import sentence
from pointsman.core.limits import Rate
from pointsman.core.money import dollars, usd
from pointsman.telemetry import names
from pointsman.telemetry.story import Decided, Parent, Story

FAULTS = frozenset({"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"})
"""Codes by which a call is the server's failure, as the RPC conventions have it; the others are answers."""

SLOW_S = 30.0

KEPT_PER_MINUTE = 120
"""Traces of failed and slow calls that the sampler would not have taken: when everything fails, some are enough."""

LONGEST_SENTENCE, LONGEST_WHY = 300, 1000
MOST_CANDIDATES = 32

_CONTEXT = TraceContextTextMapPropagator()
_SCOPE = InstrumentationScope("pointsman")
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_FAILED, _FINE = StatusCode.ERROR, Status(StatusCode.UNSET)
_RANDOM = Random(secrets.randbits(256))  # noqa: S311  # ids need to be different, not secret

Values = Iterator[tuple[str, AttributeValue]]


class Traces:
    """Tells stories as spans."""

    def __init__(self, sampler: Sampler, resource: Resource, processors: Sequence[SpanProcessor]) -> None:
        self.span = partial(ReadableSpan, resource=resource, instrumentation_scope=_SCOPE)
        """Makes a span that has ended. The library's own way to one checks each attribute anew, which took most of 330 us for a trace."""
        self._sampler = sampler
        self._processors = processors
        self._kept = Rate(KEPT_PER_MINUTE)

    def tell(self, story: Story) -> str:
        """Make the spans of a call that has ended, and return the id of its trace in hexadecimal."""
        context = _context_of(story.parent)
        parent = trace.get_current_span(context).get_span_context() if context is not None else None
        trace_id = parent.trace_id if parent is not None and parent.is_valid else _RANDOM.getrandbits(128) or 1
        sampled = self._sampler.should_sample(context, trace_id, story.method, SpanKind.SERVER)
        is_sampled = sampled.decision is Sampling.RECORD_AND_SAMPLE
        kept_for = "" if is_sampled else self._kept_for(story)
        if is_sampled or kept_for:
            _Telling(self, story, trace_id, sampled.trace_state).tell(parent if parent is not None and parent.is_valid else None, kept_for)
        return trace.format_trace_id(trace_id)

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
        self._server = self._context()

    def _context(self) -> SpanContext:
        return SpanContext(self._trace_id, _RANDOM.getrandbits(64) or 1, is_remote=False, trace_flags=_SAMPLED, trace_state=self._state)

    def _emit(self, **span: Any) -> None:  # noqa: ANN401  # what a span is made of
        self._traces.emit(self._traces.span(**span))

    def tell(self, parent: SpanContext | None, kept_for: str) -> None:
        """Make them all, those below the call's first, as they ended."""
        story = self._story
        if story.decided is not None:
            self._decision(story.decided)
        for number, attempt in enumerate(story.attempts, start=1):
            self._attempt(attempt, number)
        self._emit(
            name=story.method,
            context=self._server,
            parent=parent,
            kind=SpanKind.SERVER,
            attributes=dict(_served(story, kept_for)),
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
            parent=self._server,
            attributes=dict(_decision(decided)),
            events=[
                Event(event, {names.REQUEST_MODEL: candidate.model, names.EXPECTED: expected_of(candidate)}, ended_ns)
                for event, candidate in zip((names.CHOSEN_EVENT, names.RUNNER_UP_EVENT), plan, strict=False)
            ],
            status=_FINE if plan else Status(_FAILED, type(outcome).__name__),
            start_time=self._story.ns(decided.began_s),
            end_time=ended_ns,
        )

    def _attempt(self, attempt: Attempt, number: int) -> None:
        began_ns = self._story.ns(attempt.began_s)
        is_begun = attempt.ttft_ms is not None and self._story.is_stream
        first_ns = began_ns + round((attempt.ttft_ms or 0.0) * 1e6)
        self._emit(
            name=f"chat {attempt.model}",
            context=self._context(),
            parent=self._server,
            kind=SpanKind.CLIENT,
            attributes=dict(_attempted(self._story, attempt, number)),
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


def _served(story: Story, kept_for: str) -> Values:
    yield names.RPC_SYSTEM, "grpc"
    yield names.RPC_METHOD, story.method
    yield names.RPC_STATUS, story.code
    yield names.CALL_ID, story.id
    if kept_for:
        yield names.KEPT_FOR, kept_for
    if story.code != "OK":
        yield names.ERROR_TYPE, story.code
    if story.reason:
        yield names.REASON, story.reason
    if story.tenant:
        yield names.TENANT, story.tenant
    if story.decided is not None and isinstance(story.decided.outcome, Decision):
        yield names.REQUEST_MODEL, story.decided.outcome.chosen.model  # Jaeger shows it on the row
    if story.completion is not None:
        yield names.RESPONSE_MODEL, story.completion.model
        yield names.COST_USD, usd(story.completion.usage.cost)
        yield names.BASELINE_USD, usd(story.completion.usage.baseline_cost)
        if story.completion.cache_status:
            yield names.CACHE_STATUS, story.completion.cache_status.name.lower()


def _decision(decided: Decided) -> Values:
    if decided.asked:
        yield names.ASKED_MODEL, decided.asked
    yield names.SENTENCE, sentence(decided.outcome)[:LONGEST_SENTENCE]
    if isinstance(decided.outcome, NoEligibleModel):
        yield names.RULE, decided.outcome.rule
        yield names.CANDIDATES, _listed(decided.outcome)
        yield names.DROPPED_TOTAL, len(decided.outcome.dropped)
    else:
        yield from _chosen(decided.outcome)


def _chosen(decision: Decision) -> Values:
    chosen, features = decision.chosen, decision.features
    yield names.RULE, decision.rule.id
    yield names.RULE_PLACE, f"{decision.rule.file}:{decision.rule.line}"
    yield names.RULE_WHY, decision.rule.why[:LONGEST_WHY]
    yield names.REVISION, decision.revision
    yield names.DECISION_REASON, decision.reason.name
    yield names.REQUEST_MODEL, chosen.model
    yield names.PROVIDER, chosen.provider
    yield names.CANDIDATES, _listed(decision)
    yield names.KEPT_TOTAL, len(decision.plan)
    yield names.DROPPED_TOTAL, len(decision.dropped)
    yield names.TASK, features.task
    yield names.SUBJECT, features.subject
    yield names.COMPLEXITY, features.complexity
    yield names.GAIN, features.gain
    yield names.CONFIDENCE, features.confidence
    yield from _expected(chosen)
    yield names.EST_BASELINE_USD, usd(decision.baseline_cost)
    yield names.AFFINITY, "warm" if chosen.cached_tokens else "cold" if chosen.switch_cost is not None else "none"
    if chosen.switch_cost is not None:
        yield names.SWITCH_COST_USD, usd(chosen.switch_cost)
    if decision.fallbacks:
        yield names.RUNNER_UP, decision.fallbacks[0].model
        yield names.RUNNER_UP_COST_USD, usd(decision.fallbacks[0].expected_cost)
    if decision.shadows:
        yield names.SHADOWS, [f"{shadow.rule.id}={shadow.model}" for shadow in decision.shadows]


def _expected(candidate: Candidate) -> Values:
    yield names.QUALITY, candidate.quality
    yield names.EST_INPUT, candidate.tokens.input
    yield names.EST_OUTPUT, candidate.tokens.output
    yield names.EST_COST_USD, usd(candidate.expected_cost)
    yield names.EST_LATENCY_S, candidate.expected_latency_ms / 1000


def expected_of(candidate: Candidate) -> str:
    """Return what is expected of a candidate, in words."""
    return f"quality {candidate.quality:.2f}, {dollars(candidate.expected_cost)}, {candidate.expected_latency_ms:.0f} ms"


def _listed(outcome: Decision | NoEligibleModel) -> list[str]:
    """Return the candidates, the chosen one first, each with its verdict and numbers: "mini: dropped QUALITY (quality 0.74 < 0.90)"."""
    planned = outcome.plan if isinstance(outcome, Decision) else ()
    verdicts = ["chosen", *["kept"] * len(planned)]
    kept = [f"{candidate.model}: {verdict} ({expected_of(candidate)})" for candidate, verdict in zip(planned, verdicts, strict=False)]
    return [*kept, *(f"{drop.model}: dropped {drop.reason.name} ({drop.detail})" for drop in outcome.dropped)][:MOST_CANDIDATES]


def _attempted(story: Story, attempt: Attempt, number: int) -> Values:
    yield names.OPERATION, "chat"
    yield names.PROVIDER, attempt.provider
    yield names.REQUEST_MODEL, attempt.model
    yield names.ATTEMPT, number
    yield names.ATTEMPT_REASON, attempt.reason.name.lower()
    yield names.REQUEST_STREAM, story.is_stream
    if attempt.ttft_ms is not None and story.is_stream:
        yield names.FIRST_CHUNK_S, attempt.ttft_ms / 1000
    if attempt.error_type:
        yield names.ERROR_TYPE, attempt.error_type
    if attempt.usage is not None:
        yield from used(attempt.usage).items()
    if story.completion is not None and attempt is story.attempts[-1]:
        yield names.FINISH_REASONS, [story.completion.finish_reason.name.lower()]


def used(usage: Usage) -> Mapping[str, AttributeValue]:
    """Return the attributes of what was used."""
    return {
        names.INPUT_TOKENS: usage.input_tokens,
        names.OUTPUT_TOKENS: usage.output_tokens,
        names.REASONING_TOKENS: usage.reasoning_tokens,
        names.CACHE_READ_TOKENS: usage.cached_input_tokens,
        names.CACHE_WRITE_TOKENS: usage.cache_write_tokens,
        names.CACHE_WRITE_TOKENS_AS_JAEGER_READS: usage.cache_write_tokens,
        names.COST_USD: usd(usage.cost),
        names.COST_NANO_USD: usage.cost,
        names.ESTIMATED: usage.estimated,
    }
