"""A server at which everything happens that is measured: answers, streams, fallbacks, kept answers, refusals, a spent budget, a rule in shadow."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from fakes import catalog_yaml, model_yaml
from pointsman.client import Client
from pointsman.core.errors import BudgetExhausted, NoEligibleModel
from pointsman.core.request import CachePolicy, Generation, Request
from pointsman.core.vocabulary import CacheMode
from processes import serving
from upstream import Upstream, event, replies, streams

USAGE = (
    '"usage": {"prompt_tokens": 50, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 20, "cache_write_tokens": 10},'
    ' "completion_tokens_details": {"reasoning_tokens": 3}}'
)
ANSWER = replies(f'{{"choices": [{{"message": {{"content": "well"}}, "finish_reason": "stop"}}], {USAGE}}}'.encode())
BROKEN = replies(b"{}", status="500 Internal Server Error")
STREAM = streams(
    event('{"choices": [{"delta": {"content": "well"}}]}'),
    event(f'{{"choices": [{{"delta": {{}}, "finish_reason": "stop"}}], {USAGE}}}'),
    event("[DONE]"),
)
ROUTING = """version: 1
routes:
  - {id: tried, why: To be seen first., priority: 9, mode: shadow, use: {candidates: [well]}}
  - {id: all, why: Good enough., use: {candidates: [weak, sick, well], min_quality: 0.5}}
"""
RICH, POOR = "pm_rich", "pm_poor"
TENANTS = f"""version: 1
tenants:
  rich:
    credentials: [{{api_key_sha256: "{sha256(RICH.encode()).hexdigest()}"}}]
    budgets: [{{window: 1d, usd: 100}}]
  poor:
    credentials: [{{api_key_sha256: "{sha256(POOR.encode()).hexdigest()}"}}]
    budgets: [{{window: 1d, requests: 1}}]
"""
KEPT = Request.of("once", generation=Generation(temperature=0))
EASY = Request.of("x", accuracy=0.3)


@dataclass(frozen=True)
class Busy:
    """Callers of that server."""

    rich: Client
    poor: Client

    async def call(self) -> None:
        """Make calls of every kind."""
        await self.rich.route(EASY, timeout_s=10)
        for _ in range(4):  # of which every other falls back
            await self.rich.complete(EASY, timeout_s=10)
        await self.rich.complete(KEPT, timeout_s=10, cache=CachePolicy(mode=CacheMode.USE))
        async for _ in self.rich.stream(Request.of("x", model="live"), timeout_s=10):
            pass
        with suppress(NoEligibleModel):
            await self.rich.route(Request.of("x", accuracy=0.99), timeout_s=10)
        with suppress(BudgetExhausted):
            await self.poor.complete(EASY, timeout_s=10)


def _catalog(urls: dict[str, str]) -> str:
    models = {
        "sick": model_yaml(price=1).replace("provider: p", "provider: a"),
        "well": model_yaml(price=1000).replace("provider: p", "provider: b"),
        "live": model_yaml(price=2).replace("provider: p", "provider: c"),
        "weak": model_yaml(ability=0.1).replace("provider: p", "provider: b"),
    }
    providers = [f"{name}: {{api: openai, base_url: '{url}', internal: true}}" for name, url in urls.items()]
    return catalog_yaml(models).replace("p: {api: builtin}", ", ".join(providers))


@asynccontextmanager
async def busy(folder: Path, metrics: str) -> AsyncIterator[Busy]:
    """Run it, traced, and serve its metrics where it is said."""
    async with Upstream(script=[BROKEN, ANSWER] * 50) as sick, Upstream(script=[ANSWER]) as well, Upstream(script=[STREAM]) as live:
        folder.joinpath("models.yaml").write_text(_catalog({"a": sick.url, "b": well.url, "c": live.url}))
        folder.joinpath("routing.yaml").write_text(ROUTING)
        folder.joinpath("tenants.yaml").write_text(TENANTS)
        with serving(
            "--rules",
            str(folder),
            POINTSMAN_METRICS_LISTEN=metrics,
            POINTSMAN_UPSTREAM_HOSTS="http://127.0.0.1",
            OTEL_TRACES_EXPORTER="console",
        ) as address:
            async with Client(address, api_key=RICH) as rich, Client(address, api_key=POOR) as poor:
                yield Busy(rich, poor)
