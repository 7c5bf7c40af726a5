"""A decision with all that it was made from, fit to be kept: replaying it gives the same decision bit for bit.

What the caller says of people is withheld: user and session are replaced by keyed digests, labels are kept only if they are on a list.
Rules may have looked at those values all the same, so the record also holds what came of it, as few bits as will do: whether a condition
held, whether the request was in a share, in which order models were drawn. The numbers that were drawn are not kept: whoever has the rules
could try them against guessed names. No text of a prompt is in facts, market or decision, so none is in a record.

A replay pins those outcomes in the ruleset and calls `decide`; nothing is chosen here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from hashlib import blake2b

import msgspec
from msgspec import Struct, structs

from pointsman.core import errors
from pointsman.core.completion import Attempt, Usage
from pointsman.core.decide import Outcome, outcome_of
from pointsman.core.decision import Decision
from pointsman.core.errors import NoEligibleModel
from pointsman.core.facts import Facts, group_of, value_of
from pointsman.core.market import Market
from pointsman.core.pins import NO_PINS, Pins, pinned, pins_of
from pointsman.core.propensity import propensity
from pointsman.core.ruleset import Ruleset
from pointsman.core.vocabulary import CacheStatus, FinishReason

VERSION = 1
"""Of the format. A record of another one is not read."""

FEEDBACK_S = 86_400.0
"""How long after a decision its answer may be judged."""

PEOPLE = ("request.user", "request.session")
"""Facts that are recorded as digests."""

LABELLED = ("request", "tenant")
"""Groups of facts with labels."""


class Refused(Struct, frozen=True, kw_only=True):
    """That no model could serve: the class of the error, the last rule, and how many models were dropped for which reason."""

    error: str
    rule: str
    counts: Mapping[str, int]

    @classmethod
    def of(cls, refusal: NoEligibleModel) -> Refused:
        """Return what is recorded of an error."""
        return cls(error=type(refusal).__name__, rule=refusal.rule, counts=refusal.counts)

    def is_known(self) -> bool:
        """Return whether the error is one that a decision can raise."""
        kind = getattr(errors, self.error, None)
        return isinstance(kind, type) and issubclass(kind, NoEligibleModel)


class Ended(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How the call ended that a decision was made for."""

    code: str
    """The gRPC status by its name."""
    reason: str = ""
    """Of an error: as in ErrorInfo."""
    ms: float
    model: str = ""
    """That answered; empty where none was called or none answered."""
    finish_reason: FinishReason = FinishReason.UNSPECIFIED
    cache_status: CacheStatus = CacheStatus.UNSPECIFIED
    usage: Usage | None = None
    attempts: tuple[Attempt, ...] = ()
    """Each with what was expected of it."""


class Feedback(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="feedback"):
    """How good an answer was, by somebody who saw it. The last one for a decision counts."""

    version: int = VERSION
    id: str
    """Of the decision."""
    tenant: str
    time: datetime
    score: float
    """0..1."""
    source: str = ""
    """Where it comes from: "user", "judge", "test"."""


class DecisionRecord(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="decision"):
    """One decision, or refusal, with what it was made from and what came of it."""

    version: int
    id: str
    time: datetime
    revision: str
    facts: Facts
    market: Market
    withheld: tuple[str, ...] = ()
    """Facts that are not in it as they were: "request.user"; of labels only the group, "request.labels"."""
    pins: Pins = NO_PINS
    decision: Decision | None = None
    """Without its explanation, which a replay can give again. None if no model could serve."""
    refused: Refused | None = None
    propensity: float | None = None
    """0..1: how likely the draws were behind the decision; None where nothing was drawn."""
    ended: Ended | None = None
    """None where only the decision was recorded."""
    feedback: Feedback | None = None
    """Joined when records are read: it comes later, and is a line of its own."""


Line = DecisionRecord | Feedback
"""What a file of records consists of."""


class BadRecord(ValueError):
    """What was read is no record of this version."""


