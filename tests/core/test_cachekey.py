"""Two requests share a key only if a model could not tell them apart and the same rules would send them to the same models."""

from __future__ import annotations

import os
import unicodedata
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from fakes import catalog_yaml, facts_of, model_yaml, ruleset_of
from pointsman.core.cachekey import CacheKey, answer_key, fingerprint, idempotency_key
from pointsman.core.decide import decide
from pointsman.core.market import Market
from pointsman.core.request import (
    Context,
    Generation,
    Image,
    Message,
    Prompt,
    Request,
    Requirements,
    ResponseFormat,
    Tool,
    ToolCall,
    ToolResult,
)
from pointsman.core.vocabulary import DecisionReason, Role
from pointsman.v1 import routing_pb2 as pb
from pointsman.wire.codec import request_from_pb

RULES = ruleset_of(
    catalog_yaml({"mini": model_yaml(price=1, ability=0.7, tags="eu"), "large": model_yaml(price=5, ability=0.9, tags="eu")}),
    """
version: 1
constraints:
  - {id: stays, why: w, when: 'has(request.labels.data) && request.labels.data == "personal"', allow: {tags: [eu]}}
routes:
  - {id: best, why: w, when: tokens.input > 1000, use: {candidates: [mini, large], strategy: best}}
  - {id: drawn, why: w, when: tokens.input > 900, use: {candidates: {mini: 1, large: 1}, strategy: weighted}}
  - {id: trimmed, why: w, when: tokens.input > 800, use: {candidates: [mini, large]}, optimize: {prompt: trim_history, target_tokens: 500}}
  - {id: default, why: w, use: {candidates: [mini, large]}}
""",
)
FACTS = facts_of()
DECISION = decide(RULES, FACTS, Market())

PAIRS = 100_000 if os.environ.get("POINTSMAN_TEST_SOAK") else 300


def key(request: Request, tenant: str = "search") -> CacheKey:
    return answer_key(tenant, request, DECISION, RULES.route("default"))


def asked(*texts: str, **generation: Any) -> Request:
    messages = tuple(Message(role=Role.USER, parts=(text,)) for text in texts)
    return Request(prompt=Prompt(messages=messages), generation=Generation(**generation))


# What a JSON text with other spaces, or another order of its keys, would be.
SCHEMA = '{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"number"}}}'
SAME_SCHEMA = '{ "properties": {"b": {"type": "number"}, "a": {"type": "string"}},\n "type": "object" }'


def with_tool(schema: str, **changes: Any) -> Request:
    tool = structs.replace(Tool(name="look_up", description="d", parameters_json=schema), **changes)
    return Request(prompt=Prompt(messages=asked("hi").prompt.messages, tools=(tool,), response_format=ResponseFormat(json_schema=schema)))


def test_schemas_that_differ_in_spaces_and_order_of_keys_are_the_same() -> None:
    assert key(with_tool(SCHEMA)) == key(with_tool(SAME_SCHEMA))


def test_text_and_a_part_of_text_are_the_same() -> None:
    short, long, plain = pb.Request(), pb.Request(), pb.Request()
    short.prompt.text = "hi"
    message = long.prompt.messages.add(role=pb.ROLE_USER)
    message.parts.add(text="hi")
    plain.prompt.messages.add(role=pb.ROLE_USER, text="hi")

    assert len({key(request_from_pb(message)).digest for message in (short, long, plain)}) == 1


def test_fields_in_another_order_on_the_wire_are_the_same() -> None:
    one = pb.Request.FromString(b"\x0a\x04\x0a\x02hi\x12\x09\x11" + bytes(8))
    other = pb.Request.FromString(b"\x12\x09\x11" + bytes(8) + b"\x0a\x04\x0a\x02hi")

    assert key(request_from_pb(one)) == key(request_from_pb(other))


@pytest.mark.parametrize(
    "changes",
    [
        {"requirements": Requirements(accuracy=0.5)},
        {"requirements": Requirements(max_cost=5)},
        {"context": Context(session_id="s", user_id="u", labels={"a": "b"})},
    ],
)
def test_what_only_picks_among_models_is_left_to_the_decision(changes: dict[str, Any]) -> None:
    assert key(structs.replace(asked("hi"), **changes)) == key(asked("hi"))


