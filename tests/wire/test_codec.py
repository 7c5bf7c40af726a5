"""What goes in comes out, as a property; every bad field with its path, as a table; and no text of a caller where it could be logged."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, TypeVar

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message as Pb
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct, structs

from pointsman.core.account import Account
from pointsman.core.catalog import Price
from pointsman.core.completion import Attempt, Completion, Delta, Expected, TextDelta, ToolCallDelta, Usage
from pointsman.core.decision import Candidate, ConditionTrace, Contrast, Decision, Dropped, Explanation, RuleRef, RuleTrace, TokenEstimate
from pointsman.core.diagnostics import Problem, Severity
from pointsman.core.errors import InvalidRequest
from pointsman.core.facts import FeatureFacts, TokenFacts
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
from pointsman.core.vocabulary import (
    CAPABILITIES,
    SUBJECTS,
    TASKS,
    AttemptReason,
    CacheStatus,
    DecisionReason,
    DropReason,
    FinishReason,
    Role,
    RuleOutcome,
    TokenCountMethod,
)
from pointsman.v1 import admin_service_pb2 as admin_pb
from pointsman.v1 import routing_pb2 as pb
from pointsman.wire import codec

SOAK = os.environ.get("POINTSMAN_TEST_SOAK") == "1"
EXAMPLES = 5_000 if SOAK else 100

often = settings(max_examples=EXAMPLES, deadline=None)
pytestmark = pytest.mark.timeout(900 if SOAK else 60)

M = TypeVar("M", bound=Pb)


def sent(message: M) -> M:
    """Return the message as it arrives at the other end."""
    return type(message).FromString(message.SerializeToString())


def in_nanoseconds(value: Any) -> Any:
    """Return the value with every duration as a whole number of nanoseconds, which is as fine as the wire is."""
    if isinstance(value, tuple):
        return tuple(map(in_nanoseconds, value))
    if not isinstance(value, Struct):
        return value
    found = {name: getattr(value, name) for name in value.__struct_fields__}
    return structs.replace(
        value,
        **{
            name: round(held * 1_000_000) if name.endswith("_ms") and held is not None else in_nanoseconds(held)
            for name, held in found.items()
        },
    )


# What requests and answers are made of. Texts are short: their length is nothing to the codec.

texts = st.text(min_size=1, max_size=8)
any_texts = st.text(max_size=8)
names = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)
shares = st.floats(0, 1)
counts = st.integers(0, 2**31 - 1)
amounts = st.integers(0, 2**63 - 1)
durations_ms = st.integers(0, 10**14).map(lambda nanoseconds: nanoseconds / 1_000_000)
limits_ms = st.integers(1, 10**14).map(lambda nanoseconds: nanoseconds / 1_000_000)
schemas = st.sampled_from(["{}", '{"type": "object"}', ' {"ключ": [1, null]} '])

images = st.builds(Image, data=st.binary(min_size=1, max_size=8), media_type=texts.map("image/".__add__)) | st.builds(
    Image, url=any_texts.map("https://".__add__), media_type=any_texts
)
tool_results = st.builds(ToolResult, tool_call_id=texts, text=any_texts, failed=st.booleans())
parts = texts | images | tool_results | st.builds(ToolCall, id=any_texts, name=names, arguments_json=any_texts)
messages = st.builds(Message, role=st.sampled_from(Role), parts=st.lists(parts, min_size=1, max_size=4).map(tuple))
prompts = st.builds(
    Prompt,
    messages=st.lists(messages, min_size=1, max_size=3).map(tuple),
    tools=st.lists(st.builds(Tool, name=names, description=any_texts, parameters_json=st.just("") | schemas), max_size=2).map(tuple),
    response_format=st.none() | st.builds(ResponseFormat, json_schema=st.just("") | schemas),
)
requests = st.builds(
    Request,
    prompt=prompts,
    generation=st.builds(
        Generation,
        max_output_tokens=st.none() | st.integers(1, 2**31 - 1),
        temperature=st.none() | st.floats(0, 2),
        top_p=st.none() | shares,
        seed=st.none() | st.integers(-(2**63), 2**63 - 1),
        stop=st.lists(texts, max_size=3).map(tuple),
    ),
    requirements=st.builds(
        Requirements,
        accuracy=st.none() | shares,
        max_total_tokens=st.none() | st.integers(1, 2**31 - 1),
        max_cost=st.none() | amounts,
        max_latency_ms=st.none() | limits_ms,
        max_ttft_ms=st.none() | limits_ms,
        capabilities=st.frozensets(st.sampled_from(CAPABILITIES)),
        tags=st.frozensets(texts, max_size=3),
        model=any_texts,
    ),
    context=st.builds(
        Context,
        session_id=any_texts,
        user_id=any_texts,
        labels=st.dictionaries(st.from_regex(r"[A-Za-z0-9._/-]{1,63}", fullmatch=True), any_texts, max_size=3),
    ),
)

candidates = st.builds(
    Candidate,
    model=any_texts,
    provider=any_texts,
    upstream=any_texts,
    quality=shares,
    tokens=st.builds(
        TokenEstimate,
        input=counts,
        input_upper_bound=counts,
        method=st.sampled_from(TokenCountMethod),
        output=counts,
        output_p90=counts,
        output_cap=counts,
    ),
    expected_cost=amounts,
    max_cost=amounts,
    expected_latency_ms=durations_ms,
    expected_ttft_ms=durations_ms,
    cached_tokens=counts,
    switch_cost=st.none() | amounts,
)
rules = st.builds(RuleRef, id=any_texts, file=any_texts, line=counts, why=any_texts)
fact_values = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | any_texts
fact_maps = st.dictionaries(any_texts, fact_values, max_size=3)
drops = st.lists(st.builds(Dropped, model=any_texts, reason=st.sampled_from(DropReason), detail=any_texts), max_size=3).map(tuple)
explanations = st.builds(
    Explanation,
    summary=any_texts,
    facts=fact_maps,
    rules=st.lists(
        st.builds(
            RuleTrace,
            rule=rules,
            outcome=st.sampled_from(RuleOutcome),
            conditions=st.lists(
                st.builds(ConditionTrace, text=any_texts, line=counts, column=counts, result=st.booleans(), values=fact_maps), max_size=2
            ).map(tuple),
            detail=any_texts,
        ),
        max_size=2,
    ).map(tuple),
    contrasts=st.lists(
        st.builds(
            Contrast,
            fact=any_texts,
            old=st.none() | st.floats(allow_nan=False),
            new=st.floats(allow_nan=False),
            rule=any_texts,
            model=any_texts,
        ),
        max_size=2,
    ).map(tuple),
)
# Of the facts the wire carries some; the rest is in the explanation.
features = st.builds(
    FeatureFacts, complexity=shares, gain=shares, confidence=shares, task=st.sampled_from(TASKS), subject=st.sampled_from(SUBJECTS)
)


@st.composite
def token_facts(draw: st.DrawFn) -> TokenFacts:
    """Make token facts as `gather` does: the total is the sum of what goes in and what is expected to come out."""
    input_tokens, p90, longest = draw(st.integers(0, 2**30)), draw(counts), draw(st.none() | st.integers(1, 2**31 - 1))
    return TokenFacts(
        input=input_tokens,
        output=draw(counts),
        output_p90=p90,
        output_max=longest,
        total=input_tokens + (p90 if longest is None else min(p90, longest)),
        method=draw(st.sampled_from(TokenCountMethod)),
    )


decisions = st.builds(
    Decision,
    id=any_texts,
    chosen=candidates,
    fallbacks=st.lists(candidates, max_size=3).map(tuple),
    rule=rules,
    revision=any_texts,
    reason=st.sampled_from(DecisionReason),
    features=features,
    tokens=token_facts(),
    dropped=drops,
    baseline_cost=amounts,
    explanation=st.none() | explanations,
)

usages = st.builds(
    Usage,
    input_tokens=counts,
    cached_input_tokens=counts,
    cache_write_tokens=counts,
    output_tokens=counts,
    reasoning_tokens=counts,
    estimated=st.booleans(),
    cost=amounts,
    baseline_cost=amounts,
)
# A model may answer with nothing, and with names that no request may have.
answer_parts = any_texts | images | tool_results | st.builds(ToolCall, id=any_texts, name=any_texts, arguments_json=any_texts)
completions = st.builds(
    Completion,
    message=st.none() | st.builds(Message, role=st.sampled_from(Role), parts=st.lists(answer_parts, max_size=4).map(tuple)),
    finish_reason=st.sampled_from(FinishReason),
    usage=usages,
    attempts=st.lists(
        st.builds(
            Attempt,
            model=any_texts,
            provider=any_texts,
            reason=st.sampled_from(AttemptReason),
            error_type=any_texts,
            latency_ms=durations_ms,
            ttft_ms=st.none() | durations_ms,
            usage=st.none() | usages,
            expected=st.none() | st.builds(Expected, input_tokens=counts, output_tokens=counts, cost=amounts, latency_ms=durations_ms),
        ),
        max_size=3,
    ).map(tuple),
    model=any_texts,
    cache_status=st.sampled_from(CacheStatus),
)
deltas = st.builds(TextDelta, text=any_texts) | st.builds(
    ToolCallDelta, index=counts, id=any_texts, name=any_texts, arguments_json=any_texts
)
listed_models = st.builds(
    codec.ListedModel,
    id=any_texts,
    provider=any_texts,
    upstream=any_texts,
    tier=any_texts,
    capabilities=st.lists(any_texts, max_size=3).map(tuple),
    tags=st.lists(any_texts, max_size=3).map(tuple),
    context_window=counts,
    price=st.builds(Price, input=amounts, cached_input=amounts, cache_write=amounts, output=amounts, nominal=st.booleans()),
    unavailable=st.none() | st.sampled_from([reason for reason in DropReason if reason]),
    ttft_ms=durations_ms,
    aliases=st.lists(any_texts, max_size=3).map(tuple),
)

problems = st.builds(
    Problem, file=any_texts, line=counts, column=counts, severity=st.sampled_from(Severity), message=any_texts, help=any_texts
)
rules_in_use = st.builds(
    codec.RulesInUse,
    revision=any_texts,
    loaded_at=st.datetimes(timezones=st.just(UTC)),
    stale=st.booleans(),
    problems=st.lists(problems, max_size=3).map(tuple),
    files=st.dictionaries(any_texts, any_texts, max_size=3),
)


@often
@given(requests)
def test_a_request_arrives_as_it_was_sent(request: Request) -> None:
    arrived = codec.request_from_pb(sent(codec.request_to_pb(request)))

    assert in_nanoseconds(arrived) == in_nanoseconds(request)


@often
@given(decisions)
def test_a_decision_arrives_as_it_was_sent(decision: Decision) -> None:
    arrived = codec.decision_from_pb(sent(codec.route_response(decision).decision))

    assert in_nanoseconds(arrived) == in_nanoseconds(decision)


@often
@given(completions)
def test_a_completion_arrives_as_it_was_sent(completion: Completion) -> None:
    arrived = codec.completion_from_pb(sent(codec.stream_response(completion).completion))

    assert in_nanoseconds(arrived) == in_nanoseconds(completion)


@often
@given(deltas)
def test_a_piece_of_an_answer_arrives_as_it_was_sent(delta: Delta) -> None:
    assert codec.delta_from_pb(sent(codec.delta_to_pb(delta))) == delta


@often
@given(listed_models)
def test_a_listed_model_arrives_as_it_was_sent(model: codec.ListedModel) -> None:
    arrived = codec.listed_model_from_pb(sent(codec.listed_model_to_pb(model)))

    assert in_nanoseconds(arrived) == in_nanoseconds(model)


@often
@given(rules_in_use)
def test_the_rules_in_use_arrive_as_they_were_sent(rules: codec.RulesInUse) -> None:
    assert codec.rules_from_pb(sent(codec.rules_to_pb(rules))) == rules


@given(st.builds(Account, revision=any_texts, model=any_texts, explanation=explanations, dropped=drops))
def test_the_account_of_a_decision_arrives_as_it_was_sent(account: Account) -> None:
    assert codec.account_from_pb(codec.account_to_pb(account)) == account


def test_a_problem_of_a_severity_that_is_not_known_here_is_an_error() -> None:
    assert codec.problem_from_pb(admin_pb.Diagnostic(severity=7)).severity is Severity.ERROR  # type: ignore[arg-type]


def test_what_only_the_server_needs_is_not_sent(a_decision: Decision) -> None:
    """The baseline's model and the facts beside those of `Facts` stay behind, and come back as their defaults."""
    told = structs.replace(
        a_decision, baseline_model="dear", features=structs.replace(a_decision.features, turns=7, has_code=True, language="de")
    )

    assert codec.decision_from_pb(codec.route_response(told).decision) == a_decision


