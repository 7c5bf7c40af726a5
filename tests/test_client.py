"""The Python client against a real server: values in, values out, and the errors that the server raised."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from pointsman import Client, Tls
from pointsman.adapters.rulefiles import read_directory
from pointsman.client import KEYED_SERVICE_CONFIG, SERVICE_CONFIG, _is_one_address
from pointsman.core.completion import Completion, TextDelta
from pointsman.core.decision import Decision
from pointsman.core.errors import (
    ContextTooLong,
    DeadlinePassed,
    DeadlineTooShort,
    InvalidRequest,
    NoEligibleModel,
    PointsmanError,
    UnknownModel,
    UpstreamUnavailable,
)
from pointsman.core.request import Context, Image, Message, Prompt, Request, Requirements
from pointsman.core.ruleset import Ruleset
from pointsman.core.vocabulary import AttemptReason, DecisionReason, FinishReason, Role, TokenCountMethod
from pointsman.v1 import router_service_pb2 as router_pb
from pointsman.v1 import routing_pb2 as pb
from pointsman.v1.router_service_pb2_grpc import RouterServiceServicer, add_RouterServiceServicer_to_server
from processes import ROOT, serving

if TYPE_CHECKING:
    from conftest import Hanging, Running, Start

pytestmark = pytest.mark.timeout(30)

EXAMPLES = ROOT / "k8s" / "examples"


@pytest.fixture
async def client(running: Running) -> AsyncIterator[Client]:
    """Return a client of a server as it is shipped."""
    async with Client(running.address) as client:
        yield client


async def test_route_returns_a_decision(client: Client, ruleset: Ruleset) -> None:
    decision = await client.route("What is 17 * 23?", request_id="order-17")

    assert (decision.id, decision.revision, decision.reason) == ("order-17", ruleset.revision, DecisionReason.DEFAULT)
    assert (decision.rule.id, decision.rule.file) == ("default", "routing.yaml")
    assert (decision.chosen.model, decision.features.task) == ("builtin", "math")
    assert decision.chosen.tokens.method is TokenCountMethod.EXACT
    assert decision.explanation is None


async def test_route_explains_if_asked(client: Client) -> None:
    decision = await client.route("What is 17 * 23?", explain=True)

    assert decision.explanation is not None
    assert decision.explanation.facts["features.task"] == "math"
    assert decision.explanation.rules[-1].rule == decision.rule


async def test_complete_returns_the_decision_and_the_answer(client: Client) -> None:
    decision, completion = await client.complete("What is 17 * 23?")

    assert completion.message is not None
    assert "391" in completion.message.text
    assert (completion.message.role, completion.finish_reason) == (Role.ASSISTANT, FinishReason.STOP)
    assert completion.model == decision.chosen.model
    assert [attempt.reason for attempt in completion.attempts] == [AttemptReason.PRIMARY]
    assert 0 < completion.usage.cost < completion.usage.baseline_cost


async def test_complete_explains_if_asked(client: Client) -> None:
    decision, _ = await client.complete("What is 17 * 23?", explain=True)

    assert decision.explanation is not None


async def test_a_request_says_more_than_a_text(client: Client) -> None:
    picture = Image(data=b"x", media_type="image/png")
    request = Request(
        prompt=Prompt(messages=(Message(role=Role.SYSTEM, parts=("be brief",)), Message(role=Role.USER, parts=("what is it?", picture)))),
        requirements=Requirements(accuracy=0.1, max_latency_ms=60_000.0),
        context=Context(labels={"data": "personal"}),
    )

    decision = await client.route(request)

    assert decision.chosen.model == "builtin-careful"
    assert decision.tokens.input > 1000


async def test_stream_yields_the_decision_the_pieces_and_the_completion(client: Client) -> None:
    first, *pieces, last = [event async for event in client.stream("What is 17 * 23?", request_id="order-17")]

    assert isinstance(first, Decision)
    assert first.id == "order-17"
    assert "391" in "".join(piece.text for piece in pieces if isinstance(piece, TextDelta))
    assert isinstance(last, Completion)
    assert last.message is None


async def test_a_stream_that_is_refused_raises_as_a_call_does(client: Client) -> None:
    with pytest.raises(UnknownModel):
        await anext(client.stream(Request.of("hi", model="smrat")))


async def test_models_lists_the_catalog(client: Client, ruleset: Ruleset) -> None:
    models = await client.models()

    assert [model.id for model in models] == sorted(ruleset.catalog.models)
    assert [(model.price, model.aliases, model.unavailable) for model in models] == [
        (ruleset.catalog.models["builtin"].price, ("fast",), None),
        (ruleset.catalog.models["builtin-careful"].price, ("smart",), None),
    ]


async def test_rules_says_what_is_in_use(client: Client, ruleset: Ruleset, rules_dir: Path) -> None:
    without, rules = await client.rules(), await client.rules(files=True)

    assert (rules.revision, rules.stale, rules.problems, without.files) == (ruleset.revision, False, (), {})
    assert rules.files == {name: text.decode() for name, text in read_directory(rules_dir).items()}
    assert timedelta() <= datetime.now(UTC) - rules.loaded_at < timedelta(minutes=1)


async def test_one_client_serves_many_tasks(client: Client) -> None:
    answers = await asyncio.gather(*(client.complete(f"What is {number} + 1?") for number in range(20)))

    texts = [completion.message.text for _, completion in answers if completion.message]
    assert all(str(number + 1) in text for number, text in enumerate(texts))
    assert len(texts) == 20


async def test_an_invalid_request_comes_back_with_every_field_at_fault(client: Client) -> None:
    bad = Request.of("hi", accuracy=1.5, max_total_tokens=-1)

    with pytest.raises(InvalidRequest) as refused:
        await client.route(bad, request_id="order-17")

    assert type(refused.value) is InvalidRequest
    assert [violation.field for violation in refused.value.violations] == [
        "request.requirements.accuracy",
        "request.requirements.max_total_tokens",
    ]
    assert refused.value.violations[0].message == "must be between 0 and 1, found 1.5"
    assert str(refused.value).startswith("request.requirements.accuracy: must be between 0 and 1, found 1.5; ")
    assert refused.value.request_id == "order-17"


async def test_an_unknown_model_comes_back_with_the_nearest(client: Client) -> None:
    with pytest.raises(UnknownModel, match="did you mean 'smart'") as refused:
        await client.complete(Request.of("hi", model="smrat"))

    assert refused.value.violations[0].field == "request.requirements.model"
    assert len(refused.value.request_id) == 32


async def test_a_refusal_comes_back_with_rule_and_counts(client: Client) -> None:
    with pytest.raises(NoEligibleModel) as refused:
        await client.route(Request.of("hi", max_total_tokens=3))

    assert type(refused.value) is NoEligibleModel
    assert (refused.value.rule, refused.value.counts) == ("default", {"TOKEN_BUDGET": 2})


async def test_a_kind_of_refusal_comes_back_as_that_kind(client: Client) -> None:
    with pytest.raises(ContextTooLong) as refused:
        await client.route("well then " * 500_000)

    assert refused.value.counts == {"CONTEXT_WINDOW": 2}


@pytest.mark.parametrize("length", [9_000_000, 20_000_000], ids=["for the server", "for grpc"])
async def test_a_request_that_is_too_large_is_an_invalid_one(client: Client, length: int) -> None:
    with pytest.raises(InvalidRequest, match=rf"request: must be at most 8 MiB long, is {str(length)[:-6]},000,\d\d\d bytes"):
        await client.route("x" * length)
    with pytest.raises(InvalidRequest, match="8 MiB"):
        await anext(client.stream("x" * length))


@pytest.mark.parametrize("timeout_s", [0.001, 0.05])
async def test_time_that_is_up_raises_deadline_passed_or_too_short(start: Start, hanging: Hanging, timeout_s: float) -> None:
    """Whether the client notices first or the server."""
    running = await start(hanging)
    async with Client(running.address) as client:
        await client.models()  # so that the connection is there

        with pytest.raises((DeadlinePassed, DeadlineTooShort)):
            await client.complete("hi", timeout_s=timeout_s)


async def test_cancelling_a_call_ends_it_upstream(start: Start, hanging: Hanging) -> None:
    running = await start(hanging)
    async with Client(running.address) as client:
        calling = asyncio.create_task(client.complete("hi"))
        await asyncio.wait_for(hanging.begun.wait(), 5)

        calling.cancel()

        with pytest.raises(asyncio.CancelledError):
            await calling
        await asyncio.wait_for(hanging.ended.wait(), 5)


async def test_closing_the_client_ends_what_is_under_way(start: Start, hanging: Hanging) -> None:
    running = await start(hanging)
    client = Client(running.address)
    calling = asyncio.create_task(client.complete("hi"))
    await asyncio.wait_for(hanging.begun.wait(), 5)

    await client.close()

    with pytest.raises((asyncio.CancelledError, PointsmanError)):
        await calling
    await asyncio.wait_for(hanging.ended.wait(), 5)


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    async with Client("127.0.0.1:1") as client:
        for call in (client.route("hi", timeout_s=5), client.complete("hi", timeout_s=5), client.models(timeout_s=5)):
            with pytest.raises(UpstreamUnavailable, match=r"127\.0\.0\.1:1"):
                await call


UNSENDABLE: dict[str, dict[str, Any]] = {
    "tokens beyond 32 bits": {"max_total_tokens": 2**31},
    "money beyond 64 bits": {"max_cost": 2**63},
    "time without end": {"max_latency_ms": float("inf")},
    "no time": {"max_ttft_ms": float("nan")},
    "text that is no Unicode": {"model": "\ud800"},
}


@pytest.mark.parametrize("requirements", UNSENDABLE.values(), ids=UNSENDABLE)
async def test_what_no_message_can_hold_is_an_invalid_request(client: Client, requirements: dict[str, Any]) -> None:
    """The promise is PointsmanError; the command line, which takes any number from its user, relies on it."""
    with pytest.raises(InvalidRequest):
        await client.route(Request.of("hi", **requirements))


@pytest.mark.parametrize("request_id", ["nötig", "two\nlines"])
async def test_an_id_that_cannot_be_sent_is_no_crash(client: Client, request_id: str) -> None:
    with pytest.raises(PointsmanError):
        await client.route("hi", request_id=request_id)


@pytest.mark.parametrize(("name", "config"), [("service-config", SERVICE_CONFIG), ("service-config-keyed", KEYED_SERVICE_CONFIG)])
def test_callers_in_other_languages_are_given_the_same_service_config(name: str, config: dict[str, Any]) -> None:
    """Written by `json.dumps(config, indent=2)`."""
    assert json.loads((EXAMPLES / f"{name}.json").read_text()) == config


@pytest.mark.parametrize(
    ("target", "is_one"),
    [
        ("127.0.0.1:50051", True),
        ("[::1]:50051", True),
        ("ipv4:10.0.0.7:443", True),
        ("ipv6:[fd00::7]:443", True),
        ("ipv4:10.0.0.7:443,10.0.0.8:443", False),
        ("localhost:50051", False),
        ("pointsman.example:443", False),
        ("dns:///pointsman.example:443", False),
        ("unix:/run/pointsman.sock", False),
        ("10.0.0.7", False),
    ],
)
def test_an_address_is_told_from_a_name_behind_which_there_may_be_more(target: str, is_one: bool) -> None:
    assert _is_one_address(target) is is_one


def test_a_certificate_without_its_key_is_of_no_use() -> None:
    with pytest.raises(ValueError, match=r"^me\.pem is of no use alone"):
        Client("127.0.0.1:1", tls=Tls(cert=Path("me.pem")))


class Unready(RouterServiceServicer):
    """Answers UNAVAILABLE as often as it is told to, and counts how often it was called."""

    def __init__(self, times: int) -> None:
        self.left, self.called = times, 0

    async def answer(self, context: Any) -> None:
        self.called += 1
        self.left -= 1
        if self.left >= 0:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "in a moment")

    async def Route(self, request: Any, context: Any) -> router_pb.RouteResponse:  # noqa: N802  # the contract's names
        await self.answer(context)
        return router_pb.RouteResponse()

    async def Complete(self, request: Any, context: Any) -> router_pb.CompleteResponse:  # noqa: N802
        await self.answer(context)
        return router_pb.CompleteResponse()

    async def RecordFeedback(self, request: Any, context: Any) -> router_pb.RecordFeedbackResponse:  # noqa: N802
        raise NotImplementedError

    async def StreamComplete(self, request: Any, context: Any) -> AsyncIterator[router_pb.StreamCompleteResponse]:  # noqa: N802
        await self.answer(context)
        yield router_pb.StreamCompleteResponse(completion=pb.Completion())


@asynccontextmanager
async def unready(times: int) -> AsyncIterator[tuple[Client, Unready]]:
    server, servicer = grpc.aio.server(), Unready(times)
    add_RouterServiceServicer_to_server(servicer, server)
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    async with Client(address) as client:
        yield client, servicer
    await server.stop(None)


async def streamed_by(client: Client, **options: Any) -> None:
    async for _ in client.stream("hi", **options):
        pass


CALLS: dict[str, tuple[Callable[[Client], Awaitable[Any]], int]] = {
    "route": (lambda client: client.route("hi"), 3),
    "complete": (lambda client: client.complete("hi"), 1),
    "complete with a key": (lambda client: client.complete("hi", idempotency_key="k"), 3),
    "stream": (streamed_by, 1),
    "stream with a key": (lambda client: streamed_by(client, idempotency_key="k"), 3),
}


@pytest.mark.parametrize(("call", "tries"), CALLS.values(), ids=CALLS)
async def test_what_costs_nothing_or_is_answered_once_is_tried_again(call: Callable[[Client], Awaitable[Any]], tries: int) -> None:
    async with unready(tries - 1) as (client, servicer):
        await call(client)
        assert servicer.called == tries
    async with unready(9) as (client, servicer):
        with pytest.raises(UpstreamUnavailable):
            await call(client)
        assert servicer.called == tries


async def test_a_long_prompt_is_tried_again_too() -> None:
    async with unready(1) as (client, servicer):
        await client.route("well then " * 300_000)
    assert servicer.called == 2


def test_the_python_of_the_examples_runs() -> None:
    (program,) = re.findall(r"^```python\n(.*?)^```", (EXAMPLES / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    with serving() as address:
        done = subprocess.run(
            [sys.executable, "-c", program.replace("127.0.0.1:50051", address)], cwd=ROOT, capture_output=True, text=True, timeout=30
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "builtin\n"
