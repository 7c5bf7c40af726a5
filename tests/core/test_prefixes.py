"""A conversation is known by what its turns ended with, and its trail says what providers may still have of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from fakes import ruleset_of
from pointsman.core.catalog import Price
from pointsman.core.market import Market, ModelState
from pointsman.core.prefixes import (
    LOOKED_AT,
    REMEMBERED_MODELS,
    REMEMBERED_TURNS,
    SHORTEST,
    Conversation,
    Trail,
    Turn,
    conversation_of,
    keys_of,
    pays,
    trail_from,
    with_prefixes,
)
from pointsman.core.request import Context, Message, Prompt, Request, Tool
from pointsman.core.vocabulary import Role

LONG = "word " * 400


def request(*texts: str, **prompt: object) -> Request:
    """Return a conversation of which every other turn is the model's, the first the user's."""
    messages = tuple(Message(role=Role.ASSISTANT if number % 2 else Role.USER, parts=(text,)) for number, text in enumerate(texts))
    return Request(prompt=Prompt(messages=messages, **prompt))  # type: ignore[arg-type]


def conversation(*texts: str, tenant: str = "search") -> Conversation:
    found = conversation_of(tenant, request(*texts))
    assert found is not None
    return found


def test_a_conversation_that_goes_on_has_the_ends_of_its_past_and_one_more() -> None:
    short, long = conversation(LONG), conversation(LONG, "a", "b", "c", "d")

    assert long.ends[:1] == short.ends
    assert len(long.ends) == 3
    assert long.key == short.key
    assert [key.digest for key in keys_of(long)] == list(reversed(long.ends))


@pytest.mark.parametrize("other", [(LONG + "x", "a", "b"), (LONG, "ab", ""), (LONG, "a", "b", "c", "d")])
def test_whatever_differs_ends_otherwise(other: tuple[str, ...]) -> None:
    assert conversation(*other).ends[-1] != conversation(LONG, "a", "b").ends[-1]


def test_tenants_and_tools_have_chains_of_their_own() -> None:
    with_tools = conversation_of("search", request(LONG, tools=(Tool(name="f"),)))

    assert len({conversation(LONG).ends, conversation(LONG, tenant="ads").ends, with_tools and with_tools.ends}) == 3


def test_what_a_tool_returned_ends_no_turn_before_the_model_speaks() -> None:
    roles = (Role.USER, Role.ASSISTANT, Role.TOOL, Role.TOOL, Role.ASSISTANT, Role.USER)
    messages = tuple(Message(role=role, parts=(LONG,)) for role in roles)
    found = conversation_of("search", Request(prompt=Prompt(messages=messages)))

    assert found is not None
    assert found.turns == 3


def test_what_is_too_short_to_be_kept_is_no_conversation() -> None:
    assert conversation_of("t", request("x" * (SHORTEST - 1))) is None
    assert conversation_of("t", request("x" * SHORTEST)) is not None
    assert conversation_of("t", Request(prompt=Prompt(messages=(Message(role=Role.ASSISTANT, parts=(LONG,)),)))) is None


def test_of_a_very_long_conversation_the_last_turns_are_looked_at() -> None:
    found = conversation(*[LONG] * 201)

    assert (len(found.ends), found.turns, found.turns_left) == (LOOKED_AT, 101, 8.0)


@pytest.mark.parametrize(
    ("asked", "left"),
    [
        (request(LONG), 0.0),
        (structs.replace(request(LONG), context=Context(session_id="s")), 1.0),
        (request(LONG, tools=(Tool(name="f"),)), 1.0),
        (request(LONG, "a", "b"), 2.0),
        (request(LONG, "a", "b", "c", "d"), 3.0),
    ],
)
def test_as_many_turns_are_expected_as_there_were(asked: Request, left: float) -> None:
    found = conversation_of("t", asked)
    assert found is not None
    assert found.turns_left == left


def test_a_trail_remembers_the_last_turn_of_a_few_models_and_who_could_have_served_the_last_turns() -> None:
    trail = Trail()
    for number in range(20):
        trail = trail.after(Turn(f"m{number % 6}", number, float(number)), (f"m{number % 6}", "x"))

    assert [turn.tokens for turn in trail.turns] == [16, 17, 18, 19]
    assert len(trail.turns) == REMEMBERED_MODELS
    assert len(trail.able) == REMEMBERED_TURNS
    assert (trail.tokens("m1"), trail.tokens("m0"), trail.tokens("x")) == (19, 18, 0)
    assert trail_from(trail.encoded()) == trail


@given(st.binary(max_size=40))
def test_bytes_of_whatever_kind_are_a_trail_or_none(data: bytes) -> None:
    assert trail_from(data) is None or isinstance(trail_from(data), Trail)


@pytest.mark.parametrize(
    ("left", "price", "worth"),
    [
        (0.0, (2.0, 0.2, 2.5), False),
        (1.0, (2.0, 0.2, 2.5), True),
        (0.2, (2.0, 0.2, 2.5), False),
        (1.0, (2.0, 2.0, 2.5), False),  # reading again is no cheaper
        (0.0, (2.0, 0.2, 2.0), False),
        (1.0, (2.0, 0.2, 2.0), True),
    ],
)
def test_writing_pays_where_what_reading_saves_is_more(left: float, price: tuple[float, float, float], worth: bool) -> None:
    plain, cached, written = (round(each * 10**9) for each in price)

    assert pays(Price(input=plain, cached_input=cached, cache_write=written, output=0), left) is worth


CATALOG = ruleset_of(
    """
