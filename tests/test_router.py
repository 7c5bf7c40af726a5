"""The shell between a request and its answer: facts, decision, deadline, explanation."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

import pytest
from msgspec import structs

from fakes import ESTIMATE, FakeClock, ScriptedProvider, WordCounter, catalog_yaml, failed, model_yaml, recall_of, ruleset_of
from pointsman.adapters.cache import MemoryCache
from pointsman.affinity import Affinity
from pointsman.call import Call
from pointsman.core.catalog import Catalog
from pointsman.core.errors import (
    DeadlinePassed,
    DeadlineTooShort,
    NoEligibleModel,
    PointsmanError,
    UnknownModel,
    UpstreamUnavailable,
)
from pointsman.core.market import ModelState
from pointsman.core.reading import Count
from pointsman.core.request import Message, Prompt, Request, Requirements, Tool
from pointsman.core.ruleset import Ruleset
from pointsman.core.vocabulary import DropReason, Role, RuleOutcome, TokenCountMethod
from pointsman.execute import Executor
from pointsman.ports import Answer, ModelCall, Provider, TokenCounter
from pointsman.reader import INLINE, Reader
from pointsman.router import Router
from pointsman.upstreams import Upstreams

CALL = Call(id="id-1", time_left_s=30.0)
HI = Request.of("hi there")

# Expected latency: `fast` a tenth of a second, `slow` some ten seconds, whatever the answer's length.
MODELS = catalog_yaml(
    {
        "fast": model_yaml(ability=0.7, price=1, ttft_ms=100, tokens_per_s=10**9, capabilities="tools"),
        "slow": model_yaml(ability=0.95, price=5, ttft_ms=10_000, tokens_per_s=10**9, tags="eu", capabilities="tools"),
    },
    aliases="{quick: [fast], any: [slow, fast]}",
)
ROUTING = """
version: 1
routes:
  - id: at-night
    when: time.hour < 6
    use: {candidates: [slow]}
  - id: default
    use: {candidates: [fast, slow], strategy: cheapest}
