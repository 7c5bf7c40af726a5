"""`make bench`: what the hot path costs, as ratios and medians of one run, since machines differ and are shared.

Servers are compared A B A B with the same driver on the same machine; in-process pieces by the median of many short rounds.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
import timeit
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from itertools import count
from pathlib import Path

from load import Target, cpu_per_call, driver, rss_mb, running
from msgspec import structs
from rich.console import Console
from rich.table import Table

from pointsman.adapters.artifact import load_estimator
from pointsman.adapters.o200k import O200kCounter, load_encoding
from pointsman.core.budget import Account
from pointsman.core.catalog import Price
from pointsman.core.claim import Claim, actual, bounds
from pointsman.core.completion import Usage
from pointsman.core.decide import decide
from pointsman.core.facts import Facts
from pointsman.core.features import features
from pointsman.core.ledger import Entry, Sums
from pointsman.core.market import Market
from pointsman.core.reading import read
from pointsman.core.request import Request
from pointsman.core.rulefile import load
from pointsman.core.ruleset import Ruleset
from pointsman.v1 import router_service_pb2 as router_pb
from pointsman.v1 import routing_pb2 as pb

sys.path.insert(0, str(Path(__file__).parents[1]))
from budgeting import window
from fakes import catalog_yaml, facts_of, model_yaml

HERE = Path(__file__).parent
ROUTER = "/pointsman.v1.RouterService"
PAIRS = 5
PRICE = Price(input=10**9, cached_input=10**8, cache_write=10**9, output=10**9)
NATIVE = {"POINTSMAN_TRANSPORT": "native"}
PROMPT = "Please summarize the following notes about the quarterly planning meeting. " * 14
"""About 1 KB."""
WRITTEN = ("README.md", "CHANGELOG.md", "k8s/README.md", "k8s/components/monitoring/runbook.md")


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured thing; `target` is an upper bound, or a lower one where `at_least`. None: printed, not judged."""

    what: str
    value: float
    unit: str
    target: float | None = None
    at_least: bool = False

    @property
    def met(self) -> bool | None:
        if self.target is None:
            return None
        return self.value >= self.target if self.at_least else self.value <= self.target


def main() -> int:
    """Measure, print, and write JSON where BENCH_JSON names a file; 1 if a target is missed."""
    figures = [*pure(), *read_anew(), *served(), *completed()]
    _show(figures)
    missed = [figure for figure in figures if figure.met is False]
    return 1 if missed else 0


def rules_of(routes: int) -> tuple[str, str]:
    """Return models.yaml and routing.yaml with that many routes, each of which compares four facts before it gives way."""
    models = catalog_yaml({f"m{i}": model_yaml(price=i + 1, ability=0.6 + i / 20) for i in range(4)})
    conditions = 'features.complexity < 0.99 && request.tenant != "t{0}" && tokens.total < 100000 && features.task in ["code", "math"]'
    rules = "".join(
        f"  - {{id: r{i}, why: w, when: '{conditions.format(i)}', use: {{candidates: [m0, m1, m2, m3]}}}}\n" for i in range(routes - 1)
    )
    constraints = "".join(
        f"  - {{id: c{i}, why: w, when: 'has(request.labels.data) && request.labels.data == \"p{i}\"', allow: {{models: [m0]}}}}\n"
        for i in range(2)
    )
    default = "  - {id: default, why: w, use: {candidates: [m0, m1, m2, m3], on_empty: best_effort}}\n"
    return models, f"version: 1\nconstraints:\n{constraints}routes:\n{rules}{default}"


def pure() -> list[Figure]:
    """Return what the pieces cost in this process."""
    facts, market = facts_of(features_task="chat"), Market()
    thirty, many = _ruleset(30), _ruleset(300)
    counter, prompt = O200kCounter(load_encoding()), Request.of(PROMPT).prompt
    long = PROMPT * 40
    return [
        Figure("rule match, 30 routes", _micros(lambda: thirty.match(facts)), "us", 5),
        Figure("rule match, 300 routes", _micros(lambda: many.match(facts)), "us", 30),
        Figure("decide, 30 routes, 4 candidates", _micros(lambda: _decided(thirty, facts, market)), "us", 40),
        Figure("features of 1 KB", _micros(lambda: features(prompt, load_estimator().estimate)), "us"),
        Figure("tokens of 1 KB", _micros(lambda: counter.count(PROMPT)), "us"),
        Figure("a prompt of 1 KB told from others", _micros(lambda: structs.replace(prompt).digest), "us"),
        Figure("tokens of 40 KB", _micros(lambda: counter.count(long), rounds=5), "us"),
        Figure("budget checked, held and settled, 3 windows", _micros(_budget()), "us", 15),
    ]


