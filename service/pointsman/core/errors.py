"""The one tree of errors that Pointsman raises.

`wire/status.py` says how each leaves, and the client turns a status back into the same class.

    PointsmanError
    ├─ InvalidRequest            a field is wrong; `violations` says which and why
    │  ├─ UnknownModel           `requirements.model` names nothing in the catalog
    │  └─ MalformedMessage       the bytes are no message at all
    ├─ Unauthenticated           nobody knows who calls
    │  ├─ CredentialMissing      the call shows no credential, and one is needed
    │  ├─ CredentialInvalid      what it shows is nobody's
    │  └─ CredentialExpired      what it shows was somebody's
    ├─ RoleMissing               the caller is known, and may not call this
    ├─ NoEligibleModel           the request's limits left nothing; `counts` by reason
    │  ├─ ConstrainedOut         constraints left nothing; `constraints` names them
    │  ├─ ContextTooLong         the input fits in no model's window
    │  ├─ BudgetExhausted        the tenant has nothing left
    │  └─ AllUnavailable         every model fails or is full at present
    ├─ RateLimited               the tenant asks too often, or too much at once; `retry_after_s` says when to come back
    ├─ DeadlineTooShort          the caller left too little time to begin
    ├─ DeadlinePassed            time was up before an answer came
    ├─ UpstreamUnavailable       every attempt failed; the message says how each
    ├─ StreamInterrupted         the answer broke off after its first token; `emitted_tokens` had gone out
    ├─ NotCached                 no answer is kept, and no model was to be called
    ├─ UnknownDecision           no decision of that id is kept
    ├─ StoreUnavailable          what all replicas share cannot be asked for at present
    ├─ Overloaded                the server has as much to do as it can bear
    ├─ Ending                    the server is about to end; another one will serve
    ├─ NotYet                    a later version will do this
    └─ ServerError               the server failed in a way that it does not tell; only the client raises it

A message is for the person at the other end: it names the thing, what was expected and what to do, and never holds text of a prompt.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pointsman.core.vocabulary import DropReason

if TYPE_CHECKING:
    from pointsman.core.decision import Dropped, Explanation, Shadowed
    from pointsman.core.relief import Relief


class PointsmanError(Exception):
    """Anything that Pointsman refuses or fails to do."""

    request_id: str = ""
    """Set by the client: names the call in the server's log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """What is wrong with one field of a request: `field` is its path, as in "request.prompt.messages[0].role"."""

    field: str
    message: str


class InvalidRequest(PointsmanError):
    """The request cannot be understood as it is; every field at fault is in `violations`."""

    def __init__(self, *violations: Violation) -> None:
        super().__init__("; ".join(": ".join(filter(None, (violation.field, violation.message))) for violation in violations))
        self.violations = violations


class UnknownModel(InvalidRequest):
    """`requirements.model` is neither a model nor an alias of the catalog."""


class MalformedMessage(InvalidRequest):
    """The bytes are no valid message of the expected type."""


class Unauthenticated(PointsmanError):
    """Nobody knows who calls."""


class CredentialMissing(Unauthenticated):
    """The call shows no credential, and one is needed."""


class CredentialInvalid(Unauthenticated):
    """What the call shows is nobody's credential; why is not told apart, so that guesses learn nothing."""


class CredentialExpired(Unauthenticated):
    """What the call shows was somebody's credential, and its time is over."""


class RoleMissing(PointsmanError):
    """The caller is known, and lacks the role that the method asks for."""


class NoEligibleModel(PointsmanError):
    """No model may serve the request; `counts` says how many were dropped for which reason, by its name."""

    def __init__(self, message: str, *, rule: str = "", counts: Mapping[str, int] | None = None) -> None:
        super().__init__(message)
        self.rule = rule
        self.counts = dict(counts or {})
        self.explanation: Explanation | None = None
        """Why each rule came out as it did, if that was asked for."""
        self.dropped: tuple[Dropped, ...] = ()
        self.shadows: tuple[Shadowed, ...] = ()
        """What rules in shadow would have decided."""
        self.reliefs: tuple[Relief, ...] = ()
        """Which single limit to relax, and by how much, so that a model fits; empty where no one limit would help."""


class ConstrainedOut(NoEligibleModel):
    """The constraints that hold leave no model; `constraints` are their ids."""

    constraints: tuple[str, ...] = ()


