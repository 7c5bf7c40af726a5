"""Running a plan: the first answer counts, every attempt is recorded, and the deadline holds."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from msgspec import structs

from fakes import AllWell, FakeClock, ScriptedProvider, WordCounter, catalog_yaml, facts_of, failed, model_yaml, ruleset_of
from pointsman.adapters.clock import SystemClock
from pointsman.core.completion import Attempt, Completion, Usage
from pointsman.core.decide import decide
from pointsman.core.errors import DeadlinePassed, UpstreamUnavailable
from pointsman.core.market import Market
from pointsman.core.request import Generation, Request
from pointsman.core.ruleset import Ruleset
from pointsman.core.vocabulary import AttemptReason, FinishReason, Role
from pointsman.execute import Executor
from pointsman.ports import Answer, Clock, ModelCall, Provider
from pointsman.upstreams import Upstreams

if TYPE_CHECKING:
    from conftest import Hanging

CANARY = "canary-7391"
ASKED = Request.of(CANARY)

# Models of provider `q` speak an API that no provider here knows. The prices are dollars per million tokens: nano-dollars per token / 1000.
MODELS = catalog_yaml(
    {
        "cheap": model_yaml(price=1).replace("nominal:", "cached_input: 0.1, cache_write: 2, nominal:"),
        "middle": model_yaml(price=2),
        "dear": model_yaml(price=5),
        "foreign": model_yaml(price=0.5).replace("provider: p", "provider: q"),
    }
).replace("{p: {api: builtin}}", "{p: {api: builtin}, q: {api: openai, base_url: https://q.example/v1}}")


def planned(*models: str) -> Ruleset:
    """Return rules whose plan is these models; prices rise, so the cheapest comes first."""
    return ruleset_of(MODELS, f"version: 1\nroutes:\n  - {{id: all, use: {{candidates: [{', '.join(models)}], strategy: cheapest}}}}\n")


async def run(
    provider: Provider,
    *models: str,
    clock: Clock | None = None,
    deadline: float = 60.0,
    request: Request = ASKED,
    again: bool = False,
) -> Completion:
    """Return what running the plan comes to; no model is asked twice unless `again`."""
    ruleset = planned(*models)
    decision = decide(ruleset, facts_of(), Market())
    assert [candidate.model for candidate in decision.plan] == list(models)
    clock = clock or FakeClock()
    executor = Executor({"builtin": provider}, WordCounter(), clock, Upstreams(AllWell(), clock))
    return await executor.run(decision, request, ruleset.catalog, deadline=deadline, again=again)


def told(attempts: tuple[Attempt, ...]) -> list[tuple[str, AttemptReason, str]]:
    return [(attempt.model, attempt.reason, attempt.error_type) for attempt in attempts]


async def test_the_first_answer_is_the_completion() -> None:
    clock = FakeClock()
    completion = await run(ScriptedProvider("well then", clock=clock, takes_s=0.25), "cheap", "dear", clock=clock)

    (attempt,) = completion.attempts
    assert completion.model == "cheap"
    assert completion.message is not None
    assert (completion.message.role, completion.message.text) == (Role.ASSISTANT, "well then")
    assert completion.finish_reason is FinishReason.STOP
    assert told(completion.attempts) == [("cheap", AttemptReason.PRIMARY, "")]
    assert (attempt.provider, attempt.latency_ms, attempt.ttft_ms, attempt.usage) == ("p", 250.0, 5.0, completion.usage)


async def test_a_model_is_asked_for_what_was_decided() -> None:
    provider = ScriptedProvider("yes")
    request = structs.replace(ASKED, generation=Generation(temperature=0.5, stop=("\n",)))

    await run(provider, "cheap", request=request)

    (call,) = provider.calls
    assert (call.model.id, call.prompt, call.generation) == ("cheap", request.prompt, request.generation)
    assert (call.output_cap, call.request_id) == (1000, "id-1")


async def test_after_a_failure_the_next_model_is_asked_and_both_attempts_are_recorded() -> None:
    clock = FakeClock()
    provider = ScriptedProvider(failed("429"), failed("connection"), "at last", clock=clock, takes_s=1.5)

    completion = await run(provider, "cheap", "middle", "dear", clock=clock)

    assert completion.model == "dear"
    assert told(completion.attempts) == [
        ("cheap", AttemptReason.PRIMARY, "429"),
        ("middle", AttemptReason.FALLBACK, "connection"),
        ("dear", AttemptReason.FALLBACK, ""),
    ]
    assert [attempt.latency_ms for attempt in completion.attempts] == [1500.0] * 3
    assert [(attempt.usage, attempt.ttft_ms) for attempt in completion.attempts[:2]] == [(None, None)] * 2


async def test_when_every_model_fails_the_error_says_how_each_did() -> None:
    with pytest.raises(UpstreamUnavailable, match=r"^no model of the plan answered: cheap: 429, dear: connection$"):
        await run(ScriptedProvider(failed("429"), failed("connection")), "cheap", "dear")


async def test_a_model_whose_api_this_version_cannot_call_is_passed_over() -> None:
    provider = ScriptedProvider("here")

    completion = await run(provider, "foreign", "cheap")

    assert told(completion.attempts) == [("foreign", AttemptReason.PRIMARY, "unsupported"), ("cheap", AttemptReason.FALLBACK, "")]
    assert [call.model.id for call in provider.calls] == ["cheap"]


async def test_no_model_is_called_after_the_deadline() -> None:
    clock, provider = FakeClock(), ScriptedProvider("too late")
    clock.advance(10)

    with pytest.raises(DeadlinePassed, match=r"^the deadline passed; allow more time"):
        await run(provider, "cheap", clock=clock, deadline=10)

    assert provider.calls == []


async def test_a_failure_that_takes_all_the_time_leaves_none_for_a_fallback() -> None:
    clock = FakeClock()
    provider = ScriptedProvider(failed("500"), "too late", clock=clock, takes_s=10)

    with pytest.raises(DeadlinePassed, match="after cheap: 500"):
        await run(provider, "cheap", "dear", clock=clock, deadline=10)

    assert len(provider.calls) == 1


async def test_the_deadline_ends_the_call_under_way(hanging: Hanging) -> None:
    """Real time: asyncio's own timer ends the wait. The second model has the half that was kept for it."""
    clock = SystemClock()

    with pytest.raises(DeadlinePassed, match="after cheap: timeout, dear: timeout"):
        await run(hanging, "cheap", "dear", clock=clock, deadline=clock.monotonic() + 0.1)

    assert hanging.ended.is_set()
    assert hanging.calls == []


