import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Role(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROLE_UNSPECIFIED: _ClassVar[Role]
    ROLE_SYSTEM: _ClassVar[Role]
    ROLE_USER: _ClassVar[Role]
    ROLE_ASSISTANT: _ClassVar[Role]
    ROLE_TOOL: _ClassVar[Role]

class TokenCountMethod(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TOKEN_COUNT_METHOD_UNSPECIFIED: _ClassVar[TokenCountMethod]
    TOKEN_COUNT_METHOD_EXACT: _ClassVar[TokenCountMethod]
    TOKEN_COUNT_METHOD_CALIBRATED: _ClassVar[TokenCountMethod]
    TOKEN_COUNT_METHOD_HEURISTIC: _ClassVar[TokenCountMethod]

class DecisionReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DECISION_REASON_UNSPECIFIED: _ClassVar[DecisionReason]
    DECISION_REASON_RULE_MATCH: _ClassVar[DecisionReason]
    DECISION_REASON_ROLLOUT: _ClassVar[DecisionReason]
    DECISION_REASON_DEFAULT: _ClassVar[DecisionReason]
    DECISION_REASON_CALLER_MODEL: _ClassVar[DecisionReason]
    DECISION_REASON_STICKY: _ClassVar[DecisionReason]
    DECISION_REASON_ON_EMPTY_FALLBACK: _ClassVar[DecisionReason]
    DECISION_REASON_BEST_EFFORT: _ClassVar[DecisionReason]
    DECISION_REASON_DEGRADED: _ClassVar[DecisionReason]

class DropReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DROP_REASON_UNSPECIFIED: _ClassVar[DropReason]
    DROP_REASON_CONSTRAINT: _ClassVar[DropReason]
    DROP_REASON_TENANT: _ClassVar[DropReason]
    DROP_REASON_NOT_ASKED: _ClassVar[DropReason]
    DROP_REASON_TAGS: _ClassVar[DropReason]
    DROP_REASON_CAPABILITY: _ClassVar[DropReason]
    DROP_REASON_NO_CREDENTIAL: _ClassVar[DropReason]
    DROP_REASON_CONTEXT_WINDOW: _ClassVar[DropReason]
    DROP_REASON_TOKEN_BUDGET: _ClassVar[DropReason]
    DROP_REASON_BUDGET: _ClassVar[DropReason]
    DROP_REASON_COST: _ClassVar[DropReason]
    DROP_REASON_QUALITY: _ClassVar[DropReason]
    DROP_REASON_LATENCY: _ClassVar[DropReason]
    DROP_REASON_UNHEALTHY: _ClassVar[DropReason]
    DROP_REASON_CAPACITY: _ClassVar[DropReason]

class RuleOutcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RULE_OUTCOME_UNSPECIFIED: _ClassVar[RuleOutcome]
    RULE_OUTCOME_NO_MATCH: _ClassVar[RuleOutcome]
    RULE_OUTCOME_MATCH: _ClassVar[RuleOutcome]
    RULE_OUTCOME_ROLLED_OUT_OF: _ClassVar[RuleOutcome]
    RULE_OUTCOME_SHADOW_MATCH: _ClassVar[RuleOutcome]
    RULE_OUTCOME_SKIPPED: _ClassVar[RuleOutcome]

class FinishReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FINISH_REASON_UNSPECIFIED: _ClassVar[FinishReason]
    FINISH_REASON_STOP: _ClassVar[FinishReason]
    FINISH_REASON_LENGTH: _ClassVar[FinishReason]
    FINISH_REASON_TOOL_CALLS: _ClassVar[FinishReason]
    FINISH_REASON_CONTENT_FILTER: _ClassVar[FinishReason]
    FINISH_REASON_ERROR: _ClassVar[FinishReason]

class AttemptReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ATTEMPT_REASON_UNSPECIFIED: _ClassVar[AttemptReason]
    ATTEMPT_REASON_PRIMARY: _ClassVar[AttemptReason]
    ATTEMPT_REASON_RETRY: _ClassVar[AttemptReason]
    ATTEMPT_REASON_FALLBACK: _ClassVar[AttemptReason]
    ATTEMPT_REASON_HEDGE: _ClassVar[AttemptReason]

class CacheMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CACHE_MODE_UNSPECIFIED: _ClassVar[CacheMode]
    CACHE_MODE_BYPASS: _ClassVar[CacheMode]
    CACHE_MODE_REFRESH: _ClassVar[CacheMode]
    CACHE_MODE_ONLY_IF_CACHED: _ClassVar[CacheMode]
    CACHE_MODE_USE: _ClassVar[CacheMode]

class CacheStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CACHE_STATUS_UNSPECIFIED: _ClassVar[CacheStatus]
    CACHE_STATUS_HIT: _ClassVar[CacheStatus]
    CACHE_STATUS_MISS: _ClassVar[CacheStatus]
    CACHE_STATUS_BYPASS: _ClassVar[CacheStatus]
    CACHE_STATUS_COALESCED: _ClassVar[CacheStatus]
    CACHE_STATUS_STALE: _ClassVar[CacheStatus]
ROLE_UNSPECIFIED: Role
ROLE_SYSTEM: Role
ROLE_USER: Role
ROLE_ASSISTANT: Role
ROLE_TOOL: Role
TOKEN_COUNT_METHOD_UNSPECIFIED: TokenCountMethod
TOKEN_COUNT_METHOD_EXACT: TokenCountMethod
TOKEN_COUNT_METHOD_CALIBRATED: TokenCountMethod
TOKEN_COUNT_METHOD_HEURISTIC: TokenCountMethod
DECISION_REASON_UNSPECIFIED: DecisionReason
DECISION_REASON_RULE_MATCH: DecisionReason
DECISION_REASON_ROLLOUT: DecisionReason
DECISION_REASON_DEFAULT: DecisionReason
DECISION_REASON_CALLER_MODEL: DecisionReason
DECISION_REASON_STICKY: DecisionReason
DECISION_REASON_ON_EMPTY_FALLBACK: DecisionReason
DECISION_REASON_BEST_EFFORT: DecisionReason
DECISION_REASON_DEGRADED: DecisionReason
DROP_REASON_UNSPECIFIED: DropReason
DROP_REASON_CONSTRAINT: DropReason
DROP_REASON_TENANT: DropReason
DROP_REASON_NOT_ASKED: DropReason
DROP_REASON_TAGS: DropReason
DROP_REASON_CAPABILITY: DropReason
DROP_REASON_NO_CREDENTIAL: DropReason
DROP_REASON_CONTEXT_WINDOW: DropReason
DROP_REASON_TOKEN_BUDGET: DropReason
DROP_REASON_BUDGET: DropReason
DROP_REASON_COST: DropReason
DROP_REASON_QUALITY: DropReason
DROP_REASON_LATENCY: DropReason
DROP_REASON_UNHEALTHY: DropReason
DROP_REASON_CAPACITY: DropReason
RULE_OUTCOME_UNSPECIFIED: RuleOutcome
RULE_OUTCOME_NO_MATCH: RuleOutcome
RULE_OUTCOME_MATCH: RuleOutcome
RULE_OUTCOME_ROLLED_OUT_OF: RuleOutcome
RULE_OUTCOME_SHADOW_MATCH: RuleOutcome
RULE_OUTCOME_SKIPPED: RuleOutcome
FINISH_REASON_UNSPECIFIED: FinishReason
FINISH_REASON_STOP: FinishReason
FINISH_REASON_LENGTH: FinishReason
FINISH_REASON_TOOL_CALLS: FinishReason
FINISH_REASON_CONTENT_FILTER: FinishReason
FINISH_REASON_ERROR: FinishReason
ATTEMPT_REASON_UNSPECIFIED: AttemptReason
ATTEMPT_REASON_PRIMARY: AttemptReason
ATTEMPT_REASON_RETRY: AttemptReason
ATTEMPT_REASON_FALLBACK: AttemptReason
ATTEMPT_REASON_HEDGE: AttemptReason
CACHE_MODE_UNSPECIFIED: CacheMode
CACHE_MODE_BYPASS: CacheMode
CACHE_MODE_REFRESH: CacheMode
CACHE_MODE_ONLY_IF_CACHED: CacheMode
CACHE_MODE_USE: CacheMode
CACHE_STATUS_UNSPECIFIED: CacheStatus
CACHE_STATUS_HIT: CacheStatus
CACHE_STATUS_MISS: CacheStatus
CACHE_STATUS_BYPASS: CacheStatus
CACHE_STATUS_COALESCED: CacheStatus
CACHE_STATUS_STALE: CacheStatus

class Request(_message.Message):
    __slots__ = ("prompt", "generation", "requirements", "context")
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    REQUIREMENTS_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    prompt: Prompt
    generation: Generation
    requirements: Requirements
    context: Context
    def __init__(self, prompt: _Optional[_Union[Prompt, _Mapping]] = ..., generation: _Optional[_Union[Generation, _Mapping]] = ..., requirements: _Optional[_Union[Requirements, _Mapping]] = ..., context: _Optional[_Union[Context, _Mapping]] = ...) -> None: ...

class Prompt(_message.Message):
    __slots__ = ("text", "messages", "tools", "response_format")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    TOOLS_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FORMAT_FIELD_NUMBER: _ClassVar[int]
    text: str
    messages: _containers.RepeatedCompositeFieldContainer[Message]
    tools: _containers.RepeatedCompositeFieldContainer[Tool]
    response_format: ResponseFormat
    def __init__(self, text: _Optional[str] = ..., messages: _Optional[_Iterable[_Union[Message, _Mapping]]] = ..., tools: _Optional[_Iterable[_Union[Tool, _Mapping]]] = ..., response_format: _Optional[_Union[ResponseFormat, _Mapping]] = ...) -> None: ...

class Message(_message.Message):
    __slots__ = ("role", "text", "parts")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    role: Role
    text: str
    parts: _containers.RepeatedCompositeFieldContainer[Part]
    def __init__(self, role: _Optional[_Union[Role, str]] = ..., text: _Optional[str] = ..., parts: _Optional[_Iterable[_Union[Part, _Mapping]]] = ...) -> None: ...

class Part(_message.Message):
    __slots__ = ("text", "image", "tool_call", "tool_result")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    TOOL_CALL_FIELD_NUMBER: _ClassVar[int]
    TOOL_RESULT_FIELD_NUMBER: _ClassVar[int]
    text: str
    image: Image
    tool_call: ToolCall
    tool_result: ToolResult
    def __init__(self, text: _Optional[str] = ..., image: _Optional[_Union[Image, _Mapping]] = ..., tool_call: _Optional[_Union[ToolCall, _Mapping]] = ..., tool_result: _Optional[_Union[ToolResult, _Mapping]] = ...) -> None: ...

class Image(_message.Message):
    __slots__ = ("data", "url", "media_type")
    DATA_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    MEDIA_TYPE_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    url: str
    media_type: str
    def __init__(self, data: _Optional[bytes] = ..., url: _Optional[str] = ..., media_type: _Optional[str] = ...) -> None: ...

class ToolCall(_message.Message):
    __slots__ = ("id", "name", "arguments_json")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_JSON_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    arguments_json: str
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., arguments_json: _Optional[str] = ...) -> None: ...

class ToolResult(_message.Message):
    __slots__ = ("tool_call_id", "text", "failed")
    TOOL_CALL_ID_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    tool_call_id: str
    text: str
    failed: bool
    def __init__(self, tool_call_id: _Optional[str] = ..., text: _Optional[str] = ..., failed: _Optional[bool] = ...) -> None: ...

class Tool(_message.Message):
    __slots__ = ("name", "description", "parameters_json")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_JSON_FIELD_NUMBER: _ClassVar[int]
    name: str
    description: str
    parameters_json: str
    def __init__(self, name: _Optional[str] = ..., description: _Optional[str] = ..., parameters_json: _Optional[str] = ...) -> None: ...

class ResponseFormat(_message.Message):
    __slots__ = ("json", "json_schema")
    JSON_FIELD_NUMBER: _ClassVar[int]
    JSON_SCHEMA_FIELD_NUMBER: _ClassVar[int]
    json: bool
    json_schema: str
    def __init__(self, json: _Optional[bool] = ..., json_schema: _Optional[str] = ...) -> None: ...

class Generation(_message.Message):
    __slots__ = ("max_output_tokens", "temperature", "top_p", "seed", "stop")
    MAX_OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    TOP_P_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    STOP_FIELD_NUMBER: _ClassVar[int]
    max_output_tokens: int
    temperature: float
    top_p: float
    seed: int
    stop: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, max_output_tokens: _Optional[int] = ..., temperature: _Optional[float] = ..., top_p: _Optional[float] = ..., seed: _Optional[int] = ..., stop: _Optional[_Iterable[str]] = ...) -> None: ...

