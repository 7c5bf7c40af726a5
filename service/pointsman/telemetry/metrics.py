"""Metrics of calls, decisions, models and money, for Prometheus. Counted when a call has ended, from its story.

Names and units are those of the RPC and GenAI conventions where they have one, in Prometheus' spelling. Labels have values that files of
ops people name: rules, models, tenants. What those files go through over months is bounded, too: beyond MOST_SERIES of one metric, new
ones are counted as `other`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from pointsman.core.caching import is_shared_failure
from pointsman.core.completion import Attempt, Completion, Usage
from pointsman.core.decision import Candidate, Decision
from pointsman.core.market import ModelState
from pointsman.core.money import NANO_PER_USD
from pointsman.core.vocabulary import FinishReason
from pointsman.telemetry.story import Story

MOST_SERIES = 2_000
"""Of one metric."""

LOOK_EACH_S = 1.0
"""How often the state of things is taken down, and the lag of the event loop measured."""

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_INFERENCE_S = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_TIMES_OFF = (1.1, 1.25, 1.5, 2, 3, 5, 10, 30, 100)


@dataclass(frozen=True, slots=True)
class Described:
    """One metric, for people."""

    name: str
    kind: str
    labels: tuple[str, ...]
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The state of things at one moment."""

    models: Sequence[tuple[str, ModelState]]
    revision: str
    age_s: float
    """Of the rules in use."""
    stale: bool
    under_way: int
    lag_s: float
    budgets: Sequence[tuple[str, str, float]] = ()
    """Tenant, window, spent share."""
    alone: int = 0
    """Tenants that spend this process's share alone."""


class _Child(Protocol):
    """One series."""

    def inc(self, amount: float = 1, exemplar: dict[str, str] | None = None) -> None: ...
    def observe(self, amount: float, exemplar: dict[str, str] | None = None) -> None: ...
    def set(self, value: float) -> None: ...


