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
from rich.text import Text

from pointsman.commands.otlp import NoSpans, ReadSpan, Value, spans_of
from pointsman.commands.show import terminal
from pointsman.core.money import dollars
from pointsman.settings import Settings

BAR = 20
"""Columns of the waterfall."""

INDENT = 6

WIDTH = 110
"""Columns of a picture."""


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
    return asked in {"", span.trace, span.attributes.get("pointsman.call.id")}


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
    path.write_text(console.export_svg(title="pointsman trace"), encoding="utf-8")


def _drawn(call: ReadSpan, spans: list[ReadSpan]) -> Group:
    """Return a call with the spans below it, each with its place in time, and what it tells."""
    below = [span for span in spans if span.parent == call.id and span.trace == call.trace]
    lines: list[RenderableType] = []
    for span in (call, *below):
        name = span.name.rpartition(".")[2] if span is call else f"  {span.name}"
        lines.append(Text.from_markup(f"{_bar(span, call)} {span.ms:8.1f} ms  [bold]{escape(name)}[/]  {_headline(span)}"))
        lines += [Padding(Text(line, style="dim"), (0, 0, 0, INDENT)) for line in _told(span, is_call=span is call)]
    return Group(*lines, "")


def _bar(span: ReadSpan, call: ReadSpan) -> str:
    whole = max(1, call.ended_ns - call.began_ns)
    start = min(BAR - 1, max(0, BAR * (span.began_ns - call.began_ns) // whole))
    length = max(1, min(BAR - start, round(BAR * (span.ended_ns - span.began_ns) / whole)))
    colour = "red" if span.error else "green" if span is call else "cyan"
    return f"{' ' * start}[{colour}]{'━' * length}[/]{' ' * (BAR - start - length)}"


def _headline(span: ReadSpan) -> str:
    found = span.attributes
    if "rpc.status_code" in found:
        code, reason = found["rpc.status_code"], found.get("pointsman.error.reason", "")
        who = f"  tenant {found['pointsman.tenant.id']}" if "pointsman.tenant.id" in found else ""
        return f"[{'green' if code == 'OK' else 'red'}]{code}[/]{escape(f' {reason}' if reason else '')}{escape(who)}"
    if not span.name.startswith("chat "):
        return escape(str(found.get("gen_ai.request.model", "no model")))
    return f"[red]✗ {escape(span.error)}[/]  {_attempt(found)}" if span.error else _attempt(found)


def _attempt(found: Mapping[str, Value]) -> str:
    """Return what an attempt came to: "fallback  412 in (380 cached), 80 out, $0.000600"."""
    parts = [str(found.get("pointsman.attempt.reason", ""))]
    if "gen_ai.usage.input_tokens" in found:
        cached = found.get("gen_ai.usage.cache_read.input_tokens")
        parts.append(
            f"{found['gen_ai.usage.input_tokens']} in{f' ({cached} cached)' if cached else ''}, {found['gen_ai.usage.output_tokens']} out,"
            f" {dollars(int(str(found.get('pointsman.cost_nano_usd', 0))))}"
        )
    return escape("  ".join(parts))


def _told(span: ReadSpan, *, is_call: bool) -> Iterator[str]:
    """Yield what a call or a decision tells beside its line."""
    found = span.attributes
    if is_call:
        yield f"decision {found.get('pointsman.call.id', '?')}, trace {span.trace}"
    elif (first := found.get("gen_ai.response.time_to_first_chunk")) is not None:
        yield f"first token after {float(str(first)) * 1000:.0f} ms"
    elif span.name == "pointsman.decide":
        yield str(found.get("pointsman.decision.explain", ""))
        yield from _rule(found)
        candidates = found.get("pointsman.candidates", [])
        yield from map(str, candidates if isinstance(candidates, list) else [candidates])


def _rule(found: Mapping[str, Value]) -> Iterator[str]:
    if place := found.get("pointsman.rule.file_line"):
        yield f"rule {found['pointsman.rule.id']} at {place} of revision {found.get('pointsman.ruleset.revision', '?')}"
    if why := found.get("pointsman.rule.why"):
        yield f"“{why}”"
    if task := found.get("pointsman.features.task"):
        complexity, confidence = (float(str(found[f"pointsman.features.{name}"])) for name in ("complexity", "confidence"))
        yield f"task {task}, complexity {complexity:.2f} (confidence {confidence:.2f})"
