"""Why a decision came out as it did: its explanation, and the account that AdminService gives of it."""

from __future__ import annotations

from google.protobuf.struct_pb2 import Value

from pointsman.core.account import Account
from pointsman.core.decision import ConditionTrace, Contrast, Dropped, Explanation, RuleRef, RuleTrace
from pointsman.core.vocabulary import DropReason, RuleOutcome
from pointsman.v1 import admin_service_pb2 as admin_pb
from pointsman.v1 import routing_pb2 as pb
from pointsman.wire.codec.scalars import known

# Enum numbers are those of the wire, so members are passed as they are; mypy's stubs of protobuf know only their own integer types.
# mypy: disable-error-code="arg-type"


def fill_rule(message: pb.RuleRef, rule: RuleRef) -> None:
    """Say where a rule stands."""
    message.id = rule.id
    message.file = rule.file
    message.line = rule.line
    message.why = rule.why


def rule_from_pb(message: pb.RuleRef) -> RuleRef:
    """Return where a rule stands."""
    return RuleRef(id=message.id, file=message.file, line=message.line, why=message.why)


def dropped_to_pb(dropped: Dropped) -> pb.DroppedCandidate:
    """Return a candidate that was dropped as a message."""
    return pb.DroppedCandidate(model=dropped.model, reason=dropped.reason, detail=dropped.detail)


def dropped_from_pb(message: pb.DroppedCandidate) -> Dropped:
    """Return a candidate that was dropped; a reason that is not known here is UNSPECIFIED."""
    return Dropped(model=message.model, reason=known(DropReason, message.reason), detail=message.detail)


def explanation_to_pb(explanation: Explanation) -> pb.Explanation:
    """Return the explanation as a message."""
    return pb.Explanation(
        summary=explanation.summary,
        facts={name: _value_to_pb(value) for name, value in explanation.facts.items()},
        rules=[_trace_to_pb(trace) for trace in explanation.rules],
        contrasts=[
            pb.Contrast(fact=each.fact, old_value=each.old, new_value=each.new, rule=each.rule, model=each.model)
            for each in explanation.contrasts
        ],
    )


def explanation_from_pb(message: pb.Explanation) -> Explanation:
    """Return the explanation of a message."""
    return Explanation(
        summary=message.summary,
        facts={name: _value_from_pb(value) for name, value in message.facts.items()},
        rules=tuple(map(_trace_from_pb, message.rules)),
        contrasts=tuple(map(_contrast_from_pb, message.contrasts)),
    )


def _contrast_from_pb(message: pb.Contrast) -> Contrast:
    old = message.old_value if message.HasField("old_value") else None
    return Contrast(fact=message.fact, old=old, new=message.new_value, rule=message.rule, model=message.model)


def account_to_pb(account: Account) -> admin_pb.ExplainDecisionResponse:
    """Return the account of a decision as a message."""
    return admin_pb.ExplainDecisionResponse(
        revision=account.revision,
        model=account.model,
        explanation=explanation_to_pb(account.explanation),
        dropped=map(dropped_to_pb, account.dropped),
    )


def account_from_pb(message: admin_pb.ExplainDecisionResponse) -> Account:
    """Return the account that a server gives of a decision."""
    return Account(
        revision=message.revision,
        model=message.model,
        explanation=explanation_from_pb(message.explanation),
        dropped=tuple(map(dropped_from_pb, message.dropped)),
    )


def _trace_to_pb(trace: RuleTrace) -> pb.RuleTrace:
    message = pb.RuleTrace(
        outcome=trace.outcome,
        conditions=[
            pb.ConditionTrace(
                text=condition.text,
                line=condition.line,
                column=condition.column,
                result=condition.result,
                values={name: _value_to_pb(value) for name, value in condition.values.items()},
            )
            for condition in trace.conditions
        ],
        detail=trace.detail,
    )
    fill_rule(message.rule, trace.rule)
    return message


def _trace_from_pb(message: pb.RuleTrace) -> RuleTrace:
    conditions = tuple(
        ConditionTrace(
            text=condition.text,
            line=condition.line,
            column=condition.column,
            result=condition.result,
            values={name: _value_from_pb(value) for name, value in condition.values.items()},
        )
        for condition in message.conditions
    )
    return RuleTrace(
        rule=rule_from_pb(message.rule), outcome=known(RuleOutcome, message.outcome), conditions=conditions, detail=message.detail
    )


def _value_to_pb(value: object) -> Value:
    match value:
        case None:
            return Value(null_value=0)
        case bool():
            return Value(bool_value=value)
        case int() | float():
            return Value(number_value=value)
        case _:
            return Value(string_value=str(value))


def _value_from_pb(message: Value) -> object:
    kind = message.WhichOneof("kind")
    return None if kind in (None, "null_value") else getattr(message, kind)
