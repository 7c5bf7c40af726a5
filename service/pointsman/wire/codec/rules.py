"""The rules in use, and problems of rule files, as AdminService shows them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct

from pointsman.core.diagnostics import PRIVATE, Problem, Severity
from pointsman.live import Snapshot
from pointsman.v1 import admin_service_pb2 as pb
from pointsman.wire.codec.scalars import time_from_pb, time_to_pb

_SEVERITIES = {Severity.ERROR: pb.SEVERITY_ERROR, Severity.WARNING: pb.SEVERITY_WARNING}


class RulesInUse(Struct, frozen=True, kw_only=True):
    """The rules in use as a client sees them, and how the rule directory is beside them."""

    revision: str
    loaded_at: datetime
    """When this revision went live, in UTC."""
    stale: bool
    """Whether the directory cannot be used, so that it is not what is in use; `problems` says why."""
    problems: tuple[Problem, ...]
    """Of the directory as it is now."""
    files: Mapping[str, str] = {}
    """The files in use by name, if they were asked for; tenants.yaml is not among them."""
    tenants_revision: str = ""
    """Empty where callers are not told apart."""
    anonymous_tenant: str = ""
    """The tenant that everybody is, where callers are not told apart."""
    tenants_alone: tuple[str, ...] = ()
    """Tenants that spend only the server's share of their budgets, because what the others spend cannot be asked for now."""


class Judgement(Struct, frozen=True, kw_only=True):
    """What rule files would come to if they were used."""

    revision: str = ""
    """Empty where there is an error among the problems."""
    problems: tuple[Problem, ...]
    compared: int = 0
    """Recent decisions that were made anew."""
    changed: int = 0
    """Of these, those that would go to another rule or model."""


def judgement_to_pb(judgement: Judgement) -> pb.CheckRulesResponse:
    """Return the judgement as a message."""
    return pb.CheckRulesResponse(
        revision=judgement.revision,
        diagnostics=map(problem_to_pb, judgement.problems),
        decisions_compared=judgement.compared,
        decisions_changed=judgement.changed,
    )


def judgement_from_pb(message: pb.CheckRulesResponse) -> Judgement:
    """Return what a server says of rule files."""
    return Judgement(
        revision=message.revision,
        problems=tuple(map(problem_from_pb, message.diagnostics)),
        compared=message.decisions_compared,
        changed=message.decisions_changed,
    )


def rules_in_use(snapshot: Snapshot, anonymous_tenant: str, tenants_alone: tuple[str, ...] = (), *, files: bool) -> RulesInUse:
    """Return the rules in use as a client sees them, with their files if wanted."""
    return RulesInUse(
        revision=snapshot.ruleset.revision,
        loaded_at=snapshot.loaded_at,
        stale=snapshot.stale,
        problems=snapshot.problems,
        files={name: text.decode(errors="replace") for name, text in snapshot.sources.items() if name not in PRIVATE} if files else {},
        tenants_revision=snapshot.tenants.revision if snapshot.tenants else "",
        anonymous_tenant=anonymous_tenant,
        tenants_alone=tenants_alone,
    )


def rules_to_pb(rules: RulesInUse) -> pb.GetRulesResponse:
    """Return the rules in use as a message."""
    return pb.GetRulesResponse(
        revision=rules.revision,
        loaded_at=time_to_pb(rules.loaded_at),
        stale=rules.stale,
        diagnostics=map(problem_to_pb, rules.problems),
        files=[pb.RuleFile(path=name, content=text) for name, text in rules.files.items()],
        tenants_revision=rules.tenants_revision,
        anonymous_tenant=rules.anonymous_tenant,
        tenants_alone=rules.tenants_alone,
    )


def rules_from_pb(message: pb.GetRulesResponse) -> RulesInUse:
    """Return the rules that a server uses."""
    return RulesInUse(
        revision=message.revision,
        loaded_at=time_from_pb(message.loaded_at),
        stale=message.stale,
        problems=tuple(map(problem_from_pb, message.diagnostics)),
        files={file.path: file.content for file in message.files},
        tenants_revision=message.tenants_revision,
        anonymous_tenant=message.anonymous_tenant,
        tenants_alone=tuple(message.tenants_alone),
    )


def problem_to_pb(problem: Problem) -> pb.Diagnostic:
    """Return a problem as a message; how much of the line it underlines is not sent."""
    return pb.Diagnostic(
        severity=_SEVERITIES[problem.severity],
        file=problem.file,
        line=problem.line,
        column=problem.column,
        message=problem.message,
        help=problem.help,
    )


def problem_from_pb(message: pb.Diagnostic) -> Problem:
    """Return a problem that a server told. A severity that is not known here counts as an error."""
    return Problem(
        file=message.file,
        line=message.line,
        column=message.column,
        severity=Severity.WARNING if message.severity == pb.SEVERITY_WARNING else Severity.ERROR,
        message=message.message,
        help=message.help,
    )
