"""What was answered before is not asked again, and what is asked twice at once is asked once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest
from msgspec import structs

from fakes import ESTIMATE, AllWell, FakeClock, WordCounter, catalog_yaml, failed, model_yaml, recall_of, ruleset_of
from pointsman.adapters.cache import MemoryCache
from pointsman.adapters.clock import SystemClock
from pointsman.affinity import Affinity
from pointsman.call import Call
from pointsman.core.completion import Attempt, Completion, Delta, TextDelta, ToolCallDelta, Usage
from pointsman.core.decision import Decision
from pointsman.core.errors import DeadlinePassed, InvalidRequest, NotCached, PointsmanError, StreamInterrupted, UpstreamUnavailable
from pointsman.core.request import CachePolicy, Generation, Message, Prompt, Request, ToolCall
from pointsman.core.ruleset import Ruleset
from pointsman.core.tenants import Tenant
from pointsman.core.vocabulary import CacheMode, CacheStatus, FinishReason, Role
from pointsman.execute import Executor
from pointsman.ports import Answer, AttemptFailed, Clock, Finished, ModelCall, Piece
from pointsman.reader import Reader
from pointsman.router import Router
from pointsman.telemetry import Happening
from pointsman.upstreams import Upstreams

MODELS = catalog_yaml(
    {"mini": model_yaml(price=1, ttft_ms=0, tokens_per_s=10**6), "large": model_yaml(price=5, ttft_ms=0, tokens_per_s=10**6)}
)
ROUTING = """
version: 1
routes:
  - {id: never, why: w, when: 'request.user == "private"', use: {candidates: [mini, large]}, cache: {mode: 'off'}}
  - {id: default, why: w, use: {candidates: [mini, large]}, cache: {mode: exact, ttl: 10m}}
