"""`make picture`: draws tests/demo/trace.svg, which the README shows, from the spans of a call that a real server made.

The rules are the shipped ones. Two providers of theirs are upstreams on the loopback: one is overloaded, the other answers after a while.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from collector import collecting  # noqa: E402  # what tests have
from pointsman.cli import main  # noqa: E402
from pointsman.client import Client  # noqa: E402
from pointsman.core.request import Request  # noqa: E402
from processes import serving  # noqa: E402
from upstream import Behaviour, Exchange, Upstream, replies  # noqa: E402

PICTURE = ROOT / "tests" / "demo" / "trace.svg"
PROMPT = "Prove that there is no largest prime, then write the proof in Lean."
ANSWER = (
    b'{"id": "msg_01", "type": "message", "role": "assistant", "model": "claude", "stop_reason": "end_turn",'
    b' "content": [{"type": "text", "text": "..."}], "usage": {"input_tokens": 24, "output_tokens": 611}}'
)


def after(seconds: float, behave: Behaviour) -> Behaviour:
    """Return the behaviour of a server that takes its time."""

    async def wait(exchange: Exchange) -> None:
        await asyncio.sleep(seconds)
        await behave(exchange)

    return wait


@contextmanager
def rules(openai: str, anthropic: str) -> Iterator[Path]:
    """Yield a copy of the shipped rules whose providers are elsewhere."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copytree(ROOT / "rules", Path(folder) / "rules"))
        models = copy / "models.yaml"
        text = models.read_text()
        for before, url in (("https://api.openai.com/v1", openai), ("https://api.anthropic.com", anthropic.removesuffix("/v1"))):
            text = text.replace(f'"{before}"', f'"{url}", internal: true')
        models.write_text(text)
        yield copy


async def drawn() -> int:
    """Make the call, and draw its trace."""
    overloaded = after(0.25, replies(b"{}", status="503 Service Unavailable"))
    async with Upstream(script=[overloaded]) as openai, Upstream(script=[after(1.1, replies(ANSWER))]) as anthropic:
        with (
            rules(openai.url, anthropic.url) as folder,
            collecting() as collector,
            serving(
                "--rules",
                str(folder),
                OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint,
                POINTSMAN_UPSTREAM_HOSTS="http://127.0.0.1,*.googleapis.com,api.mistral.ai,api.groq.com,api.x.ai",
                OPENAI_API_KEY="none",
                ANTHROPIC_API_KEY="none",
            ) as address,
        ):
            async with Client(address) as client:
                await client.complete(Request.of(PROMPT), timeout_s=60)
            await asyncio.to_thread(collector.named, "pointsman.v1.RouterService/Complete")
            spans = folder / "spans.json"
            spans.write_text(collector.as_json())
            return main(["trace", str(spans), "--svg", str(PICTURE)])


if __name__ == "__main__":
    sys.exit(asyncio.run(drawn()))