class Metrics:
    """The metrics of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.described: list[Described] = []
        self._series: dict[str, dict[tuple[str, ...], _Child]] = {}
        self._parents: dict[str, Counter | Gauge | Histogram] = {}
        self._histogram("rpc_server_call_duration_seconds", ("rpc_method", "rpc_status_code"), "Calls by method and status.", _SECONDS)
        self._counter("pointsman_decisions", ("rule", "model", "reason"), "Decisions by rule, chosen model and kind.")
        self._counter("pointsman_refusals", ("rule", "reason"), "Requests that no model could serve, by rule and error.")
        self._counter("pointsman_dropped_candidates", ("model", "reason"), "Models that were on offer and could not serve.")
        self._counter("pointsman_shadow_decisions", ("rule", "model"), "What rules in shadow would have decided.")
        inference = ("gen_ai_provider_name", "gen_ai_request_model")
        self._histogram(
            "gen_ai_client_inference_duration_seconds", (*inference, "error_type"),
            "Calls of models; without error_type where they answered.", _INFERENCE_S,
        )  # fmt: skip
        self._histogram("gen_ai_client_inference_time_to_first_chunk_seconds", inference, "To the first piece of a stream.", _INFERENCE_S)
        for kind in ("input", "output", "cache_read_input", "cache_write_input", "reasoning_output"):
            self._counter(f"gen_ai_client_inference_usage_{kind}_tokens", inference, f"Tokens: {kind.replace('_', ' ')}.")
        self._counter("pointsman_cost_usd", ("tenant", "model"), "What answers cost, all attempts included.")
        self._counter(
            "pointsman_baseline_cost_usd", ("tenant", "model"), "What the dearest candidate would have cost: the saving is the difference."
        )
        self._counter("pointsman_fallbacks", ("from_model", "to_model"), "Answers by another model than the chosen one.")
        self._counter("pointsman_cache_lookups", ("status",), "What the response cache did.")
        self._histogram(
            "pointsman_estimate_error_ratio", ("model", "estimate"),
            "By which factor an estimate of input, output, cost or latency was off, either way: 1 is right.", _TIMES_OFF,
        )  # fmt: skip
        self._gauge("pointsman_model_available", ("model",), "1 if decisions may choose the model now.")
        self._gauge("pointsman_budget_spent_ratio", ("tenant", "window"), "Spent or held share of a window, of tenants that call.")
        self._gauge("pointsman_tenants_alone", (), "Tenants that spend this process's share alone, because the store is lost.")
        self._gauge("pointsman_ruleset_stale", (), "1 if the rule directory cannot be used, and older rules serve.")
        self._gauge("pointsman_ruleset_age_seconds", (), "Since the rules in use were loaded.")
        self._gauge("pointsman_ruleset_info", ("revision",), "1 for the revision in use.")
        self._gauge("pointsman_calls_under_way", (), "Calls that have begun and not ended.")
        self._gauge("pointsman_event_loop_lag_seconds", (), "By how much a timer was late at the last look.")

    def tell(self, story: Story, trace: str = "") -> None:
        """Count a call that has ended; `trace` is the id of its trace, for who wants to see one like it."""
        exemplar = {"trace_id": trace} if trace else None
        seconds = story.ended_s - story.began_s
        self._of("rpc_server_call_duration_seconds", story.method, story.code).observe(seconds, exemplar)
        if story.decided is not None:
            outcome = story.decided.outcome
            self._decided(outcome) if isinstance(outcome, Decision) else self._of("pointsman_refusals", outcome.rule, story.reason).inc()
            for drop in outcome.dropped:
                self._of("pointsman_dropped_candidates", drop.model, drop.reason.name).inc()
        for attempt in story.attempts:
            self._attempted(attempt)
        if story.completion is not None:
            self._completed(story, story.completion)

    def _decided(self, decision: Decision) -> None:
        self._of("pointsman_decisions", decision.rule.id, decision.chosen.model, decision.reason.name).inc()
        for shadow in decision.shadows:
            self._of("pointsman_shadow_decisions", shadow.rule.id, shadow.model).inc()

    def _attempted(self, attempt: Attempt) -> None:
        who = (attempt.provider, attempt.model)
        self._of("gen_ai_client_inference_duration_seconds", *who, attempt.error_type).observe(attempt.latency_ms / 1000)
        if attempt.usage is not None:
            for kind, tokens in _tokens(attempt.usage):
                if tokens:
                    self._of(f"gen_ai_client_inference_usage_{kind}_tokens", *who).inc(tokens)

    def _completed(self, story: Story, completion: Completion) -> None:
        if is_shared_failure(completion):
            return
        usage, model = completion.usage, completion.model
        self._of("pointsman_cost_usd", story.tenant, model).inc(usage.cost / NANO_PER_USD)
        if completion.finish_reason is not FinishReason.ERROR:  # what broke off was no answer that another model would have given for more
            self._of("pointsman_baseline_cost_usd", story.tenant, model).inc(usage.baseline_cost / NANO_PER_USD)
        if completion.cache_status:
            self._of("pointsman_cache_lookups", completion.cache_status.name.lower()).inc()
        decision = story.decided.outcome if story.decided is not None else None
        if not isinstance(decision, Decision) or not completion.attempts:
            return
        if decision.chosen.model != model:
            self._of("pointsman_fallbacks", decision.chosen.model, model).inc()
        last = completion.attempts[-1]
        if story.is_stream and last.ttft_ms is not None:
            self._of("gen_ai_client_inference_time_to_first_chunk_seconds", last.provider, model).observe(last.ttft_ms / 1000)
        expected = next((candidate for candidate in decision.plan if candidate.model == model), None)
        if expected is not None and last.usage is not None and not last.error_type:
            for estimate, ratio in _errors(expected, last, last.usage):
                self._of("pointsman_estimate_error_ratio", model, estimate).observe(ratio)

    def _of(self, name: str, *labels: str) -> _Child:
        """Return a series; beyond the bound, the one that stands for all others."""
        series, parent = self._series[name], self._parents[name]
        if labels not in series:
            if len(series) >= MOST_SERIES:
                labels = ("other",) * len(labels)
            child: Any = parent.labels(*labels) if labels else parent
            series[labels] = child
        return series[labels]

    def _counter(self, name: str, labels: tuple[str, ...], says: str) -> None:
        self._add(f"{name}_total", name, "counter", labels, says, Counter(name, says, labels, registry=self.registry))

    def _gauge(self, name: str, labels: tuple[str, ...], says: str) -> None:
        self._add(name, name, "gauge", labels, says, Gauge(name, says, labels, registry=self.registry))

    def _histogram(self, name: str, labels: tuple[str, ...], says: str, buckets: Iterable[float]) -> None:
        self._add(name, name, "histogram", labels, says, Histogram(name, says, labels, buckets=tuple(buckets), registry=self.registry))

    def _add(self, shown: str, name: str, kind: str, labels: tuple[str, ...], says: str, parent: Counter | Gauge | Histogram) -> None:  # noqa: PLR0917
        self.described.append(Described(shown, kind, labels, says))
        self._parents[name], self._series[name] = parent, {}

    def state(self, seen: State) -> None:
        """Take down the state of things."""
        self._only("pointsman_model_available", {(model,): float(_is_able(state)) for model, state in seen.models})
        self._only("pointsman_ruleset_info", {(seen.revision,): 1.0})
        self._only("pointsman_budget_spent_ratio", {(tenant, window): share for tenant, window, share in seen.budgets})
        self._of("pointsman_tenants_alone").set(seen.alone)
        self._of("pointsman_ruleset_stale").set(float(seen.stale))
        self._of("pointsman_ruleset_age_seconds").set(seen.age_s)
        self._of("pointsman_calls_under_way").set(seen.under_way)
        self._of("pointsman_event_loop_lag_seconds").set(seen.lag_s)

    def _only(self, name: str, values: Mapping[tuple[str, ...], float]) -> None:
        """Set the series of a gauge to these, and drop those that are no longer."""
        series = self._series[name]
        for labels in [labels for labels in series if labels not in values]:
            self._parents[name].remove(*labels)
            del series[labels]
        for labels, value in values.items():
            self._of(name, *labels).set(value)


def _is_able(state: ModelState) -> bool:
    return state.has_credential and state.healthy and state.has_room


def _tokens(usage: Usage) -> tuple[tuple[str, int], ...]:
    return (
        ("input", usage.input_tokens),
        ("output", usage.output_tokens),
        ("cache_read_input", usage.cached_input_tokens),
        ("cache_write_input", usage.cache_write_tokens),
        ("reasoning_output", usage.reasoning_tokens),
    )


def _errors(expected: Candidate, attempt: Attempt, usage: Usage) -> Iterable[tuple[str, float]]:
    """Yield by which factor each estimate was off (Moerkotte et al., Preventing Bad Plans by Bounding the Impact of Cardinality, 2009)."""
    pairs = (
        ("input", expected.tokens.input, usage.input_tokens),
        ("output", expected.tokens.output, usage.output_tokens),
        ("cost", expected.expected_cost, usage.cost),
        ("latency", expected.expected_latency_ms, attempt.latency_ms),
    )
    for estimate, predicted, actual in pairs:
        yield estimate, max(predicted, actual, 1.0) / max(min(predicted, actual), 1.0)


async def watch(look: Callable[[float], None], sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
    """Call `look` again and again until cancelled, with the seconds by which the event loop was late."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + LOOK_EACH_S
        await sleep(LOOK_EACH_S)
        look(max(0.0, loop.time() - due))


def serve(metrics: Metrics, listen: str) -> Callable[[], None]:
    """Serve the metrics over HTTP on a thread; return what ends that. Raises OSError where the address is taken."""
    host, _, port = listen.rpartition(":")
    server, thread = start_http_server(int(port), host.strip("[]"), registry=metrics.registry)

    def end() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return end