class Requirements(_message.Message):
    __slots__ = ("accuracy", "max_total_tokens", "max_cost", "max_latency", "max_time_to_first_token", "capabilities", "tags", "model")
    ACCURACY_FIELD_NUMBER: _ClassVar[int]
    MAX_TOTAL_TOKENS_FIELD_NUMBER: _ClassVar[int]
    MAX_COST_FIELD_NUMBER: _ClassVar[int]
    MAX_LATENCY_FIELD_NUMBER: _ClassVar[int]
    MAX_TIME_TO_FIRST_TOKEN_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    accuracy: float
    max_total_tokens: int
    max_cost: Money
    max_latency: _duration_pb2.Duration
    max_time_to_first_token: _duration_pb2.Duration
    capabilities: _containers.RepeatedScalarFieldContainer[str]
    tags: _containers.RepeatedScalarFieldContainer[str]
    model: str
    def __init__(self, accuracy: _Optional[float] = ..., max_total_tokens: _Optional[int] = ..., max_cost: _Optional[_Union[Money, _Mapping]] = ..., max_latency: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_time_to_first_token: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., capabilities: _Optional[_Iterable[str]] = ..., tags: _Optional[_Iterable[str]] = ..., model: _Optional[str] = ...) -> None: ...

class Context(_message.Message):
    __slots__ = ("session_id", "user_id", "labels")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    user_id: str
    labels: _containers.ScalarMap[str, str]
    def __init__(self, session_id: _Optional[str] = ..., user_id: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Money(_message.Message):
    __slots__ = ("nano_usd",)
    NANO_USD_FIELD_NUMBER: _ClassVar[int]
    nano_usd: int
    def __init__(self, nano_usd: _Optional[int] = ...) -> None: ...

class Decision(_message.Message):
    __slots__ = ("id", "chosen", "fallbacks", "rule", "ruleset_revision", "reason", "facts", "dropped", "baseline_cost", "explanation")
    ID_FIELD_NUMBER: _ClassVar[int]
    CHOSEN_FIELD_NUMBER: _ClassVar[int]
    FALLBACKS_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    RULESET_REVISION_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    FACTS_FIELD_NUMBER: _ClassVar[int]
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    BASELINE_COST_FIELD_NUMBER: _ClassVar[int]
    EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    id: str
    chosen: Candidate
    fallbacks: _containers.RepeatedCompositeFieldContainer[Candidate]
    rule: RuleRef
    ruleset_revision: str
    reason: DecisionReason
    facts: Facts
    dropped: _containers.RepeatedCompositeFieldContainer[DroppedCandidate]
    baseline_cost: Money
    explanation: Explanation
    def __init__(self, id: _Optional[str] = ..., chosen: _Optional[_Union[Candidate, _Mapping]] = ..., fallbacks: _Optional[_Iterable[_Union[Candidate, _Mapping]]] = ..., rule: _Optional[_Union[RuleRef, _Mapping]] = ..., ruleset_revision: _Optional[str] = ..., reason: _Optional[_Union[DecisionReason, str]] = ..., facts: _Optional[_Union[Facts, _Mapping]] = ..., dropped: _Optional[_Iterable[_Union[DroppedCandidate, _Mapping]]] = ..., baseline_cost: _Optional[_Union[Money, _Mapping]] = ..., explanation: _Optional[_Union[Explanation, _Mapping]] = ...) -> None: ...

class Candidate(_message.Message):
    __slots__ = ("model", "provider", "upstream_model", "quality", "tokens", "expected_cost", "max_cost", "expected_latency", "expected_time_to_first_token", "affinity")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    UPSTREAM_MODEL_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_COST_FIELD_NUMBER: _ClassVar[int]
    MAX_COST_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_LATENCY_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_TIME_TO_FIRST_TOKEN_FIELD_NUMBER: _ClassVar[int]
    AFFINITY_FIELD_NUMBER: _ClassVar[int]
    model: str
    provider: str
    upstream_model: str
    quality: float
    tokens: TokenEstimate
    expected_cost: Money
    max_cost: Money
    expected_latency: _duration_pb2.Duration
    expected_time_to_first_token: _duration_pb2.Duration
    affinity: CacheAffinity
    def __init__(self, model: _Optional[str] = ..., provider: _Optional[str] = ..., upstream_model: _Optional[str] = ..., quality: _Optional[float] = ..., tokens: _Optional[_Union[TokenEstimate, _Mapping]] = ..., expected_cost: _Optional[_Union[Money, _Mapping]] = ..., max_cost: _Optional[_Union[Money, _Mapping]] = ..., expected_latency: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., expected_time_to_first_token: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., affinity: _Optional[_Union[CacheAffinity, _Mapping]] = ...) -> None: ...

class TokenEstimate(_message.Message):
    __slots__ = ("input", "input_upper_bound", "method", "output", "output_p90", "output_cap")
    INPUT_FIELD_NUMBER: _ClassVar[int]
    INPUT_UPPER_BOUND_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_P90_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_CAP_FIELD_NUMBER: _ClassVar[int]
    input: int
    input_upper_bound: int
    method: TokenCountMethod
    output: int
    output_p90: int
    output_cap: int
    def __init__(self, input: _Optional[int] = ..., input_upper_bound: _Optional[int] = ..., method: _Optional[_Union[TokenCountMethod, str]] = ..., output: _Optional[int] = ..., output_p90: _Optional[int] = ..., output_cap: _Optional[int] = ...) -> None: ...

class CacheAffinity(_message.Message):
    __slots__ = ("expected_cached_tokens", "switch_cost")
    EXPECTED_CACHED_TOKENS_FIELD_NUMBER: _ClassVar[int]
    SWITCH_COST_FIELD_NUMBER: _ClassVar[int]
    expected_cached_tokens: int
    switch_cost: Money
    def __init__(self, expected_cached_tokens: _Optional[int] = ..., switch_cost: _Optional[_Union[Money, _Mapping]] = ...) -> None: ...

class RuleRef(_message.Message):
    __slots__ = ("id", "file", "line", "why")
    ID_FIELD_NUMBER: _ClassVar[int]
    FILE_FIELD_NUMBER: _ClassVar[int]
    LINE_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    id: str
    file: str
    line: int
    why: str
    def __init__(self, id: _Optional[str] = ..., file: _Optional[str] = ..., line: _Optional[int] = ..., why: _Optional[str] = ...) -> None: ...

class Facts(_message.Message):
    __slots__ = ("complexity", "gain", "confidence", "task", "subject", "tokens")
    COMPLEXITY_FIELD_NUMBER: _ClassVar[int]
    GAIN_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    complexity: float
    gain: float
    confidence: float
    task: str
    subject: str
    tokens: TokenEstimate
    def __init__(self, complexity: _Optional[float] = ..., gain: _Optional[float] = ..., confidence: _Optional[float] = ..., task: _Optional[str] = ..., subject: _Optional[str] = ..., tokens: _Optional[_Union[TokenEstimate, _Mapping]] = ...) -> None: ...

class DroppedCandidate(_message.Message):
    __slots__ = ("model", "reason", "detail")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    model: str
    reason: DropReason
    detail: str
    def __init__(self, model: _Optional[str] = ..., reason: _Optional[_Union[DropReason, str]] = ..., detail: _Optional[str] = ...) -> None: ...

class Explanation(_message.Message):
    __slots__ = ("summary", "facts", "rules", "contrasts")
    class FactsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _struct_pb2.Value
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ...) -> None: ...
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    FACTS_FIELD_NUMBER: _ClassVar[int]
    RULES_FIELD_NUMBER: _ClassVar[int]
    CONTRASTS_FIELD_NUMBER: _ClassVar[int]
    summary: str
    facts: _containers.MessageMap[str, _struct_pb2.Value]
    rules: _containers.RepeatedCompositeFieldContainer[RuleTrace]
    contrasts: _containers.RepeatedCompositeFieldContainer[Contrast]
    def __init__(self, summary: _Optional[str] = ..., facts: _Optional[_Mapping[str, _struct_pb2.Value]] = ..., rules: _Optional[_Iterable[_Union[RuleTrace, _Mapping]]] = ..., contrasts: _Optional[_Iterable[_Union[Contrast, _Mapping]]] = ...) -> None: ...

