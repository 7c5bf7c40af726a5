"""Conversations stay where their prefix is kept while that pays: whole conversations on the shipped prices, turn by turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from math import ceil
from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec import structs

from fakes import ESTIMATE, AllWell, FakeClock, WordCounter, facts_of, recall_of
from pointsman.adapters.cache import MemoryCache
from pointsman.affinity import LEARNED_AT_ONCE, Affinity
from pointsman.call import Call
from pointsman.core.completion import Attempt, Completion, Usage
from pointsman.core.decide import decide
from pointsman.core.decision import Decision
from pointsman.core.market import Market
from pointsman.core.optimise import Optimisation
from pointsman.core.prefixes import Trail
from pointsman.core.request import Context, Message, Prompt, Request
from pointsman.core.rulefile import load
from pointsman.core.ruleset import Ruleset
from pointsman.core.tenants import Tenant
from pointsman.core.tokenisers import factor
from pointsman.core.vocabulary import AttemptReason, DecisionReason, FinishReason, Role
from pointsman.execute import Executor
from pointsman.ports import Answer, ModelCall, Piece
from pointsman.reader import Reader
from pointsman.router import Router
from pointsman.upstreams import Upstreams
from processes import ROOT

DATA = Path(__file__).parent / "data" / "conversations"
MODELS = (ROOT / "rules" / "models.yaml").read_bytes()
ROUTING = """
version: 1
routes:
  - id: hard
    why: Hard turns need the strongest.
    when: has(request.labels.kind) && request.labels.kind == "hard"
    use: {candidates: [claude-opus-5-5, gpt-6-astra]}
  - id: default
    why: Easy ones may go to either.
    use: {candidates: [claude-sonnet-5-5, claude-opus-5-5, gpt-6-astra]}
