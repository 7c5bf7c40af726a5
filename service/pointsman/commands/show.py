"""What people see: tables, trees and answers on a terminal."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from pointsman.core.account import Account
from pointsman.core.completion import Completion
from pointsman.core.decision import Decision, Dropped, Explanation, RuleTrace
from pointsman.core.errors import InvalidRequest, PointsmanError
from pointsman.core.money import dollars
from pointsman.core.ruleset import Ruleset
from pointsman.core.ruletest import CaseResult, Report
from pointsman.core.vocabulary import RuleOutcome
from pointsman.wire.codec import ListedModel

_MARKS = {
    RuleOutcome.MATCH: "[bold green]MATCH[/]",
    RuleOutcome.NO_MATCH: "[dim]no[/]   ",
    RuleOutcome.SKIPPED: "[dim]-[/]    ",
    RuleOutcome.SHADOW_MATCH: "[cyan]shadow[/]",
    RuleOutcome.ROLLED_OUT_OF: "[yellow]out[/]  ",
}

# The names of the groups are their styles. A line of source begins with a number, so none is taken for a caret.
_PROBLEM = re.compile(r"(?m)^.*?:\d+:\d+: (?:(?P<red>error)|(?P<yellow>warning)):|^ {7}\| +(?P<green>\^+)$")


UNFOLDED = 10_000
"""Columns of what is no terminal: whoever searches a file or a pipe for a name must find it, and nothing needs to fit a screen."""


def terminal(*, stderr: bool = False) -> Console:
    """Return the terminal, or what stands in for it."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, highlight=False, width=None if stream.isatty() else UNFOLDED)


def aligned(*columns: str, numbers: Iterable[str] = ()) -> Table:
    """Return an empty table; `numbers` are the columns that stand to the right."""
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    right = set(numbers)
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return table


def decision(found: Decision) -> None:
    """Show the plan, what was dropped, and the rule."""
    console = terminal()
    features, baseline = found.features, found.baseline_cost
    console.print(f"[bold green]{escape(found.chosen.model)}[/]  by rule [bold]{escape(found.rule.id)}[/]  ({found.reason.name})")
    if found.rule.why:
        console.print(f"[dim]{escape(found.rule.why)}  {found.rule.file}:{found.rule.line}[/]")
    console.print(
        f"task {features.task}, complexity {features.complexity:.2f} (confidence {features.confidence:.2f}), {found.tokens.input} tokens\n"
    )
    table = aligned(
        "", "model", "quality", "tokens", "cost", "first token", "whole", numbers=("quality", "tokens", "cost", "first token", "whole")
    )
    for index, candidate in enumerate(found.plan):
        tokens = candidate.tokens
        table.add_row(
            "chosen" if index == 0 else f"then {index}",
            escape(candidate.model),
            f"{candidate.quality:.2f}",
            f"{tokens.input} + {tokens.output}",
            dollars(candidate.expected_cost),
            f"{candidate.expected_ttft_ms:.0f} ms",
            f"{candidate.expected_latency_ms:.0f} ms",
        )
    for drop in found.dropped:
        table.add_row("[red]dropped[/]", escape(drop.model), f"[red]{drop.reason.name}[/]", "", "", "", "")
    console.print(table)
    for drop in found.dropped:
        console.print(f"[dim]{escape(drop.model)}: {escape(drop.detail)}[/]")
    console.print(f"\n[dim]baseline {dollars(baseline)}  revision {found.revision}  id {found.id}[/]")


def answer(found: Decision, completion: Completion) -> None:
    """Show the answer, and below it how it came about."""
    message = completion.message
    terminal().print(message.text if message else "", markup=False, soft_wrap=True)
    account(found, completion)


def account(found: Decision, completion: Completion) -> None:
    """Show how an answer came about."""
    console, usage = terminal(), completion.usage
    tried = " -> ".join(f"{attempt.model} ({attempt.error_type or f'{attempt.latency_ms:.0f} ms'})" for attempt in completion.attempts)
    how = tried or f"{completion.model} (kept: {completion.cache_status.name.lower()})"
    console.print(f"\n[dim]{escape(how)}  by rule {escape(found.rule.id)}, ends with {completion.finish_reason.name}[/]")
    saved = f", baseline {dollars(usage.baseline_cost)}" if usage.baseline_cost else ""
    console.print(f"[dim]{usage.input_tokens} + {usage.output_tokens} tokens, {dollars(usage.cost)}{saved}  id {found.id}[/]")
    expected = completion.attempts[-1].expected if completion.attempts else None
    if expected is not None:
        tokens, cost = f"{expected.input_tokens} + {expected.output_tokens} tokens", dollars(expected.cost)
        console.print(f"[dim]expected of {escape(completion.model)}: {tokens}, {cost}, {expected.latency_ms:.0f} ms[/]")


def explained(found: Decision) -> None:
    """Show the explanation of a decision, if it has one."""
    if found.explanation is not None:
        terminal().print()
        explanation(found.explanation, found.dropped)


def explanation(found: Explanation, dropped: Sequence[Dropped]) -> None:
    """Show every rule with its conditions and the values of their facts."""
    terminal().print(_explanation_tree(found, dropped))


