"""The decision."""

from __future__ import annotations

from pointsman.core.decision import Candidate, Decision, TokenEstimate
from pointsman.core.facts import FeatureFacts, TokenFacts
from pointsman.core.vocabulary import DecisionReason, TokenCountMethod
from pointsman.v1 import routing_pb2 as pb
from pointsman.wire.codec.explanation import (
    dropped_fields,
    dropped_from_pb,
    explanation_from_pb,
    explanation_to_pb,
    rule_fields,
    rule_from_pb,
)
from pointsman.wire.codec.scalars import Fields, known, ms_from_pb, ms_to_fields

# Enum numbers are those of the wire, so members are passed as they are; mypy's stubs of protobuf know only their own integer types.
# mypy: disable-error-code="arg-type"


def decision_fields(decision: Decision) -> Fields:
    """Return the fields of the decision's message."""
    fields: Fields = {
        "id": decision.id,
        "chosen": _candidate_fields(decision.chosen),
        "fallbacks": [_candidate_fields(candidate) for candidate in decision.fallbacks],
        "rule": rule_fields(decision.rule),
        "ruleset_revision": decision.revision,
        "reason": decision.reason,
        "facts": _facts_fields(decision.features, decision.tokens),
        "baseline_cost": {"nano_usd": decision.baseline_cost},
    }
    if decision.dropped:
        fields["dropped"] = list(map(dropped_fields, decision.dropped))
    if decision.explanation is not None:
        fields["explanation"] = explanation_to_pb(decision.explanation)
    return fields


def decision_from_pb(message: pb.Decision) -> Decision:
    """Return the decision that a server sent."""
    return Decision(
        id=message.id,
        chosen=_candidate_from_pb(message.chosen),
        fallbacks=tuple(map(_candidate_from_pb, message.fallbacks)),
        rule=rule_from_pb(message.rule),
        revision=message.ruleset_revision,
        reason=known(DecisionReason, message.reason),
        features=_features_from_pb(message.facts),
        tokens=_tokens_from_pb(message.facts.tokens),
        dropped=tuple(map(dropped_from_pb, message.dropped)),
        baseline_cost=message.baseline_cost.nano_usd,
        explanation=explanation_from_pb(message.explanation) if message.HasField("explanation") else None,
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
