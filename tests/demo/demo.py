"""`make demo`: a server of its own, a dozen prompts over gRPC, and a table of what was decided and what it cost. Exits 0 if all went as it should."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from pointsman import Client, Completion, Decision, PointsmanError, Request
from pointsman.commands import show
from pointsman.core.money import dollars

LONG = "The harbour master keeps the log. Ships come in with the tide. The log says which ship lay where. " * 60


@dataclass(frozen=True, slots=True)
class Line:
    """What became of one prompt."""

    kind: str
    request: Request
    outcome: tuple[Decision, Completion] | PointsmanError
    ms: float


PROMPTS: tuple[tuple[str, Request], ...] = (
    ("chat", Request.of("Hello, how are you today?")),
    ("arithmetic", Request.of("What is 17 * 23?")),
    ("summary", Request.of("Summarize in two sentences: The ferry was late. A storm had closed the port. By noon the ferry ran again.")),
    ("text", Request.of("Extract the email addresses from: write to ann@example.org or bob@example.net")),
    ("code", Request.of("Write a Python function that merges two sorted lists.")),
    ("reasoning", Request.of("Prove that there are infinitely many primes.")),
    ("long text", Request.of(f"Summarize in one sentence: {LONG}")),
    ("high accuracy", Request.of("Which year did the treaty end the war?", accuracy=0.9)),
    ("small purse", Request.of("Write a Rust parser for arithmetic.", max_cost=200_000, accuracy=0.1)),
    ("in a hurry", Request.of("Hi!", max_ttft_ms=20.0)),
    ("asked by name", Request.of("Good morning", model="smart")),
    ("impossible", Request.of("What do you see?", tags=frozenset({"on-the-moon"}))),
)


def main() -> int:
    """Run the demo; 0 if every prompt but the impossible one was answered."""
    console = Console(highlight=False, width=100 if not sys.stdout.isatty() else None)
    console.print("[bold]Pointsman[/]: starting a server on a free port ...")
    process = subprocess.Popen(
        [sys.executable, "-m", "pointsman.cli", "serve", "--listen", "127.0.0.1:0"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env={**os.environ, "POINTSMAN_RULES": "rules"},
    )  # fmt: skip
    assert process.stdout is not None
    try:
        address = process.stdout.readline().rpartition(" ")[2].strip()
        lines = asyncio.run(_ask(address, console))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=10)
    _table(lines, console)
    _closer_look(lines, console)
    expected = all(isinstance(line.outcome, PointsmanError) == (line.kind == "impossible") for line in lines)
    console.print(f"\nserver ended with exit code {process.returncode}")
    return 0 if expected and process.returncode == 0 else 1


async def _ask(address: str, console: Console) -> list[Line]:
    lines = []
    async with Client(address) as client:
        for kind, request in PROMPTS:
            console.print(f"  [dim]{kind}[/]")
            began = time.perf_counter()
            outcome: tuple[Decision, Completion] | PointsmanError
            try:
                outcome = await client.complete(request, explain=kind == "reasoning", timeout_s=10)
            except PointsmanError as error:
                outcome = error
            lines.append(Line(kind, request, outcome, (time.perf_counter() - began) * 1000))
    return lines


def _table(lines: list[Line], console: Console) -> None:
    table = Table(box=None, header_style="bold", padding=(0, 1, 0, 0))
    for column in ("prompt", "task", "hard", "rule", "model", "tokens", "cost", "baseline", "ms"):
        table.add_column(column, justify="right" if column in ("hard", "tokens", "cost", "baseline", "ms") else "left")
    cost = baseline = 0
    for line in lines:
        if isinstance(line.outcome, PointsmanError):
            table.add_row(line.kind, "", "", "", f"[red]{type(line.outcome).__name__}[/]", "", "", "", f"{line.ms:.0f}")
            continue
        decision, completion = line.outcome
        usage = completion.usage
        cost, baseline = cost + usage.cost, baseline + usage.baseline_cost
        table.add_row(
            line.kind,
            decision.features.task,
            f"{decision.features.complexity:.2f}",
            decision.rule.id,
            f"[green]{completion.model}[/]",
            f"{usage.input_tokens} + {usage.output_tokens}",
            dollars(usage.cost),
            dollars(usage.baseline_cost),
            f"{line.ms:.0f}",
        )
    console.print()
    console.print(table)
    saved = 1 - cost / baseline if baseline else 0
    console.print(f"\n{dollars(cost)} spent; {dollars(baseline)} with the dearest model that could have served: [bold]{saved:.0%} saved[/]")
    console.print("[dim]prices of the models that run in process are nominal: made up, so that costs can be compared[/]")


def _closer_look(lines: list[Line], console: Console) -> None:
    by_kind = {line.kind: line.outcome for line in lines}
    for kind in ("arithmetic", "summary"):
        outcome = by_kind[kind]
        if not isinstance(outcome, PointsmanError) and outcome[1].message is not None:
            console.print(f"\n[bold]{kind}[/]: {outcome[1].message.text}")
    explained = by_kind["reasoning"]
    if not isinstance(explained, PointsmanError):
        console.print("\n[bold]why that model for the proof?[/]", end="")
        show.explained(explained[0])
    refused = by_kind["impossible"]
    if isinstance(refused, PointsmanError):
        console.print(f"\n[bold]what nothing can serve[/]: {refused}")


if __name__ == "__main__":
    sys.exit(main())
