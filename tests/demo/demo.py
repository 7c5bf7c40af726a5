"""`make demo`: a server of its own, varied prompts over gRPC, and a table of what was decided, why, and what it cost.

The client is plain grpcio, as any service's would be. The server gets the shipped rules and one more file, with a model that always fails, so
that a fallback can be seen; keys of remote providers are kept from it, so that a demo never spends money. Exits 0 if all went as it should.
With DEMO_JSON=FILE it also writes a JSON line per prompt.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_status import rpc_status
from rich.console import Console
from rich.table import Table

from pointsman.commands import show
from pointsman.core.money import dollars
from pointsman.v1 import routing_pb2 as pb
from pointsman.v1.router_service_pb2 import CompleteRequest, RouteRequest, StreamCompleteRequest
from pointsman.v1.router_service_pb2_grpc import RouterServiceStub
from pointsman.wire.codec import decision_from_pb

ROOT = Path(__file__).parents[2]
CONSOLE = Console(highlight=False, width=100)

FAILING_MODEL = """
  always-down:                           # of the demo: every call of it fails
    provider: builtin
    upstream: builtin
    tier: small
    ability: {default: 0.90, estimated: true}
    price: {input: 0.20, output: 0.40, nominal: true}
    context_window: 4096
    max_output: 512
    options: {error_rate: 1.0}

aliases:"""

FALLBACK_RULE = """version: 1
routes:
  - id: demo-fallback
    why: Of the demo; its model always fails, so that a fallback can be seen.
    priority: 90
    when: has(request.labels.demo) && request.labels.demo == "fallback"
    use: {candidates: [always-down]}
    fallbacks: [smollm2-135m, builtin]
"""

LONG = "The harbour master keeps the log. Ships come in with the tide, and the log says which ship lay where. " * 30


@dataclass(frozen=True, slots=True)
class Ask:
    """One prompt: by which method, with which limits, and whether it must be refused."""

    kind: str
    method: str
    request: pb.Request
    refused: bool = False


@dataclass(slots=True)
class Line:
    """What became of one prompt: the line of DEMO_JSON."""

    kind: str
    model: str = ""
    rule: str = ""
    reason: str = ""
    code: str = "OK"
    output_tokens: int = 0
    cost_nano_usd: int = 0
    baseline_nano_usd: int = 0
    ms: float = 0.0


def ask(kind: str, text: str, *, method: str = "Complete", refused: bool = False, **requirements: object) -> Ask:
    """Return an ask of a single text; keywords are fields of Requirements."""
    request = pb.Request(prompt=pb.Prompt(text=text), generation=pb.Generation(max_output_tokens=96))
    request.requirements.MergeFrom(pb.Requirements(**requirements))  # type: ignore[arg-type]  # fields by name
    return Ask(kind, method, request, refused)


def asks() -> list[Ask]:
    """Return the prompts of the demo."""
    json_ask = ask("JSON", "Name two colours of the sea.")
    json_ask.request.prompt.response_format.json = True
    fallback = ask("fallback", "Say hello to the harbour.", accuracy=0.1)
    fallback.request.context.labels["demo"] = "fallback"
    private = ask("private", "Greet Ann by her name.")
    private.request.context.labels["data"] = "personal"
    return [
        ask("chat", "Hello! How are you today?"),
        ask("arithmetic", "What is 17 * 23?"),
        ask("summary", "Summarize in one sentence: The ferry was late. A storm had closed the port. By noon the ferry ran again."),
        ask("extraction", "Extract the email addresses from: write to ann@example.org or bob@example.net"),
        ask("code", "Write a Python function that adds two numbers."),
        ask("knowledge", "What is gravity?", method="StreamComplete"),
        ask("translation", "Translate to French: Good morning."),
        ask("long text", f"Summarize in two sentences: {LONG}"),
        json_ask,
        private,
        ask("in a hurry", "Good evening!", max_time_to_first_token=Duration(nanos=200_000_000)),
        ask("decide", "Prove that there are infinitely many primes.", method="Route"),
        fallback,
        ask("accuracy", "Which treaty ended the Thirty Years' War?", accuracy=0.95, tags=["onprem"]),
        ask("tiny budget", f"Tell me about this: {LONG}", refused=True, max_total_tokens=60),
        ask("impossible", "What do you see from up there?", refused=True, tags=["on-the-moon"]),
    ]


def main() -> int:
    """Run the demo; 0 if everything was answered or refused as it should be."""
    CONSOLE.print("[bold]Pointsman[/]: starting a server on a free port ...")
    with serving() as (address, process):
        with grpc.insecure_channel(address) as channel:
            stub = RouterServiceStub(channel)
            wait_for_model(stub)
            CONSOLE.print()
            results = [(each, *call(stub, each)) for each in asks()]
        table([line for _, line, _ in results])
        closer_look(results)
    write_json([line for _, line, _ in results])
    as_expected = all(each.refused == (line.code != "OK") for each, line, _ in results)
    CONSOLE.print(f"\nserver ended with exit code {process.returncode}")
    return 0 if as_expected and process.returncode == 0 else 1


@contextmanager
def serving() -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run a server over the demo's rules; yield its address and process, and end it."""
    with tempfile.TemporaryDirectory() as folder:
        rules = Path(folder, "rules")
        shutil.copytree(ROOT / "rules", rules)
        models = rules / "models.yaml"
        models.write_text(models.read_text().replace("\naliases:", FAILING_MODEL, 1))
        (rules / "demo.yaml").write_text(FALLBACK_RULE)
        environment = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
        command = [sys.executable, "-m", "pointsman.cli", "serve", "--listen", "127.0.0.1:0", "--rules", str(rules)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment) as process:
            assert process.stdout is not None
            try:
                yield process.stdout.readline().rpartition(" ")[2].strip(), process
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(timeout=20)