"""


class States:
    """What is known of the models at present."""

    def __init__(self, **states: ModelState) -> None:
        self._states = states

    def states(self, catalog: Catalog) -> Mapping[str, ModelState]:
        return self._states


@pytest.fixture
def rules() -> Ruleset:
    return ruleset_of(MODELS, ROUTING)


Build = Callable[..., Router]


@pytest.fixture
def build(rules: Ruleset) -> Build:
    """Return a function that builds a router out of fakes."""

    def build(
        provider: Provider | None = None,
        *,
        clock: FakeClock | None = None,
        counter: TokenCounter | None = None,
        states: States | None = None,
        longest_s: float = 120.0,
        live: Callable[[], Ruleset] | None = None,
    ) -> Router:
        clock, counter = clock or FakeClock(), counter or WordCounter()
        upstreams = Upstreams(states or States(), clock)
        return Router(
            rules=live or (lambda: rules),
            reader=Reader(counter, ESTIMATE),
            recall=recall_of(Executor({"builtin": provider or ScriptedProvider()}, counter, clock, upstreams), clock),
            affinity=Affinity(MemoryCache(clock), clock),
            upstreams=upstreams,
            clock=clock,
            longest_s=longest_s,
        )

    return build


async def test_route_decides_and_calls_nobody(build: Build) -> None:
    provider = ScriptedProvider()

    decision = await build(provider).route(HI, CALL)

    assert [candidate.model for candidate in decision.plan] == ["fast", "slow"]
    assert (decision.id, decision.rule.id, decision.explanation) == ("id-1", "default", None)
    assert provider.calls == []


async def test_complete_returns_the_decision_and_the_answer(build: Build) -> None:
    provider = ScriptedProvider("hello")

    decision, completion = await build(provider).complete(HI, CALL)

    assert (decision.chosen.model, completion.model) == ("fast", "fast")
    assert completion.message is not None
    assert completion.message.text == "hello"
    assert [call.request_id for call in provider.calls] == ["id-1"]


async def test_complete_falls_back_within_the_plan(build: Build) -> None:
    decision, completion = await build(ScriptedProvider(failed("500"), "hello")).complete(HI, CALL)

    assert (decision.chosen.model, completion.model) == ("fast", "slow")


async def test_complete_says_when_nobody_answers(build: Build) -> None:
    with pytest.raises(UpstreamUnavailable, match="fast: 500, slow: 429"):
        await build(ScriptedProvider(failed("500"), failed("429"))).complete(HI, Call(id="id-1", tried_before=1))


async def test_the_clock_is_asked_for_the_time_of_the_facts(build: Build) -> None:
    clock = FakeClock()
    router = build(clock=clock)
    clock.advance(13 * 3600)  # from noon to one at night

    assert (await router.route(HI, CALL)).rule.id == "at-night"


async def test_the_state_of_models_is_asked_for(build: Build) -> None:
    states = States(fast=ModelState(has_credential=False))

    decision = await build(states=states).route(HI, CALL)

    assert decision.chosen.model == "slow"
    assert [(drop.model, drop.reason) for drop in decision.dropped] == [("fast", DropReason.NO_CREDENTIAL)]


@pytest.mark.parametrize(("left", "says"), [(0.0019, "1.9 ms are left"), (0.0, "0.0 ms are left"), (-3.0, "0.0 ms are left")])
async def test_too_little_time_to_call_anybody_is_refused_before_anything_is_done(build: Build, left: float, says: str) -> None:
    provider = ScriptedProvider("too late")

    with pytest.raises(DeadlineTooShort, match=f"^{says}"):
        await build(provider).complete(HI, Call(id="id-1", time_left_s=left))

    assert provider.calls == []


async def test_two_milliseconds_are_enough_to_begin(build: Build) -> None:
    with pytest.raises(NoEligibleModel) as refused:
        await build().complete(HI, Call(id="id-1", time_left_s=0.002))

    assert refused.value.counts == {"LATENCY": 2}


async def test_complete_leaves_out_models_that_cannot_answer_in_time_and_route_does_not(build: Build) -> None:
    """Route is about a call that comes later."""
    router, hurried = build(ScriptedProvider("hello")), Call(id="id-1", time_left_s=5.0)

    decision, _ = await router.complete(HI, hurried)

    assert [(drop.model, drop.reason) for drop in decision.dropped] == [("slow", DropReason.LATENCY)]
    assert len((await router.route(HI, hurried)).plan) == 2


@pytest.mark.parametrize("left", [None, 3600.0])
async def test_no_call_takes_longer_than_the_server_allows(build: Build, left: float | None) -> None:
    router = build(ScriptedProvider("hello"), longest_s=5.0)

    decision, _ = await router.complete(HI, Call(id="id-1", time_left_s=left))

    assert [(drop.model, drop.detail) for drop in decision.dropped] == [("slow", "10000 ms > 5000 ms until the deadline")]


async def test_the_deadline_counts_from_the_start_of_the_call(build: Build) -> None:
    """Time that the counting takes is gone, too."""
    clock = FakeClock()

    class SlowCounter(WordCounter):
        def count(self, text: str) -> Count:
            clock.advance(30)
            return super().count(text)

    provider = ScriptedProvider("too late")
    with pytest.raises(DeadlinePassed):
        await build(provider, clock=clock, counter=SlowCounter()).complete(HI, CALL)

    assert provider.calls == []


async def test_a_model_that_answers_after_the_deadline_is_given_up(build: Build) -> None:
    clock = FakeClock()
    provider = ScriptedProvider(failed("500"), "too late", clock=clock, takes_s=30)

    with pytest.raises(DeadlinePassed, match="after fast: 500"):
        await build(provider, clock=clock).complete(HI, CALL)


@pytest.mark.parametrize(
    ("name", "help_"),
    [
        ("fats", "did you mean 'fast'?"),
        ("quik", "did you mean 'quick'?"),
        ("gpt-17", "known: any, fast, quick, slow"),
        ("FAST", "known: any, fast, quick, slow"),
    ],
)
async def test_a_model_that_does_not_exist_is_refused_with_one_that_does(build: Build, name: str, help_: str) -> None:
    router = build()
    for asking in (router.route(Request.of("hi", model=name), CALL), router.complete(Request.of("hi", model=name), CALL)):
        with pytest.raises(UnknownModel) as refused:
            await asking

        (violation,) = refused.value.violations
        assert violation.field == "request.requirements.model"
        assert violation.message == f"there is no model or alias '{name}'; {help_}"


async def test_only_the_beginning_of_a_long_name_is_repeated(build: Build) -> None:
    with pytest.raises(UnknownModel) as refused:
        await build().route(Request.of("hi", model="n" * 1000), CALL)

    assert "n" * 80 in str(refused.value)
    assert "n" * 81 not in str(refused.value)


async def test_a_name_of_a_million_characters_is_refused_as_fast_as_a_short_one(build: Build) -> None:
    """The nearest name is looked for on the event loop, so the time that it takes must not depend on what a caller sends."""
    router, request, took = build(), Request.of("hi", model="fast" * 250_000), []
    for _ in range(3):
        began = time.process_time()
        with pytest.raises(UnknownModel):
            await router.route(request, CALL)
        took.append(time.process_time() - began)

    assert min(took) < 0.02


@pytest.mark.parametrize(("name", "models"), [("fast", ["fast"]), ("quick", ["fast"]), ("any", ["fast", "slow"])])
async def test_ids_and_aliases_narrow_the_candidates(build: Build, name: str, models: list[str]) -> None:
    decision = await build().route(Request.of("hi", model=name), CALL)

    assert [candidate.model for candidate in decision.plan] == models


class Witness(WordCounter):
    """A counter that remembers in which threads it counted."""

    def __init__(self) -> None:
        self.threads: set[int] = set()

    def count(self, text: str) -> Count:
        self.threads.add(threading.get_ident())
        return super().count(text)


def of_length(characters: int) -> Request:
    return Request.of("x" * characters)


def in_pieces(characters: int) -> Request:
    """Return a request whose length is in ten messages and in the schema of a tool."""
    messages = tuple(Message(role=Role.USER, parts=("x" * 100,)) for _ in range(10))
    tool = Tool(name="t", parameters_json="x" * (characters - 10 * 100 - len("t")))
    return Request(prompt=Prompt(messages=messages, tools=(tool,)))


@pytest.mark.parametrize("asking", [of_length, in_pieces])
@pytest.mark.parametrize(("characters", "elsewhere"), [(INLINE, False), (INLINE + 1, True)])
async def test_long_prompts_are_counted_in_a_thread(
    build: Build, asking: Callable[[int], Request], characters: int, elsewhere: bool
) -> None:
    """Counting takes time in proportion to the text, and everyone else waits for the event loop."""
    witness = Witness()

    await build(counter=witness).route(asking(characters), CALL)

    assert (threading.get_ident() not in witness.threads) is elsewhere
    assert len(witness.threads) == 1


async def test_a_count_that_is_partly_guessed_is_marked_so(build: Build) -> None:
    class Guessing(WordCounter):
        def count(self, text: str) -> Count:
            return Count(1, TokenCountMethod.HEURISTIC if "guess" in text else TokenCountMethod.EXACT)

    router = build(counter=Guessing())
    exact = Message(role=Role.USER, parts=("count",))
    guessed = Message(role=Role.USER, parts=("guess",))

    methods = [
        (await router.route(Request(prompt=Prompt(messages=messages)), CALL)).tokens.method
        for messages in ((exact,), (guessed, exact), (exact, guessed))
    ]

    assert methods == [TokenCountMethod.EXACT, TokenCountMethod.HEURISTIC, TokenCountMethod.HEURISTIC]


async def test_an_explanation_comes_with_the_decision_if_asked_for(build: Build) -> None:
    router = build(ScriptedProvider("hello"))

    routed = await router.route(HI, CALL, explained=True)
    completed, _ = await router.complete(HI, CALL, explained=True)

    for decision in (routed, completed):
        assert decision.explanation is not None
        assert [(trace.rule.id, trace.outcome) for trace in decision.explanation.rules] == [
            ("at-night", RuleOutcome.NO_MATCH),
            ("default", RuleOutcome.MATCH),
        ]
        assert decision.explanation.facts["time.hour"] == 12


@pytest.mark.parametrize("explained", [True, False])
async def test_an_explanation_comes_with_the_refusal_if_asked_for(build: Build, explained: bool) -> None:
    request = Request.of("hi", tags=frozenset({"moon"}))

    with pytest.raises(NoEligibleModel) as refused:
        await build().route(request, CALL, explained=explained)

    assert refused.value.counts == {"TAGS": 2}
    assert (refused.value.explanation is not None) is explained


async def test_a_call_keeps_the_rules_that_it_began_with(build: Build, rules: Ruleset) -> None:
    """Rules are replaced whole, while calls are under way."""
    replacement = ruleset_of(catalog_yaml({"other": model_yaml()}), "version: 1\nroutes:\n  - {id: default, use: {candidates: [other]}}\n")

    class Replacing(ScriptedProvider):
        async def answer(self, call: ModelCall) -> Answer:
            in_use[0] = replacement
            return await super().answer(call)

    in_use, provider = [rules], Replacing("hello")
    router = build(provider, live=lambda: in_use[0])

    decision, completion = await router.complete(HI, CALL)

    assert (decision.revision, completion.model) == (rules.revision, "fast")
    assert provider.calls[0].provider is rules.catalog.providers["p"]
    assert (await router.route(HI, CALL)).chosen.model == "other"


async def test_models_are_listed_by_id_with_their_state_and_aliases(build: Build) -> None:
    full = ModelState(has_room=False)

    found = build(states=States(slow=full)).models()

    assert [(status.model.id, status.aliases) for status in found] == [("fast", ("quick", "any")), ("slow", ("any",))]
    assert [status.state for status in found] == [ModelState(), full]


async def test_nothing_but_errors_of_the_one_tree_is_raised(build: Build) -> None:
    """The boundary tells anything else as INTERNAL."""
    odd = structs.replace(HI, requirements=Requirements(model="\x00", tags=frozenset({"\n"}), max_total_tokens=1))

    with pytest.raises(PointsmanError):
        await build().complete(odd, CALL)