class Contrast(_message.Message):
    __slots__ = ("fact", "old_value", "new_value", "rule", "model")
    FACT_FIELD_NUMBER: _ClassVar[int]
    OLD_VALUE_FIELD_NUMBER: _ClassVar[int]
    NEW_VALUE_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    fact: str
    old_value: float
    new_value: float
    rule: str
    model: str
    def __init__(self, fact: _Optional[str] = ..., old_value: _Optional[float] = ..., new_value: _Optional[float] = ..., rule: _Optional[str] = ..., model: _Optional[str] = ...) -> None: ...

class RuleTrace(_message.Message):
    __slots__ = ("rule", "outcome", "conditions", "detail")
    RULE_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    CONDITIONS_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    rule: RuleRef
    outcome: RuleOutcome
    conditions: _containers.RepeatedCompositeFieldContainer[ConditionTrace]
    detail: str
    def __init__(self, rule: _Optional[_Union[RuleRef, _Mapping]] = ..., outcome: _Optional[_Union[RuleOutcome, str]] = ..., conditions: _Optional[_Iterable[_Union[ConditionTrace, _Mapping]]] = ..., detail: _Optional[str] = ...) -> None: ...

class ConditionTrace(_message.Message):
    __slots__ = ("text", "line", "column", "result", "values")
    class ValuesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _struct_pb2.Value
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ...) -> None: ...
    TEXT_FIELD_NUMBER: _ClassVar[int]
    LINE_FIELD_NUMBER: _ClassVar[int]
    COLUMN_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    text: str
    line: int
    column: int
    result: bool
    values: _containers.MessageMap[str, _struct_pb2.Value]
    def __init__(self, text: _Optional[str] = ..., line: _Optional[int] = ..., column: _Optional[int] = ..., result: _Optional[bool] = ..., values: _Optional[_Mapping[str, _struct_pb2.Value]] = ...) -> None: ...

