"""Runs a plan: calls its models in order until one answers, within one deadline.

A failed attempt moves on to the next model at once: the plan is the alternative, waiting is not. Every attempt is recorded, with what it
used, for the answer and for whoever pays. The deadline is the caller's; when it passes, the call under way is cancelled, which ends it
upstream.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from msgspec import structs

from pointsman.core.catalog import Catalog
from pointsman.core.completion import Attempt, Completion, Usage
from pointsman.core.decision import Candidate, Decision
from pointsman.core.errors import DeadlinePassed, UpstreamUnavailable
from pointsman.core.request import Request
from pointsman.core.vocabulary import AttemptReason
from pointsman.ports import Answer, AttemptFailed, Clock, ModelCall, Provider


class Executor:
    """Calls the models of a plan through the provider of each."""

    def __init__(self, providers: Mapping[str, Provider], clock: Clock) -> None:
        """`providers` are by API, as in `Provider.api` of the catalog."""
        self._providers = providers
        self._clock = clock

    async def run(self, decision: Decision, request: Request, catalog: Catalog, *, deadline: float) -> Completion:
        """Return the first answer; `deadline` is in seconds of the monotonic clock.

        Raises DeadlinePassed when time is up and UpstreamUnavailable when every model of the plan failed.
        """
        attempts: list[Attempt] = []
        for candidate in decision.plan:
            began = self._clock.monotonic()
            if began >= deadline:
                raise _too_late(attempts)
            reason = AttemptReason.FALLBACK if attempts else AttemptReason.PRIMARY
            try:
                async with asyncio.timeout(deadline - began):
                    answer = await self._ask(candidate, decision, request, catalog)
            except TimeoutError:
                attempts.append(self._attempt(candidate, reason, began, error_type="timeout"))
                raise _too_late(attempts) from None
            except AttemptFailed as failed:
                attempts.append(self._attempt(candidate, reason, began, error_type=failed.error_type))
                continue
            usage = _priced(answer.usage, candidate, decision, catalog)
            attempts.append(self._attempt(candidate, reason, began, answer=answer, usage=usage))
            return _completion(answer, usage, tuple(attempts))
        raise UpstreamUnavailable(f"no model of the plan answered: {_told(attempts)}")

    async def _ask(self, candidate: Candidate, decision: Decision, request: Request, catalog: Catalog) -> Answer:
        model = catalog.models[candidate.model]
        provider = self._providers.get(catalog.providers[model.provider].api)
        if provider is None:
            raise AttemptFailed("unsupported")  # an API that this version cannot call yet
        cap = candidate.tokens.output_cap
        call = ModelCall(model=model, prompt=request.prompt, generation=request.generation, output_cap=cap, request_id=decision.id)
        return await provider.answer(call)

    def _attempt(
        self,
        candidate: Candidate,
        reason: AttemptReason,
        began: float,
        *,
        error_type: str = "",
        answer: Answer | None = None,
        usage: Usage | None = None,
    ) -> Attempt:
        return Attempt(
            model=candidate.model,
            provider=candidate.provider,
            reason=reason,
            error_type=error_type,
            latency_ms=(self._clock.monotonic() - began) * 1000,
            ttft_ms=answer.ttft_ms if answer else None,
            usage=usage,
        )


def _priced(usage: Usage, candidate: Candidate, decision: Decision, catalog: Catalog) -> Usage:
    """Return the usage with what it cost, and what it would have cost at the baseline's prices."""
    baseline = catalog.models[decision.baseline_model].price
    cost = catalog.models[candidate.model].price.cost(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cached_tokens=usage.cached_input_tokens,
        cache_write_tokens=usage.cache_write_tokens,
    )
    return structs.replace(
        usage, cost=cost, baseline_cost=baseline.cost(input_tokens=usage.input_tokens, output_tokens=usage.output_tokens)
    )


def _completion(answer: Answer, usage: Usage, attempts: tuple[Attempt, ...]) -> Completion:
    return Completion(message=answer.message, finish_reason=answer.finish_reason, usage=usage, attempts=attempts, model=attempts[-1].model)


def _too_late(attempts: list[Attempt]) -> DeadlinePassed:
    tried = f" after {_told(attempts)}" if attempts else ""
    return DeadlinePassed(f"the deadline passed{tried}; allow more time, or ask for a faster model with requirements.max_latency")


def _told(attempts: list[Attempt]) -> str:
    return ", ".join(f"{attempt.model}: {attempt.error_type or 'answered'}" for attempt in attempts)