@pytest.fixture
def a_decision() -> Decision:
    """Return some decision."""
    tokens = TokenEstimate(input=7, input_upper_bound=7, method=TokenCountMethod.EXACT, output=3, output_p90=5, output_cap=9)
    return Decision(
        id="d",
        chosen=Candidate(
            model="m",
            provider="p",
            upstream="u",
            quality=0.5,
            tokens=tokens,
            expected_cost=1,
            max_cost=2,
            expected_latency_ms=3.0,
            expected_ttft_ms=1.5,
        ),
        fallbacks=(),
        rule=RuleRef(id="default", file="routing.yaml", line=3),
        revision="0123456789ab",
        reason=DecisionReason.DEFAULT,
        features=FeatureFacts(complexity=0.1, gain=0.2, confidence=0.3),
        tokens=TokenFacts(input=7, output=3, output_p90=5, total=12),
        dropped=(),
        baseline_cost=4,
    )


@pytest.mark.parametrize("field", ["reason", "dropped", "method", "outcome"])
def test_an_enum_value_of_a_newer_server_does_not_break_an_older_client(field: str, a_decision: Decision) -> None:
    """Adding a value is no breaking change of the contract, so a client has to live with one that it does not know."""
    message = codec.route_response(a_decision).decision
    newer: Any = 99  # mypy knows only the values of today
    match field:
        case "reason":
            message.reason = newer
        case "dropped":
            message.dropped.add(model="m", reason=newer)
        case "method":
            message.chosen.tokens.method = newer
        case _:
            message.explanation.rules.add(outcome=newer)

    assert codec.decision_from_pb(sent(message)).chosen.model == "m"