def told(found: Account) -> None:
    """Show how a decision came about, and what would have led elsewhere."""
    explanation(found.explanation, found.dropped)
    rows = aligned("it would have been", "", "if", "were", "not", numbers=("were", "not"))
    for each in found.explanation.contrasts:
        rows.add_row(escape(each.model), f"[dim]by {escape(each.rule)}[/]", each.fact, _number(each.new), _number(each.old))
    if rows.row_count:
        out = terminal()
        out.print()
        out.print(rows)
    terminal().print(f"\n[dim]revision {found.revision}[/]")


def _number(value: float | None) -> str:
    return "absent" if value is None else f"{Decimal(f'{value:.10g}'):f}"  # without an exponent


def explanation_text(found: Explanation) -> str:
    """Return what `explanation` shows, without colours."""
    console = Console(file=StringIO(), width=UNFOLDED, color_system=None, highlight=False)
    with console.capture() as shown:
        console.print(_explanation_tree(found, ()))
    return "\n".join(line.rstrip() for line in shown.get().splitlines())


def _explanation_tree(found: Explanation, dropped: Sequence[Dropped]) -> Tree:
    tree = Tree(f"[bold]{escape(found.summary)}[/]", guide_style="dim")
    for trace in found.rules:
        branch = tree.add(_rule_line(trace))
        for condition in trace.conditions:
            mark = "[green]✓[/]" if condition.result else "[red]✗[/]"
            values = ", ".join(f"{name} = {_value(value)}" for name, value in condition.values.items())
            branch.add(f"{mark} {escape(condition.text)}  [dim]{escape(values)}[/]")
    if dropped:
        lost = tree.add("dropped")
        for drop in dropped:
            lost.add(f"[red]✗[/] {escape(drop.model)}  [dim]{drop.reason.name}: {escape(drop.detail)}[/]")
    return tree


def _rule_line(trace: RuleTrace) -> str:
    rule = trace.rule
    detail = f"  [yellow]{escape(trace.detail)}[/]" if trace.detail else ""
    return f"{_MARKS.get(trace.outcome, '[dim]?[/]    ')} {escape(rule.id)}  [dim]{escape(rule.file)}:{rule.line}[/]{detail}"


def _value(value: object) -> str:
    return "absent" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)


def models(found: Sequence[ListedModel]) -> None:
    """Show the catalog with its state."""
    columns = ("model", "provider", "tier", "window", "$ in/M", "$ out/M", "can", "tags", "now")
    table = aligned(*columns, numbers=("window", "$ in/M", "$ out/M"))
    table.padding = (0, 1, 0, 0)
    for column in (table.columns[0], table.columns[-1]):
        column.no_wrap = True
    for model in found:
        price, nominal = model.price, "*" if model.price.nominal else ""
        table.add_row(
            escape(model.id),
            escape(model.provider),
            model.tier,
            _thousands(model.context_window),
            f"{dollars(price.input)}{nominal}",
            f"{dollars(price.output)}{nominal}",
            " ".join(model.capabilities),
            escape(" ".join(model.tags)),
            "[green]ready[/]" if model.unavailable is None else f"[red]{model.unavailable.name}[/]",
        )
    console = terminal()
    console.print(table)
    if any(model.price.nominal for model in found):
        console.print("[dim]* nominal: made up for a model that runs in process, so that costs can be compared[/]")


def _thousands(tokens: int) -> str:
    """Return a number of tokens as people speak of windows: "272k", "1.0M"."""
    return f"{tokens / 1e6:.1f}M" if tokens >= 1_000_000 else f"{tokens // 1000}k"


def rules_summary(ruleset: Ruleset, directory: Path, *, warnings: int) -> str:
    """Return one line about rules that are fine."""
    told = f"{len(ruleset.catalog.models)} models, {len(ruleset.constraints)} constraints, {len(ruleset.routes)} routes"
    return f"{directory}: ok, {told}, revision {ruleset.revision}" + (f", {warnings} warnings" if warnings else "")


def problems(rendered: str, stream: TextIO) -> None:
    """Show problems of rules as `render` writes them; on a terminal that has them, and without NO_COLOR, in colours."""
    if not stream.isatty():
        print(rendered, file=stream)
        return
    text = Text(rendered)
    text.highlight_regex(_PROBLEM, style_prefix="")
    Console(file=stream, highlight=False).print(text, soft_wrap=True)


def case_results(results: Iterable[CaseResult], directory: Path, *, verbose: bool) -> None:
    """Show failed tests with the trace of what happened instead; with `verbose` those that passed, too."""
    console = terminal()
    for result in results:
        if not result.failures and verbose:
            console.print(f"[green]ok[/]  {escape(result.name)}")
        for failure in result.failures:
            print(f"{directory}/{result.file}:{result.line}:1: error: {result.name}: {failure}")
        if result.explanation is not None:
            explanation(result.explanation, ())


def missed(report: Report, directory: Path) -> None:
    """Show what no test has shown, and the share that was."""
    for point in report.missed:
        print(f"{directory}/{point.file}:{point.line}:1: not covered: {point.what}")
    print(f"coverage {report.covered:.0f} %")


def failure(error: PointsmanError, hint: str) -> None:
    """Show on stderr why a call failed, and what to do."""
    console = terminal(stderr=True)
    console.print(
        f"[bold red]{type(error).__name__}[/]: {escape(str(error)) if not isinstance(error, InvalidRequest) else ''}", soft_wrap=True
    )
    for violation in error.violations if isinstance(error, InvalidRequest) else ():
        console.print(f"  {escape(violation.field)}: {escape(violation.message)}", soft_wrap=True)
    if hint:
        console.print(f"  {escape(hint)}", soft_wrap=True)
