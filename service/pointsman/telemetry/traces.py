"""Spans of a call: why this model, what each attempt came to, what it cost. Made when the call has ended, from its story.

    SERVER    pointsman.v1.RouterService/Complete
    INTERNAL   pointsman.decide         the rule, its file and line, who lost and why, what was expected
    CLIENT     chat MODEL               one for each attempt, with usage and cost

A span that is made afterwards cannot leak, cannot be in the way, and can be kept because of how the call ended: failed and slow calls are,
whatever the sampler says, a few in a second. Nothing in a story holds text of a prompt, so no span does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import Decision as Sampling
from opentelemetry.sdk.trace.sampling import Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import Attributes, AttributeValue

from pointsman.core.completion import Usage
from pointsman.core.decision import Candidate, Decision
from pointsman.core.errors import NoEligibleModel
from pointsman.core.explain import sentence
from pointsman.core.limits import Rate
from pointsman.core.money import usd
from pointsman.telemetry import names
from pointsman.telemetry.story import Decided, Parent, Story, Tried

FAULTS = frozenset({"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"})
"""Codes by which a call is the server's failure, as the RPC conventions have it; the others are answers."""

SLOW_S = 30.0

KEPT_PER_MINUTE = 120
"""Traces of failed and slow calls that the sampler would not have taken: when everything fails, some are enough."""

LONGEST_SENTENCE = 300
MOST_CANDIDATES = 32

_CONTEXT = TraceContextTextMapPropagator()

Values = Iterator[tuple[str, AttributeValue]]


class Keeping(Sampler):
    """Samples as another sampler does, whatever says for what it is kept, and all within a span of ours that is recorded."""

    def __init__(self, usual: Sampler) -> None:
        self._usual = usual

    def should_sample(  # noqa: PLR0917  # the library's signature
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: tuple[Link, ...] | list[Link] | None = None,  # type: ignore[override]  # the library says Sequence
        trace_state: trace.TraceState | None = None,
    ) -> SamplingResult:
        """Return the usual result, or the order to sample."""
        if (attributes and names.KEPT_FOR in attributes) or trace.get_current_span(parent_context).is_recording():
            return SamplingResult(Sampling.RECORD_AND_SAMPLE, attributes, trace_state)
        return self._usual.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)

    def get_description(self) -> str:
        """Return what this sampler does."""
        return f"Keeping({self._usual.get_description()})"


