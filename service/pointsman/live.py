"""The rules in use: one value, swapped whole when the rule directory has changed for the good.

Rules that it keeps: readers see one ruleset or the next, never a mixture; what cannot be used changes nothing but what is said of the
directory; each content of the directory is judged once; all work is done aside, and the event loop only swaps a reference.

No watch is set on files: one on a file goes deaf when a ConfigMap is swapped, and reading the directory takes less than a millisecond.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeAlias

from pointsman.core import ruletest
from pointsman.core.diagnostics import Problem, Severity, errors, in_order
from pointsman.core.errors import InvalidRequest, Violation
from pointsman.core.rulefile import TENANTS, Trust, is_rule_file, load
from pointsman.core.ruleset import Ruleset
from pointsman.core.tenants import Tenants
from pointsman.ports import Clock, KeptRules, RuleFiles, RuleSource, Say

POLL_S = 0.4
"""A change is live after one to two polls, and what it takes to load."""

TOLD = 3
"""Problems that a line of the log names; GetRules has them all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What rule files come to."""

    ruleset: Ruleset | None
    """None where there is an error among the problems."""
    tenants: Tenants | None = None
    """None where there is no tenants.yaml, or an error."""
    problems: tuple[Problem, ...]
    """Sorted by place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The rules in use, and how the rule directory is beside them."""

    ruleset: Ruleset
    loaded_at: datetime
    """When this revision went live, in UTC."""
    tenants: Tenants | None = None
    """Who may call; None where callers are not told apart."""
    sources: Mapping[str, bytes] = field(default_factory=dict)
    """The files in use, by name."""
    problems: tuple[Problem, ...] = ()
    """Of the directory as it is now."""
    stale: bool = False
    """Whether the directory is not what is in use, because it cannot be used; `problems` says why."""


class BadRules(Exception):
    """There are no rules to start with; `problems` says why, `sources` holds the files."""

    def __init__(self, problems: tuple[Problem, ...], sources: Mapping[str, bytes]) -> None:
        super().__init__(summary(problems))
        self.problems = problems
        self.sources = sources


class Live:
    """Holds the rules in use. Whoever serves a call takes `current`, or `ruleset()`, once."""

    def __init__(self, first: Snapshot, *, trust: Trust) -> None:
        """`trust` bounds which keys rule files may name and where those may go."""
        self.trust = trust
        self.current = first
        """Assigned by the Follower alone."""

    def ruleset(self) -> Ruleset:
        """Return the ruleset in use."""
        return self.current.ruleset

    def tenants(self) -> Tenants | None:
        """Return who may call; None where callers are not told apart."""
        return self.current.tenants


Look: TypeAlias = RuleFiles | Problem
"""What the directory was like at one moment: its files, or why they could not be read."""


def look(source: RuleSource) -> Look:
    """Return what the directory is like now."""
    try:
        return source.read()
    except OSError as error:
        message = f"cannot read the rule directory: {error.strerror} ({error.filename})"
        help_ = "name one with --rules or POINTSMAN_RULES, and let this process read it"
        return Problem(file=".", line=1, column=1, severity=Severity.ERROR, message=message, help=help_)


def checked(sources: Mapping[str, bytes], trust: Trust) -> Checked:
    """Return what files come to, given by name; a test beside the rules that fails is an error."""
    loaded = load(sources, trust=trust)
    if loaded.ruleset is None:
        return Checked(ruleset=None, problems=loaded.problems)
    report = ruletest.run(loaded.ruleset, loaded.cases)
    found = in_order((*loaded.problems, *report.problems, *map(_failed, report.failed)))
    usable = not errors(found)
    return Checked(ruleset=loaded.ruleset if usable else None, tenants=loaded.tenants if usable else None, problems=found)


MOST_FILES = 100


def proposed(sources: Mapping[str, bytes], files: Mapping[str, str]) -> dict[str, bytes]:
    """Return the files in use, with others in their place or beside them. Raises InvalidRequest for names that no rule directory has."""
    wrong = [f"'{name[:80]}'" for name in files if not is_rule_file(name)]
    if wrong or len(files) > MOST_FILES:
        told = f"not the name of a rule file: {', '.join(wrong[:5])}" if wrong else f"must be at most {MOST_FILES}, found {len(files)}"
        raise InvalidRequest(Violation(field="files", message=told))
    return {**sources, **{name: text.encode("utf-8", "surrogatepass") for name, text in files.items()}}


def _failed(result: ruletest.CaseResult) -> Problem:
    message = f"test '{result.name}' failed: {'; '.join(result.failures)}"
    help_ = "mend the rule or the test; 'pointsman rules test' shows how the rules decided"
    return Problem(file=result.file, line=result.line, column=1, severity=Severity.ERROR, message=message, help=help_)


def _judged(seen: Look, trust: Trust) -> Checked:
    """Return what a look at the directory comes to. Rules must never end a server, so what nobody foresaw is a problem like others."""
    if isinstance(seen, Problem):
        return Checked(ruleset=None, problems=(seen,))
    try:
        return checked(seen.sources, trust)
    except Exception as error:  # a mistake of ours, or files nested past what the stack holds
        message = f"the rules cannot be loaded: {type(error).__name__} was raised"
        help_ = "take back the last change, and report this"
        return Checked(ruleset=None, problems=(Problem(file=".", line=1, column=1, severity=Severity.ERROR, message=message, help=help_),))


def summary(problems: tuple[Problem, ...]) -> str:
    """Return the number of errors and the first few, in one line."""
    found = errors(problems)
    told = "; ".join(f"{problem.file}:{problem.line}:{problem.column}: {problem.message}" for problem in found[:TOLD])
    more = f"; and {len(found) - TOLD} more" if len(found) > TOLD else ""
    return f"{len(found)} error{'' if len(found) == 1 else 's'}: {told}{more}"


def begin(seen: Look, kept: KeptRules | None, *, trust: Trust, clock: Clock, say: Say) -> Snapshot:
    """Return the rules to start with: those of the directory as it was seen, or the last good ones if they are kept. Raises BadRules."""
    found = _judged(seen, trust)
    if found.ruleset is not None and isinstance(seen, RuleFiles):
        _keep(kept, seen.sources, say)
        return Snapshot(ruleset=found.ruleset, tenants=found.tenants, loaded_at=clock.now(), sources=seen.sources, problems=found.problems)
    sources = _recalled(kept, say)
    last = None if sources is None else _judged(RuleFiles(sources=sources), trust)
    if sources is None or last is None or last.ruleset is None:
        if last is not None:
            say(f"the last good rules that were kept are of no use to this version, which finds {summary(last.problems)}", level="warning")
        raise BadRules(found.problems, seen.sources if isinstance(seen, RuleFiles) else {})
    say(
        f"STALE: the rule directory cannot be used, the last good rules that were kept serve: {last.ruleset.revision}. "
        f"Found {summary(found.problems)}",
        level="error",
    )
    return Snapshot(ruleset=last.ruleset, tenants=last.tenants, loaded_at=clock.now(), sources=sources, problems=found.problems, stale=True)


def _recalled(kept: KeptRules | None, say: Say) -> Mapping[str, bytes] | None:
    try:
        return kept.read() if kept is not None else None
    except OSError as error:
        say(f"the last good rules cannot be read: {error}", level="warning")
        return None


def _keep(kept: KeptRules | None, sources: Mapping[str, bytes], say: Say) -> None:
    try:
        if kept is not None:
            kept.write(sources)
    except OSError as error:
        say(f"the rules are in use, but cannot be kept for a later start: {error}", level="warning")


_NOBODY = Problem(
    file=TENANTS,
    line=1,
    column=1,
    severity=Severity.ERROR,
    message="the file is gone, and without it anybody could call",
    help="put it back; to serve without tenants, start the server anew",
)


def _told(tenants: Tenants | None) -> str:
    return f"; tenants {tenants.revision}" if tenants else ""


class Follower:
    """Looks at the rule directory again and again, and brings what is good there into use.

    A file that is being written looks like a change, so a new content counts when two looks in a row have seen it. Where a ConfigMap's
    link was swapped, the files behind it were complete before, and one look is enough.
    """

    def __init__(
        self,
        live: Live,
        source: RuleSource,
        seen: Look,
        *,
        clock: Clock,
        say: Say,
        kept: KeptRules | None = None,
        swapped: Callable[[Ruleset], None] = lambda _: None,
    ) -> None:
        """`seen` is the look that `begin` judged. `swapped` is told of each ruleset that goes live, right after it did."""
        self._live = live
        self._source = source
        self._known = self._before = seen
        self._clock = clock
        self._say = say
        self._kept = kept
        self._swapped = swapped

    async def run(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Follow the directory until cancelled."""
        while True:
            await sleep(POLL_S)
            await self.poll()

    async def poll(self) -> None:
        """Look once."""
        now, before = await asyncio.to_thread(look, self._source), self._before
        self._before = now
        settled = now == before or _link(now) not in ("", _link(before))
        if now == self._known or not settled:
            return
        self._known = now
        found = await asyncio.to_thread(_judged, now, self._live.trust)
        if self._live.current.tenants is not None and found.ruleset is not None and found.tenants is None:
            found = Checked(ruleset=None, problems=(*found.problems, _NOBODY))
        if found.ruleset is None or isinstance(now, Problem):
            self._refuse(found.problems)
        else:
            self._use(found.ruleset, found, now.sources)
            await asyncio.to_thread(_keep, self._kept, now.sources, self._say)

    def _refuse(self, problems: tuple[Problem, ...]) -> None:
        current = self._live.current
        self._live.current = replace(current, problems=problems, stale=True)
        self._say(
            f"STALE: the rule directory cannot be used, {current.ruleset.revision} stays live. Found {summary(problems)}", level="error"
        )

    def _use(self, ruleset: Ruleset, found: Checked, sources: Mapping[str, bytes]) -> None:
        before = self._live.current
        if ruleset.revision == before.ruleset.revision:  # only tests or tenants have changed, or a bad change was taken back
            self._live.current = replace(before, tenants=found.tenants, sources=sources, problems=found.problems, stale=False)
            self._say(f"the rule directory has changed and is good, with the rules that are live: {ruleset.revision}{_told(found.tenants)}")
            return
        self._live.current = Snapshot(
            ruleset=ruleset, tenants=found.tenants, loaded_at=self._clock.now(), sources=sources, problems=found.problems
        )
        self._swapped(ruleset)
        self._say(f"rules {ruleset.revision} are live, in place of {before.ruleset.revision}{_told(found.tenants)}")


def _link(seen: Look) -> str:
    return seen.link if isinstance(seen, RuleFiles) else ""
