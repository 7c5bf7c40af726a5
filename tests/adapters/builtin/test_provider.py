"""The built-in provider: answers with real counts, at the pace and with the failures that the catalog sets."""

from __future__ import annotations

import pytest
from msgspec import structs

from fakes import WordCounter, catalog_yaml, model_yaml, ruleset_of
from pointsman.adapters.builtin import BuiltinProvider
from pointsman.core.catalog import Model, Pace
from pointsman.core.request import Generation, Message, Prompt, Request, ResponseFormat
from pointsman.core.vocabulary import FinishReason, Role
from pointsman.ports import AttemptFailed, ModelCall

CATALOG = ruleset_of(catalog_yaml({"m": model_yaml()}), "version: 1\nroutes: [{id: default, why: w, use: {candidates: [m]}}]\n").catalog
MODEL: Model = CATALOG.models["m"]


class Sleeps:
    """Notes how long it was asked to sleep."""

    def __init__(self) -> None:
        self.total_s = 0.0

    async def __call__(self, seconds: float) -> None:
        self.total_s += seconds


def call(text: str, *, pace: Pace | None = None, cap: int = 1000, request_id: str = "id", **changes: object) -> ModelCall:
    """Return a call of a model of that pace."""
    model = structs.replace(MODEL, pace=pace or Pace())
    found = ModelCall(
        model=model,
        provider=CATALOG.providers["p"],
        prompt=Request.of(text).prompt,
        generation=Generation(),
        output_cap=cap,
        request_id=request_id,
    )
    return structs.replace(found, **changes)


async def test_it_answers_with_counts_of_what_it_read_and_wrote() -> None:
    answer = await BuiltinProvider(WordCounter()).answer(call("What is 17 * 23?"))

    assert answer.message.text == "391"
    assert answer.finish_reason is FinishReason.STOP
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (5 + 6, 1)


async def test_the_last_turn_of_the_user_is_what_is_asked() -> None:
    turns = [(Role.SYSTEM, "Be brief."), (Role.USER, "1+1"), (Role.ASSISTANT, "2"), (Role.USER, "2+2")]
    prompt = Prompt(messages=tuple(Message(role=role, parts=(text,)) for role, text in turns))

    answer = await BuiltinProvider(WordCounter()).answer(call("", prompt=prompt))

    assert answer.message.text == "4"


async def test_a_long_answer_is_cut_at_the_cap_and_says_so() -> None:
    answer = await BuiltinProvider(WordCounter()).answer(call("Tell me about the sea and the ships", cap=3))

    assert len(answer.message.text.split()) == 3
    assert answer.finish_reason is FinishReason.LENGTH
    assert answer.usage.output_tokens == 3


async def test_an_answer_ends_before_a_stop_text() -> None:
    answer = await BuiltinProvider(WordCounter()).answer(call("uppercase: one two three", generation=Generation(stop=("TWO",))))

    assert answer.message.text == "ONE "
    assert answer.finish_reason is FinishReason.STOP


async def test_json_is_answered_in_json() -> None:
    prompt = structs.replace(Request.of("2+2?").prompt, response_format=ResponseFormat())

    answer = await BuiltinProvider(WordCounter()).answer(call("", prompt=prompt))

    assert answer.message.text == '{"answer": 4}'


async def test_a_schema_that_is_none_fails_the_attempt_without_quoting_it() -> None:
    prompt = structs.replace(Request.of("2+2?").prompt, response_format=ResponseFormat(json_schema='{"type": "canary"}'))

    with pytest.raises(AttemptFailed) as failed:
        await BuiltinProvider(WordCounter()).answer(call("", prompt=prompt))

    assert str(failed.value) == "bad_schema"


async def test_it_waits_for_the_first_token_and_then_at_its_pace() -> None:
    sleeps = Sleeps()

    answer = await BuiltinProvider(WordCounter(), sleep=sleeps).answer(
        call("uppercase: one two three four", pace=Pace(ttft_ms=250, tokens_per_s=8))
    )

    assert sleeps.total_s == pytest.approx(0.25 + 4 / 8)
    assert answer.ttft_ms == 250


async def test_the_set_share_of_requests_fails_and_always_the_same() -> None:
    provider = BuiltinProvider(WordCounter())

    async def fails(request_id: str) -> bool:
        try:
            await provider.answer(call("hi", pace=Pace(error_rate=0.3), request_id=request_id))
        except AttemptFailed as failed:
            return failed.error_type == "injected"
        return False

    first = [await fails(f"id-{number}") for number in range(600)]

    assert first == [await fails(f"id-{number}") for number in range(600)]
    assert sum(first) == pytest.approx(180, abs=45)


async def test_a_long_ask_is_answered_too() -> None:
    answer = await BuiltinProvider(WordCounter()).answer(call("Summarize in one sentence: " + "The tide came in. " * 3000))

    assert answer.message.text == "The tide came in."
