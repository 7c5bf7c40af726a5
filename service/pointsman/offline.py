"""Composition root of what needs no server: the rules of a directory, and a router in this process. The server adds listening to it."""

from __future__ import annotations

from pathlib import Path

from pointsman.adapters.builtin import BuiltinProvider
from pointsman.adapters.clock import SystemClock
from pointsman.adapters.credentials import Keys, KeyStates
from pointsman.adapters.o200k import O200kCounter, load_encoding
from pointsman.adapters.rulefiles import read_directory
from pointsman.core.errors import RulesBroken
from pointsman.core.rulefile import Loaded, load
from pointsman.core.ruleset import Ruleset
from pointsman.execute import Executor
from pointsman.router import Router
from pointsman.settings import Settings


def load_rules(directory: Path) -> tuple[Loaded, dict[str, bytes]]:
    """Return what a rule directory comes to, and its files by name. Raises OSError if it cannot be read."""
    sources = read_directory(directory)
    return load(sources), sources


def usable_rules(directory: Path) -> Ruleset:
    """Return the ruleset of a directory. Raises OSError if it cannot be read, and RulesBroken if there is an error in it."""
    loaded, _ = load_rules(directory)
    if loaded.ruleset is None:
        raise RulesBroken(loaded.problems)
    return loaded.ruleset


def build_router(ruleset: Ruleset, settings: Settings) -> Router:
    """Return a router over the ruleset with all that it needs. Takes 0.4 s, most of it for the tokeniser."""
    clock = SystemClock()
    counter = O200kCounter(load_encoding())
    executor = Executor({"builtin": BuiltinProvider(counter)}, counter, clock)
    return Router(
        ruleset=ruleset,
        counter=counter,
        executor=executor,
        states=KeyStates(ruleset.catalog, Keys(settings.environment)),
        clock=clock,
        longest_s=settings.longest_call_s,
    )