# Requests that are refused. `HI` is all that a request needs.

HI = pb.Prompt(text="hi")


def with_messages(*items: pb.Message) -> pb.Request:
    return pb.Request(prompt=pb.Prompt(messages=items))


def with_part(part: pb.Part) -> pb.Request:
    return with_messages(pb.Message(role=pb.ROLE_USER, parts=[part]))


def with_tool(**fields: str) -> pb.Request:
    return pb.Request(prompt=pb.Prompt(text="hi", tools=[pb.Tool(**({"name": "t"} | fields))]))


def with_schema(schema: str) -> pb.Request:
    return pb.Request(prompt=pb.Prompt(text="hi", response_format=pb.ResponseFormat(json_schema=schema)))


def generating(**fields: Any) -> pb.Request:
    return pb.Request(prompt=HI, generation=pb.Generation(**fields))


def requiring(**fields: Any) -> pb.Request:
    return pb.Request(prompt=HI, requirements=pb.Requirements(**fields))


def labelled(**labels: str) -> pb.Request:
    return pb.Request(prompt=HI, context=pb.Context(labels=labels))


UNKNOWN_ROLE: Any = 9
NAN = float("nan")
IMAGE = "prompt.messages[0].parts[0].image"
SCHEMA = "prompt.response_format.json_schema"
CALL = pb.Part(tool_call=pb.ToolCall(name="no spaces"))

