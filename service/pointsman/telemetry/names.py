"""Names of spans and attributes, each once, so that a convention that moves is one change here.

GenAI: the conventions as of late 2026, which are still in development (`cache_write`, where older ones say `cache_creation`). Jaeger's user
interface reads the older name, so that one is set, too. RPC: the release candidate.
"""

from __future__ import annotations

from typing import Final

DECIDE: Final = "pointsman.decide"

RPC_SYSTEM: Final = "rpc.system.name"
RPC_METHOD: Final = "rpc.method"
RPC_STATUS: Final = "rpc.status_code"
ERROR_TYPE: Final = "error.type"

OPERATION: Final = "gen_ai.operation.name"
PROVIDER: Final = "gen_ai.provider.name"
REQUEST_MODEL: Final = "gen_ai.request.model"
REQUEST_STREAM: Final = "gen_ai.request.stream"
REQUEST_MAX_TOKENS: Final = "gen_ai.request.max_tokens"
RESPONSE_MODEL: Final = "gen_ai.response.model"
FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
FIRST_CHUNK_S: Final = "gen_ai.response.time_to_first_chunk"
INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
REASONING_TOKENS: Final = "gen_ai.usage.reasoning.output_tokens"
CACHE_READ_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"
CACHE_WRITE_TOKENS: Final = "gen_ai.usage.cache_write.input_tokens"
CACHE_WRITE_TOKENS_AS_JAEGER_READS: Final = "gen_ai.usage.cache_creation.input_tokens"

CALL_ID: Final = "pointsman.call.id"
TENANT: Final = "pointsman.tenant.id"
REASON: Final = "pointsman.error.reason"
ASKED_MODEL: Final = "pointsman.request.model"
RULE: Final = "pointsman.rule.id"
RULE_WHY: Final = "pointsman.rule.why"
RULE_PLACE: Final = "pointsman.rule.file_line"
REVISION: Final = "pointsman.ruleset.revision"
DECISION_REASON: Final = "pointsman.decision.reason"
SENTENCE: Final = "pointsman.decision.explain"
CANDIDATES: Final = "pointsman.candidates"
CONSTRAINTS: Final = "pointsman.constraints"
DROPPED_TOTAL: Final = "pointsman.candidates.dropped"
KEPT_TOTAL: Final = "pointsman.candidates.kept"
RUNNER_UP: Final = "pointsman.runner_up.model"
RUNNER_UP_COST_USD: Final = "pointsman.runner_up.cost_usd"
SHADOWS: Final = "pointsman.shadow.rules"
COMPLEXITY: Final = "pointsman.features.complexity"
GAIN: Final = "pointsman.features.gain"
CONFIDENCE: Final = "pointsman.features.confidence"
TASK: Final = "pointsman.features.task"
SUBJECT: Final = "pointsman.features.subject"
QUALITY: Final = "pointsman.est.quality"
EST_INPUT: Final = "pointsman.est.input_tokens"
EST_OUTPUT: Final = "pointsman.est.output_tokens"
EST_COST_USD: Final = "pointsman.est.cost_usd"
EST_LATENCY_S: Final = "pointsman.est.latency_s"
EST_BASELINE_USD: Final = "pointsman.est.baseline_cost_usd"
AFFINITY: Final = "pointsman.cache_affinity"
SWITCH_COST_USD: Final = "pointsman.switch_cost_usd"
CACHE_STATUS: Final = "pointsman.cache.status"
COST_USD: Final = "pointsman.cost_usd"
BASELINE_USD: Final = "pointsman.baseline_cost_usd"
COST_NANO_USD: Final = "pointsman.cost_nano_usd"
ATTEMPT: Final = "pointsman.attempt.number"
ATTEMPT_REASON: Final = "pointsman.attempt.reason"
ESTIMATED: Final = "pointsman.usage.estimated"
KEPT_FOR: Final = "pointsman.trace.kept_for"

CHOSEN_EVENT: Final = "pointsman.candidate.chosen"
RUNNER_UP_EVENT: Final = "pointsman.candidate.runner_up"
FIRST_TOKEN_EVENT: Final = "gen_ai.first_token"  # noqa: S105  # the name of an event
