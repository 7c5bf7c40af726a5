"""The command line. People get tables, programs get `--json`, or a `--format` of their own.

Exit code 0 is fine, 1 says that a check or a call failed, 2 that the command was called wrongly.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from pointsman import __version__
from pointsman.commands import cache, calls, diff, explain, feedback, fetch, keys, learn, rules, score, serve, trace, usage
from pointsman.commands.options import CACHE_MODES
from pointsman.offline import UnreadableArtifact
from pointsman.settings import BadSetting, Settings, described

Command = Callable[[argparse.Namespace, Settings], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    try:
        settings = Settings.read()
    except BadSetting as error:
        print(f"pointsman: {error}", file=sys.stderr)
        return 2
    options = parser(settings).parse_args(arguments)
    command: Command = options.command
    try:
        return command(options, settings)
    except UnreadableArtifact as error:
        print(f"pointsman: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # whoever reads has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def parser(settings: Settings) -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    top = argparse.ArgumentParser(
        prog="pointsman", description="Decides which language model serves each request, by rules, and can call it too.", allow_abbrev=False
    )
    top.add_argument("--version", action="version", version=f"pointsman {__version__}")
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    _serve(commands, settings)
    _calls(commands, settings)
    _cache(commands, settings)
    _command(commands, "fetch", fetch.fetch, "Bring the embedded model into the cache (93 MB, once).")
    _learning(commands, settings)
    _traces(commands)
    _keys(commands)
    _rules(commands, settings)
    return top


Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001  # argparse has no public name for it


def _serve(commands: Commands, settings: Settings) -> None:
    lines = [(name, f"{says} Default: {_shown(default)}.") for name, _, default, says in described()]
    lines.append(("OTEL_*", "Traces, metrics, records: as OpenTelemetry has it, OTEL_EXPORTER_OTLP_ENDPOINT etc."))
    width = max(len(name) for name, _ in lines)
    variables = "\n".join(f"  {name:{width}}  {says}" for name, says in lines)
    command = _command(
        commands, "serve", serve.serve, "Serve gRPC until SIGTERM.", epilog=f"settings, as environment variables:\n{variables}"
    )
    command.add_argument("--listen", metavar="HOST:PORT", default=settings.listen, help="address to serve on; port 0 picks a free one")
    command.add_argument("--rules", metavar="DIR", type=Path, default=settings.rules, help="rule directory")


def _shown(default: object) -> object:
    if isinstance(default, tuple):
        default = " ".join(default)
    return "off" if default is False else "none" if default in (None, "") else default


def _calls(commands: Commands, settings: Settings) -> None:
    route = _command(commands, "route", calls.route, "Ask which model would serve a text.")
    complete = _command(commands, "complete", calls.complete, "Ask for the answer to a text.")
    complete.add_argument("--stream", action="store_true", help="print the answer as it comes")
    complete.add_argument(
        "--cache",
        choices=CACHE_MODES,
        help="use, bypass or refresh the response cache, or take only what it has; default: as the route says",
    )
    for command in (route, complete):
        command.add_argument("text", metavar="TEXT", help="the prompt; - reads standard input")
        command.add_argument("--explain", action="store_true", help="show every rule and condition")
        _request_options(command)
        _where(command, settings)
    _where(_command(commands, "models", calls.models, "List the models of the catalog."), settings)
    _feedback(_command(commands, "feedback", feedback.feedback, "Say how good the answer of a decision of the last day was."), settings)
    _usage(
        _command(commands, "usage", usage.usage, "Show what was used and what it cost, by tenants, models, routes, days or hours."),
        settings,
    )


def _feedback(command: argparse.ArgumentParser, settings: Settings) -> None:
    command.add_argument("id", metavar="ID", help="of the decision; every answer shows it")
    command.add_argument("score", metavar="SCORE", type=float, help="0 (of no use) to 1 (as good as can be)")
    command.add_argument("--source", metavar="NAME", default="user", help="who says so: user, judge, test or the like (default: user)")
    command.add_argument("--json", action="store_true", help="print the response as JSON")
    command.add_argument("--timeout", type=float, metavar="S", default=30.0, help="deadline of the call, in seconds (default: 30)")
    command.add_argument("--server", metavar="HOST:PORT", default=settings.server, help="server to tell")


def _usage(command: argparse.ArgumentParser, settings: Settings) -> None:
    command.add_argument(
        "--by", metavar="NAMES", default="tenant,model", help="some of tenant,model,route,day,hour (default: tenant,model)"
    )
    command.add_argument("--since", metavar="TIME", default="", help="from this hour on: 2026-11-23, 2026-11-23T14:00, 24h or 7d ago")
    command.add_argument("--until", metavar="TIME", default="", help="up to this hour, exclusive")
    command.add_argument("--tenant", metavar="NAME", default="", help="only this tenant, also one that is no longer in tenants.yaml")
    forms = command.add_mutually_exclusive_group()
    forms.add_argument("--csv", action="store_true", help="print CSV, amounts exact to the nano-dollar")
    forms.add_argument("--json", action="store_true", help="print a GetUsageResponse as JSON")
    command.add_argument("--timeout", type=float, metavar="S", default=30.0, help="deadline of each call, in seconds (default: 30)")
    command.add_argument("--server", metavar="HOST:PORT", default=settings.server, help="server to ask")


def _cache(commands: Commands, settings: Settings) -> None:
    cache_ = _command(commands, "cache", cache.cache, "Show what a server's response cache saved, and why the last misses missed.")
    cache_.add_argument("--tenant", default="", metavar="NAME", help="only this tenant")
    cache_.add_argument("--purge", metavar="TENANT", help="drop every kept answer of a tenant instead")
    cache_.add_argument("--json", action="store_true", help="print the response as JSON")
    cache_.add_argument("--timeout", type=float, metavar="S", default=30.0, help="deadline of the call, in seconds (default: 30)")
    cache_.add_argument("--server", metavar="HOST:PORT", default=settings.server, help="server to ask")


def _request_options(command: argparse.ArgumentParser) -> None:
    asked = command.add_argument_group("what the answer must satisfy")
    asked.add_argument("--accuracy", type=float, metavar="P", help="least acceptable probability, 0..1, that the answer is right")
    asked.add_argument("--max-tokens", type=int, metavar="N", help="most tokens, input and output together")
    asked.add_argument("--max-output", type=int, metavar="N", help="most output tokens")
    asked.add_argument("--temperature", type=float, metavar="T", help="0..2; at 0 an answer may be kept and given again")
    asked.add_argument("--seed", type=int, metavar="N", help="asks for the same answer again, where the provider can")
    asked.add_argument("--max-cost", metavar="USD", help="most that the request may cost, as in 0.002")
    asked.add_argument("--max-latency", type=float, metavar="MS", help="time to the whole answer")
    asked.add_argument("--max-ttft", type=float, metavar="MS", help="time to the first token")
    asked.add_argument("--model", default="", metavar="NAME", help="model id or alias")
    asked.add_argument("--tag", action="append", default=[], metavar="TAG", help="tag that the model must have; may be repeated")
    asked.add_argument("--capability", action="append", default=[], metavar="NAME", help="tools, json or vision; may be repeated")
    asked.add_argument("--label", action="append", default=[], metavar="KEY=VALUE", help="label for rules to look at; may be repeated")
    asked.add_argument("--session", default="", metavar="ID", help="conversation")
    asked.add_argument("--system", default="", metavar="TEXT", help="instructions before the prompt")


def _where(command: argparse.ArgumentParser, settings: Settings) -> None:
    command.add_argument("--json", action="store_true", help="print the response as JSON")
    command.add_argument("--timeout", type=float, metavar="S", default=30.0, help="deadline of the call, in seconds (default: 30)")
    where = command.add_mutually_exclusive_group()
    where.add_argument("--server", metavar="HOST:PORT", default=settings.server, help="server to call")
    where.add_argument("--local", action="store_true", help="decide and answer in this process, without a server")
    command.add_argument("--rules", metavar="DIR", type=Path, default=settings.rules, help="rule directory, for --local")


def _rules(commands: Commands, settings: Settings) -> None:
    group = commands.add_parser("rules", help="Check, test and explain rule files.", allow_abbrev=False).add_subparsers(
        metavar="COMMAND", required=True
    )
    check = _command(group, "check", rules.check, "Report every problem of a rule directory.")
    test = _command(group, "test", rules.test, "Run the tests that stand beside the rules.")
    for command in (check, test):
        command.add_argument("directory", metavar="DIR", type=Path, nargs="?", default=settings.rules, help="rule directory")
    _format(check, "text", "json", "github", "sarif")
    _format(test, "text", "json", "junit")
    test.add_argument("--filter", metavar="GLOB", default="*", help="only the tests whose name matches, as in 'budget *' (default: all)")
    test.add_argument(
        "--fail-under", metavar="PERCENT", type=float, default=0.0, help="fail if the tests cover less: routes, constraints, conditions"
    )
    test.add_argument("-v", "--verbose", action="store_true", help="list the tests that passed, too")
    _explain(group, settings)
    compare = _command(group, "diff", diff.compare, "Show which decisions change from one rule directory to another.")
    compare.add_argument("old", metavar="OLD", type=Path, help="rule directory of today")
    compare.add_argument("new", metavar="NEW", type=Path, help="rule directory to compare with it")
    compare.add_argument(
        "--facts", metavar="RECORDS", type=Path, help="decision records, or a folder of them; without, requests are made up from the rules"
    )
    compare.add_argument("--json", action="store_true", help="print the comparison as JSON")
    schema = _command(group, "schema", rules.schema, "Print the JSON Schema of a kind of rule file, or write all of them.")
    schema.add_argument("kind", choices=rules.KINDS, nargs="?", help="kind of file")
    schema.add_argument("--write", metavar="DIR", type=Path, help="write all schemas into this directory")


def _learning(commands: Commands, settings: Settings) -> None:
    scoring = _command(commands, "score", score.score, 'Read {"id", "prompt"} lines of JSON; write what is known of each before deciding.')
    scoring.add_argument("--rules", metavar="DIR", type=Path, default=settings.rules, help="rule directory, for its catalog")
    top = commands.add_parser("learn", help="Learn an estimator of prompts from outcomes.", allow_abbrev=False)
    group = top.add_subparsers(metavar="COMMAND", required=True)
    build = _command(group, "build", learn.build, "Write an artifact for POINTSMAN_ESTIMATOR, and its card beside it.")
    build.add_argument("data", metavar="DIR", type=Path, help="folder of *.jsonl.gz rows: source, id, prompt, task, models")
    build.add_argument("out", metavar="FILE", type=Path, help="where to write it")
    build.add_argument("--measure", action="store_true", help="put an evaluation into the card; takes minutes")
    evaluate = _command(group, "evaluate", learn.evaluate, "Compare routers on questions and sources held out.")
    evaluate.add_argument("data", metavar="DIR", type=Path, help="folder of rows, as above")
    evaluate.add_argument("--plot", metavar="FILE", type=Path, help="quality against the share of strong calls, .svg or .png")
    evaluate.add_argument("--json", metavar="FILE", type=Path, help="write the numbers there")


def _traces(commands: Commands) -> None:
    command = _command(commands, "trace", trace.trace, "Show calls as their spans tell them: who decided, who lost and why, what it cost.")
    command.add_argument(
        "file",
        metavar="FILE",
        type=Path,
        help="OTLP in JSON, as Jaeger's /api/v3/traces and collectors have it, or a server's log (OTEL_TRACES_EXPORTER=console); -: stdin",
    )
    command.add_argument(
        "--id", metavar="ID", default="", help="only the calls of this decision id, its feedback with them, or of this trace id"
    )
    command.add_argument("--svg", metavar="FILE", type=Path, help="write a picture of it, too")


def _keys(commands: Commands) -> None:
    top = commands.add_parser("keys", help="Make API keys for tenants.", allow_abbrev=False)
    group = top.add_subparsers(metavar="COMMAND", required=True)
    new = _command(group, "new", keys.new, "Show a new API key once, with the digest that tenants.yaml holds.")
    new.add_argument("tenant", metavar="TENANT", nargs="?", default="NAME", help="whose key it is to be")
    new.add_argument("--json", action="store_true", help="print both as JSON")


def _explain(group: Commands, settings: Settings) -> None:
    command = _command(group, "explain", explain.explain, "Show how the rules decide on a text, condition by condition.")
    command.add_argument("text", metavar="TEXT", nargs="?", help="the prompt; - reads standard input")
    command.add_argument("--facts", metavar="FILE", type=Path, help="instead: facts as in `given` of a test, or records (.jsonl)")
    command.add_argument(
        "--id", metavar="ID", default="", help="one of the server's last 1,000 decisions; with --facts: of the records, whose last is taken"
    )
    command.add_argument("--server", metavar="HOST:PORT", default=settings.server, help="server to ask for the decision of --id")
    command.add_argument("--tenant", metavar="NAME", default="", help="who asks, of tenants.yaml")
    command.add_argument("--timeout", type=float, metavar="S", default=30.0, help="deadline of that call, in seconds (default: 30)")
    command.add_argument("--rules", metavar="DIR", type=Path, default=settings.rules, help="rule directory")
    command.add_argument("--json", action="store_true", help="print it as JSON: an ExplainDecisionResponse")
    _request_options(command)


def _format(command: argparse.ArgumentParser, *known: str) -> None:
    command.add_argument("--format", choices=known, default="text", help="how to print what is found (default: text, for people)")


def _command(commands: Commands, name: str, run: Command, says: str, *, epilog: str = "") -> argparse.ArgumentParser:
    command = commands.add_parser(
        name, help=says, description=says, epilog=epilog, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    command.set_defaults(command=run)
    return command


if __name__ == "__main__":
    sys.exit(main())
