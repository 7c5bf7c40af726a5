"""The decision and its explanation."""

from __future__ import annotations

from google.protobuf.struct_pb2 import Value

from pointsman.core.decision import Candidate, ConditionTrace, Decision, Dropped, Explanation, RuleRef, RuleTrace, TokenEstimate
from pointsman.core.facts import FeatureFacts, TokenFacts
from pointsman.core.vocabulary import DecisionReason, DropReason, RuleOutcome, TokenCountMethod
from pointsman.v1 import routing_pb2 as pb
from pointsman.wire.codec.scalars import Fields, known, ms_from_pb, ms_to_fields

# Enum numbers are those of the wire, so members are passed as they are; mypy's stubs of protobuf know only their own integer types.
# mypy: disable-error-code="arg-type"


def decision_fields(decision: Decision) -> Fields:
    """Return the fields of the decision's message."""
    return {
        "id": decision.id,
        "chosen": _candidate_fields(decision.chosen),
        "fallbacks": [_candidate_fields(candidate) for candidate in decision.fallbacks],
        "rule": _rule_fields(decision.rule),
        "ruleset_revision": decision.revision,
        "reason": decision.reason,
        "facts": _facts_fields(decision.features, decision.tokens),
        "dropped": [{"model": drop.model, "reason": drop.reason, "detail": drop.detail} for drop in decision.dropped],
        "baseline_cost": {"nano_usd": decision.baseline_cost},
        "explanation": None if decision.explanation is None else explanation_to_pb(decision.explanation),
    }


def decision_from_pb(message: pb.Decision) -> Decision:
    """Return the decision that a server sent."""
    return Decision(
        id=message.id,
        chosen=_candidate_from_pb(message.chosen),
        fallbacks=tuple(map(_candidate_from_pb, message.fallbacks)),
        rule=_rule_from_pb(message.rule),
        revision=message.ruleset_revision,
        reason=known(DecisionReason, message.reason),
        features=_features_from_pb(message.facts),
        tokens=_tokens_from_pb(message.facts.tokens),
        dropped=tuple(Dropped(model=drop.model, reason=known(DropReason, drop.reason), detail=drop.detail) for drop in message.dropped),
        baseline_cost=message.baseline_cost.nano_usd,
        explanation=_explanation_from_pb(message.explanation) if message.HasField("explanation") else None,
    )


def _candidate_fields(candidate: Candidate) -> Fields:
    tokens = candidate.tokens
    fields: Fields = {
        "model": candidate.model,
        "provider": candidate.provider,
        "upstream_model": candidate.upstream,
        "quality": candidate.quality,
        "tokens": {
            "input": tokens.input,
            "input_upper_bound": tokens.input_upper_bound,
            "method": tokens.method,
            "output": tokens.output,
            "output_p90": tokens.output_p90,
            "output_cap": tokens.output_cap,
        },
        "expected_cost": {"nano_usd": candidate.expected_cost},
        "max_cost": {"nano_usd": candidate.max_cost},
        "expected_latency": ms_to_fields(candidate.expected_latency_ms),
        "expected_time_to_first_token": ms_to_fields(candidate.expected_ttft_ms),
    }
    if candidate.cached_tokens or candidate.switch_cost is not None:
        cost = {} if candidate.switch_cost is None else {"switch_cost": {"nano_usd": candidate.switch_cost}}
        fields["affinity"] = {"expected_cached_tokens": candidate.cached_tokens, **cost}
    return fields


def _candidate_from_pb(message: pb.Candidate) -> Candidate:
    tokens, affinity = message.tokens, message.affinity
    return Candidate(
        model=message.model,
        provider=message.provider,
        upstream=message.upstream_model,
        quality=message.quality,
        tokens=TokenEstimate(
            input=tokens.input,
            input_upper_bound=tokens.input_upper_bound,
            method=known(TokenCountMethod, tokens.method),
            output=tokens.output,
            output_p90=tokens.output_p90,
            output_cap=tokens.output_cap,
        ),
        expected_cost=message.expected_cost.nano_usd,
        max_cost=message.max_cost.nano_usd,
        expected_latency_ms=ms_from_pb(message.expected_latency),
        expected_ttft_ms=ms_from_pb(message.expected_time_to_first_token),
        cached_tokens=affinity.expected_cached_tokens,
        switch_cost=affinity.switch_cost.nano_usd if affinity.HasField("switch_cost") else None,
    )


def _rule_fields(rule: RuleRef) -> Fields:
    return {"id": rule.id, "file": rule.file, "line": rule.line, "why": rule.why}


def _rule_from_pb(message: pb.RuleRef) -> RuleRef:
    return RuleRef(id=message.id, file=message.file, line=message.line, why=message.why)


def _facts_fields(features: FeatureFacts, tokens: TokenFacts) -> Fields:
    return {
        "complexity": features.complexity,
        "gain": features.gain,
        "confidence": features.confidence,
        "task": features.task,
        "subject": features.subject,
        "tokens": {
            "input": tokens.input,
            "input_upper_bound": tokens.input,
            "method": tokens.method,
            "output": tokens.output,
            "output_p90": tokens.output_p90,
            "output_cap": tokens.output_max or 0,
        },
    }


def _features_from_pb(message: pb.Facts) -> FeatureFacts:
    return FeatureFacts(
        complexity=message.complexity,
        gain=message.gain,
        confidence=message.confidence,
        task=message.task,  # a newer server may send a task that this client does not know: it is shown as it is
        subject=message.subject,
    )


def _tokens_from_pb(message: pb.TokenEstimate) -> TokenFacts:
    return TokenFacts(
        input=message.input,
        output=message.output,
        output_p90=message.output_p90,
        output_max=message.output_cap or None,
        total=message.input + min(message.output_p90, message.output_cap or message.output_p90),
        method=known(TokenCountMethod, message.method),
    )


def explanation_to_pb(explanation: Explanation) -> pb.Explanation:
    """Return the explanation as a message."""
    return pb.Explanation(
        summary=explanation.summary,
        facts={name: _value_to_pb(value) for name, value in explanation.facts.items()},
        rules=[_trace_to_pb(trace) for trace in explanation.rules],
    )


def _explanation_from_pb(message: pb.Explanation) -> Explanation:
    return Explanation(
        summary=message.summary,
        facts={name: _value_from_pb(value) for name, value in message.facts.items()},
        rules=tuple(map(_trace_from_pb, message.rules)),
    )


def _trace_to_pb(trace: RuleTrace) -> pb.RuleTrace:
    return pb.RuleTrace(
        rule=_rule_fields(trace.rule),
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
        rule=_rule_from_pb(message.rule), outcome=known(RuleOutcome, message.outcome), conditions=conditions, detail=message.detail
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
