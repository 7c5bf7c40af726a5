"""Runs a plan: calls its models in order until one answers, within one deadline.

A failed attempt moves on to the next model at once: the plan is the alternative, waiting is not. Every attempt is recorded, with what it
used, for the answer and for whoever pays. The deadline is the caller's; when it passes, the call under way is cancelled, which ends it
upstream.

A stream commits at its first piece: before it, moving on is free; after it, a failure is a failure, since the caller has seen a part.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

from msgspec import structs

from pointsman.core.catalog import Catalog
from pointsman.core.completion import Attempt, Completion, Delta, TextDelta, Usage
from pointsman.core.decision import Candidate, Decision
from pointsman.core.errors import DeadlinePassed, StreamInterrupted, UpstreamUnavailable
from pointsman.core.request import Message, Request
from pointsman.core.vocabulary import AttemptReason, FinishReason
from pointsman.ports import AttemptFailed, Clock, Finished, ModelCall, Provider, TokenCounter


class Executor:
    """Calls the models of a plan through the provider of each."""

    def __init__(self, providers: Mapping[str, Provider], counter: TokenCounter, clock: Clock) -> None:
        """`providers` are by API, as in `Provider.api` of the catalog; the counter counts what a provider does not."""
        self._providers = providers
        self._counter = counter
        self._clock = clock

    async def run(self, decision: Decision, request: Request, catalog: Catalog, *, deadline: float) -> Completion:
        """Return the first answer; `deadline` is in seconds of the monotonic clock.

        Raises DeadlinePassed when time is up and UpstreamUnavailable when every model of the plan failed.
        """
        work = _Work(decision, request, catalog)
        for candidate in decision.plan:
            attempt = _Attempting(candidate, work, self._clock, deadline)
            try:
                provider = self._provider(candidate, catalog)
                async with asyncio.timeout(attempt.time_left_s()):
                    answer = await provider.answer(work.call(candidate))
            except TimeoutError:
                attempt.failed("timeout")
                raise attempt.too_late() from None
            except AttemptFailed as failed:
                attempt.failed(failed.error_type)
                continue
            attempt.first_ms = answer.ttft_ms
            return attempt.answered(answer.finish_reason, answer.usage, message=answer.message)
        raise work.exhausted()

    async def stream(
        self, decision: Decision, request: Request, catalog: Catalog, *, deadline: float
    ) -> AsyncGenerator[Delta | Completion, None]:
        """Yield the answer as it comes, and last the completion without its message.

        Raises what `run` raises before the first piece; after it, yields a completion with what was used so far and FinishReason.ERROR, and
        raises StreamInterrupted, or DeadlinePassed when time was up.
        """
        work = _Work(decision, request, catalog)
        for candidate in decision.plan:
            attempt = _Attempting(candidate, work, self._clock, deadline)
            texts: list[str] = []
            late = False
            try:
                async with aclosing(self._provider(candidate, catalog).stream(work.call(candidate))) as pieces:
                    while True:
                        async with asyncio.timeout(attempt.time_left_s()):
                            piece = await anext(pieces)
                        if isinstance(piece, Finished):
                            yield attempt.answered(piece.finish_reason, piece.usage or self._counted(candidate, texts))
                            return
                        attempt.saw_piece()
                        if isinstance(piece, TextDelta):
                            texts.append(piece.text)
                        yield piece
            except TimeoutError:
                error_type, late = "timeout", True
            except StopAsyncIteration:
                error_type = "incomplete"
            except AttemptFailed as failed:
                error_type = failed.error_type
            if attempt.first_ms is not None:
                usage = self._counted(candidate, texts)
                yield attempt.answered(FinishReason.ERROR, usage, error_type=error_type)
                raise attempt.too_late() if late else attempt.interrupted(error_type, usage.output_tokens)
            attempt.failed(error_type)
            if late:
                raise attempt.too_late()
        raise work.exhausted()

    def _provider(self, candidate: Candidate, catalog: Catalog) -> Provider:
        provider = self._providers.get(catalog.providers[candidate.provider].api)
        if provider is None:
            raise AttemptFailed("unsupported")  # an API that this version cannot call yet
        return provider

    def _counted(self, candidate: Candidate, texts: list[str]) -> Usage:
        """Return the usage of an answer whose provider does not say."""
        output = self._counter.count("".join(texts)).tokens
        return Usage(input_tokens=candidate.tokens.input, output_tokens=output, estimated=True)


class _Work:
    """What one plan is run for, and the attempts so far."""

    def __init__(self, decision: Decision, request: Request, catalog: Catalog) -> None:
        self.decision = decision
        self.request = request
        self.catalog = catalog
        self.attempts: list[Attempt] = []

    def call(self, candidate: Candidate) -> ModelCall:
        """Return what a candidate is asked."""
        return ModelCall(
            model=self.catalog.models[candidate.model],
            provider=self.catalog.providers[candidate.provider],
            prompt=self.request.prompt,
            generation=self.request.generation,
            output_cap=max(1, candidate.tokens.output_cap),
            request_id=self.decision.id,
        )

    def exhausted(self) -> UpstreamUnavailable:
        """Return the error of a plan of which no model answered."""
        return UpstreamUnavailable(f"no model of the plan answered: {self.told()}")

    def told(self) -> str:
        """Return the attempts in words."""
        return ", ".join(f"{attempt.model}: {attempt.error_type or 'answered'}" for attempt in self.attempts)

    def priced(self, usage: Usage, candidate: Candidate) -> Usage:
        """Return the usage with what it cost, and what it would have cost at the baseline's prices."""
        models = self.catalog.models
        cost = models[candidate.model].price.cost(
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cached_tokens=usage.cached_input_tokens,
            cache_write_tokens=usage.cache_write_tokens,
        )
        baseline = models[self.decision.baseline_model].price.cost(usage.input_tokens, usage.output_tokens)
        return structs.replace(usage, cost=cost, baseline_cost=baseline)


