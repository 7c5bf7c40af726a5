"""What of a story becomes attributes of which span. None holds text of a prompt, but for `content`, which nobody hears of unasked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from opentelemetry.util.types import AttributeValue

from pointsman.core.completion import Attempt, Usage
from pointsman.core.decision import Candidate, Decision, RuleRef
from pointsman.core.errors import NoEligibleModel
from pointsman.core.explain import sentence
from pointsman.core.hindsight import compared
from pointsman.core.market import Market
from pointsman.core.money import dollars, usd
from pointsman.telemetry import content, names
from pointsman.telemetry.story import Decided, Scored, Story

LONGEST_SENTENCE, LONGEST_WHY = 300, 1000
MOST_CANDIDATES = 32

Values = Iterator[tuple[str, AttributeValue]]


def served(story: Story, kept_for: str) -> Values:
    """Yield those of the call; `kept_for` says why its trace is kept where the sampler would not have taken it."""
    yield names.RPC_SYSTEM, "grpc"
    yield names.RPC_METHOD, story.method
    yield names.RPC_STATUS, story.code
    yield names.CALL_ID, story.id
    if kept_for:
        yield names.KEPT_FOR, kept_for
    if story.code != "OK":
        yield names.ERROR_TYPE, story.code
    if story.reason:
        yield names.REASON, story.reason
    if story.tenant:
        yield names.TENANT, story.tenant
    if story.decided is not None and isinstance(story.decided.outcome, Decision):
        yield names.REQUEST_MODEL, story.decided.outcome.chosen.model  # Jaeger shows it on the row
    if story.scored is not None:
        yield from _scored(story.scored)
    if story.content is not None:
        yield from content.attributes(story.content)
    if story.completion is not None:
        yield names.RESPONSE_MODEL, story.completion.model
        yield names.COST_USD, usd(story.completion.usage.cost)
        yield names.BASELINE_USD, usd(story.completion.usage.baseline_cost)
        if story.completion.cache_status:
            yield names.CACHE_STATUS, story.completion.cache_status.name.lower()


def _scored(told: Scored) -> Values:
    yield names.FEEDBACK_DECISION, told.decision_id
    yield names.FEEDBACK_SCORE, told.score
    if told.source:
        yield names.FEEDBACK_SOURCE, told.source


def decided(told: Decided) -> Values:
    """Yield those of a decision or refusal."""
    if told.asked:
        yield names.ASKED_MODEL, told.asked
    yield names.SENTENCE, sentence(told.outcome)[:LONGEST_SENTENCE]
    if isinstance(told.outcome, NoEligibleModel):
        yield from _ruled(told.situation.ruleset.route(told.outcome.rule).ref, told.situation.ruleset.revision)
        yield names.CANDIDATES, _listed(told)
        yield names.DROPPED_TOTAL, len(told.outcome.dropped)
    else:
        yield from _chosen(told, told.outcome)
    if left := list(_left(told.situation.market)):
        yield names.BUDGET_LEFT, left


def _left(market: Market) -> Iterator[str]:
    """Yield what the tenant's windows had left."""
    if market.tokens_left is not None:
        yield f"tokens: {market.tokens_left}"
    if market.cost_left is not None:
        yield f"usd: {dollars(market.cost_left)}"
    for window in market.windows:
        left = dollars(window.left) if window.kind == "usd" else str(window.left)
        yield f"{window.kind}{f' of {window.tier}' if window.tier else ''}: {left}"


def _ruled(rule: RuleRef, revision: str) -> Values:
    yield names.RULE, rule.id
    yield names.RULE_PLACE, f"{rule.file}:{rule.line}"
    yield names.CODE_FILE, rule.file
    yield names.CODE_LINE, rule.line
    yield names.RULE_WHY, rule.why[:LONGEST_WHY]
    yield names.REVISION, revision


def _chosen(told: Decided, decision: Decision) -> Values:
    chosen, features = decision.chosen, decision.features
    yield from _ruled(decision.rule, decision.revision)
    yield names.DECISION_REASON, decision.reason.name
    yield names.REQUEST_MODEL, chosen.model
    yield names.PROVIDER, chosen.provider
    yield names.CANDIDATES, _listed(told)
    yield names.KEPT_TOTAL, len(decision.plan)
    yield names.DROPPED_TOTAL, len(decision.dropped)
    yield names.TASK, features.task
    yield names.SUBJECT, features.subject
    yield names.COMPLEXITY, features.complexity
    yield names.GAIN, features.gain
    yield names.CONFIDENCE, features.confidence
    yield from _expected(chosen)
    yield names.EST_BASELINE_USD, usd(decision.baseline_cost)
    yield names.AFFINITY, "warm" if chosen.cached_tokens else "cold" if chosen.switch_cost is not None else "none"
    if chosen.switch_cost is not None:
        yield names.SWITCH_COST_USD, usd(chosen.switch_cost)
    if decision.fallbacks:
        yield names.RUNNER_UP, decision.fallbacks[0].model
        yield names.RUNNER_UP_COST_USD, usd(decision.fallbacks[0].expected_cost)
    if decision.shadows:
        yield names.SHADOWS, [f"{shadow.rule.id}={shadow.model}" for shadow in decision.shadows]