def wait_for_model(stub: RouterServiceStub, *, at_most_s: float = 10.0) -> None:
    """Wait until the embedded model can be chosen, and say so if it cannot."""
    asked = RouteRequest(request=pb.Request(prompt=pb.Prompt(text="Hello"), requirements=pb.Requirements(model="smollm2-135m")))
    until = time.monotonic() + at_most_s
    while True:
        try:
            stub.Route(asked, timeout=5)
        except grpc.RpcError as error:
            if time.monotonic() < until and "UNHEALTHY" in str(error):
                time.sleep(0.2)
                continue
            CONSOLE.print("[yellow]no embedded model here, so `builtin` answers alone; `pointsman fetch` would bring it[/]")
        return


def call(stub: RouterServiceStub, each: Ask) -> tuple[Line, pb.Decision | str]:
    """Return the line of an ask, and its decision, or the error in words."""
    line = Line(each.kind)
    began = time.perf_counter()
    try:
        decision, completion = asked(stub, each)
    except grpc.RpcError as error:
        line.ms = (time.perf_counter() - began) * 1000
        status = rpc_status.from_call(error)
        info = ErrorInfo()
        line.code = error.code().name
        line.reason = next((info.reason for detail in (status.details if status else ()) if detail.Unpack(info)), "")
        return line, str(error.details())
    line.ms = (time.perf_counter() - began) * 1000
    line.rule, line.reason = decision.rule.id, pb.DecisionReason.Name(decision.reason).removeprefix("DECISION_REASON_")
    line.model = completion.model or decision.chosen.model
    usage = completion.usage
    line.output_tokens, line.cost_nano_usd, line.baseline_nano_usd = usage.output_tokens, usage.cost.nano_usd, usage.baseline_cost.nano_usd
    decisions[each.kind], completions[each.kind] = decision, completion
    return line, decision


decisions: dict[str, pb.Decision] = {}
completions: dict[str, pb.Completion] = {}


def asked(stub: RouterServiceStub, each: Ask) -> tuple[pb.Decision, pb.Completion]:
    """Return decision and completion of one call, which a Route leaves empty."""
    if each.method == "Route":
        return stub.Route(RouteRequest(request=each.request, explain=True), timeout=5).decision, pb.Completion()
    if each.method == "StreamComplete":
        return streamed(stub, each)
    response = stub.Complete(CompleteRequest(request=each.request), timeout=60)
    return response.decision, response.completion