REFUSED = {
    "no prompt at all": (pb.Request(), ["prompt"]),
    "empty prompt": (pb.Request(prompt=pb.Prompt()), ["prompt"]),
    "empty text": (pb.Request(prompt=pb.Prompt(text="")), ["prompt"]),
    "unspecified role": (with_messages(pb.Message(text="hi")), ["prompt.messages[0].role"]),
    "unknown role": (with_messages(pb.Message(role=UNKNOWN_ROLE, text="hi")), ["prompt.messages[0].role"]),
    "second message without role": (
        with_messages(pb.Message(role=pb.ROLE_USER, text="hi"), pb.Message(text="hi")),
        ["prompt.messages[1].role"],
    ),
    "empty message": (with_messages(pb.Message(role=pb.ROLE_USER)), ["prompt.messages[0]"]),
    "part without content": (with_part(pb.Part()), ["prompt.messages[0].parts[0]"]),
    "empty part": (with_part(pb.Part(text="")), ["prompt.messages[0].parts[0].text"]),
    "image over http": (with_part(pb.Part(image=pb.Image(url="http://a/b.png"))), [f"{IMAGE}.url"]),
    "image with an empty url": (with_part(pb.Part(image=pb.Image(url=""))), [f"{IMAGE}.url"]),
    "image by file": (with_part(pb.Part(image=pb.Image(url="file:///etc/passwd"))), [f"{IMAGE}.url"]),
    "image without data or url": (with_part(pb.Part(image=pb.Image(media_type="image/png"))), [IMAGE]),
    "image with empty data": (with_part(pb.Part(image=pb.Image(data=b"", media_type="image/png"))), [IMAGE]),
    "image data without media type": (with_part(pb.Part(image=pb.Image(data=b"x"))), [f"{IMAGE}.media_type"]),
    "image that is a text": (with_part(pb.Part(image=pb.Image(data=b"x", media_type="text/html"))), [f"{IMAGE}.media_type"]),
    "image with nothing": (with_part(pb.Part(image=pb.Image())), [IMAGE, f"{IMAGE}.media_type"]),
    "call of an odd tool": (with_part(CALL), ["prompt.messages[0].parts[0].tool_call.name"]),
    "result of no call": (
        with_part(pb.Part(tool_result=pb.ToolResult(text="x"))),
        ["prompt.messages[0].parts[0].tool_result.tool_call_id"],
    ),
    "tool without name": (with_tool(name=""), ["prompt.tools[0].name"]),
    "tool name with a space": (with_tool(name="get weather"), ["prompt.tools[0].name"]),
    "tool name with a line end": (with_tool(name="weather\n"), ["prompt.tools[0].name"]),
    "tool name of 65 characters": (with_tool(name="t" * 65), ["prompt.tools[0].name"]),
    "parameters that are a list": (with_tool(parameters_json="[]"), ["prompt.tools[0].parameters_json"]),
    "parameters that are no JSON": (with_tool(parameters_json="{type: object}"), ["prompt.tools[0].parameters_json"]),
    "parameters of a thousand levels": (
        with_tool(parameters_json='{"a":' * 100_000 + "1" + "}" * 100_000),
        ["prompt.tools[0].parameters_json"],
    ),
    "schema that is a number": (with_schema("1"), [SCHEMA]),
    "schema that is cut off": (with_schema('{"type": "obj'), [SCHEMA]),
    "empty schema": (with_schema(""), [SCHEMA]),
    "no output": (generating(max_output_tokens=0), ["generation.max_output_tokens"]),
    "negative output": (generating(max_output_tokens=-5), ["generation.max_output_tokens"]),
    "hot": (generating(temperature=2.1), ["generation.temperature"]),
    "below zero": (generating(temperature=-0.1), ["generation.temperature"]),
    "temperature NaN": (generating(temperature=NAN), ["generation.temperature"]),
    "top_p above 1": (generating(top_p=1.01), ["generation.top_p"]),
    "negative top_p": (generating(top_p=-1), ["generation.top_p"]),
    "top_p NaN": (generating(top_p=NAN), ["generation.top_p"]),
    "empty stop": (generating(stop=["\n", ""]), ["generation.stop[1]"]),
    "accuracy 1.5": (requiring(accuracy=1.5), ["requirements.accuracy"]),
    "accuracy -0.1": (requiring(accuracy=-0.1), ["requirements.accuracy"]),
    "accuracy NaN": (requiring(accuracy=NAN), ["requirements.accuracy"]),
    "accuracy without end": (requiring(accuracy=float("inf")), ["requirements.accuracy"]),
    "no tokens": (requiring(max_total_tokens=0), ["requirements.max_total_tokens"]),
    "negative tokens": (requiring(max_total_tokens=-1), ["requirements.max_total_tokens"]),
    "negative cost": (requiring(max_cost=pb.Money(nano_usd=-1)), ["requirements.max_cost.nano_usd"]),
    "no time": (requiring(max_latency=Duration()), ["requirements.max_latency"]),
    "time before now": (requiring(max_latency=Duration(seconds=-1)), ["requirements.max_latency"]),
    "a nanosecond before now": (requiring(max_latency=Duration(nanos=-1)), ["requirements.max_latency"]),
    "no time to the first token": (requiring(max_time_to_first_token=Duration()), ["requirements.max_time_to_first_token"]),
    "first token before now": (requiring(max_time_to_first_token=Duration(seconds=-3)), ["requirements.max_time_to_first_token"]),
    "unknown capability": (requiring(capabilities=["json", "telepathy"]), ["requirements.capabilities[1]"]),
    "empty tag": (requiring(tags=["eu", ""]), ["requirements.tags[1]"]),
    "label without key": (labelled(**{"": "x"}), ["context.labels"]),
    "label key with a space": (labelled(**{"cost centre": "x"}), ["context.labels"]),
    "label key of 64 characters": (labelled(**{"k" * 64: "x"}), ["context.labels"]),
    "65 labels": (labelled(**{f"k{number}": "x" for number in range(65)}), ["context.labels"]),
    "everything at once": (
        pb.Request(
            prompt=pb.Prompt(messages=[pb.Message(parts=[pb.Part()])], tools=[pb.Tool()]),
            generation=pb.Generation(temperature=3, stop=[""]),
            requirements=pb.Requirements(accuracy=1.5, max_total_tokens=-1, capabilities=["x", "y"]),
            context=pb.Context(labels={" ": ""}),
        ),
        [
            "prompt.messages[0].role",
            "prompt.messages[0].parts[0]",
            "prompt.tools[0].name",
            "generation.temperature",
            "generation.stop[0]",
            "requirements.accuracy",
            "requirements.max_total_tokens",
            "requirements.capabilities[0]",
            "requirements.capabilities[1]",
            "context.labels",
        ],
    ),
}


