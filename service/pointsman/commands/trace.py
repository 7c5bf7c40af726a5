"""`pointsman trace`: shows calls as their spans tell them, for who has no Jaeger at hand, or wants the answer in one screen."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from io import StringIO
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from pointsman.commands.otlp import NoSpans, ReadSpan, Value, spans_of
from pointsman.commands.show import terminal
from pointsman.core.money import NANO_PER_USD, dollars
from pointsman.settings import Settings

BAR = 20
"""Columns of the waterfall."""

INDENT = 6

WIDTH = 110
"""Columns of a picture."""

PICTURE = """<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" xml:space="preserve">
<style>
.{unique_id}-matrix {{ font-family: monospace; font-size: {char_height}px; line-height: {line_height}px; }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal"><rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">{matrix}</g>
</g>
</svg>
"""
"""Rich's own form asks a server for a font."""

DECIDING = ("/Route", "/Complete", "/StreamComplete")
"""Methods whose calls' ids are those of decisions."""

JUDGED = "pointsman.feedback.decision"

WELL_OFF = 1.5
"""The factor from which on it is shown that an estimate was off."""

VERDICTS = {"chosen": "green", "kept": "default", "dropped": "dim"}


def trace(options: argparse.Namespace, _settings: Settings) -> int:
    """Show the calls of a file of spans; 1 if there is none like that, 2 if it holds no spans."""
    try:
        text = sys.stdin.buffer.read() if str(options.file) == "-" else options.file.read_bytes()
        spans = spans_of(text)
    except (OSError, NoSpans) as error:
        print(f"pointsman: {options.file}: {error.strerror if isinstance(error, OSError) else error}", file=sys.stderr)
        return 2
    calls = [span for span in spans if _is_call(span) and _is_asked_for(span, options.id)]
    if not calls:
        print(f"pointsman: {options.file}: no call{f' with id or trace {options.id}' if options.id else ''}", file=sys.stderr)
        return 1
    console = terminal()
    for call in calls:
        console.print(_drawn(call, spans))
    return _drawn_to(calls, spans, options.svg) if options.svg else 0


def _is_call(span: ReadSpan) -> bool:
    return "rpc.method" in span.attributes and span.name.startswith("pointsman.")


def _is_asked_for(span: ReadSpan, asked: str) -> bool:
    return asked in {"", span.trace, span.attributes.get("pointsman.call.id"), span.attributes.get(JUDGED)}


def _drawn_to(calls: list[ReadSpan], spans: list[ReadSpan], path: Path) -> int:
    try:
        _picture(calls, spans, path)
    except OSError as error:
        print(f"pointsman: {path}: {error.strerror}", file=sys.stderr)
        return 2
    return 0


def _picture(calls: list[ReadSpan], spans: list[ReadSpan], path: Path) -> None:
    console = Console(record=True, width=WIDTH, file=StringIO(), highlight=False, force_terminal=True)
    for call in calls:
        console.print(_drawn(call, spans))
    path.write_text(console.export_svg(title="pointsman trace", code_format=PICTURE, unique_id="trace"), encoding="utf-8")


def _drawn(call: ReadSpan, spans: list[ReadSpan]) -> Group:
    """Return a call with the spans below it, each with its place in time, and what it tells."""
    below = [span for span in spans if span.parent == call.id and span.trace == call.trace]
    lines: list[RenderableType] = []
    for span in (call, *below):
        lines.append(_line(span, call))
        lines += [Padding(Text(line, style="dim"), (0, 0, 0, INDENT), expand=False) for line in _told(span, is_call=span is call)]
        if candidates := span.attributes.get("pointsman.candidates"):
            lines.append(Padding(_listed(candidates), (0, 0, 0, INDENT), expand=False))
    return Group(*lines, "")


def _line(span: ReadSpan, call: ReadSpan) -> Table:
    line = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
    line.add_column(width=BAR, no_wrap=True)
    line.add_column(width=10, justify="right", no_wrap=True)
    line.add_column()
    name = span.name.rpartition("/")[2] if span is call else f"  {span.name}"
    line.add_row(_bar(span, call), f"{span.ms:.1f} ms", f"[bold]{escape(name)}[/]  {_headline(span)}")
    return line


def _listed(candidates: Value) -> Table:
    """Return the candidates in columns: what became of each, its name, and what speaks for or against it."""
    table = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    for candidate in candidates if isinstance(candidates, list) else [candidates]:
        model, _, rest = str(candidate).partition(": ")
        verdict, _, why = rest.partition(" ")
        why = why.removesuffix(")").replace(" (", ": ", 1).removeprefix("(")
        table.add_row(escape(verdict), escape(model), escape(why), style=VERDICTS.get(verdict, "default"))
    return table


def _bar(span: ReadSpan, call: ReadSpan) -> str:
    whole = max(1, call.ended_ns - call.began_ns)
    start = min(BAR - 1, max(0, BAR * (span.began_ns - call.began_ns) // whole))
    length = max(1, min(BAR - start, round(BAR * (span.ended_ns - span.began_ns) / whole)))
    colour = "red" if span.error else "green" if span is call else "cyan"
    return f"{' ' * start}[{colour}]{'━' * length}[/]{' ' * (BAR - start - length)}"


def _headline(span: ReadSpan) -> str:
    found = span.attributes
    if "rpc.status_code" in found:
        return _ended(found)
    failed = f"[red]✗ {escape(span.error)}[/]  " if span.error else ""
    match span.name:
        case "pointsman.decide":
            return escape(str(found["gen_ai.request.model"])) if "gen_ai.request.model" in found else "[red]no model[/]"
        case "pointsman.cache.lookup":
            return escape(str(found.get("pointsman.cache.status", "")))
        case "pointsman.budget.hold":
            return failed + _held(found)
        case _:
            return failed + _attempt(found)


def _ended(found: Mapping[str, Value]) -> str:
    """Return how a call ended: "OK  large, $0.0060 instead of $0.0090  tenant search"."""
    code, reason = found["rpc.status_code"], found.get("pointsman.error.reason", "")
    parts = [f"[{'green' if code == 'OK' else 'red'}]{code}[/]{escape(f' {reason}' if reason else '')}"]
    if "gen_ai.response.model" in found:
        parts.append(escape(_answer(found)))
    if tenant := found.get("pointsman.tenant.id"):
        parts.append(escape(f"tenant {tenant}"))
    return "  ".join(parts)


def _answer(found: Mapping[str, Value]) -> str:
    """Return who answered and what that cost, beside what the dearest candidate would have cost."""
    cost, dearest = (round(_number(found, name) * NANO_PER_USD) for name in ("pointsman.cost_usd", "pointsman.baseline_cost_usd"))
    cache = found.get("pointsman.cache.status")
    kept = f" from the cache ({cache})" if cache in {"hit", "stale", "coalesced"} else ""
    saved = f" instead of {dollars(dearest)}" if dearest > cost and found["rpc.status_code"] == "OK" else ""
    return f"{found['gen_ai.response.model']}{kept}, {dollars(cost)}{saved}"


def _held(found: Mapping[str, Value]) -> str:
    """Return what an attempt may use at most: "large, up to 1200 tokens, $0.0040"; where there is no room for it, also why."""
    cost = _dollars(found, "pointsman.budget.cost_usd")
    refused = found.get("pointsman.budget.refused")
    held = f"{found.get('gen_ai.request.model', '')}, up to {found.get('pointsman.budget.tokens', 0)} tokens, {cost}"
    return escape(f"{held}: {refused}" if refused else held)


def _attempt(found: Mapping[str, Value]) -> str:
    """Return what an attempt came to: "fallback  412 in (380 cached), 80 out, $0.000600"."""
    reason = str(found.get("pointsman.attempt.reason", ""))
    if "gen_ai.usage.input_tokens" not in found:
        return escape(reason)
    given, cached, made = (found.get(f"gen_ai.usage.{kind}_tokens", 0) for kind in ("input", "cache_read.input", "output"))
    cost = dollars(int(str(found.get("pointsman.cost_nano_usd", 0))))
    guessed = " (estimated)" if found.get("pointsman.usage.estimated") else ""
    return escape(f"{reason}  {given} in{f' ({cached} cached)' if cached else ''}, {made} out, {cost}{guessed}")


def _told(span: ReadSpan, *, is_call: bool) -> Iterator[str]:
    """Yield what a call, a decision or an attempt tells beside its line."""
    found = span.attributes
    if is_call:
        yield from _called(span)
    elif span.name == "pointsman.decide":
        yield str(found.get("pointsman.decision.explain", ""))
        yield from _rule(found)
    elif span.name.startswith("chat "):
        yield from _compared(span)


def _called(span: ReadSpan) -> Iterator[str]:
    """Yield the ids by which a call is found, and what it says of the answer of another."""
    found = span.attributes
    kept, made = found.get("pointsman.trace.kept_for"), "decision" if span.name.endswith(DECIDING) else "call"
    yield f"{made} {found.get('pointsman.call.id', '?')}, trace {span.trace}{f', kept although not sampled: {kept}' if kept else ''}"
    if judged := found.get(JUDGED):
        source = found.get("pointsman.feedback.source")
        yield f"score {_number(found, 'pointsman.feedback.score'):g} of decision {judged}{f', by {source}' if source else ''}"


def _compared(span: ReadSpan) -> Iterator[str]:
    """Yield when an attempt began to answer, and what was expected of it and came otherwise."""
    found = span.attributes
    if "gen_ai.response.time_to_first_chunk" in found:
        yield f"first token after {_number(found, 'gen_ai.response.time_to_first_chunk') * 1000:.0f} ms"
    off = (each for each in _estimates(span) if _number(found, f"pointsman.est.{each[0]}_off_by") >= WELL_OFF)
    if told := "; ".join(f"{name}: {expected} expected, {came} came" for name, expected, came in off):
        yield told


def _estimates(span: ReadSpan) -> Iterator[tuple[str, str, str]]:
    """Yield what is estimated of an attempt, what was expected, and what came."""
    found = span.attributes
    for kind in ("input", "output"):
        yield kind, f"{_number(found, f'pointsman.est.{kind}_tokens'):.0f}", f"{_number(found, f'gen_ai.usage.{kind}_tokens'):.0f}"
    yield "cost", _dollars(found, "pointsman.est.cost_usd"), _dollars(found, "pointsman.cost_usd")
    yield "latency", f"{_number(found, 'pointsman.est.latency_s') * 1000:.0f} ms", f"{span.ms:.0f} ms"


def _number(found: Mapping[str, Value], name: str) -> float:
    return float(str(found.get(name, 0)))


def _dollars(found: Mapping[str, Value], name: str) -> str:
    return dollars(round(_number(found, name) * NANO_PER_USD))


def _rule(found: Mapping[str, Value]) -> Iterator[str]:
    if place := found.get("pointsman.rule.file_line"):
        yield f"rule {found['pointsman.rule.id']} at {place} of revision {found.get('pointsman.ruleset.revision', '?')}"
    if why := found.get("pointsman.rule.why"):
        yield f"“{why}”"
    if task := found.get("pointsman.features.task"):
        complexity, confidence = (_number(found, f"pointsman.features.{name}") for name in ("complexity", "confidence"))
        yield f"task {task}, complexity {complexity:.2f} (confidence {confidence:.2f})"
