"""Metrics of calls, decisions, models and money. Counted when a call has ended, from its story.

Names and units are those of the RPC and GenAI conventions where they have one. Labels have values that files of
ops people name: rules, models, tenants. What those files go through over months is bounded, too: beyond MOST_SERIES of one metric, new
ones are counted as `other`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from pointsman.core.caching import is_shared_failure
from pointsman.core.completion import Attempt, Completion, Usage
from pointsman.core.decision import Decision
from pointsman.core.hindsight import compared
from pointsman.core.market import ModelState
from pointsman.core.money import NANO_PER_USD
from pointsman.core.vocabulary import FinishReason
from pointsman.telemetry.story import UNTOLD, Story, Told

MOST_SERIES = 2_000
"""Of one metric."""

LOOK_EACH_S = 1.0
"""How often the state of things is taken down, and the lag of the event loop measured."""

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_INFERENCE_S = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_SCORES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
_TIMES_OFF = (1.1, 1.25, 1.5, 2, 3, 5, 10, 30, 100)


_SUFFIXES = {"": "", "s": "_seconds", "1": "_ratio", "USD": "_usd"}
"""What Prometheus' names have for a unit."""

_KINDS = ("input", "output", "cache_read.input", "cache_write.input", "reasoning.output")
"""Of tokens."""