@pytest.mark.parametrize(("message", "paths"), REFUSED.values(), ids=REFUSED)
def test_every_field_at_fault_is_named_by_its_path(message: pb.Request, paths: list[str]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        codec.request_from_pb(message)

    violations = refused.value.violations
    assert [violation.field for violation in violations] == [f"request.{path}" for path in paths]
    assert all(violation.message and f"{violation.field}: {violation.message}" in str(refused.value) for violation in violations)


ACCEPTED = {
    "the least": pb.Request(prompt=HI),
    "white space": pb.Request(prompt=pb.Prompt(text=" ")),
    "image by https": with_part(pb.Part(image=pb.Image(url="https://a/b.png"))),
    "image along": with_part(pb.Part(image=pb.Image(data=b"x", media_type="image/png"))),
    "arguments that are no JSON": with_part(pb.Part(tool_call=pb.ToolCall(name="t", arguments_json="{oops"))),
    "result without text": with_part(pb.Part(tool_result=pb.ToolResult(tool_call_id="1"))),
    "tool name of 64 characters": with_tool(name="t" * 64),
    "tool without parameters": with_tool(),
    "temperature 0": generating(temperature=0),
    "temperature 2": generating(temperature=2),
    "accuracy 0": requiring(accuracy=0),
    "accuracy 1": requiring(accuracy=1),
    "one token": requiring(max_total_tokens=1),
    "for nothing": requiring(max_cost=pb.Money()),
    "a nanosecond": requiring(max_latency=Duration(nanos=1), max_time_to_first_token=Duration(nanos=1)),
    "64 labels": labelled(**{f"k{number}": "x" for number in range(64)}),
    "label key of 63 odd characters": labelled(**{"k.8s/a-b_" * 7: ""}),
    "a model that nobody knows yet": requiring(model="llama-9"),
}


@pytest.mark.parametrize("message", ACCEPTED.values(), ids=ACCEPTED)
def test_what_is_just_within_the_limits_is_a_request(message: pb.Request) -> None:
    assert codec.request_from_pb(message).prompt.messages


def test_what_is_not_said_limits_nothing_and_what_is_said_as_zero_does() -> None:
    silent, zero = codec.request_from_pb(pb.Request(prompt=HI)), codec.request_from_pb(requiring(accuracy=0, max_cost=pb.Money()))

    assert silent.requirements == Requirements()
    assert silent.generation == Generation()
    assert (zero.requirements.accuracy, zero.requirements.max_cost) == (0.0, 0)


def test_numbers_that_were_found_are_repeated_and_allowed_words_listed() -> None:
    with pytest.raises(InvalidRequest) as refused:
        codec.request_from_pb(requiring(accuracy=1.5, max_total_tokens=-7, max_latency=Duration(seconds=-2), capabilities=["telepathy"]))

    accuracy, tokens, capability, latency = (violation.message for violation in refused.value.violations)
    assert accuracy.endswith("found 1.5")
    assert tokens.endswith("found -7")
    assert latency.endswith("found -2000 ms")
    assert all(word in capability for word in (*CAPABILITIES, "telepathy"))


def test_text_is_the_last_turn_of_the_user_after_the_messages() -> None:
    request = codec.request_from_pb(
        pb.Request(prompt=pb.Prompt(text="and now?", messages=[pb.Message(role=pb.ROLE_SYSTEM, text="be brief")]))
    )

    system, last = request.prompt.messages
    assert (system.role, system.parts) == (Role.SYSTEM, ("be brief",))
    assert (last.role, last.parts) == (Role.USER, ("and now?",))


def test_leading_text_is_the_first_part() -> None:
    picture = pb.Part(image=pb.Image(url="https://a/b.png"))
    leading = pb.Message(role=pb.ROLE_USER, text="look:", parts=[picture, pb.Part(text="well?")])
    spelled_out = pb.Message(role=pb.ROLE_USER, parts=[pb.Part(text="look:"), picture, pb.Part(text="well?")])

    assert codec.request_from_pb(with_messages(leading)) == codec.request_from_pb(with_messages(spelled_out))


def test_an_answer_puts_its_leading_text_into_text() -> None:
    message = Message(role=Role.ASSISTANT, parts=("391", "."))
    completion = Completion(message=message, finish_reason=FinishReason.STOP, usage=Usage(), attempts=(), model="m")

    wire = codec.stream_response(completion).completion.message

    assert (wire.text, [part.text for part in wire.parts]) == ("391", ["."])


# No text of a caller may be where it could be logged by accident: neither in the repr of a value nor in the message of an error.

CANARY = "canary-7391"

TELLING = pb.Request(
    prompt=pb.Prompt(
        text=f"{CANARY} text",
        messages=[
            pb.Message(
                role=pb.ROLE_USER,
                text=f"{CANARY} message",
                parts=[
                    pb.Part(text=f"{CANARY} part"),
                    pb.Part(image=pb.Image(data=f"{CANARY} data".encode(), media_type=f"image/{CANARY}")),
                    pb.Part(image=pb.Image(url=f"https://{CANARY}")),
                    pb.Part(tool_call=pb.ToolCall(id=CANARY, name=CANARY, arguments_json=CANARY)),
                    pb.Part(tool_result=pb.ToolResult(tool_call_id=CANARY, text=CANARY)),
                ],
            )
        ],
        tools=[pb.Tool(name=CANARY, description=CANARY, parameters_json=f'{{"{CANARY}": 1}}')],
        response_format=pb.ResponseFormat(json_schema=f'{{"{CANARY}": 1}}'),
    ),
    generation=pb.Generation(stop=[CANARY]),
    requirements=pb.Requirements(capabilities=["json"], tags=[CANARY], model=CANARY),
    context=pb.Context(session_id=CANARY, user_id=CANARY, labels={CANARY: CANARY}),
)


def text_fields(descriptor: Any) -> Iterator[FieldDescriptor]:
    """Yield every field, at any depth, that holds text or bytes."""
    for field in descriptor.fields:
        if field.message_type:
            yield from text_fields(field.message_type)
        elif field.type in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES):
            yield field


