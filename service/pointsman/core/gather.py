"""From a request to facts: the one place that fills in what the caller left out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from msgspec import structs

from pointsman.core.facts import BudgetFacts, Facts, FeatureFacts, RequestFacts, TimeFacts, TokenFacts
from pointsman.core.lengths import usual
from pointsman.core.money import usd
from pointsman.core.reading import Reading
from pointsman.core.request import Request
from pointsman.core.ruleset import Defaults
from pointsman.core.tenants import NOBODY_TOLD_APART, Tenant
from pointsman.core.vocabulary import SUBJECTS, TASKS

UNBOUNDED = BudgetFacts()


def gather(
    request: Request,
    reading: Reading,
    *,
    defaults: Defaults,
    now: datetime,
    request_id: str,
    tenant: Tenant = NOBODY_TOLD_APART,
    stream: bool = False,
    budget: BudgetFacts = UNBOUNDED,
) -> Facts:
    """Return the facts of a request; `now` is in UTC. Who calls is known from the credential alone: nothing in a request says it."""
    features = _labelled(reading.features, request.context.labels)
    return Facts(
        request=_request(request, defaults, request_id, tenant.id, stream=stream),
        features=features,
        tokens=_tokens(request, reading, features),
        tenant=tenant.facts,
        budget=budget,
        time=time_facts(now),
    )


def _labelled(features: FeatureFacts, labels: Mapping[str, str]) -> FeatureFacts:
    """Return the features with task and subject as the caller labels them; a label of another word is one of the caller's own."""
    task, subject = labels.get("task"), labels.get("subject")
    if task not in TASKS and subject not in SUBJECTS:
        return features
    return structs.replace(
        features,
        task=task if task in TASKS else features.task,
        subject=subject if subject in SUBJECTS else features.subject,
    )


def time_facts(now: datetime) -> TimeFacts:
    """Return what rules may know of a time in UTC."""
    return TimeFacts(hour=now.hour, weekday=now.isoweekday(), date=now.date().isoformat())


def _request(request: Request, defaults: Defaults, request_id: str, tenant: str, *, stream: bool) -> RequestFacts:
    needs, prompt = request.requirements, request.prompt
    return RequestFacts(
        tenant=tenant,
        user=request.context.user_id or None,
        session=request.context.session_id or None,
        model=needs.model,
        accuracy=defaults.accuracy if needs.accuracy is None else needs.accuracy,
        max_total_tokens=needs.max_total_tokens,
        max_cost_usd=None if needs.max_cost is None else usd(needs.max_cost),
        max_latency_ms=needs.max_latency_ms,
        max_ttft_ms=needs.max_ttft_ms,
        stream=stream,
        needs_tools=bool(prompt.tools) or "tools" in needs.capabilities,
        needs_json=prompt.response_format is not None or "json" in needs.capabilities,
        needs_vision="vision" in needs.capabilities or prompt.shows_pictures,
        labels=request.context.labels,
        id=request_id,
        max_cost=needs.max_cost,
        tags=needs.tags,
    )


def _tokens(request: Request, reading: Reading, features: FeatureFacts) -> TokenFacts:
    median, p90 = usual(features.task, features.complexity)
    asked = request.generation.max_output_tokens
    return TokenFacts(
        input=reading.input_tokens,
        output=median,
        output_p90=p90,
        output_max=asked,
        total=reading.input_tokens + (p90 if asked is None else min(p90, asked)),
        method=reading.method,
    )
