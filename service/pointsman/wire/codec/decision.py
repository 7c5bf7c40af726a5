"""The decision."""

from __future__ import annotations

from pointsman.core.decision import Candidate, Decision, TokenEstimate
from pointsman.core.facts import FeatureFacts, TokenFacts
from pointsman.core.vocabulary import DecisionReason, TokenCountMethod
from pointsman.v1 import routing_pb2 as pb
from pointsman.wire.codec.explanation import (
    dropped_from_pb,
    dropped_to_pb,
    explanation_from_pb,
    explanation_to_pb,
    fill_rule,
    rule_from_pb,
)
from pointsman.wire.codec.scalars import fill_ms, known, ms_from_pb

# Enum numbers are those of the wire, so members are passed as they are; mypy's stubs of protobuf know only their own integer types.
# mypy: disable-error-code="assignment, arg-type"


def fill_decision(message: pb.Decision, decision: Decision) -> None:
    """Say what was decided."""
    message.id = decision.id
    _fill_candidate(message.chosen, decision.chosen)
    for candidate in decision.fallbacks:
        _fill_candidate(message.fallbacks.add(), candidate)
    fill_rule(message.rule, decision.rule)
    message.ruleset_revision = decision.revision
    message.reason = decision.reason
    _fill_facts(message.facts, decision.features, decision.tokens)
    if decision.dropped:
        message.dropped.extend(map(dropped_to_pb, decision.dropped))
    message.baseline_cost.nano_usd = decision.baseline_cost
    if decision.explanation is not None:
        message.explanation.CopyFrom(explanation_to_pb(decision.explanation))


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


def _fill_candidate(message: pb.Candidate, candidate: Candidate) -> None:
    message.model = candidate.model
    message.provider = candidate.provider
    message.upstream_model = candidate.upstream
    message.quality = candidate.quality
    counted, tokens = message.tokens, candidate.tokens
    counted.input = tokens.input
    counted.input_upper_bound = tokens.input_upper_bound
    counted.method = tokens.method
    counted.output = tokens.output
    counted.output_p90 = tokens.output_p90
    counted.output_cap = tokens.output_cap
    message.expected_cost.nano_usd = candidate.expected_cost
    message.max_cost.nano_usd = candidate.max_cost
    fill_ms(message.expected_latency, candidate.expected_latency_ms)
    fill_ms(message.expected_time_to_first_token, candidate.expected_ttft_ms)
    if candidate.cached_tokens or candidate.switch_cost is not None:
        message.affinity.expected_cached_tokens = candidate.cached_tokens
    if candidate.switch_cost is not None:
        message.affinity.switch_cost.nano_usd = candidate.switch_cost


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


def _fill_facts(message: pb.Facts, features: FeatureFacts, tokens: TokenFacts) -> None:
    message.complexity = features.complexity
    message.gain = features.gain
    message.confidence = features.confidence
    message.task = features.task
    message.subject = features.subject
    counted = message.tokens
    counted.input = counted.input_upper_bound = tokens.input
    counted.method = tokens.method
    counted.output = tokens.output
    counted.output_p90 = tokens.output_p90
    counted.output_cap = tokens.output_max or 0


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