def set_fields(message: Pb) -> Iterator[tuple[FieldDescriptor, Any]]:
    """Yield every field that is set, at any depth, with its value or values."""
    for field, value in message.ListFields():
        yield field, value
        if field.message_type and not field.message_type.GetOptions().map_entry:
            for item in value if field.is_repeated else [value]:
                yield from set_fields(item)


def test_the_canary_sits_in_every_text_of_a_request() -> None:
    """So that a text field that the contract gains is put into TELLING, too. Capabilities are a closed set of words."""
    held = {field.full_name for field, value in set_fields(TELLING) if CANARY in str(value)}
    labels = {"pointsman.v1.Context.LabelsEntry.key", "pointsman.v1.Context.LabelsEntry.value"}

    assert {field.full_name for field in text_fields(pb.Request.DESCRIPTOR)} <= held | labels | {"pointsman.v1.Requirements.capabilities"}


def values_in(value: object) -> Iterator[Struct]:
    """Yield a value and all values in it."""
    if isinstance(value, Struct):
        yield value
        for name in value.__struct_fields__:
            yield from values_in(getattr(value, name))
    elif isinstance(value, tuple):
        for item in value:
            yield from values_in(item)


@pytest.mark.parametrize(
    "kind", [Request, Prompt, Message, Image, ToolCall, ToolResult, Tool, ResponseFormat, Generation, Requirements, Context]
)
def test_no_text_of_a_caller_is_in_the_repr_of_a_value(kind: type[Struct]) -> None:
    shown = [repr(value) for value in values_in(codec.request_from_pb(TELLING)) if type(value) is kind]

    assert shown
    assert not [text for text in shown if CANARY in text]


