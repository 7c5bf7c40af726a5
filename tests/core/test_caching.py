"""Who looks for a kept answer, which answers are kept, and which kept ones fit a decision."""

from __future__ import annotations

import pytest
from msgspec import structs

from fakes import catalog_yaml, facts_of, model_yaml, ruleset_of
from pointsman.core.caching import Entry, Use, entry_from, entry_of, fits, is_worth_keeping, recalled, shared, use_of
from pointsman.core.completion import Attempt, Completion, Usage
from pointsman.core.decide import decide
from pointsman.core.market import Market
from pointsman.core.request import CachePolicy, Generation, Image, Message, Part, ToolCall
from pointsman.core.ruleset import RouteSettings
from pointsman.core.vocabulary import AttemptReason, CacheMode, CacheStatus, FinishReason, Role

EXACT = RouteSettings(cache_mode="exact", cache_ttl_s=600.0)
SILENT = RouteSettings(cache_ttl_s=3600.0)
NEVER = RouteSettings(cache_mode="off", cache_ttl_s=0.0)

ZERO, SEED, UNSET, WARM = Generation(temperature=0.0), Generation(seed=0), Generation(), Generation(temperature=0.2)
M = CacheMode

USES: list[tuple[CacheMode, RouteSettings, Generation, tuple[bool, bool, bool], CacheStatus]] = [
    # mode, route, generation -> looks, stores, required; what is said where it was not looked
    (M.UNSPECIFIED, EXACT, ZERO, (True, True, False), CacheStatus.BYPASS),
    (M.UNSPECIFIED, EXACT, SEED, (True, True, False), CacheStatus.BYPASS),
    (M.UNSPECIFIED, EXACT, UNSET, (False, False, False), CacheStatus.BYPASS),
    (M.UNSPECIFIED, EXACT, WARM, (False, False, False), CacheStatus.BYPASS),
    (M.UNSPECIFIED, SILENT, ZERO, (False, False, False), CacheStatus.UNSPECIFIED),
    (M.UNSPECIFIED, NEVER, ZERO, (False, False, False), CacheStatus.UNSPECIFIED),
    (M.BYPASS, EXACT, ZERO, (False, False, False), CacheStatus.BYPASS),
    (M.REFRESH, EXACT, ZERO, (False, True, False), CacheStatus.BYPASS),
    (M.REFRESH, SILENT, UNSET, (False, True, False), CacheStatus.BYPASS),
    (M.ONLY_IF_CACHED, EXACT, UNSET, (True, False, True), CacheStatus.BYPASS),
    (M.ONLY_IF_CACHED, NEVER, ZERO, (False, False, True), CacheStatus.BYPASS),
    (M.USE, EXACT, UNSET, (True, True, False), CacheStatus.BYPASS),
    (M.USE, SILENT, WARM, (True, True, False), CacheStatus.BYPASS),
    (M.USE, NEVER, ZERO, (False, False, False), CacheStatus.BYPASS),
]


@pytest.mark.parametrize(("mode", "settings", "generation", "does", "status"), USES)
def test_use_follows_from_what_is_asked_what_the_route_says_and_whether_the_model_would_repeat_itself(
    mode: CacheMode, settings: RouteSettings, generation: Generation, does: tuple[bool, bool, bool], status: CacheStatus
) -> None:
    use = use_of(CachePolicy(mode=mode), settings, generation)

    assert (use.looks, use.stores, use.required) == does
    assert use.status is status


@pytest.mark.parametrize(("max_age_ms", "oldest"), [(None, 600.0), (60_000.0, 60.0), (0.0, 0.0), (10_000_000.0, 600.0)])
def test_an_age_that_is_asked_for_counts_where_it_is_less_than_the_routes(max_age_ms: float | None, oldest: float) -> None:
    assert use_of(CachePolicy(max_age_ms=max_age_ms), EXACT, ZERO).oldest_s == oldest


RULES = ruleset_of(
    catalog_yaml({"mini": model_yaml(price=1, max_output=100), "large": model_yaml(price=5, max_output=500), "other": model_yaml(price=9)}),
    "version: 1\nroutes: [{id: default, why: w, use: {candidates: [mini, large]}}]\n",
)
DECISION = decide(RULES, facts_of(), Market())