version: 1
providers:
  auto: {api: openai, base_url: "https://a"}
  told: {api: anthropic, base_url: "https://b"}
models:
  auto: {provider: auto, upstream: u, tier: small, ability: {default: 0.5}, price: {input: 1, cached_input: 0.1, output: 1, nominal: true}, context_window: 100000, max_output: 10, prompt_cache: {min_tokens: 1024, ttl: 10m}}
  told: {provider: told, upstream: u, tier: small, ability: {default: 0.5}, price: {input: 1, cached_input: 0.1, cache_write: 1.25, output: 1, nominal: true}, context_window: 100000, max_output: 10, prompt_cache: {min_tokens: 512, ttl: 5m}}
  none: {provider: auto, upstream: u, tier: small, ability: {default: 0.5}, price: {input: 1, output: 1, nominal: true}, context_window: 100000, max_output: 10}
""",
    "version: 1\nroutes: [{id: default, why: w, use: {candidates: [auto, told, none]}}]\n",
).catalog
TRAIL = Trail(
    (Turn("auto", 2000, 1000.0), Turn("told", 3000, 1000.0), Turn("none", 3000, 1000.0)), (("auto", "told"), ("auto",), ("auto",))
)


def market(
    *, now_s: float = 1060.0, input_tokens: int = 5000, trail: Trail = TRAIL, texts: tuple[str, ...] = (LONG, "a", "b"), **trust: float
) -> Market:
    before = Market(models={"auto": ModelState(ttft_ms=7.0)})
    return with_prefixes(before, CATALOG, conversation(*texts), trail, input_tokens=input_tokens, now_s=now_s, trust=trust)


def test_warm_is_what_the_last_turn_had_as_long_as_the_provider_keeps_it() -> None:
    def warm(**changes: float) -> list[int]:
        found = market(**changes)  # type: ignore[arg-type]
        return [found.state(model).warm_prefix_tokens for model in ("auto", "told", "none")]

    assert warm() == [2000, 3000, 0]
    assert warm(now_s=1300.0) == [2000, 3000, 0]
    assert warm(now_s=1300.1) == [2000, 0, 0]
    assert warm(now_s=1600.1) == [0, 0, 0]
    assert warm(input_tokens=1000) == [0, 3000, 0]
    assert warm(told=0.5) == [2000, 1500, 0]


def test_a_prefix_too_short_to_be_kept_is_not_expected() -> None:
    short = Trail((Turn("auto", 1023, 1000.0), Turn("told", 512, 1000.0)))

    assert [market(trail=short).state(model).warm_prefix_tokens for model in ("auto", "told")] == [0, 512]


def test_what_is_known_of_models_besides_stays_and_the_gap_and_shares_are_told() -> None:
    found = market()

    assert found.state("auto").ttft_ms == 7.0
    assert (found.turns_left, found.turn_gap_s) == (2.0, 60.0)
    assert [found.state(model).share_of_turns for model in ("auto", "told")] == [1.0, 0.5]


def test_an_api_that_wants_to_be_told_keeps_only_what_pays() -> None:
    once, often = market(texts=(LONG,)), market()

    assert [once.state(model).writes_prefix for model in ("auto", "told", "none")] == [True, False, False]
    assert [often.state(model).writes_prefix for model in ("auto", "told", "none")] == [True, True, False]