PLAIN = asked("hi", temperature=0.0, seed=1)
DIFFERENT: dict[str, Request] = {
    "text": asked("hi ", temperature=0.0, seed=1),
    "case": asked("Hi", temperature=0.0, seed=1),
    "seed": asked("hi", temperature=0.0, seed=2),
    "no seed": asked("hi", temperature=0.0),
    "temperature": asked("hi", temperature=0.1, seed=1),
    "top_p": asked("hi", temperature=0.0, seed=1, top_p=0.0),
    "stop": asked("hi", temperature=0.0, seed=1, stop=("a", "b")),
    "order of stops": asked("hi", temperature=0.0, seed=1, stop=("b", "a")),
    "one stop": asked("hi", temperature=0.0, seed=1, stop=("ab",)),
    "length": asked("hi", temperature=0.0, seed=1, max_output_tokens=1),
    "two messages": asked("h", "i", temperature=0.0, seed=1),
    "role": structs.replace(PLAIN, prompt=Prompt(messages=(Message(role=Role.SYSTEM, parts=("hi",)),))),
    "two parts": structs.replace(PLAIN, prompt=Prompt(messages=(Message(role=Role.USER, parts=("h", "i")),))),
    "json": structs.replace(PLAIN, prompt=structs.replace(PLAIN.prompt, response_format=ResponseFormat())),
    "schema": structs.replace(PLAIN, prompt=structs.replace(PLAIN.prompt, response_format=ResponseFormat(json_schema="{}"))),
    "tool": structs.replace(PLAIN, prompt=structs.replace(PLAIN.prompt, tools=(Tool(name="hi"),))),
    "described tool": structs.replace(PLAIN, prompt=structs.replace(PLAIN.prompt, tools=(Tool(name="hi", description="x"),))),
    "tool result": structs.replace(
        PLAIN, prompt=Prompt(messages=(Message(role=Role.USER, parts=(ToolResult(tool_call_id="hi", text="hi"),)),))
    ),
    "failed result": structs.replace(
        PLAIN, prompt=Prompt(messages=(Message(role=Role.USER, parts=(ToolResult(tool_call_id="hi", text="hi", failed=True),)),))
    ),
    "tool call": structs.replace(
        PLAIN, prompt=Prompt(messages=(Message(role=Role.USER, parts=(ToolCall(id="hi", name="hi", arguments_json="hi"),)),))
    ),
    "picture": structs.replace(PLAIN, prompt=Prompt(messages=(Message(role=Role.USER, parts=(Image(url="https://hi"),)),))),
}


def test_whatever_a_model_could_tell_apart_has_a_key_of_its_own() -> None:
    keys = {name: key(request).digest for name, request in {"plain": PLAIN, **DIFFERENT}.items()}

    assert len(set(keys.values())) == len(keys)


def test_letters_that_only_look_alike_are_different() -> None:
    forms = {unicodedata.normalize(form, "Ångström ﬁn ½") for form in ("NFC", "NFD", "NFKC", "NFKD")}

    assert len({key(asked(text)).digest for text in forms}) == len(forms) > 2


def test_no_two_tenants_share_a_key() -> None:
    assert len({key(PLAIN, tenant).digest for tenant in ("", "a", "b", "ab", "a\0b")}) == 5
    assert len({idempotency_key(tenant, name).digest for tenant, name in (("a", "bc"), ("ab", "c"), ("abc", ""), ("", "abc"))}) == 4


def test_rules_that_mean_something_else_make_another_key() -> None:
    routes = {name: answer_key("t", PLAIN, DECISION, RULES.route(name)).digest for name in ("default", "trimmed")}
    narrowed = answer_key("t", PLAIN, structs.replace(DECISION, constraints=("stays",)), RULES.route("default")).digest

    assert len({*routes.values(), narrowed}) == 3


def test_constraints_that_hold_are_those_of_the_decision() -> None:
    assert decide(RULES, facts_of(request_labels={"data": "personal"}), Market()).constraints == ("stays",)
    assert DECISION.constraints == ()


