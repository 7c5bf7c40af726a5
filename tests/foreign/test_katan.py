"""llm-katan, a server of OpenAI's and Anthropic's wire formats that nobody here wrote, as the upstream: answers, streams, faults, keys."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from fakes import catalog_yaml, model_yaml, ruleset_of
from pointsman.core.completion import Completion, TextDelta
from pointsman.core.request import Generation, Message, Prompt, Request, Tool, ToolCall, ToolResult
from pointsman.core.vocabulary import FinishReason, Role
from pointsman.offline import open_router
from pointsman.ports import unheard
from pointsman.settings import Settings
from pointsman.wire.local import LocalClient

pytestmark = [pytest.mark.foreign, pytest.mark.timeout(120)]

APIS = ("openai", "anthropic")
CHAT = Request.of("How much is 2+2?")


@contextmanager
def katan(directory: Path, *arguments: str) -> Iterator[str]:
    """Run the server with the options and yield its address; it echoes what it is asked."""
    program = shutil.which("llm-katan")
    assert program, "llm-katan is not on the path; `make foreign` brings it"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    own = [
        "-m",
        "katan",
        "-b",
        "echo",
        "-h",
        "127.0.0.1",
        "-p",
        str(port),
        "--providers",
        ",".join(APIS),
        "--stats-file",
        str(directory / "stats.json"),
    ]
    with (directory / "katan.log").open("wb") as log, subprocess.Popen([program, *own, *arguments], stdout=log, stderr=log) as process:
        try:
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(timeout=10)


async def _listens(address: str) -> None:
    host, _, port = address.rpartition(":")
    async with asyncio.timeout(30):
        while True:
            try:
                _, writer = await asyncio.open_connection(host, int(port))
            except OSError:
                await asyncio.sleep(0.1)
            else:
                writer.close()
                return


@asynccontextmanager
async def world(*addresses: str, key: str = "any") -> AsyncIterator[LocalClient]:
    """Open a router over a model of each API at each address: `openai-0`, `anthropic-0`, `openai-1` and so on."""
    models, providers = {}, []
    for number, address in enumerate(addresses):
        await _listens(address)
        for api, path in (("openai", "/v1"), ("anthropic", "")):
            name = f"{api}-{number}"
            models[name] = model_yaml(ttft_ms=1, tokens_per_s=10_000, price=number + 1, capabilities="tools").replace(
                "provider: p, upstream: u", f"provider: {name}, upstream: katan"
            )
            providers.append(f"{name}: {{api: {api}, base_url: 'http://{address}{path}', internal: true, key: {{env: KATAN_API_KEY}}}}")
    catalog = catalog_yaml(models).replace("p: {api: builtin}", ", ".join(providers))
    ruleset = ruleset_of(catalog, f"version: 1\nroutes: [{{id: all, why: w, use: {{candidates: [{', '.join(models)}]}}}}]\n")
    async with AsyncExitStack() as stack:
        settings = Settings(environment={"KATAN_API_KEY": key})
        router, _ = await stack.enter_async_context(open_router(ruleset, settings, say=unheard, embedded=False))
        yield LocalClient(router)


def of(model: str, request: Request = CHAT) -> Request:
    """Return the request for one model alone."""
    return structs.replace(request, requirements=structs.replace(request.requirements, model=model))


@pytest.mark.parametrize("api", APIS)
async def test_answers_and_streams_say_the_same_with_usage_as_it_was_told(api: str, tmp_path: Path) -> None:
    with katan(tmp_path) as address:
        async with world(address) as client:
            _, whole = await client.complete(of(f"{api}-0"))
            events: list[Any] = [event async for event in client.stream(of(f"{api}-0"))]

    assert whole.message is not None
    assert "How much is 2+2?" in whole.message.text
    streamed = "".join(event.text for event in events if isinstance(event, TextDelta))
    completion = events[-1]
    assert isinstance(completion, Completion)
    assert "How much is 2+2?" in streamed
    for found in (whole, completion):
        assert found.finish_reason is FinishReason.STOP
        assert found.usage.input_tokens > 0
        assert found.usage.output_tokens > 0
        assert not found.usage.estimated


@pytest.mark.parametrize("api", APIS)
async def test_a_tool_is_called_and_its_result_is_taken(api: str, tmp_path: Path) -> None:
    tool = Tool(name="add", description="adds", parameters_json='{"type":"object","properties":{"a":{"type":"integer"}}}')
    with katan(tmp_path) as address:
        async with world(address) as client:
            asked = Request(prompt=Prompt(messages=CHAT.prompt.messages, tools=(tool,)), generation=Generation(max_output_tokens=50))
            _, called = await client.complete(of(f"{api}-0", asked))
            assert called.message is not None
            calls = [part for part in called.message.parts if isinstance(part, ToolCall)]
            results = tuple(ToolResult(tool_call_id=call.id, text="4") for call in calls)
            messages = (*CHAT.prompt.messages, called.message, Message(role=Role.TOOL, parts=results))
            _, answered = await client.complete(of(f"{api}-0", Request(prompt=Prompt(messages=messages, tools=(tool,)))))

    assert [call.name for call in calls] == ["add"]
    assert called.finish_reason is FinishReason.TOOL_CALLS
    assert answered.message is not None


async def test_a_third_of_the_calls_failing_is_made_up_for(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with katan(tmp_path / "a", "--error-rate", "0.3") as shaky, katan(tmp_path / "b") as steady:
        async with world(shaky, steady) as client:
            models = Counter([(await client.complete(CHAT))[1].model for _ in range(150)])

    print(dict(models))
    assert models.total() == 150


async def test_too_many_calls_are_moved_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with katan(tmp_path / "a", "--rate-limit-after", "4") as limited, katan(tmp_path / "b") as free:
        async with world(limited, free) as client:
            found = [(await client.complete(CHAT))[1] for _ in range(30)]

    refusals = Counter(attempt.error_type for completion in found for attempt in completion.attempts if attempt.error_type)
    assert [completion.model for completion in found[:4]] == ["openai-0"] * 4
    assert found[-1].model.endswith("-1")
    assert 2 <= refusals["429"] <= 8  # one for each of its two models, and again after each pause that it asked for


@pytest.mark.parametrize("api", APIS)
async def test_a_key_that_does_not_count_is_tried_once(api: str, tmp_path: Path) -> None:
    with katan(tmp_path, "--validate-keys", "--api-keys", "openai=right,anthropic=right") as address:
        async with world(address, key="wrong") as client:
            with pytest.raises(Exception, match=r"401|403"):
                await client.complete(of(f"{api}-0"))
            states = {model.id: model.unavailable for model in await client.models()}
        async with world(address, key="right") as client:
            assert (await client.complete(of(f"{api}-0")))[1].model == f"{api}-0"

    assert states[f"{api}-0"] is not None
