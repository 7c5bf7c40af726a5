"""The real Prometheus scrapes a real server: what dashboards and alerts ask, it answers; and alerts come when they should, and not when not."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
import yaml

from busy import busy
from monitored import RULES, shown, watched

GIVEN = Path(__file__).parents[1] / "data" / "alerts_test.yaml"
PROMETHEUS, PROMTOOL = shutil.which("prometheus"), shutil.which("promtool")
PATIENCE_S = 40

pytestmark = [
    pytest.mark.foreign,
    pytest.mark.timeout(180),
    pytest.mark.skipif(
        PROMETHEUS is None or PROMTOOL is None, reason="no Prometheus: `make foreign` fetches it where Debian's packages are to be had"
    ),
]

QUIET = {"quality: What callers gave answers", "quality: How many said something", "traffic: Spans and records that were lost"}
"""Panels that need not have anything to show here."""


def _written(folder: Path, *, whole: bool) -> Path:
    """Write the rules as Prometheus reads them, evaluated as often as it is told; of what is told about an alert only the summary, unless it is to be whole."""
    rules = json.loads(json.dumps(RULES))
    for group in rules["groups"]:
        group.pop("interval", None)  # half a minute is long for a test
        for rule in group["rules"]:
            if "annotations" in rule and not whole:
                rule["annotations"] = {"summary": rule["annotations"]["summary"]}
    folder.joinpath("rules.yaml").write_text(yaml.safe_dump(rules))
    return folder / "rules.yaml"


def test_alerts_come_with_the_numbers_that_they_are_for_and_not_with_others(tmp_path: Path) -> None:
    _written(tmp_path, whole=False)
    shutil.copy(GIVEN, tmp_path)

    done = subprocess.run([str(PROMTOOL), "test", "rules", GIVEN.name], cwd=tmp_path, capture_output=True, text=True, timeout=60)

    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_finds_no_fault_in_the_rules(tmp_path: Path) -> None:
    rules = _written(tmp_path, whole=True)

    done = subprocess.run([str(PROMTOOL), "check", "rules", "--lint-fatal", rules], capture_output=True, text=True, timeout=60)

    assert done.returncode == 0, done.stdout + done.stderr


@dataclass
class Prometheus:
    """A Prometheus that runs."""

    address: str

    def asked(self, path: str, **query: str) -> Any:
        """Return the data of an answer of its API."""
        with urlopen(f"http://{self.address}/api/v1/{path}?{urlencode(query)}", timeout=10) as answer:  # our own
            return json.load(answer)["data"]

    def until(self, scrapes: int) -> None:
        """Wait until it has scraped more often than that, and evaluated every rule. Raises AssertionError where it does not."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            with suppress(URLError, ConnectionError):
                if self.rounds() > scrapes and self.has_evaluated():
                    return
            time.sleep(0.2)
        raise AssertionError(f"not within {PATIENCE_S} s")

    def rounds(self) -> int:
        """Return how often it has scraped."""
        found = self.asked("query", query="count_over_time(pointsman_calls_under_way[10m])")["result"]
        return int(found[0]["value"][1]) if found else 0

    def has_evaluated(self) -> bool:
        """Return whether every rule has been evaluated, well or not."""
        return all(rule["health"] != "unknown" for group in self.asked("rules")["groups"] for rule in group["rules"])


@contextmanager
def prometheus(folder: Path, scraped: str) -> Iterator[Prometheus]:
    """Run it on a free port, with the alerts, scraping a server each second as the job `pointsman`."""
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(_written(folder, whole=True))],
        "scrape_configs": [{"job_name": "pointsman", "static_configs": [{"targets": [scraped]}]}],
    }
    folder.joinpath("prometheus.yaml").write_text(yaml.safe_dump(config))
    listen = f"127.0.0.1:{_free()}"
    options = [f"--config.file={folder}/prometheus.yaml", f"--storage.tsdb.path={folder}/tsdb", f"--web.listen-address={listen}"]
    command = [str(PROMETHEUS), *options, "--enable-feature=exemplar-storage"]
    with (folder / "prometheus.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            yield Prometheus(listen)
        finally:
            process.terminate()
            process.wait(timeout=20)


def _free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return port


@dataclass
class Seen:
    """What Prometheus answers after some traffic."""

    results: dict[str, int]
    """How many series each query has, by the query."""
    groups: list[dict[str, Any]]
    exemplars: list[dict[str, Any]]


async def _seen(folder: Path) -> Seen:
    listen = f"127.0.0.1:{_free()}"
    async with busy(folder, listen) as here:
        with prometheus(folder, listen) as scraper:
            for scrapes in (2, 4):  # a series grows only where it was there before
                await here.call()
                await asyncio.to_thread(scraper.until, scrapes)
            await here.call()
            await asyncio.to_thread(scraper.until, 6)
            results = {query.text: len(scraper.asked("query", query=query.text)["result"]) for query in (*shown(), *watched())}
            exemplars = scraper.asked(
                "query_exemplars", query="rpc_server_call_duration_seconds_bucket", start="0", end=str(time.time() + 60)
            )
            return Seen(results, scraper.asked("rules")["groups"], exemplars)


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """Return what it answers after some traffic."""
    return asyncio.run(_seen(tmp_path_factory.mktemp("prometheus")))


def test_what_dashboards_ask_is_answered_where_there_is_traffic(seen: Seen) -> None:
    assert {query.where for query in shown() if not seen.results[query.text]} <= QUIET


def test_alerts_and_recorded_rules_are_evaluated_without_an_error(seen: Seen) -> None:
    rules = [rule for group in seen.groups for rule in group["rules"]]

    assert {rule["name"] for rule in rules} == {query.where for query in watched()}
    assert {rule["health"] for rule in rules} == {"ok"}


def test_samples_lead_to_the_traces_of_calls(seen: Seen) -> None:
    found = {exemplar["labels"]["trace_id"] for series in seen.exemplars for exemplar in series["exemplars"]}

    assert found
    assert {len(trace) for trace in found} == {32}