@pytest.mark.parametrize(
    ("tokens", "route", "tells"), [(2000, "best", True), (950, "drawn", True), (850, "trimmed", False), (10, "default", False)]
)
def test_the_model_counts_where_the_route_means_one(tokens: int, route: str, tells: bool) -> None:
    decision = decide(RULES, facts_of(tokens_input=tokens), Market())
    (other,) = (candidate for candidate in decision.plan if candidate.model != decision.chosen.model)
    elsewhere = structs.replace(decision, chosen=other)

    keys = {answer_key("t", PLAIN, each, RULES.route(route)).digest for each in (decision, elsewhere)}
    assert (len(keys) == 2) is tells


@pytest.mark.parametrize("reason", DecisionReason)
@pytest.mark.parametrize("model", ["", "named"])
def test_the_model_counts_where_the_caller_names_it_whatever_else_is_to_be_said(reason: DecisionReason, model: str) -> None:
    asking = structs.replace(PLAIN, requirements=structs.replace(PLAIN.requirements, model=model))
    one = structs.replace(decide(RULES, facts_of(tokens_input=10), Market()), reason=reason)
    other = structs.replace(one, chosen=one.fallbacks[0])

    keys = {answer_key("t", asking, each, RULES.route("default")).digest for each in (one, other)}
    assert len(keys) == (2 if model else 1)


TEXTS = st.one_of(
    st.sampled_from(["hi", "hi ", "Hi", "é", "e\u0301", "ﬁ", "fi", "", "\0", '{"a":1,"b":2}', '{"b":2,"a":1}']), st.text(max_size=4)
)
PARTS = st.one_of(
    TEXTS,
    st.builds(Image, url=TEXTS, media_type=TEXTS, data=st.binary(max_size=2)),
    st.builds(ToolCall, id=TEXTS, name=TEXTS, arguments_json=TEXTS),
    st.builds(ToolResult, tool_call_id=TEXTS, text=TEXTS, failed=st.booleans()),
)
MESSAGES = st.builds(Message, role=st.sampled_from(Role), parts=st.lists(PARTS, max_size=2).map(tuple))
NUMBERS = st.one_of(st.none(), st.sampled_from([0.0, 0.5, 1.0]))
REQUESTS = st.builds(
    Request,
    prompt=st.builds(
        Prompt,
        messages=st.lists(MESSAGES, max_size=2).map(tuple),
        tools=st.lists(
            st.builds(Tool, name=TEXTS, description=TEXTS, parameters_json=st.sampled_from(["", "{}", '{"a":1}', '{"a":1.0}'])), max_size=1
        ).map(tuple),
        response_format=st.one_of(st.none(), st.builds(ResponseFormat, json_schema=st.sampled_from(["", "{}", '{"a":1}']))),
    ),
    generation=st.builds(
        Generation,
        max_output_tokens=st.one_of(st.none(), st.integers(1, 3)),
        temperature=NUMBERS,
        top_p=NUMBERS,
        seed=st.one_of(st.none(), st.integers(0, 2)),
        stop=st.lists(TEXTS, max_size=2).map(tuple),
    ),
)
TENANTS = st.sampled_from(["a", "b", "ab", "é", "e\u0301"])


@settings(max_examples=PAIRS, deadline=None)
@given(st.tuples(TENANTS, REQUESTS), st.tuples(TENANTS, REQUESTS))
def test_of_random_pairs_those_that_are_equal_share_a_key_and_no_others(one: tuple[str, Request], other: tuple[str, Request]) -> None:
    keys = [answer_key(tenant, request, DECISION, RULES.route("default")) for tenant, request in (one, other)]

    assert (keys[0] == keys[1]) is (one == other)
    assert (fingerprint(one[1]) == fingerprint(other[1])) is (one[1] == other[1])


@given(REQUESTS, TENANTS, st.data())
def test_a_request_that_differs_in_one_letter_has_another_key(request: Request, tenant: str, data: st.DataObject) -> None:
    text = data.draw(st.text(min_size=1, max_size=3))
    longer = Message(role=Role.USER, parts=(text,))
    grown = structs.replace(request, prompt=structs.replace(request.prompt, messages=(*request.prompt.messages, longer)))

    assert key(grown, tenant) != key(request, tenant)