class Traces:
    """Tells stories as spans."""

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer("pointsman")
        self._kept = Rate(KEPT_PER_MINUTE)

    def tell(self, story: Story) -> str:
        """Make the spans of a call that has ended, and return the id of its trace in hexadecimal."""
        parent = _context_of(story.parent)
        span = self._server(story, parent)
        if not span.is_recording() and (kept_for := self._kept_for(story)):
            span = self._server(story, parent, kept_for)
        if span.is_recording():
            within = trace.set_span_in_context(span, Context())
            self._children(story, within)
            _end_server(span, story)
        return trace.format_trace_id(span.get_span_context().trace_id)

    def _server(self, story: Story, parent: Context, kept_for: str = "") -> trace.Span:
        attributes: dict[str, AttributeValue] = {names.RPC_SYSTEM: "grpc", names.RPC_METHOD: story.method}
        if kept_for:
            attributes[names.KEPT_FOR] = kept_for
        return self._tracer.start_span(story.method, parent, SpanKind.SERVER, attributes, start_time=story.when.began_ns)

    def _kept_for(self, story: Story) -> str:
        """Return why the trace is kept that the sampler would not take; empty where it is not."""
        seconds = (story.when.ended_ns - story.when.began_ns) / 1e9
        why = "failed" if story.code in FAULTS else "slow" if seconds >= SLOW_S else ""
        now = story.when.ended_ns / 1e9
        if not why or not self._kept.has_room(now):
            return ""
        self._kept.take(now, 1)
        return why

    def _children(self, story: Story, within: Context) -> None:
        if story.decided is not None:
            self._decision(story.decided, within)
        for number, tried in enumerate(story.tried, start=1):
            self._attempt(story, tried, number, within)

    def _decision(self, decided: Decided, within: Context) -> None:
        span = self._tracer.start_span(names.DECIDE, within, attributes=dict(_decision(decided)), start_time=decided.when.began_ns)
        if isinstance(decided.outcome, NoEligibleModel):
            span.set_status(Status(StatusCode.ERROR, type(decided.outcome).__name__))
        else:
            for event, candidate in zip((names.CHOSEN_EVENT, names.RUNNER_UP_EVENT), decided.outcome.plan, strict=False):
                span.add_event(event, {names.REQUEST_MODEL: candidate.model, **dict(_expected(candidate))}, decided.when.ended_ns)
        span.end(decided.when.ended_ns)

    def _attempt(self, story: Story, tried: Tried, number: int, within: Context) -> None:
        attempt, when = tried.attempt, tried.when
        asked = {names.OPERATION: "chat", names.PROVIDER: attempt.provider, names.REQUEST_MODEL: attempt.model}
        span = self._tracer.start_span(f"chat {attempt.model}", within, SpanKind.CLIENT, asked, start_time=when.began_ns)
        span.set_attributes(dict(_attempted(story, tried, number)))
        if attempt.ttft_ms is not None and story.is_stream:
            span.set_attribute(names.FIRST_CHUNK_S, attempt.ttft_ms / 1000)
            span.add_event(names.FIRST_TOKEN_EVENT, timestamp=when.began_ns + round(attempt.ttft_ms * 1e6))
        if attempt.error_type:
            span.set_status(Status(StatusCode.ERROR, attempt.error_type))
        span.end(when.ended_ns)


def _context_of(parent: Parent) -> Context:
    """Return the context of the caller's span; an empty one where it sent none, or none that can be read."""
    if not parent.traceparent:
        return Context()
    return _CONTEXT.extract({"traceparent": parent.traceparent, "tracestate": parent.tracestate}, Context())


def _end_server(span: trace.Span, story: Story) -> None:
    span.set_attributes(dict(_served(story)))
    if story.code in FAULTS:
        span.set_status(Status(StatusCode.ERROR, story.reason or story.code))
    span.end(story.when.ended_ns)


def _served(story: Story) -> Values:
    yield names.RPC_STATUS, story.code
    yield names.CALL_ID, story.id
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
    yield names.RULE_WHY, decision.rule.why
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


def _listed(outcome: Decision | NoEligibleModel) -> list[str]:
    """Return the candidates, the chosen one first, each with its verdict and numbers: "mini: dropped QUALITY (quality 0.74 < 0.90)"."""
    planned = outcome.plan if isinstance(outcome, Decision) else ()
    verdicts = ["chosen", *["kept"] * len(planned)]
    kept = [
        f"{candidate.model}: {verdict} (quality {candidate.quality:.2f}, ${usd(candidate.expected_cost):.6f},"
        f" {candidate.expected_latency_ms:.0f} ms)"
        for candidate, verdict in zip(planned, verdicts, strict=False)
    ]
    return [*kept, *(f"{drop.model}: dropped {drop.reason.name} ({drop.detail})" for drop in outcome.dropped)][:MOST_CANDIDATES]


def _attempted(story: Story, tried: Tried, number: int) -> Values:
    attempt = tried.attempt
    yield names.ATTEMPT, number
    yield names.ATTEMPT_REASON, attempt.reason.name.lower()
    yield names.REQUEST_STREAM, story.is_stream
    if attempt.error_type:
        yield names.ERROR_TYPE, attempt.error_type
    if attempt.usage is not None:
        yield from used(attempt.usage).items()
    if story.completion is not None and tried is story.tried[-1]:
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