class Completion(_message.Message):
    __slots__ = ("message", "finish_reason", "usage", "attempts", "cache_status", "model")
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    FINISH_REASON_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    CACHE_STATUS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    message: Message
    finish_reason: FinishReason
    usage: Usage
    attempts: _containers.RepeatedCompositeFieldContainer[Attempt]
    cache_status: CacheStatus
    model: str
    def __init__(self, message: _Optional[_Union[Message, _Mapping]] = ..., finish_reason: _Optional[_Union[FinishReason, str]] = ..., usage: _Optional[_Union[Usage, _Mapping]] = ..., attempts: _Optional[_Iterable[_Union[Attempt, _Mapping]]] = ..., cache_status: _Optional[_Union[CacheStatus, str]] = ..., model: _Optional[str] = ...) -> None: ...

class Usage(_message.Message):
    __slots__ = ("input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens", "estimated", "cost", "baseline_cost")
    INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    CACHED_INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    CACHE_WRITE_TOKENS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    REASONING_TOKENS_FIELD_NUMBER: _ClassVar[int]
    ESTIMATED_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    BASELINE_COST_FIELD_NUMBER: _ClassVar[int]
    input_tokens: int
    cached_input_tokens: int
    cache_write_tokens: int
    output_tokens: int
    reasoning_tokens: int
    estimated: bool
    cost: Money
    baseline_cost: Money
    def __init__(self, input_tokens: _Optional[int] = ..., cached_input_tokens: _Optional[int] = ..., cache_write_tokens: _Optional[int] = ..., output_tokens: _Optional[int] = ..., reasoning_tokens: _Optional[int] = ..., estimated: _Optional[bool] = ..., cost: _Optional[_Union[Money, _Mapping]] = ..., baseline_cost: _Optional[_Union[Money, _Mapping]] = ...) -> None: ...

