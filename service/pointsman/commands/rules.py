"""`pointsman rules check|test|schema`: nothing here needs a server or a key."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TextIO

from pointsman import __version__
from pointsman.commands import case_formats, formats, show
from pointsman.core import ruletest
from pointsman.core.diagnostics import Problem, errors, render
from pointsman.core.rulefile import Loaded
from pointsman.core.rulefile.documents import SCHEMAS, json_schema
from pointsman.core.ruleset import Ruleset
from pointsman.offline import load_rules
from pointsman.settings import Settings

KINDS = tuple(SCHEMAS)


def check(options: argparse.Namespace, settings: Settings) -> int:
    """Print every problem of the directory; 0 if there is no error among them."""
    found = _loaded(options.directory, settings)
    if found is None:
        return 1
    loaded, sources = found
    problems = [*loaded.problems, *(ruletest.run(loaded.ruleset, loaded.cases).problems if loaded.ruleset else ())]
    if options.format == "text":
        _print_check(problems, loaded.ruleset, sources, options.directory)
    elif text := _check_report(options, problems, loaded.ruleset):
        print(text)
    return 1 if errors(problems) or loaded.ruleset is None else 0


def _print_check(problems: list[Problem], ruleset: Ruleset | None, sources: dict[str, bytes], directory: Path) -> None:
    _print_problems(problems, sources, directory, file=sys.stdout)
    if errors(problems) or ruleset is None:
        print(f"{_count(len(errors(problems)), 'error')} in {directory}")
    else:
        print(show.rules_summary(ruleset, directory, warnings=len(problems)))


def _check_report(options: argparse.Namespace, problems: list[Problem], ruleset: Ruleset | None) -> str:
    found = formats.findings(problems, options.directory)
    if options.format == "json":
        return formats.problems_json(found, ruleset.revision if ruleset else None)
    if options.format == "github":
        return formats.problems_github(found)
    return formats.problems_sarif(found, version=__version__, root=Path.cwd())


def test(options: argparse.Namespace, settings: Settings) -> int:
    """Run the tests beside the rules; 0 if all passed and there was at least one."""
    found = _loaded(options.directory, settings)
    if found is None:
        return 1
    loaded, sources = found
    report = ruletest.run(loaded.ruleset, loaded.cases) if loaded.ruleset else ruletest.Report(problems=loaded.problems)
    chosen = case_formats.named(report.results, options.filter)
    cases = case_formats.cases(chosen, options.directory)
    complaint = _why_not(options, chosen, report)
    if options.format == "text":
        _print_problems(report.problems, sources, options.directory, file=sys.stdout)
        show.case_results(chosen, options.directory, verbose=options.verbose)
        if loaded.ruleset and options.filter == "*":
            show.missed(report, options.directory)
        if complaint:
            print(complaint)
        if loaded.ruleset:
            print(_score(cases, report.problems))
    else:
        print(_test_report(options, cases, report))
        if complaint:
            print(complaint, file=sys.stderr)
    return 1 if complaint or report.problems or not all(case.passed for case in cases) else 0


def _test_report(options: argparse.Namespace, cases: Sequence[case_formats.Case], report: ruletest.Report) -> str:
    problems = formats.findings(report.problems, options.directory)
    if options.format == "json":
        return case_formats.cases_json(cases, problems, report, options.directory)
    return case_formats.cases_junit(cases, problems)


def _why_not(options: argparse.Namespace, chosen: Sequence[ruletest.CaseResult], report: ruletest.Report) -> str:
    """Return why tests are not enough although none failed; empty if they are."""
    if not chosen and report.results:
        return f"--filter '{options.filter}' matches none of the {_count(len(report.results), 'test')} in {options.directory}"
    if not chosen:
        return "" if report.problems else f"there are no tests in {options.directory}: write a *_test.yaml file"
    if report.covered < options.fail_under:
        return f"the tests cover {report.covered:.1f} %, and {options.fail_under:g} % are asked for"
    return ""


def _score(cases: Sequence[case_formats.Case], problems: Sequence[Problem]) -> str:
    passed = sum(case.passed for case in cases)
    return f"{passed} passed, {len(cases) - passed} failed" + (f", {len(problems)} could not run" if problems else "")


def schema(options: argparse.Namespace, _settings: Settings) -> int:
    """Print a JSON Schema, or write all of them."""
    if (options.kind is None) == (options.write is None):
        print("pointsman: give a kind of file, or --write DIR", file=sys.stderr)
        return 2
    for kind in KINDS if options.write else (options.kind,):
        text = json.dumps(json_schema(kind), indent=2) + "\n"
        if options.write:
            (options.write / f"{kind}.schema.json").write_text(text)
        else:
            print(text, end="")
    return 0


def ruleset_or_complaint(directory: Path, settings: Settings) -> Ruleset | None:
    """Return the ruleset of a directory; where there is none, say why on stderr."""
    loaded = loaded_or_complaint(directory, settings)
    return loaded.ruleset if loaded else None


def loaded_or_complaint(directory: Path, settings: Settings) -> Loaded | None:
    """Return what a directory comes to; where that is no ruleset, say why on stderr."""
    found = _loaded(directory, settings)
    if found is None:
        return None
    loaded, sources = found
    if loaded.ruleset is None:
        _print_problems(loaded.problems, sources, directory, file=sys.stderr)
        print(f"pointsman: {_count(len(errors(loaded.problems)), 'error')} in {directory}; not started", file=sys.stderr)
        return None
    return loaded


def _loaded(directory: Path, settings: Settings) -> tuple[Loaded, dict[str, bytes]] | None:
    try:
        return load_rules(directory, settings.trust)
    except OSError as error:
        print(
            f"pointsman: cannot read the rule directory {directory}: {error.strerror}; name another one",
            file=sys.stderr,
        )
        return None


def _print_problems(problems: Iterable[Problem], sources: dict[str, bytes], directory: Path, *, file: TextIO) -> None:
    texts = {name: text.decode(errors="replace") for name, text in sources.items()}
    if text := render(problems, texts, prefix=f"{directory}/"):
        show.problems(text, file)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