def streamed(stub: RouterServiceStub, each: Ask) -> tuple[pb.Decision, pb.Completion]:
    """Print an answer as it comes."""
    decision, completion = pb.Decision(), pb.Completion()
    CONSOLE.print(f"[bold]{each.request.prompt.text}[/]  ", end="")
    column = 0
    for event in stub.StreamComplete(StreamCompleteRequest(request=each.request), timeout=60):
        match event.WhichOneof("event"):
            case "decision":
                decision = event.decision
                CONSOLE.print(f"[dim]{decision.chosen.model} answers as it thinks:[/]")
            case "delta":
                column = told(event.delta.text, column)
            case _:
                completion = event.completion
    print("\n")
    return decision, completion


def told(piece: str, column: int) -> int:
    """Print a piece of a text, in lines that fit, and return the column behind it."""
    if piece.startswith(" ") and column + len(piece) > CONSOLE.width:
        piece = f"\n{piece[1:]}"
    print(piece, end="", flush=True)
    _, breaks, rest = piece.rpartition("\n")
    return len(rest) if breaks else column + len(piece)


def table(lines: list[Line]) -> None:
    """Show what became of every prompt."""
    shown = Table(box=None, header_style="bold", padding=(0, 1, 0, 0))
    right = ("hard", "tokens", "cost", "base", "ms")
    for column in ("prompt", "task", "hard", "rule", "model", "why", "tokens", "cost", "base", "ms"):
        shown.add_column(
            column,
            justify="right" if column in right else "left",
            no_wrap=column != "why",
            overflow="fold" if column == "why" else "ellipsis",
        )
    for line in lines:
        decision, usage = decisions.get(line.kind), completions.get(line.kind, pb.Completion()).usage
        if decision is None:
            shown.add_row(line.kind, "", "", "", "[red]refused[/]", line.reason, "", "", "", f"{line.ms:.0f}")
            continue
        answered = bool(usage.output_tokens)
        shown.add_row(
            line.kind,
            decision.facts.task,
            f"{decision.facts.complexity:.2f}",
            line.rule,
            f"[green]{line.model}[/]",
            line.reason,
            f"{usage.input_tokens}+{usage.output_tokens}" if answered else "-",
            micro(line.cost_nano_usd) if answered else "-",
            micro(line.baseline_nano_usd) if answered else "-",
            f"{line.ms:.0f}",
        )
    CONSOLE.print(shown)
    cost, baseline = sum(line.cost_nano_usd for line in lines), sum(line.baseline_nano_usd for line in lines)
    saved = f"[bold]{1 - cost / baseline:.0%} saved[/]" if baseline else "nothing to save"
    CONSOLE.print(f"\n{dollars(cost)} spent, {dollars(baseline)} with the dearest model that could have served each: {saved}")
    CONSOLE.print(
        "[dim]hard: chance that a 7-9B model fails; base: what the dearest model that fits would cost; u$: millionths of a dollar, nominal here[/]"
    )


def micro(nano_usd: int) -> str:
    """Return a small amount in millionths of a dollar."""
    return f"{nano_usd / 1000:.1f}u$"


def section(title: str) -> None:
    """Open a part of the report."""
    CONSOLE.print()
    CONSOLE.rule(f"[bold]{title}[/]", align="left", style="dim")


def closer_look(results: list[tuple[Ask, Line, pb.Decision | str]]) -> None:
    """Show some answers, the fallback, a refusal, and one explanation."""
    section("some answers")
    for kind in ("arithmetic", "summary", "chat", "JSON"):
        if kind in completions:
            CONSOLE.print(f"[bold]{kind}[/] ({completions[kind].model}): {completions[kind].message.text.strip()}")
    section("a fallback")
    for attempt in completions["fallback"].attempts if "fallback" in completions else ():
        CONSOLE.print(f"  {attempt.model}: {attempt.error_type or 'answered'} after {attempt.latency.ToMilliseconds()} ms")
    section("a refusal that helps")
    CONSOLE.print(next(str(outcome) for each, _, outcome in results if each.kind == "tiny budget"), markup=False)
    section("why that model for the proof?")
    if "decide" in decisions:
        show.explained(decision_from_pb(decisions["decide"]))


def write_json(lines: list[Line]) -> None:
    """Write a JSON line per prompt where DEMO_JSON names a file."""
    if name := os.environ.get("DEMO_JSON"):
        Path(name).write_text("".join(json.dumps(asdict(line)) + "\n" for line in lines))


if __name__ == "__main__":
    sys.exit(main())