async def test_a_caller_who_hangs_up_ends_the_call_under_way(hanging: Hanging) -> None:
    calling = asyncio.create_task(run(hanging, "cheap", "dear"))
    await hanging.begun.wait()

    calling.cancel()

    with pytest.raises(asyncio.CancelledError):
        await calling
    assert hanging.ended.is_set()
    assert hanging.calls == []


class Metered(ScriptedProvider):
    """A model that reports what it used."""

    def __init__(self, usage: Usage) -> None:
        super().__init__("hm")
        self._usage = usage

    async def answer(self, call: ModelCall) -> Answer:
        return structs.replace(await super().answer(call), usage=self._usage)


async def test_cost_and_baseline_follow_from_the_usage_that_was_reported() -> None:
    """Not from what was predicted. The baseline is the dearest model that could have served."""
    used = Usage(input_tokens=1000, output_tokens=10, reasoning_tokens=4)

    usage = (await run(Metered(used), "cheap", "middle", "dear")).usage

    assert usage == structs.replace(used, cost=1_010_000, baseline_cost=5_050_000)


async def test_an_answer_of_a_fallback_costs_what_the_fallback_costs() -> None:
    usage = (await run(ScriptedProvider(failed(), "one two three"), "cheap", "dear")).usage

    assert usage == Usage(input_tokens=100, output_tokens=3, cost=515_000, baseline_cost=515_000)


async def test_input_from_and_to_the_providers_cache_has_its_own_price() -> None:
    """Of 1000: 600 at 0.1 dollars, 300 at 2, the rest at 1. What a cache would do elsewhere is not known, so the baseline has none."""
    used = Usage(input_tokens=1000, cached_input_tokens=600, cache_write_tokens=300)

    usage = (await run(Metered(used), "cheap", "dear")).usage

    assert (usage.cost, usage.baseline_cost) == (60_000 + 600_000 + 100_000, 5_000_000)


async def test_no_error_holds_text_of_the_prompt() -> None:
    with pytest.raises(UpstreamUnavailable) as failure:
        await run(ScriptedProvider(failed(), failed()), "cheap", "dear")

    assert CANARY not in repr(failure.value)