"""


def rules(models: bytes = MODELS, routing: str = ROUTING) -> Ruleset:
    loaded = load({"models.yaml": models, "routing.yaml": routing.encode()})
    assert loaded.ruleset is not None, loaded.problems
    return loaded.ruleset


class KeepingProvider:
    """Keeps prompts as providers do: for a while, from a least length on, where it is told to or, by other APIs, always; and counts what it read of them."""

    def __init__(self, clock: FakeClock, keeps: float = 1.0) -> None:
        self._clock = clock
        self._keeps = keeps
        self._kept: dict[tuple[str, tuple[Message, ...]], float] = {}
        self.answer_words = 0
        self.keeps_unasked = False
        self.calls: list[ModelCall] = []

    async def answer(self, call: ModelCall) -> Answer:
        self.calls.append(call)
        messages, model = call.prompt.messages, call.model
        ttl_s, least = {"anthropic": (300.0, 512)}.get(call.provider.api, (600.0, 1024))
        now = self._clock.monotonic()
        whole = self._tokens(call, messages)
        known = [
            len(prefix)
            for (name, prefix), at in self._kept.items()
            if name == model.id and now - at <= ttl_s and messages[: len(prefix)] == prefix
        ]
        cached = self._tokens(call, messages[: max(known, default=0)])
        writes = (call.provider.api != "anthropic" or call.marks_prefix or self.keeps_unasked) and whole >= least
        if writes:
            self._kept[model.id, messages] = now
        cached = round(cached * self._keeps)
        usage = Usage(
            input_tokens=whole,
            cached_input_tokens=cached,
            cache_write_tokens=whole - cached if writes else 0,
            output_tokens=self.answer_words,
        )
        message = Message(role=Role.ASSISTANT, parts=("word " * self.answer_words,))
        return Answer(message=message, finish_reason=FinishReason.STOP, usage=usage, ttft_ms=1.0)

    async def stream(self, call: ModelCall) -> AsyncGenerator[Piece, None]:
        raise NotImplementedError
        yield

    @staticmethod
    def _tokens(call: ModelCall, messages: tuple[Message, ...]) -> int:
        return ceil(sum(len(message.text.split()) for message in messages) * factor(call.model.tokenizer, "english").middle)


class Talk:
    """A conversation with a router over a provider that keeps prompts."""

    def __init__(self, ruleset: Ruleset, *, keeps: float = 1.0) -> None:
        self.clock = FakeClock()
        self.provider = KeepingProvider(self.clock, keeps)
        self._ruleset = ruleset
        upstreams, counter = Upstreams(AllWell(), self.clock), WordCounter()
        executor = Executor(dict.fromkeys(("anthropic", "openai"), self.provider), counter, self.clock, upstreams)
        self.router = Router(
            rules=lambda: self._ruleset,
            reader=Reader(counter, ESTIMATE),
            recall=recall_of(executor, self.clock),
            affinity=Affinity(MemoryCache(self.clock), self.clock),
            upstreams=upstreams,
            clock=self.clock,
            longest_s=600,
        )
        self.messages: tuple[Message, ...] = ()
        self.decisions: list[Decision] = []
        self.completions: list[Completion] = []

    async def hold(self, file: str) -> int:
        """Hold a conversation of tests/data, and return what it cost, in nano-USD."""
        told: dict[str, Any] = yaml.safe_load((DATA / file).read_text())
        self.say(Role.SYSTEM, told["system"])
        for turn in told["turns"]:
            self.clock.advance(60 * turn.get("minutes", 0))
            await self.turn(turn)
        return sum(completion.usage.cost for completion in self.completions)

    def say(self, role: Role, turn: dict[str, Any]) -> None:
        self.messages += (Message(role=role, parts=(f"{turn['says']} {'code ' * turn['words']}",)),)

    async def turn(self, turn: dict[str, Any], tenant: str = "search") -> Decision:
        self.say(Role.USER, turn)
        self.provider.answer_words = turn["answer"]
        request = Request(prompt=Prompt(messages=self.messages), context=Context(session_id="s", labels={"kind": turn["kind"]}))
        call = Call(id=f"id-{len(self.decisions)}", tenant=Tenant(id=tenant), time_left_s=500)
        decision, completion = await self.router.complete(request, call, explained=True)
        await asyncio.sleep(0)
        assert completion.message is not None
        self.messages += (completion.message,)
        self.decisions.append(decision)
        self.completions.append(completion)
        return decision

    def models(self) -> list[str]:
        return [completion.model for completion in self.completions]


def ignorant() -> Ruleset:
    """Return the same rules over a catalog that says nothing of prompt caches."""
    lines = MODELS.decode().splitlines()
    return rules("\n".join(line for line in lines if not line.strip().startswith("prompt_cache:")).encode())


def summary(decision: Decision) -> str:
    assert decision.explanation is not None
    return decision.explanation.summary


async def test_a_coding_conversation_costs_less_where_prefixes_count_and_says_why_it_stays(record_property: Any) -> None:
    aware, unaware = Talk(rules()), Talk(ignorant())
    cost, otherwise = await aware.hold("coding.yaml"), await unaware.hold("coding.yaml")
    record_property("share", cost / otherwise)
    print(f"{cost / 1e9:.3f} of {otherwise / 1e9:.3f} dollars: {cost / otherwise:.3f}")

    assert set(unaware.models()) == {"claude-opus-5-5", "claude-sonnet-5-5"}
    assert cost <= 0.6 * otherwise
    stayed = [decision for decision in aware.decisions if decision.reason is DecisionReason.STICKY]
    assert len(stayed) >= 5
    for decision in stayed:
        assert decision.chosen.cached_tokens > 5_000
        assert "the conversation stays where its prefix is" in summary(decision)
        assert f"{decision.chosen.cached_tokens} tokens of the prompt; a switch would cost" in summary(decision)
        assert any((other.switch_cost or 0) > 0 for other in decision.fallbacks)


async def test_a_conversation_that_turns_easy_leaves_the_dear_model_and_says_why(record_property: Any) -> None:
    aware = Talk(rules())
    cost = await aware.hold("drifting.yaml")
    staying = Talk(rules(routing=ROUTING.replace("claude-sonnet-5-5, ", "")))
    otherwise = await staying.hold("drifting.yaml")
    record_property("share", cost / otherwise)
    print(f"{cost / 1e9:.4f} of {otherwise / 1e9:.4f} dollars: {cost / otherwise:.3f}; {aware.models()}")

    assert aware.models()[0] == "claude-opus-5-5"
    assert aware.models()[-1] == "claude-sonnet-5-5"
    assert cost < otherwise
    switch = aware.models().index("claude-sonnet-5-5")
    assert aware.decisions[switch].chosen.switch_cost is not None
    assert "leaves claude-opus-5-5, whose provider has" in summary(aware.decisions[switch])
    assert set(aware.models()[switch:]) == {"claude-sonnet-5-5"}  # once is enough


async def test_alternating_costs_more_even_where_every_prompt_is_kept() -> None:
    """Against the same rules that ignore prefixes while the provider keeps every prompt unasked."""
    aware, unaware = Talk(rules()), Talk(ignorant())
    unaware.provider.keeps_unasked = True

    assert await aware.hold("coding.yaml") <= 0.6 * await unaware.hold("coding.yaml")


EASY = {"kind": "easy", "says": "And now?", "words": 1000, "answer": 100}
HARD = EASY | {"kind": "hard"}


async def begun(talk: Talk) -> Decision:
    """Begin a conversation with the strong model, and return the decision on an easy turn after it."""
    talk.say(Role.SYSTEM, {"says": "The repository.", "words": 9000})
    await talk.turn(HARD)
    talk.clock.advance(60)
    return await talk.turn(EASY)


async def test_what_was_read_before_is_expected_again_and_priced_so() -> None:
    decision = await begun(talk := Talk(rules()))
    first, second = talk.completions

    assert decision.chosen.model == "claude-opus-5-5"
    assert decision.chosen.cached_tokens == first.usage.input_tokens == second.usage.cached_input_tokens
    assert decision.chosen.expected_cost < talk.decisions[0].chosen.expected_cost / 4


async def test_once_the_provider_has_let_go_of_it_nothing_is_expected() -> None:
    talk = Talk(rules())
    await begun(talk)
    talk.clock.advance(301)
    decision = await talk.turn(EASY)

    assert (decision.chosen.cached_tokens, decision.reason) == (0, DecisionReason.DEFAULT)
    assert talk.completions[-1].usage.cached_input_tokens == 0


async def test_a_tenant_knows_nothing_of_the_conversations_of_another() -> None:
    talk = Talk(rules())
    await begun(talk)

    assert (await talk.turn(EASY, tenant="ads")).chosen.cached_tokens == 0


async def test_a_conversation_whose_past_was_changed_is_another_one() -> None:
    talk = Talk(rules())
    await begun(talk)
    first = talk.messages[0]
    talk.messages = (structs.replace(first, parts=(f"{first.text} but different",)), *talk.messages[1:])

    assert (await talk.turn(EASY)).chosen.cached_tokens == 0


@pytest.mark.parametrize(("keeps", "least", "most"), [(1.0, 1.0, 1.0), (0.5, 0.45, 0.75), (0.0, 0.0, 0.4)])
async def test_what_providers_really_had_corrects_what_is_expected(keeps: float, least: float, most: float) -> None:
    talk = Talk(rules(routing=ROUTING.replace("claude-sonnet-5-5, ", "")), keeps=keeps)
    await begun(talk)
    for _ in range(6):
        talk.clock.advance(60)
        await talk.turn(HARD)
    expected, before = talk.decisions[-1].chosen.cached_tokens, talk.completions[-2].usage.input_tokens

    assert least <= expected / before <= most


async def test_a_name_for_the_conversation_goes_to_providers_from_the_first_turn_on_and_stays() -> None:
    talk, stranger = Talk(rules()), Talk(rules())
    await begun(talk)
    stranger.say(Role.SYSTEM, {"says": "Another repository.", "words": 9000})
    await stranger.turn(HARD)

    names = {call.prefix_key for call in talk.provider.calls}
    assert len(names) == 1
    assert len(names.pop()) == 32
    assert stranger.provider.calls[0].prefix_key not in {call.prefix_key for call in talk.provider.calls}


async def test_short_prompts_are_no_conversations() -> None:
    talk = Talk(rules())
    await talk.turn({"kind": "hard", "says": "Hi", "words": 5, "answer": 5})

    assert [(call.prefix_key, call.marks_prefix) for call in talk.provider.calls] == [("", False)]


async def test_nothing_is_kept_by_the_provider_for_what_is_asked_once() -> None:
    """Writing costs a quarter more than reading, and nobody is expected to come back."""
    talk = Talk(rules())
    talk.provider.answer_words = 5
    request = Request(prompt=Prompt(messages=(Message(role=Role.USER, parts=("word " * 5_000,)),)))
    decision, completion = await talk.router.complete(request, Call(id="id", time_left_s=500))

    assert not talk.provider.calls[0].marks_prefix
    assert completion.usage.cache_write_tokens == 0
    assert completion.usage.input_tokens == pytest.approx(decision.chosen.tokens.input, rel=0.01)


async def test_route_knows_what_this_process_saw() -> None:
    talk = Talk(rules())
    await begun(talk)
    talk.say(Role.USER, EASY)
    request = Request(prompt=Prompt(messages=talk.messages), context=Context(labels={"kind": "easy"}))

    decision = await talk.router.route(request, Call(id="id", tenant=Tenant(id="search")))
    assert (decision.reason, decision.chosen.cached_tokens > 0) == (DecisionReason.STICKY, True)


async def test_a_caller_who_names_a_model_is_told_what_leaving_costs_and_gets_it() -> None:
    talk = Talk(rules())
    await begun(talk)
    talk.say(Role.USER, EASY)
    request = structs.replace(Request.of("x", model="claude-sonnet-5-5"), prompt=Prompt(messages=talk.messages))

    decision = await talk.router.route(request, Call(id="id", tenant=Tenant(id="search")))
    assert (decision.chosen.model, decision.reason) == ("claude-sonnet-5-5", DecisionReason.CALLER_MODEL)


LEARNER = rules(
    routing="version: 1\nroutes: [{id: default, why: w, use: {candidates: [claude-sonnet-5-5, claude-opus-5-5]}, fallbacks: [gpt-6-astra]}]\n"
)


async def noted(request: Request, decision: Decision, usage: Usage, optimisation: Optimisation | None = None) -> tuple[float, Trail]:
    """Return what is relied on for the chosen model after an answer of this usage, and what is known of the conversation."""
    clock = FakeClock()
    affinity = Affinity(MemoryCache(clock), clock)
    known = await affinity.known("t", request, LEARNER.catalog)
    assert known is not None
    model = decision.chosen.model
    attempt = Attempt(model=model, provider="p", reason=AttemptReason.PRIMARY, latency_ms=1.0, usage=usage)
    completion = Completion(
        message=None, finish_reason=FinishReason.STOP, usage=usage, attempts=(attempt,), model=model, optimisation=optimisation
    )
    affinity.note(known, LEARNER, decision, completion)
    await asyncio.gather(*affinity._keeping)
    again = await affinity.known("t", request, LEARNER.catalog)
    assert again is not None
    market = affinity.market(Market(), LEARNER.catalog, again, 10_000)
    return market.state(model).warm_prefix_tokens / usage.input_tokens, again.trail


LONG = Request(prompt=Prompt(messages=(Message(role=Role.USER, parts=("word " * 5_000,)),)))
DECIDED = decide(LEARNER, facts_of(tokens_input=10_000), Market())
EXPECTING = structs.replace(DECIDED, chosen=structs.replace(DECIDED.chosen, cached_tokens=8_000))
UNREAD = Usage(input_tokens=10_000, output_tokens=5)


@pytest.mark.parametrize(("removed", "relied_on"), [(None, 1 - LEARNED_AT_ONCE), ("", 1 - LEARNED_AT_ONCE), ("turns 4", 1.0)])
async def test_a_provider_that_was_sent_less_is_not_blamed_for_having_less(removed: str | None, relied_on: float) -> None:
    left_out = None if removed is None else Optimisation(tokens_before=10_000, tokens_after=2_000, removed=removed)

    assert (await noted(LONG, EXPECTING, UNREAD, left_out))[0] == pytest.approx(relied_on)


@pytest.mark.parametrize("reason", [DecisionReason.CALLER_MODEL, DecisionReason.DEGRADED, DecisionReason.BEST_EFFORT])
@pytest.mark.parametrize(("model", "able"), [("any", 3), ("", 2)])
async def test_the_decision_was_between_all_whom_the_caller_named_else_between_those_of_the_route(
    reason: DecisionReason, model: str, able: int
) -> None:
    request = structs.replace(LONG, requirements=structs.replace(LONG.requirements, model=model))
    _, trail = await noted(request, structs.replace(DECIDED, reason=reason), UNREAD)

    assert [len(each) for each in trail.able] == [able]