""".replace("request.user ==", "has(request.user) && request.user ==")
RULES = ruleset_of(MODELS, ROUTING)
PLAIN = ruleset_of(MODELS, "version: 1\nroutes: [{id: default, why: w, use: {candidates: [mini, large]}}]\n")

ASK = structs.replace(Request.of("what is 17 * 23?"), generation=Generation(temperature=0.0))
WARM = structs.replace(ASK, generation=Generation(temperature=0.9))
TOOL = ToolCall(id="1", name="look_up", arguments_json="{}")

Outcome = str | AttemptFailed | ToolCall


class Model:
    """Answers each call with the next outcome, the last one for ever; `hold` keeps answers back until it is set."""

    def __init__(self, *outcomes: Outcome, finish: FinishReason = FinishReason.STOP) -> None:
        self._outcomes = list(outcomes)
        self._finish = finish
        self.calls = 0
        self.ended = 0
        self.hold: asyncio.Event | None = None
        self.prompts: list[Prompt] = []

    async def answer(self, call: ModelCall) -> Answer:
        self.prompts.append(call.prompt)
        outcome = await self._begin()
        if isinstance(outcome, AttemptFailed):
            raise outcome
        usage = Usage(input_tokens=10, cached_input_tokens=2, output_tokens=5)
        return Answer(message=Message(role=Role.ASSISTANT, parts=(outcome,)), finish_reason=self._finish, usage=usage, ttft_ms=1.0)

    async def stream(self, call: ModelCall) -> AsyncGenerator[Piece, None]:
        try:
            outcome = self._outcomes[min(self.calls, len(self._outcomes) - 1)]
            self.calls += 1
            if isinstance(outcome, AttemptFailed):
                raise outcome
            for number, word in enumerate(str(outcome).split()):
                if number and self.hold is not None:
                    await self.hold.wait()
                if word == "BREAK":
                    raise failed("connection")
                yield TextDelta(f"{word} ")
            yield Finished(finish_reason=self._finish, usage=Usage(input_tokens=10, output_tokens=5))
        finally:
            self.ended += 1

    async def _begin(self) -> Outcome:
        outcome = self._outcomes[min(self.calls, len(self._outcomes) - 1)]
        self.calls += 1
        try:
            if self.hold is not None:
                await self.hold.wait()
        finally:
            self.ended += 1
        return outcome


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def router_over(model: Any, clock: Clock, rules: Callable[[], Ruleset] = lambda: RULES) -> Router:
    upstreams, counter = Upstreams(AllWell(), clock), WordCounter()
    recall = recall_of(Executor({"builtin": model}, counter, clock, upstreams), clock)
    return Router(
        rules=rules,
        reader=Reader(counter, ESTIMATE),
        recall=recall,
        affinity=Affinity(MemoryCache(clock), clock),
        upstreams=upstreams,
        clock=clock,
        longest_s=60,
    )


def call(
    mode: CacheMode = CacheMode.UNSPECIFIED,
    *,
    tenant: str = "search",
    own_key: str = "",
    max_age_ms: float | None = None,
    left: float = 30.0,
) -> Call:
    policy = CachePolicy(mode=mode, max_age_ms=max_age_ms)
    return Call(id="id", tenant=Tenant(id=tenant), cache=policy, own_key=own_key, time_left_s=left, tried_before=1)


async def ask(router: Router, request: Request = ASK, made: Call | None = None) -> Completion:
    return (await router.complete(request, made or call()))[1]


async def stream(router: Router, request: Request = ASK, made: Call | None = None) -> tuple[str, Completion]:
    text, completion = "", None
    async for event in router.stream(request, made or call()):
        if isinstance(event, TextDelta):
            text += event.text
        elif isinstance(event, Completion):
            completion = event
    assert completion is not None
    return text, completion


def text_of(completion: Completion) -> str:
    assert completion.message is not None
    return completion.message.text


S = CacheStatus


async def test_the_same_request_is_answered_again_without_a_model_and_for_nothing(clock: FakeClock) -> None:
    router = router_over(model := Model("391", "another"), clock)
    first, second = await ask(router), await ask(router)

    assert (first.cache_status, second.cache_status, model.calls) == (S.MISS, S.HIT, 1)
    assert text_of(first) == text_of(second) == "391"
    assert first.usage.cost > 0
    assert (second.usage.cost, second.attempts, second.model) == (0, (), "mini")
    assert second.usage.baseline_cost == first.usage.baseline_cost > first.usage.cost
    assert (second.usage.input_tokens, second.usage.output_tokens, second.usage.cached_input_tokens) == (10, 5, 0)


async def test_after_the_routes_time_a_model_is_asked_again(clock: FakeClock) -> None:
    router = router_over(model := Model("old", "new"), clock)
    await ask(router)
    clock.advance(600)
    assert text_of(await ask(router)) == "old"
    clock.advance(1)

    assert (text_of(await ask(router)), model.calls) == ("new", 2)


async def test_no_tenant_is_given_what_was_answered_to_another(clock: FakeClock) -> None:
    router = router_over(model := Model("for search", "for ads"), clock)
    await ask(router)

    assert text_of(await ask(router, made=call(tenant="ads"))) == "for ads"
    assert model.calls == 2


@pytest.mark.parametrize(
    ("modes", "said", "calls"),
    [
        ((M := CacheMode).UNSPECIFIED, S.HIT, 1),
        (M.USE, S.HIT, 1),
        (M.ONLY_IF_CACHED, S.HIT, 1),
        (M.BYPASS, S.BYPASS, 2),
        (M.REFRESH, S.BYPASS, 2),
    ],
)
async def test_a_call_says_how_it_uses_the_cache(clock: FakeClock, modes: CacheMode, said: CacheStatus, calls: int) -> None:
    router = router_over(model := Model("old", "new", "newest"), clock)
    await ask(router)

    assert (await ask(router, made=call(modes))).cache_status is said
    assert model.calls == calls
    assert text_of(await ask(router)) == ("new" if modes is M.REFRESH else "old")


async def test_what_is_not_deterministic_is_kept_only_for_who_asks(clock: FakeClock) -> None:
    router = router_over(model := Model("one", "two", "three"), clock)

    assert [(await ask(router, WARM)).cache_status for _ in range(2)] == [S.BYPASS, S.BYPASS]
    assert [(await ask(router, WARM, call(CacheMode.USE))).cache_status for _ in range(2)] == [S.MISS, S.HIT]
    assert model.calls == 3


async def test_where_the_route_says_nothing_the_cache_is_off_unless_asked_for(clock: FakeClock) -> None:
    router = router_over(model := Model("one", "two"), clock, lambda: PLAIN)

    assert [(await ask(router)).cache_status for _ in range(2)] == [S.UNSPECIFIED, S.UNSPECIFIED]
    assert [(await ask(router, made=call(CacheMode.USE))).cache_status for _ in range(2)] == [S.MISS, S.HIT]
    assert model.calls == 3


async def test_where_the_route_says_off_nothing_is_kept_whoever_asks(clock: FakeClock) -> None:
    router = router_over(model := Model("one"), clock)
    private = structs.replace(ASK, context=structs.replace(ASK.context, user_id="private"))

    assert [(await ask(router, private, call(CacheMode.USE))).cache_status for _ in range(2)] == [S.BYPASS, S.BYPASS]
    assert model.calls == 2


@pytest.mark.parametrize("request_", [ASK, WARM])
async def test_only_if_cached_calls_no_model(clock: FakeClock, request_: Request) -> None:
    router = router_over(model := Model("391"), clock)

    with pytest.raises(NotCached, match="no answer is kept"):
        await ask(router, request_, call(CacheMode.ONLY_IF_CACHED))
    with pytest.raises(NotCached):
        await stream(router, request_, call(CacheMode.ONLY_IF_CACHED))
    assert model.calls == 0


async def test_an_answer_older_than_asked_for_is_not_taken(clock: FakeClock) -> None:
    router = router_over(Model("old", "new"), clock)
    await ask(router)
    clock.advance(5)

    assert text_of(await ask(router, made=call(max_age_ms=5_000))) == "old"
    assert text_of(await ask(router, made=call(max_age_ms=4_999))) == "new"
    assert text_of(await ask(router)) == "new"


@pytest.mark.parametrize(
    ("outcome", "finish"), [("cut", FinishReason.LENGTH), ("held back", FinishReason.CONTENT_FILTER), (TOOL, FinishReason.TOOL_CALLS)]
)
async def test_what_is_no_whole_text_is_not_kept(clock: FakeClock, outcome: Outcome, finish: FinishReason) -> None:
    router = router_over(model := Model(outcome, finish=finish), clock)

    assert [(await ask(router)).cache_status for _ in range(2)] == [S.MISS, S.MISS]
    assert model.calls == 2


async def test_rules_that_mean_something_else_are_not_answered_by_what_came_of_those_before(clock: FakeClock) -> None:
    rules = [RULES]
    router = router_over(Model("old", "new", "newest"), clock, lambda: rules[-1])
    await ask(router)
    rules.append(ruleset_of(MODELS, ROUTING.replace("id: default", "id: renamed")))
    assert text_of(await ask(router)) == "new"
    rules.append(ruleset_of(MODELS.replace("upstream: mini-up", "upstream: mini-2"), ROUTING))

    assert text_of(await ask(router)) == "newest"


# Streams


async def test_a_stream_is_kept_when_it_is_whole_and_given_again_as_a_stream_and_as_a_whole(clock: FakeClock) -> None:
    router = router_over(model := Model("seventeen times twenty"), clock)
    (text, first), (again, second), whole = await stream(router), await stream(router), await ask(router)

    assert text == again == text_of(whole) == "seventeen times twenty "
    assert [each.cache_status for each in (first, second, whole)] == [S.MISS, S.HIT, S.HIT]
    assert second.message is None
    assert (second.usage.cost, model.calls) == (0, 1)


async def test_a_whole_answer_is_given_again_as_a_stream_of_pieces(clock: FakeClock) -> None:
    router = router_over(Model(long := "word " * 2_000), clock)
    await ask(router)

    deltas = [event async for event in router.stream(ASK, call()) if isinstance(event, TextDelta)]
    assert "".join(delta.text for delta in deltas) == long
    assert len(deltas) == 5


async def test_a_stream_that_breaks_is_not_kept(clock: FakeClock) -> None:
    router = router_over(Model("half BREAK", "the whole answer"), clock)
    with pytest.raises(StreamInterrupted):
        await stream(router)

    for status in (S.MISS, S.HIT):
        text, completion = await stream(router)
        assert (text, completion.cache_status) == ("the whole answer ", status)


async def test_a_reader_who_leaves_a_stream_ends_it_upstream(clock: FakeClock) -> None:
    router = router_over(model := Model("one two three"), clock)
    model.hold = asyncio.Event()
    events = router.stream(ASK, call())
    assert isinstance(await anext(events), Decision)
    await anext(events)
    await events.aclose()
    await settled()

    assert model.ended == 1


# Asked twice at once


async def settled() -> None:
    """Let everything that can go on go on."""
    for _ in range(50):
        await asyncio.sleep(0)


async def begun(*coroutines: Any) -> list[asyncio.Task[Any]]:
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    await settled()
    return tasks


async def test_a_hundred_identical_calls_at_once_ask_one_model_once_and_pay_once(clock: FakeClock) -> None:
    router = router_over(model := Model("391", "another"), clock)
    model.hold = asyncio.Event()
    tasks = await begun(*(ask(router) for _ in range(100)))
    model.hold.set()
    completions = await asyncio.gather(*tasks)

    assert model.calls == 1
    assert {text_of(each) for each in completions} == {"391"}
    assert [each.cache_status for each in completions] == [S.MISS] + [S.COALESCED] * 99
    assert sum(each.usage.cost > 0 for each in completions) == sum(bool(each.attempts) for each in completions) == 1


async def test_calls_that_need_not_come_to_the_same_do_not_wait_for_each_other(clock: FakeClock) -> None:
    router = router_over(model := Model("one", "two", "three", "four", "five"), clock)
    model.hold = asyncio.Event()
    tasks = await begun(
        ask(router), ask(router, made=call(tenant="ads")), ask(router, WARM), ask(router, WARM), ask(router, made=call(CacheMode.BYPASS))
    )
    model.hold.set()

    assert {text_of(each) for each in await asyncio.gather(*tasks)} == {"one", "two", "three", "four", "five"}


UNLIKE = ruleset_of(
    catalog_yaml(
        {
            "weak": model_yaml(price=1, ability=0.3, ttft_ms=0, tokens_per_s=10**6),
            "strong": model_yaml(price=5, ability=0.99, tags="eu", ttft_ms=0, tokens_per_s=10**6),
        }
    ),
    "version: 1\nroutes: [{id: default, why: w, use: {candidates: [weak, strong]}, cache: {mode: exact, ttl: 10m}}]\n",
)


@pytest.mark.parametrize("stricter", [{"tags": frozenset({"eu"})}, {"max_total_tokens": 500}])
async def test_nobody_waits_for_an_answer_that_his_own_decision_might_not_allow(clock: FakeClock, stricter: dict[str, Any]) -> None:
    router = router_over(model := Model("from weak", "from strong"), clock, lambda: UNLIKE)
    model.hold = asyncio.Event()
    strict = structs.replace(ASK, requirements=structs.replace(ASK.requirements, **stricter))
    tasks = await begun(ask(router), ask(router), ask(router, strict), ask(router, strict))
    model.hold.set()

    assert [text_of(each) for each in await asyncio.gather(*tasks)] == ["from weak"] * 2 + ["from strong"] * 2
    assert [task.result().cache_status for task in tasks] == [S.MISS, S.COALESCED, S.MISS, S.COALESCED]


async def test_nobody_is_given_by_another_what_is_older_than_he_asked_for(clock: FakeClock) -> None:
    router = router_over(model := Model("old", failed("400")), clock)
    await ask(router)
    clock.advance(900)
    model.hold = asyncio.Event()
    lenient, strict = await begun(ask(router), ask(router, made=call(max_age_ms=1_000)))
    model.hold.set()

    assert (await lenient).cache_status is S.STALE
    with pytest.raises(UpstreamUnavailable):
        await strict


async def test_when_only_the_leading_call_is_cancelled_the_others_are_answered(clock: FakeClock) -> None:
    router = router_over(model := Model("391"), clock)
    model.hold = asyncio.Event()
    first, *others = await begun(*(ask(router) for _ in range(5)))
    first.cancel()
    await settled()
    model.hold.set()
    completions = await asyncio.gather(*others)

    assert (model.calls, {text_of(each) for each in completions}) == (1, {"391"})
    assert sum(bool(each.attempts) for each in completions) == 1  # somebody has the bill
    assert first.cancelled()


async def test_when_all_leave_the_call_upstream_ends_and_the_next_begins_anew(clock: FakeClock) -> None:
    router = router_over(model := Model("391"), clock)
    model.hold = asyncio.Event()
    tasks = await begun(*(ask(router) for _ in range(3)))
    for task in tasks:
        task.cancel()
    await settled()
    assert model.ended == 1
    model.hold = None

    assert ((await ask(router)).cache_status, model.calls) == (S.MISS, 2)


async def test_when_the_leading_calls_upstream_fails_the_others_share_one_further_attempt(clock: FakeClock) -> None:
    router = router_over(model := Model(failed("500"), failed("500"), "391"), clock)
    model.hold = asyncio.Event()
    tasks = await begun(*(ask(router) for _ in range(50)))
    model.hold.set()
    first, *others = await asyncio.gather(*tasks, return_exceptions=True)

    assert isinstance(first, UpstreamUnavailable)
    assert {text_of(each) for each in others if isinstance(each, Completion)} == {"391"}
    assert len([each for each in others if isinstance(each, Completion)]) == 49
    assert model.calls == 3  # both models of the plan, and then one


async def test_when_that_fails_too_nobody_tries_on(clock: FakeClock) -> None:
    router = router_over(model := Model(failed("400")), clock)
    model.hold = asyncio.Event()
    heard: list[Happening] = []
    tasks = await begun(*(ask(router, made=structs.replace(call(), hear=heard.append)) for _ in range(50)))
    model.hold.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)

    assert all(isinstance(outcome, UpstreamUnavailable) for outcome in outcomes)
    assert model.calls == 4  # two models, twice
    assert len([event for event in heard if isinstance(event, Attempt)]) == 4  # each is told of once


async def test_attempts_at_a_shared_answer_are_told_once_by_one_who_is_there_when_they_end(clock: FakeClock) -> None:
    router = router_over(model := Model(failed("500"), "391"), clock)
    model.hold = asyncio.Event()
    heard: list[list[Happening]] = [[], []]
    first, second = await begun(*(ask(router, made=structs.replace(call(), hear=each.append)) for each in heard))
    first.cancel()
    await settled()
    model.hold.set()
    await second

    told = [[event.error_type for event in each if isinstance(event, Attempt)] for each in heard]
    assert told == [[], ["500", ""]]


async def test_an_attempt_that_ends_because_all_have_left_is_told_by_the_last(clock: FakeClock) -> None:
    router = router_over(model := Model("391"), clock)
    model.hold = asyncio.Event()
    heard: list[list[Happening]] = [[], []]
    for task in await begun(*(ask(router, made=structs.replace(call(), hear=each.append)) for each in heard)):
        task.cancel()
    await settled()

    told = [[event.error_type for event in each if isinstance(event, Attempt)] for each in heard]
    assert told == [[], ["cancelled"]]


async def test_whoever_joins_a_stream_late_gets_it_from_the_beginning(clock: FakeClock) -> None:
    router = router_over(model := Model("one two three"), clock)
    model.hold = asyncio.Event()
    (first,) = await begun(stream(router))
    late, whole = await begun(stream(router), ask(router))
    model.hold.set()

    assert (await first)[0] == (await late)[0] == text_of(await whole) == "one two three "
    assert model.calls == 1
    assert [(await first)[1].cache_status, (await late)[1].cache_status, (await whole).cache_status] == [S.MISS, S.COALESCED, S.COALESCED]


async def test_a_call_that_wants_no_stream_survives_the_breaking_of_one_that_it_joined(clock: FakeClock) -> None:
    router = router_over(model := Model("half BREAK", "the whole answer"), clock)
    model.hold = asyncio.Event()
    (first,) = await begun(stream(router))
    (whole,) = await begun(ask(router))
    model.hold.set()

    with pytest.raises(StreamInterrupted):
        await first
    assert text_of(await whole) == "the whole answer"


async def test_a_leader_with_little_time_takes_nobody_with_him() -> None:
    """His deadline is his own: who has more time asks again."""
    router = router_over(model := Model("late", "391"), SystemClock())
    model.hold = asyncio.Event()
    hurried, patient = await begun(ask(router, made=call(left=0.05)), ask(router, made=call(left=30)))
    with pytest.raises(DeadlinePassed):
        await hurried
    await settled()
    model.hold.set()

    assert text_of(await patient) == "391"


async def test_a_stream_is_not_cut_off_with_one_that_had_less_time() -> None:
    router = router_over(model := Model("one two"), SystemClock())
    model.hold = asyncio.Event()
    hurried, patient, third = await begun(*(stream(router, made=call(left=left)) for left in (0.05, 30, 30)))
    with pytest.raises(DeadlinePassed):
        await hurried
    await settled()
    model.hold.set()

    assert [(await each)[0] for each in (patient, third)] == ["one two "] * 2
    assert model.calls == 2


async def test_what_has_a_key_is_not_begun_twice_however_much_time_its_second_call_has() -> None:
    router = router_over(model := Model("one two"), SystemClock(), lambda: PLAIN)
    model.hold = asyncio.Event()
    hurried, patient = await begun(*(stream(router, WARM, call(own_key="k", left=left)) for left in (20, 30)))
    model.hold.set()

    assert (await hurried)[0] == (await patient)[0] == "one two "
    assert model.calls == 1


async def test_a_follower_with_little_time_leaves_by_himself() -> None:
    router = router_over(model := Model("391"), SystemClock())
    model.hold = asyncio.Event()
    patient, hurried = await begun(ask(router, made=call(left=30)), ask(router, made=call(left=0.05)))
    with pytest.raises(DeadlinePassed, match="identical request"):
        await hurried
    model.hold.set()

    assert text_of(await patient) == "391"
    assert model.calls == 1


# Past their time


async def test_where_every_model_fails_an_answer_past_its_time_is_given(clock: FakeClock) -> None:
    router = router_over(Model("old", failed("400")), clock)
    await ask(router)
    clock.advance(900)

    completion = await ask(router)
    assert (text_of(completion), completion.cache_status, completion.usage.cost) == ("old", S.STALE, 0)
    with pytest.raises(UpstreamUnavailable):
        await ask(router, made=call(max_age_ms=600_000))
    clock.advance(301)
    with pytest.raises(UpstreamUnavailable):
        await ask(router)


# By the caller's own key


async def test_a_call_repeated_by_its_key_is_given_its_first_result_for_a_day(clock: FakeClock) -> None:
    router = router_over(model := Model(TOOL, finish=FinishReason.TOOL_CALLS), clock, lambda: PLAIN)
    first = await ask(router, WARM, call(own_key="k"))
    clock.advance(86_399)
    again = await ask(router, WARM, call(own_key="k"))

    assert first.message == again.message
    assert (first.finish_reason, again.finish_reason) == (FinishReason.TOOL_CALLS, FinishReason.TOOL_CALLS)
    assert (again.cache_status, again.usage.cost, model.calls) == (S.HIT, 0, 1)
    clock.advance(1)
    await ask(router, WARM, call(own_key="k"))
    assert model.calls == 2


async def test_the_first_result_of_a_key_is_given_also_when_its_model_has_left_the_catalog(clock: FakeClock) -> None:
    rules = [PLAIN]
    router = router_over(model := Model("391"), clock, lambda: rules[-1])
    await ask(router, made=call(own_key="k"))
    rules.append(
        ruleset_of(MODELS.replace("mini", "tiny"), "version: 1\nroutes: [{id: default, why: w, use: {candidates: [tiny, large]}}]\n")
    )

    assert (await ask(router, made=call(own_key="k"))).model == "mini"
    assert model.calls == 1
    assert router.cache_account().rows[0].saved == 0


async def test_keys_of_two_tenants_are_two_keys(clock: FakeClock) -> None:
    router = router_over(Model("one", "two"), clock)
    await ask(router, made=call(own_key="k"))

    assert text_of(await ask(router, Request.of("else"), call(own_key="k", tenant="ads"))) == "two"


@pytest.mark.parametrize(
    "other", [Request.of("else"), WARM, structs.replace(ASK, requirements=structs.replace(ASK.requirements, accuracy=0.1))]
)
async def test_a_key_given_with_another_request_is_refused(clock: FakeClock, other: Request) -> None:
    router = router_over(model := Model("one"), clock)
    await ask(router, made=call(own_key="k"))

    with pytest.raises(InvalidRequest) as refused:
        await ask(router, other, call(own_key="k"))
    (violation,) = refused.value.violations
    assert violation.field == "idempotency-key"
    assert "another request" in violation.message
    assert model.calls == 1


async def test_of_two_calls_under_way_with_one_key_the_second_waits_if_it_is_the_same_and_is_refused_if_not(clock: FakeClock) -> None:
    router = router_over(model := Model("391"), clock, lambda: PLAIN)
    model.hold = asyncio.Event()
    first, same, other = await begun(
        ask(router, WARM, call(own_key="k")), ask(router, WARM, call(own_key="k")), ask(router, ASK, call(own_key="k"))
    )
    with pytest.raises(InvalidRequest, match="another request"):
        await other
    model.hold.set()

    assert text_of(await first) == text_of(await same) == "391"
    assert model.calls == 1
    assert [(await first).usage.cost > 0, (await same).usage.cost] == [True, 0]


async def test_a_call_that_failed_may_be_repeated_by_its_key(clock: FakeClock) -> None:
    router = router_over(Model(failed("400"), failed("400"), "391"), clock)
    with pytest.raises(UpstreamUnavailable):
        await ask(router, made=call(own_key="k"))

    assert text_of(await ask(router, made=call(own_key="k"))) == "391"


async def test_a_kept_answer_serves_a_call_with_a_key_too(clock: FakeClock) -> None:
    router = router_over(model := Model("391"), clock)
    await ask(router)

    assert [(await ask(router, made=call(own_key="k"))).cache_status for _ in range(2)] == [S.HIT, S.HIT]
    assert model.calls == 1


async def test_a_stream_repeated_by_its_key_has_its_tool_calls(clock: FakeClock) -> None:
    router = router_over(Model(TOOL, finish=FinishReason.TOOL_CALLS), clock, lambda: PLAIN)
    await ask(router, made=call(own_key="k"))
    events: list[Decision | Delta | Completion] = [event async for event in router.stream(ASK, call(own_key="k"))]

    assert events[1] == ToolCallDelta(index=0, id="1", name="look_up", arguments_json="{}")


async def test_nothing_is_left_behind(clock: FakeClock) -> None:
    """Neither by answers nor by failures nor by those who leave."""
    router = router_over(model := Model("391", failed("400")), clock)
    for number in range(20):
        request = structs.replace(ASK, generation=Generation(seed=number))
        (task,) = await begun(ask(router, request))
        await asyncio.wait((task,))
        assert task.exception() is None or isinstance(task.exception(), PointsmanError)
    await settled()

    assert router._recall._flights._flights == {}
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "flight"]
    assert model.calls > 20


# Sending less


async def test_a_route_sends_less_where_it_says_so_and_tells_what_was_left_out(clock: FakeClock) -> None:
    rules = ruleset_of(
        MODELS,
        "version: 1\nroutes: [{id: default, why: w, use: {candidates: [mini]}, cache: {mode: exact}, optimize: {prompt: trim_history, target_tokens: 60}}]\n",
    )
    router = router_over(model := Model("fine"), clock, lambda: rules)
    turns = tuple(Message(role=role, parts=("word " * 20,)) for _ in range(5) for role in (Role.USER, Role.ASSISTANT))
    asked = structs.replace(ASK, prompt=Prompt(messages=(*turns, Message(role=Role.USER, parts=("and now?",)))))
    first, again = await ask(router, asked), await ask(router, asked)

    assert model.prompts[0].messages == asked.prompt.messages[8:]
    assert first.optimisation is not None
    assert (first.optimisation.removed, first.optimisation.tokens_before > 200) == ("turns 4", True)
    assert (again.cache_status, again.optimisation) == (S.HIT, None)


# What is told of it


async def test_the_account_says_what_was_saved_by_tenant_and_rule(clock: FakeClock) -> None:
    router = router_over(Model("391"), clock)
    for tenant, times in (("search", 3), ("ads", 2)):
        for _ in range(times):
            await ask(router, made=call(tenant=tenant))
    await ask(router, WARM)
    ads, search = router.cache_account().rows

    assert (ads.tenant, ads.rule, ads.hits, ads.misses) == ("ads", "default", 1, 1)
    assert (search.hits, search.misses, search.bypassed) == (2, 1, 1)
    assert (search.saved_input_tokens, search.saved_output_tokens) == (20, 10)
    assert search.saved == 2 * (10 + 5) * 1_000  # nano-dollars, at a dollar for a million tokens
    assert [row.tenant for row in router.cache_account("ads").rows] == ["ads"]
    assert router.cache_account().entries == 2


async def test_a_stream_that_broke_saved_nothing_to_those_who_shared_it(clock: FakeClock) -> None:
    router = router_over(model := Model("half BREAK"), clock)
    model.hold = asyncio.Event()
    tasks = await begun(*(stream(router) for _ in range(4)))
    model.hold.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)

    assert all(isinstance(outcome, StreamInterrupted) for outcome in outcomes)
    (row,) = router.cache_account().rows
    assert (row.misses, row.coalesced, row.hits, row.saved_output_tokens, row.saved) == (1, 0, 0, 0, 0)


async def test_purged_answers_are_gone_for_their_tenant_alone(clock: FakeClock) -> None:
    router = router_over(model := Model("391"), clock)
    for tenant in ("search", "ads"):
        await ask(router, made=call(tenant=tenant))

    assert await router.purge_cache("search") == 1
    assert [(await ask(router, made=call(tenant=tenant))).cache_status for tenant in ("search", "ads")] == [S.MISS, S.HIT]
    assert model.calls == 3


async def test_an_answer_that_was_under_way_when_a_tenants_answers_were_purged_is_not_kept(clock: FakeClock) -> None:
    router = router_over(model := Model("before", "after"), clock)
    model.hold = asyncio.Event()
    (task,) = await begun(ask(router))
    clock.advance(1)
    assert await router.purge_cache("search") == 0
    clock.advance(1)
    model.hold.set()

    assert text_of(await task) == "before"
    assert [text_of(await ask(router)) for _ in range(2)] == ["after", "after"]
    assert model.calls == 2