@dataclass(frozen=True, slots=True)
class Described:
    """One metric. Names are those of OpenTelemetry; Prometheus has its own spelling of them."""

    name: str
    unit: str
    """As UCUM has it: "s" for seconds, "1" for a ratio; empty for a count of things."""
    kind: str
    labels: tuple[str, ...]
    says: str

    @property
    def family(self) -> str:
        """Its name in Prometheus, without what a counter's samples add to theirs."""
        return self.name.replace(".", "_") + _SUFFIXES[self.unit]

    @property
    def shown(self) -> str:
        """Its name in Prometheus."""
        return f"{self.family}_total" if self.kind == "counter" else self.family


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
    breakers: Mapping[str, str] = field(default_factory=dict)
    """The state of each model's breaker."""
    certificate_s: float | None = None
    """Until the server's certificate expires; None without TLS."""
    lost: Mapping[str, int] = field(default_factory=dict)
    """Of each signal what was lost, since the process began."""


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
        self._lost: Mapping[str, int] = {}
        self._histogram("rpc.server.call.duration", "s", ("rpc.method", "rpc.status_code"), "Calls by method and status.", _SECONDS)
        self._counter("pointsman.decisions", "", ("rule", "model", "reason"), "Decisions by rule, chosen model and kind.")
        self._counter("pointsman.refusals", "", ("rule", "reason"), "Requests that no model could serve, by rule and error.")
        self._counter("pointsman.dropped_candidates", "", ("model", "reason"), "Models that were on offer and could not serve.")
        self._counter("pointsman.shadow_decisions", "", ("rule", "model"), "What rules in shadow would have decided.")
        inference, says = ("gen_ai.provider.name", "gen_ai.request.model"), "Calls of models; without error_type where they answered."
        self._histogram("gen_ai.client.inference.duration", "s", (*inference, "error.type"), says, _INFERENCE_S)
        self._histogram("gen_ai.client.inference.time_to_first_chunk", "s", inference, "To the first piece of a stream.", _INFERENCE_S)
        for kind in _KINDS:
            self._counter(f"gen_ai.client.inference.usage.{kind}_tokens", "", inference, f"Tokens: {re.sub('[._]', ' ', kind)}.")
        money = ("tenant", "model")
        self._counter("pointsman.cost", "USD", money, "What calls of models cost, those included that came to no answer.")
        says = "What the dearest candidate would have cost: the saving is the difference."
        self._counter("pointsman.baseline_cost", "USD", money, says)
        self._histogram("pointsman.feedback_score", "", ("rule", "model"), "What callers said of answers: 0 of no use, 1 right.", _SCORES)
        self._counter("pointsman.fallbacks", "", ("from_model", "to_model"), "Answers by another model than the chosen one.")
        self._counter("pointsman.cache_lookups", "", ("status",), "What the response cache did.")
        says = "By which factor an estimate of input, output, cost or latency was off, either way: 1 is right."
        self._histogram("pointsman.estimate_error", "1", ("rule", "model", "estimate"), says, _TIMES_OFF)
        self._counter("pointsman.telemetry_lost", "", ("signal",), "Spans that no collector took, records that no disk did.")
        self._gauge("pointsman.model_available", "", ("model",), "1 if decisions may choose the model now.")
        self._gauge("pointsman.model_breaker", "", ("model", "state"), "1 for the state that its breaker is in: closed, open, half_open.")
        self._gauge("pointsman.budget_spent", "1", ("tenant", "window"), "Spent or held share of a window, of tenants that call.")
        self._gauge("pointsman.tenants_alone", "", (), "Tenants that spend this process's share alone, because the store is lost.")
        self._gauge("pointsman.ruleset_stale", "", (), "1 if the rule directory cannot be used, and older rules serve.")
        self._gauge("pointsman.ruleset_age", "s", (), "Since the rules in use were loaded.")
        self._gauge("pointsman.ruleset_info", "", ("revision",), "1 for the revision in use.")
        self._gauge("pointsman.tls_certificate_lifetime", "s", (), "Until the server's certificate expires; without TLS there is none.")
        self._gauge("pointsman.calls_under_way", "", (), "Calls that have begun and not ended.")
        self._gauge("pointsman.event_loop_lag", "s", (), "By how much a timer was late at the last look.")

    def tell(self, story: Story, told: Told = UNTOLD) -> None:
        """Count a call that has ended; where it was told as a trace, that is for who wants to see one like it."""
        exemplar = {"trace_id": told.trace_id, "span_id": told.span_id} if told.span_id else None
        seconds = story.ended_s - story.began_s
        self._of("rpc.server.call.duration", story.method, story.code).observe(seconds, exemplar)
        if story.decided is not None:
            outcome = story.decided.outcome
            self._decided(outcome) if isinstance(outcome, Decision) else self._of("pointsman.refusals", outcome.rule, story.reason).inc()
            for drop in outcome.dropped:
                self._of("pointsman.dropped_candidates", drop.model, drop.reason.name).inc()
        for attempt in story.attempts:
            self._attempted(story.tenant, attempt)
        if story.completion is not None:
            self._completed(story, story.completion)
        if story.scored is not None:
            self._of("pointsman.feedback_score", story.scored.rule, story.scored.model).observe(story.scored.score)

    def _decided(self, decision: Decision) -> None:
        self._of("pointsman.decisions", decision.rule.id, decision.chosen.model, decision.reason.name).inc()
        for shadow in decision.shadows:
            self._of("pointsman.shadow_decisions", shadow.rule.id, shadow.model).inc()

    def _attempted(self, tenant: str, attempt: Attempt) -> None:
        who = (attempt.provider, attempt.model)
        self._of("gen_ai.client.inference.duration", *who, attempt.error_type).observe(attempt.latency_ms / 1000)
        if attempt.usage is not None:
            self._of("pointsman.cost", tenant, attempt.model).inc(attempt.usage.cost / NANO_PER_USD)
            for kind, tokens in _tokens(attempt.usage):
                if tokens:
                    self._of(f"gen_ai.client.inference.usage.{kind}_tokens", *who).inc(tokens)

    def _completed(self, story: Story, completion: Completion) -> None:
        if is_shared_failure(completion):
            return
        usage, model = completion.usage, completion.model
        if completion.finish_reason is not FinishReason.ERROR:  # what broke off was no answer that another model would have given for more
            self._of("pointsman.baseline_cost", story.tenant, model).inc(usage.baseline_cost / NANO_PER_USD)
        if completion.cache_status:
            self._of("pointsman.cache_lookups", completion.cache_status.name.lower()).inc()
        decision = story.decided.outcome if story.decided is not None else None
        if not isinstance(decision, Decision) or not completion.attempts:
            return
        if decision.chosen.model != model:
            self._of("pointsman.fallbacks", decision.chosen.model, model).inc()
        last = completion.attempts[-1]
        if story.is_stream and last.ttft_ms is not None:
            self._of("gen_ai.client.inference.time_to_first_chunk", last.provider, model).observe(last.ttft_ms / 1000)
        for found in compared(last):
            self._of("pointsman.estimate_error", decision.rule.id, model, found.estimate).observe(found.off_by)

    def _of(self, name: str, *labels: str) -> _Child:
        """Return a series; beyond the bound, the one that stands for all others."""
        series, parent = self._series[name], self._parents[name]
        if labels not in series:
            if len(series) >= MOST_SERIES:
                labels = ("other",) * len(labels)
            child: Any = parent.labels(*labels) if labels else parent
            series[labels] = child
        return series[labels]

    def _counter(self, name: str, unit: str, labels: tuple[str, ...], says: str) -> None:
        self._add(Described(name, unit, "counter", labels, says), Counter)

    def _gauge(self, name: str, unit: str, labels: tuple[str, ...], says: str) -> None:
        self._add(Described(name, unit, "gauge", labels, says), Gauge)

    def _histogram(self, name: str, unit: str, labels: tuple[str, ...], says: str, buckets: Iterable[float]) -> None:
        self._add(Described(name, unit, "histogram", labels, says), partial(Histogram, buckets=tuple(buckets)))

    def _add(self, each: Described, kind: Callable[..., Counter | Gauge | Histogram]) -> None:
        labels = [label.replace(".", "_") for label in each.labels]
        self.described.append(each)
        self._parents[each.name] = kind(each.family, each.says, labels, registry=self.registry)
        self._series[each.name] = {}

    def state(self, seen: State) -> None:
        """Take down the state of things."""
        self._only("pointsman.model_available", {(model,): float(_is_able(state)) for model, state in seen.models})
        self._only("pointsman.ruleset_info", {(seen.revision,): 1.0})
        self._only("pointsman.budget_spent", {(tenant, window): share for tenant, window, share in seen.budgets})
        self._only("pointsman.model_breaker", dict.fromkeys(seen.breakers.items(), 1.0))
        for signal, lost in seen.lost.items():
            self._of("pointsman.telemetry_lost", signal).inc(lost - self._lost.get(signal, 0))
        self._lost = seen.lost
        self._of("pointsman.tenants_alone").set(seen.alone)
        self._of("pointsman.ruleset_stale").set(float(seen.stale))
        self._of("pointsman.ruleset_age").set(seen.age_s)
        self._of("pointsman.calls_under_way").set(seen.under_way)
        if seen.certificate_s is not None:
            self._of("pointsman.tls_certificate_lifetime").set(seen.certificate_s)
        self._of("pointsman.event_loop_lag").set(seen.lag_s)

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
        ("cache_read.input", usage.cached_input_tokens),
        ("cache_write.input", usage.cache_write_tokens),
        ("reasoning.output", usage.reasoning_tokens),
    )


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