def record(
    ruleset: Ruleset,
    facts: Facts,
    market: Market,
    outcome: Decision | NoEligibleModel,
    *,
    time: datetime,
    key: bytes,
    labels: Iterable[str] = (),
    ended: Ended | None = None,
) -> DecisionRecord:
    """Return the record of what `decide` came to. `key`, up to 64 bytes, is for the digests; `labels` are those that may be kept."""
    kept = frozenset(labels)
    hidden = frozenset(_hidden(facts, kept))
    redacted = _redacted(facts, key, kept, ruleset.catalog.tags if facts.request.tags else frozenset())
    return DecisionRecord(
        version=VERSION,
        id=facts.request.id,
        time=time,
        revision=ruleset.revision,
        facts=redacted,
        market=market,
        withheld=tuple(sorted({group_of(name) for name in hidden})),
        pins=pins_of(ruleset, facts, redacted, hidden) if hidden else NO_PINS,
        decision=structs.replace(outcome, explanation=None, prefix_key="") if isinstance(outcome, Decision) else None,
        refused=Refused.of(outcome) if isinstance(outcome, NoEligibleModel) else None,
        propensity=propensity(ruleset, facts, outcome) if isinstance(outcome, Decision) else None,
        ended=ended,
    )


def is_answered(record: DecisionRecord) -> bool:
    """Return whether a model answered the call; not so where it was answered from the cache."""
    return record.ended is not None and any(not attempt.error_type for attempt in record.ended.attempts)


def is_about(feedback: Feedback, record: DecisionRecord) -> bool:
    """Return whether feedback is about a decision: of its tenant, and of the day after it."""
    waited_s = (feedback.time - record.time).total_seconds()
    return (feedback.tenant, feedback.id) == (record.facts.request.tenant, record.id) and 0 <= waited_s <= FEEDBACK_S


def replay(record: DecisionRecord, ruleset: Ruleset) -> Outcome:
    """Return what the ruleset decides on a record: with the ruleset of its revision, the same decision or refusal bit for bit."""
    return outcome_of(pinned(ruleset, record.pins), record.facts, record.market)


def to_json(line: Line) -> bytes:
    """Return it as JSON on one line, without its end."""
    return msgspec.json.encode(line)


def from_json(line: bytes) -> Line:
    """Return a record, or what was said of one, from its JSON. Raises BadRecord."""
    try:
        found = _DECODER.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadRecord(f"no decision record: {error}") from error
    if found.version != VERSION:
        raise BadRecord(f"a record of version {found.version}; this program reads version {VERSION}")
    if isinstance(found, Feedback):
        return found
    if (found.decision is None) == (found.refused is None) or not (found.refused is None or found.refused.is_known()):
        raise BadRecord("no decision record: expected a decision or a known refusal")
    return found


_DECODER: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)


def _hidden(facts: Facts, kept: frozenset[str]) -> Iterator[str]:
    """Yield the names of the facts that are there and not recorded as they are."""
    yield from (name for name in PEOPLE if value_of(facts, name) is not None)
    for group in LABELLED:
        yield from (f"{group}.labels.{label}" for label in getattr(facts, group).labels if label not in kept)


def _redacted(facts: Facts, key: bytes, kept: frozenset[str], tags: frozenset[str]) -> Facts:
    """Return facts without what says who asks; of tags those that no model has are digests, too, and no model has those either."""
    request, tenant = facts.request, facts.tenant
    return structs.replace(
        facts,
        request=structs.replace(
            request,
            user=_digest(request.user, key),
            session=_digest(request.session, key),
            labels={name: value for name, value in request.labels.items() if name in kept},
            tags=frozenset(tag if tag in tags else _digest(tag, key) or "" for tag in request.tags),
        ),
        tenant=structs.replace(tenant, labels={name: value for name, value in tenant.labels.items() if name in kept}),
    )


def _digest(value: str | None, key: bytes) -> str | None:
    """Return 128 bits that are the same for the same value, and tell nothing of it without the key."""
    return None if value is None else blake2b(value.encode("utf-8", "surrogatepass"), key=key, digest_size=16).hexdigest()