def _expected(candidate: Candidate) -> Values:
    yield names.QUALITY, candidate.quality
    yield names.EST_INPUT, candidate.tokens.input
    yield names.EST_OUTPUT, candidate.tokens.output
    yield names.EST_COST_USD, usd(candidate.expected_cost)
    yield names.EST_LATENCY_S, candidate.expected_latency_ms / 1000


def expected_of(candidate: Candidate) -> str:
    """Return what is expected of a candidate, in words."""
    return f"quality {candidate.quality:.2f}, {dollars(candidate.expected_cost)}, {candidate.expected_latency_ms:.0f} ms"


def _listed(told: Decided) -> list[str]:
    """Return the candidates, the chosen one first, each with its verdict and numbers: "mini: dropped QUALITY (quality 0.74 < 0.90)"."""
    outcome = told.outcome
    planned = outcome.plan if isinstance(outcome, Decision) else ()
    verdicts = ["chosen", *["kept"] * len(planned)]
    kept = [f"{candidate.model}: {verdict} ({expected_of(candidate)})" for candidate, verdict in zip(planned, verdicts, strict=False)]
    kept += [f"{model}: kept (behind the {len(planned)} of the plan)" for model in _unplanned(told)]
    return [*kept, *(f"{drop.model}: dropped {drop.reason.name} ({drop.detail})" for drop in outcome.dropped)][:MOST_CANDIDATES]


def _unplanned(told: Decided) -> Iterator[str]:
    """Yield the models that were kept and for which a plan has no room."""
    if isinstance(told.outcome, Decision):
        seen = {candidate.model for candidate in told.outcome.plan} | {drop.model for drop in told.outcome.dropped}
        yield from (model for model in told.situation.ruleset.route(told.outcome.rule.id).candidates if model not in seen)


def attempted(story: Story, attempt: Attempt, number: int) -> Values:
    """Yield those of one call of a model."""
    yield names.OPERATION, "chat"
    yield names.PROVIDER, attempt.provider
    yield names.REQUEST_MODEL, attempt.model
    yield names.ATTEMPT, number
    yield names.ATTEMPT_REASON, attempt.reason.name.lower()
    yield names.REQUEST_STREAM, story.is_stream
    if attempt.ttft_ms is not None and story.is_stream:
        yield names.FIRST_CHUNK_S, attempt.ttft_ms / 1000
    if attempt.error_type:
        yield names.ERROR_TYPE, attempt.error_type
    if attempt.usage is not None:
        yield from used(attempt.usage).items()
    if attempt.expected is not None:
        yield names.EST_INPUT, attempt.expected.input_tokens
        yield names.EST_OUTPUT, attempt.expected.output_tokens
        yield names.EST_COST_USD, usd(attempt.expected.cost)
        yield names.EST_LATENCY_S, attempt.expected.latency_ms / 1000
    for found in compared(attempt):
        yield names.OFF_BY.format(found.estimate), round(found.off_by, 3)
    if story.completion is not None and attempt is story.attempts[-1]:
        yield names.FINISH_REASONS, [story.completion.finish_reason.name.lower()]


def used(usage: Usage) -> Mapping[str, AttributeValue]:
    """Return the attributes of what was used."""
    return {
        names.INPUT_TOKENS: usage.input_tokens,
        names.OUTPUT_TOKENS: usage.output_tokens,
        names.REASONING_TOKENS: usage.reasoning_tokens,
        names.CACHE_READ_TOKENS: usage.cached_input_tokens,
        names.CACHE_WRITE_TOKENS: usage.cache_write_tokens,
        names.CACHE_WRITE_TOKENS_AS_JAEGER_READS: usage.cache_write_tokens,
        names.COST_USD: usd(usage.cost),
        names.COST_NANO_USD: usage.cost,
        names.ESTIMATED: usage.estimated,
    }