def read_anew() -> list[Figure]:
    """Return what it takes to know all facts of a prompt that was not seen before: each is a piece of what we wrote, and is read once."""
    encoding = load_encoding()
    count, estimate = O200kCounter(encoding).count, load_estimator().estimate
    written = encoding.encode_ordinary("\n".join((HERE.parents[1] / path).read_text() for path in WRITTEN))
    long = written * (100_000 // len(written) + 2)
    figures = []
    for tokens, pieces, most_us in ((100, 400, 100), (1_000, 100, 400), (100_000, 9, 35_000)):
        starts = range(0, len(written), max(1, len(written) // pieces))
        prompts = [Request.of(encoding.decode(long[start : start + tokens], errors="ignore")).prompt for start in starts]
        spent = [_cpu_us(partial(read, prompt, count, estimate)) for prompt in prompts]
        figures.append(Figure(f"facts of a new prompt of {tokens:,} tokens, CPU", statistics.median(spent), "us", most_us))
    return figures


def served() -> list[Figure]:
    """Return what a Route costs a server, against a bare echo of the same bytes."""
    with tempfile.TemporaryDirectory() as folder:
        models, routing = rules_of(30)
        Path(folder, "models.yaml").write_text(models)
        Path(folder, "routing.yaml").write_text(routing)
        request = router_pb.RouteRequest()
        request.request.prompt.text = PROMPT
        payload = request.SerializeToString()
        began = time.monotonic()
        serve = ["-m", "pointsman.cli", "serve", "--listen", "127.0.0.1:0", "--rules", folder]
        echo = [str(HERE / "echo.py")]
        with running(serve) as (pid, address):
            ready_s = time.monotonic() - began
        with running(serve) as (pid, address), running(serve, **NATIVE) as native_served, running(echo) as (echo_pid, echo_address):
            route = Target(pid, address, f"{ROUTER}/Route", payload)
            native = Target(*native_served, f"{ROUTER}/Route", payload)
            hit = Target(pid, address, f"{ROUTER}/Complete", _kept(request))
            bare = Target(echo_pid, echo_address, "/bench.Echo/Echo", payload)
            for target in (route, native, bare, hit):
                cpu_per_call(target, 1_000)
            rounds = [tuple(map(cpu_per_call, (bare, route, native, hit))) for _ in range(PAIRS)]
            memory = rss_mb(pid)
    return [
        Figure("echo, CPU per call", statistics.median(echo for echo, _, _, _ in rounds), "us"),
        Figure("Route, CPU per call", statistics.median(route for _, route, _, _ in rounds), "us"),
        Figure("Route over native, CPU per call", statistics.median(native for _, _, native, _ in rounds), "us"),
        Figure("echo CPU / Route CPU", statistics.median(echo / route for echo, route, _, _ in rounds), "", 0.70, at_least=True),
        Figure(
            "echo CPU / Route CPU, over native", statistics.median(echo / native for echo, _, native, _ in rounds), "", 0.70, at_least=True
        ),
        Figure("Complete, answered again, CPU per call", statistics.median(hit for _, _, _, hit in rounds), "us"),
        Figure("Complete, answered again / Route CPU", statistics.median(hit / route for _, route, _, hit in rounds), "", 1.15),
        Figure("start to ready", ready_s, "s", 1.5),
        Figure("memory after load", memory, "MB", 200),
    ]


def _kept(request: router_pb.RouteRequest) -> bytes:
    """Return the bytes of a Complete that is given the same answer again each time."""
    return router_pb.CompleteRequest(request=request.request, cache=pb.CachePolicy(mode=pb.CACHE_MODE_USE)).SerializeToString()


def completed() -> list[Figure]:
    """Return what a Complete costs a server against a minimal proxy to the same upstream, and what a piece of a stream costs it."""
    few, many = 20, 220
    request = router_pb.CompleteRequest()
    request.request.prompt.text = PROMPT
    payload = request.SerializeToString()

    def target(served: tuple[int, str], method: str) -> Target:
        return Target(served[0], served[1], f"{ROUTER}/{method}", payload)

    with ExitStack() as stack:
        _, near = stack.enter_context(running([str(HERE / "provider.py"), str(few)]))
        _, far = stack.enter_context(running([str(HERE / "provider.py"), str(many)]))
        served = stack.enter_context(_serving_models_at(near))
        whole, short = target(served, "Complete"), target(served, "StreamComplete")
        native = target(stack.enter_context(_serving_models_at(near, **NATIVE)), "Complete")
        long = target(stack.enter_context(_serving_models_at(far)), "StreamComplete")
        bare = target(stack.enter_context(running([str(HERE / "proxy.py"), f"http://{near}/v1"])), "Complete")
        for each in (whole, native, bare, short, long):
            cpu_per_call(each, 320)
        pairs = [tuple(cpu_per_call(each, 3_200) for each in (bare, whole, native)) for _ in range(PAIRS)]
        streams = [(cpu_per_call(short, 640), cpu_per_call(long, 320)) for _ in range(PAIRS)]
    return [
        Figure("minimal proxy, CPU per call", statistics.median(a for a, _, _ in pairs), "us"),
        Figure("Complete, CPU per call", statistics.median(b for _, b, _ in pairs), "us"),
        Figure("Complete CPU / minimal proxy CPU", statistics.median(b / a for a, b, _ in pairs), "", 1.2),
        Figure("Complete CPU / minimal proxy CPU, over native", statistics.median(c / a for a, _, c in pairs), "", 1.2),
        Figure("one piece of a stream, CPU", statistics.median((b - a) / (many - few) for a, b in streams), "us"),
    ]


@contextmanager
def _serving_models_at(upstream: str, **environment: str) -> Iterator[tuple[int, str]]:
    """Run a server whose only provider is the upstream, and yield its process id and address."""
    provider = f"{{api: openai, base_url: 'http://{upstream}/v1', internal: true}}"
    with tempfile.TemporaryDirectory() as folder:
        models, routing = rules_of(30)
        Path(folder, "models.yaml").write_text(models.replace("{api: builtin}", provider))
        Path(folder, "routing.yaml").write_text(routing)
        with running(["-m", "pointsman.cli", "serve", "--listen", "127.0.0.1:0", "--rules", folder], **environment) as served:
            yield served


def _budget() -> Callable[[], object]:
    """Return what holds and settles one call in an account with a fixed, a sliding and a tier's window."""
    windows = (
        window(86_400, kind="usd", limit=10**15),
        window(60, kind="tokens", limit=10**12, sliding=True),
        window(3600, kind="usd", limit=10**15, tier="small"),
    )
    spent = Account()
    claim = Claim(bounds=bounds(windows, "small", is_cheapest=True), price=PRICE, input_bound=200, output_cap=500)
    used = Usage(input_tokens=180, output_tokens=90, cost=270_000)
    lapsed, ids = Entry(model="m", route="r", sums=Sums()), count()

    def once() -> object:
        now_ms = 1_764_000_000_000 + 50 * (at := next(ids))
        hold = claim.hold(f"h{at}", 60_000, lapsed)
        assert spent.hold(hold, now_ms).granted
        return spent.settle(hold, actual(hold, used), now_ms)

    return once


def _ruleset(routes: int) -> Ruleset:
    models, routing = rules_of(routes)
    ruleset = load({"models.yaml": models.encode(), "routing.yaml": routing.encode()}).ruleset
    assert ruleset is not None
    return ruleset


def _decided(ruleset: Ruleset, facts: Facts, market: Market) -> object:
    return decide(ruleset, facts, market)


def _cpu_us(piece: Callable[[], object]) -> float:
    """Return the CPU time of one call."""
    began = time.process_time_ns()
    piece()
    return (time.process_time_ns() - began) / 1e3


def _micros(piece: Callable[[], object], *, rounds: int = 21) -> float:
    """Return the median time of one call over rounds of some ten milliseconds."""
    timer = timeit.Timer(piece)
    number, _ = timer.autorange()
    number = max(1, number // 20)
    return statistics.median(timer.repeat(rounds, number)) / number * 1e6


def _show(figures: list[Figure]) -> None:
    table = Table(
        box=None,
        header_style="bold",
        padding=(0, 2, 0, 0),
        title=f"driven by {driver()}; servers are sent one prompt again and again, so it is read once",
        title_justify="left",
    )
    for column in ("what", "measured", "target", ""):
        table.add_column(column, justify="left" if column == "what" else "right")
    for figure in figures:
        bound = "" if figure.target is None else f"{'>=' if figure.at_least else '<='} {figure.target:g} {figure.unit}"
        mark = {True: "[green]met[/]", False: "[red]missed[/]", None: ""}[figure.met]
        table.add_row(figure.what, f"{figure.value:.2f} {figure.unit}", bound, mark)
    Console(highlight=False).print(table)
    print(json.dumps([asdict(figure) | {"met": figure.met} for figure in figures]))


if __name__ == "__main__":
    sys.exit(main())