class Attempt(_message.Message):
    __slots__ = ("model", "provider", "error_type", "latency", "time_to_first_token", "usage", "reason", "expected")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    ERROR_TYPE_FIELD_NUMBER: _ClassVar[int]
    LATENCY_FIELD_NUMBER: _ClassVar[int]
    TIME_TO_FIRST_TOKEN_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_FIELD_NUMBER: _ClassVar[int]
    model: str
    provider: str
    error_type: str
    latency: _duration_pb2.Duration
    time_to_first_token: _duration_pb2.Duration
    usage: Usage
    reason: AttemptReason
    expected: Expected
    def __init__(self, model: _Optional[str] = ..., provider: _Optional[str] = ..., error_type: _Optional[str] = ..., latency: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., time_to_first_token: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., usage: _Optional[_Union[Usage, _Mapping]] = ..., reason: _Optional[_Union[AttemptReason, str]] = ..., expected: _Optional[_Union[Expected, _Mapping]] = ...) -> None: ...

class Expected(_message.Message):
    __slots__ = ("input_tokens", "output_tokens", "cost", "latency")
    INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    LATENCY_FIELD_NUMBER: _ClassVar[int]
    input_tokens: int
    output_tokens: int
    cost: Money
    latency: _duration_pb2.Duration
    def __init__(self, input_tokens: _Optional[int] = ..., output_tokens: _Optional[int] = ..., cost: _Optional[_Union[Money, _Mapping]] = ..., latency: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class CachePolicy(_message.Message):
    __slots__ = ("mode", "max_age")
    MODE_FIELD_NUMBER: _ClassVar[int]
    MAX_AGE_FIELD_NUMBER: _ClassVar[int]
    mode: CacheMode
    max_age: _duration_pb2.Duration
    def __init__(self, mode: _Optional[_Union[CacheMode, str]] = ..., max_age: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...