BAD_WITH_CANARY = {
    "role": with_messages(pb.Message(text=CANARY)),
    "url": with_part(pb.Part(image=pb.Image(url=f"http://{CANARY}"))),
    "media type": with_part(pb.Part(image=pb.Image(data=CANARY.encode(), media_type=CANARY))),
    "tool call": with_part(pb.Part(tool_call=pb.ToolCall(id=CANARY, name=f"{CANARY} {CANARY}", arguments_json=CANARY))),
    "tool result": with_part(pb.Part(tool_result=pb.ToolResult(text=CANARY))),
    "tool": with_tool(name=f"{CANARY} !", description=CANARY, parameters_json=CANARY),
    "parameters": with_tool(parameters_json=f'{{"{CANARY}": {CANARY}}}'),
    "schema": with_schema(f'["{CANARY}"]'),
    "stop": generating(stop=[CANARY, ""]),
    "tags": requiring(tags=[CANARY, ""], model=CANARY),
    "labels": labelled(**{f"{CANARY} {CANARY}": CANARY}),
}


@pytest.mark.parametrize("message", BAD_WITH_CANARY.values(), ids=BAD_WITH_CANARY)
def test_no_text_of_a_caller_is_in_the_message_of_a_refusal(message: pb.Request) -> None:
    """Numbers and names of capabilities are repeated to him; nothing else is."""
    with pytest.raises(InvalidRequest) as refused:
        codec.request_from_pb(message)

    assert CANARY not in str(refused.value)
    assert CANARY not in repr(refused.value)


