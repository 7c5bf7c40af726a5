"""Patterns of `matches`: RE2 only, whose time is linear in the text whatever the pattern is (Python's own `re` hangs on `(a+)+$`)."""

from __future__ import annotations

from collections.abc import Callable

import re2


def _options() -> re2.Options:
    options = re2.Options()
    options.log_errors = False  # a bad pattern is reported with its place, not on stderr
    options.max_mem = 1 << 20  # a pattern such as ((a{100}){100}){100} is refused at load, not compiled
    return options


def flaw_of_pattern(pattern: str) -> str:
    """Return what is wrong with the pattern, or an empty string."""
    try:
        re2.compile(pattern, _options())
    except re2.error as error:
        return _readable(error.args[0])
    return ""


def searcher(pattern: str) -> Callable[[str], bool]:
    """Return a function that says whether the pattern, known to be right, matches anywhere in a text, as `matches` does in CEL."""
    search = re2.compile(pattern, _options()).search
    return lambda text: search(text) is not None


def _readable(reason: object) -> str:
    return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