class _Attempting:
    """One call of one model while it lasts. Raises DeadlinePassed if there is no time left for it."""

    def __init__(self, candidate: Candidate, work: _Work, clock: Clock, deadline: float) -> None:
        self._candidate = candidate
        self._work = work
        self._clock = clock
        self._deadline = deadline
        self._reason = AttemptReason.FALLBACK if work.attempts else AttemptReason.PRIMARY
        self._began = clock.monotonic()
        self.first_ms: float | None = None
        """Time to the first token; None until it came."""
        if self._began >= deadline:
            raise _too_late(work)

    def time_left_s(self) -> float:
        """Return the seconds until the deadline."""
        return self._deadline - self._clock.monotonic()

    def saw_piece(self) -> None:
        """Note when the first piece came."""
        if self.first_ms is None:
            self.first_ms = self._elapsed_ms()

    def failed(self, error_type: str) -> None:
        """Record that no answer came."""
        self._record(error_type, None)

    def too_late(self) -> DeadlinePassed:
        """Return the error of a deadline that passed during the call."""
        return _too_late(self._work)

    def interrupted(self, error_type: str, emitted_tokens: int) -> StreamInterrupted:
        """Return the error of an answer that broke off."""
        message = f"{self._candidate.model} broke off after {emitted_tokens} tokens ({error_type}); ask again if a part is of no use"
        return StreamInterrupted(message, emitted_tokens=emitted_tokens)

    def answered(self, finish: FinishReason, usage: Usage, *, message: Message | None = None, error_type: str = "") -> Completion:
        """Return the completion of the call, which has ended; with an `error_type` before its time."""
        priced = self._work.priced(usage, self._candidate)
        self._record(error_type, priced)
        return Completion(
            message=message, finish_reason=finish, usage=priced, attempts=tuple(self._work.attempts), model=self._candidate.model
        )

    def _record(self, error_type: str, usage: Usage | None) -> None:
        self._work.attempts.append(
            Attempt(
                model=self._candidate.model,
                provider=self._candidate.provider,
                reason=self._reason,
                error_type=error_type,
                latency_ms=self._elapsed_ms(),
                ttft_ms=self.first_ms,
                usage=usage,
            )
        )

    def _elapsed_ms(self) -> float:
        return (self._clock.monotonic() - self._began) * 1000


def _too_late(work: _Work) -> DeadlinePassed:
    tried = f" after {work.told()}" if work.attempts else ""
    return DeadlinePassed(f"the deadline passed{tried}; allow more time, or ask for a faster model with requirements.max_latency")