def test_only_the_beginning_of_an_unknown_capability_is_repeated() -> None:
    with pytest.raises(InvalidRequest) as refused:
        codec.request_from_pb(requiring(capabilities=["x" * 1000]))

    assert "x" * 40 in str(refused.value)
    assert "x" * 41 not in str(refused.value)


def test_a_listing_says_why_a_model_cannot_serve() -> None:
    message = admin_pb.Model(id="m", unavailable=pb.DROP_REASON_NO_CREDENTIAL)

    assert codec.listed_model_from_pb(message).unavailable is DropReason.NO_CREDENTIAL
    assert codec.listed_model_from_pb(admin_pb.Model(id="m")).unavailable is None


def test_tenants_that_spend_alone_are_told_with_the_rules_in_use() -> None:
    rules = codec.RulesInUse(
        revision="0123456789ab", loaded_at=datetime(2026, 11, 23, tzinfo=UTC), stale=False, problems=(), tenants_alone=("search", "ads")
    )

    assert codec.rules_from_pb(codec.rules_to_pb(rules)) == rules


def test_minus_zero_is_zero_so_that_both_are_the_same_to_the_cache() -> None:
    read = codec.request_from_pb(pb.Request(prompt=HI, generation=pb.Generation(temperature=-0.0, top_p=-0.0))).generation

    assert [str(read.temperature), str(read.top_p)] == ["0.0", "0.0"]
