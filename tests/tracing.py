"""A server whose spans a collector takes, over upstreams that do as they are told."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from collector import Collector, attributes, collecting
from fakes import catalog_yaml, model_yaml
from pointsman.adapters.records import read_records
from pointsman.client import Client
from pointsman.core.record import DecisionRecord
from processes import serving
from upstream import Behaviour, Upstream, event, replies, streams

CANARY = "canary-7391"
KEY = "sk-canary-7391"
TRACE = "0af7651916cd43dd8448eb211c80319c"
SERVER = "pointsman.v1.RouterService/"

ANSWER = replies(
    b'{"choices": [{"message": {"content": "canary-7391 well"}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 5, "completion_tokens": 7}}'
)
REFUSAL = replies(b'{"error": {"message": "canary-7391"}}', status="429 Too Many Requests", Retry_After="60")
CUT = streams(event('{"choices": [{"delta": {"content": "canary-7391"}}]}'), then="cut")


TENANTS = f"""version: 1
tenants:
  search: {{credentials: [{{api_key_sha256: "{sha256(KEY.encode()).hexdigest()}"}}], roles: [caller, admin]}}
  poor:
    credentials: [{{api_key_sha256: "{sha256(b"poor").hexdigest()}"}}]
    budgets: [{{window: 1d, requests: 1}}]
"""


def written(folder: Path) -> bytes:
    """Return all decision records as they are on the disk."""
    return b"".join(gzip.decompress(path.read_bytes()) for path in folder.rglob("*.jsonl.gz"))


@dataclass
class Traced:
    """A server whose spans a collector takes."""

    address: str
    collector: Collector
    client: Client
    folder: Path
    asked: Upstream
    """The first upstream."""

    def records(self) -> list[DecisionRecord]:
        """Return what is recorded, once the server has ended."""
        return list(read_records(self.folder / "state" / "records"))

    def trace_of(self, call_id: str, method: str) -> tuple[dict[str, object], list[Span]]:
        """Return the attributes of a call's server span, and the spans below it in the order in which they began."""
        for _ in range(200):
            servers = [span for span in self.collector.spans if span.name == f"{SERVER}{method}"]
            found = next((span for span in servers if attributes(span.attributes)["pointsman.call.id"] == call_id), None)
            if found is not None:
                below = [span for span in self.collector.spans if span.parent_span_id == found.span_id]
                return attributes(found.attributes), sorted(below, key=lambda span: span.start_time_unix_nano)
            self.collector.named(f"{SERVER}{method}", len(servers) + 1)
        raise AssertionError(f"no span of {method} {call_id}")


@asynccontextmanager
async def traced(
    folder: Path, *first: Behaviour, through: Callable[[str], AbstractContextManager[str]] = nullcontext
) -> AsyncIterator[Traced]:
    """Run a server over two upstreams, the first of which does as it is told; nothing that it tells holds what was asked or answered.

    `through` is what passes on its spans: given where to, it says where it takes them.
    """
    rules, log = folder / "rules", folder / "log"
    rules.mkdir()
    async with Upstream(script=list(first)) as sick, Upstream(script=[ANSWER]) as well:
        rules.joinpath("models.yaml").write_text(
            catalog_yaml(
                {
                    "sick": model_yaml(price=1).replace("provider: p", "provider: a"),
                    "well": model_yaml(price=1000).replace("provider: p", "provider: b"),
                    "weak": model_yaml(ability=0.1).replace("provider: p", "provider: b"),
                }
            ).replace(
                "{p: {api: builtin}}",
                f"{{a: {{api: openai, base_url: '{sick.url}', internal: true, key: {{env: X_API_KEY}}}},"
                f" b: {{api: openai, base_url: '{well.url}', internal: true, key: {{env: X_API_KEY}}}}}}",
            )
        )
        rules.joinpath("routing.yaml").write_text(
            "version: 1\nroutes:\n  - {id: all, why: Good enough., use: {candidates: [weak, sick, well], min_quality: 0.5}}\n"
        )
        rules.joinpath("tenants.yaml").write_text(TENANTS)
        with (
            log.open("wb") as out,
            collecting() as collector,
            through(collector.endpoint) as endpoint,
            serving(
                "--rules",
                str(rules),
                log=out,
                OTEL_EXPORTER_OTLP_ENDPOINT=endpoint,
                OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=collector.endpoint,
                OTEL_EXPORTER_OTLP_LOGS_ENDPOINT=collector.endpoint,
                OTEL_BSP_SCHEDULE_DELAY="50",
                POINTSMAN_STATE_DIR=str(folder / "state"),
                POINTSMAN_UPSTREAM_HOSTS="http://127.0.0.1",
                X_API_KEY=KEY,
            ) as address,
        ):
            async with Client(address, api_key=KEY) as client:
                yield Traced(address, collector, client, folder, sick)
        kept = written(folder)
        assert kept
        assert collector.metrics
        assert collector.logs
        for told in (collector.raw, log.read_bytes(), kept):
            assert CANARY.encode() not in told  # neither prompts nor answers, keys or what providers say