def answer(*parts: Part, finish: FinishReason = FinishReason.STOP, model: str = "mini", output: int = 20) -> Completion:
    usage = Usage(input_tokens=10, cached_input_tokens=4, cache_write_tokens=3, output_tokens=output, cost=30, baseline_cost=150)
    attempt = Attempt(model=model, provider="p", reason=AttemptReason.PRIMARY, latency_ms=5.0, usage=usage)
    message = Message(role=Role.ASSISTANT, parts=parts or ("four",))
    return Completion(message=message, finish_reason=finish, usage=usage, attempts=(attempt,), model=model)


CALL = ToolCall(id="1", name="f", arguments_json="{}")


def test_what_is_kept_of_the_usage_is_that_of_the_attempt_that_answered() -> None:
    whole = answer(output=20)
    (last,) = whole.attempts
    lost = structs.replace(last, error_type="timeout", usage=Usage(input_tokens=7, output_tokens=400))
    hedged = structs.replace(whole, attempts=(lost, last), usage=Usage(input_tokens=17, output_tokens=420))
    entry = entry_of(hedged, DECISION, 0.0)

    assert entry is not None
    assert (entry.input_tokens, entry.output_tokens) == (10, 20)
    assert fits(entry, DECISION)
    assert (shared(hedged).usage.input_tokens, shared(hedged).usage.output_tokens) == (10, 20)


@pytest.mark.parametrize(
    ("completion", "worth"),
    [
        (answer(), True),
        (answer("a", "b"), True),
        *((answer(finish=finish), False) for finish in FinishReason if finish is not FinishReason.STOP),
        (answer("a", CALL), False),
        (structs.replace(answer(), message=None), False),
        (structs.replace(answer(), attempts=()), False),
        (structs.replace(answer(), message=Message(role=Role.ASSISTANT, parts=())), False),
    ],
)
def test_only_a_text_that_ends_by_itself_is_worth_keeping(completion: Completion, worth: bool) -> None:
    assert is_worth_keeping(completion) is worth


def kept(completion: Completion) -> Entry:
    entry = entry_of(completion, DECISION, 1_000.0)
    assert entry is not None
    return entry


@pytest.mark.parametrize("completion", [answer(), answer("é", "\U0001f600\0"), answer("a", CALL, finish=FinishReason.TOOL_CALLS)])
def test_an_entry_is_read_as_it_was_written(completion: Completion) -> None:
    assert entry_from(kept(completion).encoded()) == kept(completion)


def test_what_no_model_answers_with_is_not_kept() -> None:
    assert entry_of(answer(Image(url="https://x")), DECISION, 0.0) is None


@pytest.mark.parametrize("data", [None, b"", b"garbage", b"\x90", kept(answer()).encoded()[:-1], kept(answer()).encoded() + b"x"])
def test_bytes_that_are_no_entry_are_none(data: bytes | None) -> None:
    assert entry_from(data) is None


@pytest.mark.parametrize(
    ("completion", "fitting"),
    [
        (answer(), True),
        (answer(model="large"), True),  # it is in the plan, so it would do
        (answer(model="other"), False),
        (answer(model="gone"), False),
        (answer(output=100), True),
        (answer(output=101), False),  # more than this model may answer by this decision
        (answer(output=101, model="large"), True),
    ],
)
def test_an_answer_fits_if_the_decision_could_have_led_to_it(completion: Completion, fitting: bool) -> None:
    assert fits(kept(completion), DECISION) is fitting


def test_another_model_under_the_same_id_is_another_model() -> None:
    assert not fits(structs.replace(kept(answer()), upstream="mini-2"), DECISION)


def test_a_recalled_answer_costs_nothing_and_says_what_it_saved() -> None:
    completion = recalled(kept(answer()), CacheStatus.HIT, baseline_cost=700)

    assert completion.message == answer().message
    assert completion.usage == Usage(input_tokens=10, output_tokens=20, cost=0, baseline_cost=700)
    assert (completion.attempts, completion.cache_status, completion.model) == ((), CacheStatus.HIT, "mini")


def test_a_shared_answer_is_paid_for_once() -> None:
    completion = shared(answer())

    assert (completion.usage.cost, completion.attempts, completion.cache_status) == (0, (), CacheStatus.COALESCED)


def test_without_a_cache_nothing_is_said_of_it() -> None:
    assert use_of(CachePolicy(), SILENT, ZERO) == Use()
