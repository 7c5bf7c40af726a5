"""The rules in use: what goes live and when, what does not and what is said of it, and what a start falls back to."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from fakes import FakeClock, catalog_yaml, model_yaml
from pointsman.core.diagnostics import Severity, errors
from pointsman.core.rulefile import UNBOUND
from pointsman.core.ruleset import Ruleset
from pointsman.live import BadRules, Follower, Live, begin, checked, look, summary
from pointsman.ports import RuleFiles

Sources = Mapping[str, bytes]

TEST = b"version: 1\ntests:\n  - name: all goes to m\n    expect: {model: m}\n"


def rules(note: str = "", **files: bytes) -> dict[str, bytes]:
    """Return good rule files; another note makes another revision, and keywords are further files, `x_test=` for `x_test.yaml`."""
    routing = f"version: 1\nroutes: [{{id: default, why: w, use: {{candidates: [m]}}}}] # {note}\n"
    own = {"models.yaml": catalog_yaml({"m": model_yaml()}).encode(), "routing.yaml": routing.encode()}
    return own | {f"{name}.yaml": text for name, text in files.items()}


A, B = rules("a"), rules("b")
BAD = rules() | {"routing.yaml": b"version: 1\nroutes:\n  - {id: default, use: {candidates: [nobody]}}\n"}
WORSE = BAD | {"extra.yaml": b"nonsense: 1\n"}


def revision(sources: Sources) -> str:
    ruleset = checked(sources, UNBOUND).ruleset
    assert ruleset is not None
    return ruleset.revision


class Directory:
    """A rule directory that holds what it is told to, or cannot be read."""

    def __init__(self, sources: Sources) -> None:
        self.holds: Sources | OSError = sources
        self.link = ""

    def read(self) -> RuleFiles:
        if isinstance(self.holds, OSError):
            raise self.holds
        return RuleFiles(sources=self.holds, link=self.link)


class Shelf:
    """Keeps rules in memory; an error in their place is raised."""

    def __init__(self, sources: Sources | None = None, error: OSError | None = None) -> None:
        self.sources, self._error = sources, error

    def read(self) -> Sources | None:
        if self._error is not None:
            raise self._error
        return self.sources

    def write(self, sources: Sources) -> None:
        if self._error is not None:
            raise self._error
        self.sources = sources


class House:
    """Rules in use that follow a directory, and what was said of it."""

    def __init__(self, sources: Sources | OSError = A, *, shelf: Shelf | None = None) -> None:
        self.directory, self.clock, self.shelf = Directory({}), FakeClock(), shelf
        self.directory.holds = sources
        self.notes: list[tuple[str, str]] = []
        self.swapped: list[Ruleset] = []
        seen = look(self.directory)
        self.live = Live(begin(seen, shelf, trust=UNBOUND, clock=self.clock, say=self.say), trust=UNBOUND)
        self.follower = Follower(self.live, self.directory, seen, clock=self.clock, say=self.say, kept=shelf, swapped=self.swapped.append)

    def say(self, message: str, *, level: str = "info") -> None:
        self.notes.append((level, message))

    async def holds(self, sources: Sources | OSError, *, polls: int = 2) -> None:
        """Let the directory hold something else, and look so many times."""
        self.directory.holds = sources
        for _ in range(polls):
            await self.follower.poll()

    @property
    def revision(self) -> str:
        return self.live.ruleset().revision


async def test_a_change_is_live_when_two_looks_in_a_row_have_seen_it() -> None:
    house = House(A)

    await house.holds(B, polls=1)
    after_one = house.revision
    house.clock.advance(7)
    await house.follower.poll()

    assert (after_one, house.revision) == (revision(A), revision(B))
    assert house.live.current.loaded_at == FakeClock().now() + timedelta(seconds=7)
    assert house.live.current.sources == B
    assert [ruleset.revision for ruleset in house.swapped] == [revision(B)]
    assert house.notes == [("info", f"rules {revision(B)} are live, in place of {revision(A)}")]


async def test_what_is_half_written_is_never_judged() -> None:
    house = House(A)

    for end in range(0, len(B["routing.yaml"]), 10):
        await house.holds(B | {"routing.yaml": B["routing.yaml"][:end]}, polls=1)
    before = house.revision, house.notes[:]
    await house.holds(B)

    assert before == (revision(A), [])
    assert house.revision == revision(B)


async def test_a_swapped_link_needs_no_second_look() -> None:
    """Kubernetes writes a set of files whole before it turns the link to it."""
    house = House(A)

    house.directory.link = "..2026_11_23"
    await house.holds(B, polls=1)
    swapped = house.revision
    await house.holds(rules("c"), polls=1)

    assert swapped == revision(B)
    assert house.revision == revision(B), "behind a link that was not swapped somebody writes by hand"


async def test_a_directory_that_stays_as_it_is_costs_nothing_and_says_nothing() -> None:
    house = House(A)
    before = house.live.current

    await house.holds(dict(A), polls=5)

    assert house.live.current is before
    assert house.notes == []


GONE = FileNotFoundError(2, "No such file or directory", "/etc/rules")


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        pytest.param(BAD, "1 error: routing.yaml:3:38: model 'nobody' is not in the catalog", id="an error"),
        pytest.param({**A, "routing.yaml": B["routing.yaml"][:20]}, "routing.yaml:", id="cut off"),
        pytest.param({"routing.yaml": A["routing.yaml"]}, "1 error: models.yaml:1:1: the catalog is missing", id="no catalog"),
        pytest.param({}, "the catalog is missing", id="empty"),
        pytest.param(GONE, "1 error: .:1:1: cannot read the rule directory: No such file or directory (/etc/rules)", id="gone"),
        pytest.param(
            rules("b", x_test=TEST.replace(b"model: m", b"rule: default, model: m") + b"  - {name: odd, expect: {rule: nothing}}\n"),
            "x_test.yaml:",
            id="a test that cannot run",
        ),
        pytest.param(
            rules("b", x_test=TEST.replace(b"expect:", b"given: {request: {max_cost_usd: 0}}\n    expect:")),
            "1 error: x_test.yaml:3:1: test 'all goes to m' failed: expected a decision",
            id="a test that fails",
        ),
    ],
)
async def test_what_cannot_be_used_leaves_the_rules_before(broken: Sources | OSError, says: str) -> None:
    house = House(A)

    await house.holds(broken, polls=4)

    assert (house.revision, house.live.current.sources, house.swapped) == (revision(A), A, [])
    assert house.live.current.stale
    assert errors(house.live.current.problems)
    [(level, note)] = house.notes
    assert level == "error"
    assert note.startswith(f"STALE: the rule directory cannot be used, {revision(A)} stays live. Found ")
    assert says in note


async def test_each_broken_content_is_told_once_and_a_good_one_ends_it() -> None:
    house = House(A)

    await house.holds(BAD, polls=3)
    await house.holds(WORSE, polls=3)
    await house.holds(B, polls=3)

    assert [message.split()[0] for _, message in house.notes] == ["STALE:", "STALE:", "rules"]
    assert (house.revision, house.live.current.stale, house.live.current.problems) == (revision(B), False, ())


async def test_a_bad_change_that_is_taken_back_leaves_the_moment_since_when_the_rules_are_live() -> None:
    house = House(A)
    before = house.live.current

    house.clock.advance(60)
    await house.holds(BAD)
    await house.holds(A)

    assert house.live.current == before
    assert house.live.ruleset() is before.ruleset
    assert house.swapped == []
    assert house.notes[-1] == ("info", f"the rule directory has changed and is good, with the rules that are live: {revision(A)}")


async def test_a_change_of_tests_alone_is_no_change_of_rules() -> None:
    house = House(A)

    await house.holds(rules("a", x_test=TEST))

    assert house.revision == revision(A)
    assert "x_test.yaml" in house.live.current.sources
    assert house.swapped == []


async def test_warnings_are_shown_and_stop_nothing() -> None:
    house = House(A)

    await house.holds(B | {"models.yaml": B["models.yaml"].replace(b"nominal: true", b"nominal: false")})

    assert not house.live.current.stale
    assert all(problem.severity is Severity.WARNING for problem in house.live.current.problems)


async def test_rules_that_break_the_loader_are_a_problem_like_others() -> None:
    """A mistake of ours, or files nested deeper than the stack: serving goes on."""
    house = House(A)
    odd: Any = {**B, "routing.yaml": None}

    await house.holds(odd)

    assert (house.revision, house.live.current.stale) == (revision(A), True)
    assert "was raised" in house.live.current.problems[0].message


async def test_following_looks_at_the_directory_between_pauses() -> None:
    house = House(A)
    pauses: list[float] = []

    class Enough(Exception):
        pass

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        house.directory.holds = B
        if len(pauses) == 3:
            raise Enough

    with pytest.raises(Enough):
        await house.follower.run(sleep)

    assert pauses == [0.4] * 3
    assert house.revision == revision(B)


# Starting.


def test_good_rules_are_started_with_and_kept() -> None:
    shelf = Shelf(B)
    house = House(A, shelf=shelf)

    assert (house.revision, house.live.current.stale, shelf.sources, house.notes) == (revision(A), False, A, [])


@pytest.mark.parametrize("shelf", [pytest.param(None, id="no state directory"), pytest.param(Shelf(), id="nothing kept")])
def test_broken_rules_refuse_the_start_with_every_problem(shelf: Shelf | None) -> None:
    with pytest.raises(BadRules, match=r"^\d errors?: ") as refused:
        House(WORSE, shelf=shelf)

    assert refused.value.problems == checked(WORSE, UNBOUND).problems
    assert refused.value.sources == WORSE


def test_a_test_that_fails_refuses_the_start() -> None:
    with pytest.raises(BadRules, match="test 'all goes to m' failed"):
        House(rules(x_test=TEST.replace(b"expect:", b"given: {request: {max_cost_usd: 0}}\n    expect:")))


@pytest.mark.parametrize("broken", [pytest.param(BAD, id="broken"), pytest.param(GONE, id="unreadable")])
async def test_a_start_with_a_broken_directory_uses_what_was_kept_and_says_so(broken: Sources | OSError) -> None:
    house = House(broken, shelf=Shelf(A))

    assert (house.revision, house.live.current.sources, house.live.current.stale) == (revision(A), A, True)
    assert house.live.current.problems
    [(level, note)] = house.notes
    assert level == "error"
    assert note.startswith(f"STALE: the rule directory cannot be used, the last good rules that were kept serve: {revision(A)}. Found ")

    await house.holds(broken, polls=3)
    told_again = house.notes[1:]
    await house.holds(B)

    assert told_again == []
    assert (house.revision, house.live.current.stale) == (revision(B), False)


@pytest.mark.parametrize(
    ("shelf", "says"),
    [
        pytest.param(Shelf(WORSE), "are of no use to this version, which finds", id="no longer load"),
        pytest.param(Shelf(error=OSError("/state/x is damaged")), "cannot be read: /state/x is damaged", id="damaged"),
    ],
)
def test_kept_rules_that_are_of_no_use_are_told_and_ignored(shelf: Shelf, says: str) -> None:
    notes: list[str] = []

    def say(message: str, *, level: str = "info") -> None:
        notes.append(f"{level}: {message}")

    with pytest.raises(BadRules):
        begin(RuleFiles(sources=BAD), shelf, trust=UNBOUND, clock=FakeClock(), say=say)

    assert len(notes) == 1
    assert notes[0].startswith("warning: the last good rules ")
    assert says in notes[0]


async def test_only_good_rules_are_kept() -> None:
    shelf = Shelf()
    house = House(A, shelf=shelf)

    await house.holds(B)
    await house.holds(BAD)

    assert shelf.sources == B


async def test_rules_that_cannot_be_kept_serve_nevertheless() -> None:
    house = House(A, shelf=Shelf(error=PermissionError(13, "Permission denied", "/state")))

    await house.holds(B)

    assert house.revision == revision(B)
    assert [level for level, _ in house.notes] == ["warning", "info", "warning"]
    assert "cannot be kept for a later start: [Errno 13] Permission denied: '/state'" in house.notes[0][1]


def test_a_summary_names_the_first_three() -> None:
    many = rules() | {
        "routing.yaml": b"version: 1\nroutes:\n"
        + b"".join(b"  - {id: r%d, when: nonsense, use: {candidates: [m]}}\n" % i for i in range(5))
    }

    text = summary(checked(many, UNBOUND).problems)

    assert text.count("routing.yaml:") == 3
    assert text.startswith("6 errors: ")
    assert text.endswith("; and 3 more")