class ContextTooLong(NoEligibleModel):
    """The input fits in the window of no model on offer."""


class BudgetExhausted(NoEligibleModel):
    """The tenant's budget leaves no model."""

    @property
    def heals_in_s(self) -> float | None:
        """Seconds until it may leave one; None where waiting alone does not help."""
        return next((relief.needed for relief in self.reliefs if relief.limit == "wait"), None)


class AllUnavailable(NoEligibleModel):
    """Every model on offer fails or is full at present."""


class RateLimited(PointsmanError):
    """The tenant asks more often, or for more at once, than its limits in `tenants.yaml` allow."""

    def __init__(self, message: str, *, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class DeadlineTooShort(PointsmanError):
    """The caller left less time than any call takes; no model was called."""


class DeadlinePassed(PointsmanError):
    """Time was up before an answer came."""


class UpstreamUnavailable(PointsmanError):
    """Every model of the plan was tried and failed."""


class StreamInterrupted(PointsmanError):
    """The answer broke off after its first token. It is never begun anew: the caller has seen a part of it."""

    def __init__(self, message: str, *, emitted_tokens: int = 0) -> None:
        super().__init__(message)
        self.emitted_tokens = emitted_tokens


class NotCached(PointsmanError):
    """The caller wanted a kept answer or none, and none is kept."""


class UnknownDecision(PointsmanError):
    """No decision of that id is kept any more, or ever was, by this server."""


class StoreUnavailable(PointsmanError):
    """What this needs is kept where all replicas share it, and cannot be asked for at present."""


class Overloaded(PointsmanError):
    """The server has as many calls under way as it can bear; others wait better where they are."""


class Ending(PointsmanError):
    """The server has been asked to end, and takes no more calls."""


class NotYet(PointsmanError):
    """A part of the contract that this version does not have."""


class ServerError(PointsmanError):
    """The server failed and says no more than the id under which its log has the cause."""


_ASIDE = frozenset({DropReason.NOT_ASKED, DropReason.NO_CREDENTIAL})

_KINDS: tuple[tuple[frozenset[DropReason], type[NoEligibleModel], str], ...] = (
    (frozenset({DropReason.CONSTRAINT}), ConstrainedOut, "the constraints leave no model"),
    (frozenset({DropReason.CONTEXT_WINDOW}), ContextTooLong, "the input is too long for every model on offer"),
    (frozenset({DropReason.BUDGET}), BudgetExhausted, "the tenant's budget leaves no model"),
    (frozenset({DropReason.UNHEALTHY, DropReason.CAPACITY}), AllUnavailable, "every model on offer fails or is full at present"),
)


def refusal(rule: str, dropped: tuple[Dropped, ...], constraints: tuple[str, ...], shadows: tuple[Shadowed, ...] = ()) -> NoEligibleModel:
    """Return the error that says best why every candidate of the rule was dropped.

    NOT_ASKED says only that the caller named others, and NO_CREDENTIAL that a model of the catalog is not in use here, so neither counts
    when kinds are told apart.
    """
    counts = Counter(drop.reason for drop in dropped)
    reasons = set(counts) - _ASIDE
    kind, sentence = next(
        ((kind, sentence) for among, kind, sentence in _KINDS if reasons and reasons <= among),
        (NoEligibleModel, "no model on offer satisfies the request"),
    )
    error = kind(f"{sentence}; rule {rule}: {_told(dropped)}", rule=rule, counts={reason.name: n for reason, n in counts.items()})
    if isinstance(error, ConstrainedOut):
        error.constraints = constraints
    error.dropped, error.shadows = dropped, shadows
    return error


MOST_TOLD = 3
"""Models that a message names for one reason; a catalog may have hundreds."""


def _told(dropped: tuple[Dropped, ...]) -> str:
    """Return the drops in words, by reason, the latest check first: what comes last in the order is nearest to fitting."""
    told = []
    reasons = {drop.reason for drop in dropped}
    for reason in sorted(reasons - {DropReason.NOT_ASKED} or reasons, reverse=True):
        drops = [drop for drop in dropped if drop.reason is reason]
        named = "; ".join(f"{drop.model}: {drop.detail}" for drop in drops[:MOST_TOLD])
        more = f"; and {len(drops) - MOST_TOLD} more" if len(drops) > MOST_TOLD else ""
        told.append(f"{len(drops)} {reason.name} ({named}{more})")
    return ", ".join(told)
