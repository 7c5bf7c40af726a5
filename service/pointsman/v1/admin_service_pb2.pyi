import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from pointsman.v1 import routing_pb2 as _routing_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Severity(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SEVERITY_UNSPECIFIED: _ClassVar[Severity]
    SEVERITY_WARNING: _ClassVar[Severity]
    SEVERITY_ERROR: _ClassVar[Severity]
SEVERITY_UNSPECIFIED: Severity
SEVERITY_WARNING: Severity
SEVERITY_ERROR: Severity

class GetRulesRequest(_message.Message):
    __slots__ = ("include_files",)
    INCLUDE_FILES_FIELD_NUMBER: _ClassVar[int]
    include_files: bool
    def __init__(self, include_files: _Optional[bool] = ...) -> None: ...

class GetRulesResponse(_message.Message):
    __slots__ = ("revision", "loaded_at", "stale", "diagnostics", "files", "tenants_revision", "anonymous_tenant", "tenants_alone")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    LOADED_AT_FIELD_NUMBER: _ClassVar[int]
    STALE_FIELD_NUMBER: _ClassVar[int]
    DIAGNOSTICS_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    TENANTS_REVISION_FIELD_NUMBER: _ClassVar[int]
    ANONYMOUS_TENANT_FIELD_NUMBER: _ClassVar[int]
    TENANTS_ALONE_FIELD_NUMBER: _ClassVar[int]
    revision: str
    loaded_at: _timestamp_pb2.Timestamp
    stale: bool
    diagnostics: _containers.RepeatedCompositeFieldContainer[Diagnostic]
    files: _containers.RepeatedCompositeFieldContainer[RuleFile]
    tenants_revision: str
    anonymous_tenant: str
    tenants_alone: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, revision: _Optional[str] = ..., loaded_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., stale: _Optional[bool] = ..., diagnostics: _Optional[_Iterable[_Union[Diagnostic, _Mapping]]] = ..., files: _Optional[_Iterable[_Union[RuleFile, _Mapping]]] = ..., tenants_revision: _Optional[str] = ..., anonymous_tenant: _Optional[str] = ..., tenants_alone: _Optional[_Iterable[str]] = ...) -> None: ...

class RuleFile(_message.Message):
    __slots__ = ("path", "content")
    PATH_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    path: str
    content: str
    def __init__(self, path: _Optional[str] = ..., content: _Optional[str] = ...) -> None: ...

class Diagnostic(_message.Message):
    __slots__ = ("severity", "file", "line", "column", "message", "help")
    SEVERITY_FIELD_NUMBER: _ClassVar[int]
    FILE_FIELD_NUMBER: _ClassVar[int]
    LINE_FIELD_NUMBER: _ClassVar[int]
    COLUMN_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    HELP_FIELD_NUMBER: _ClassVar[int]
    severity: Severity
    file: str
    line: int
    column: int
    message: str
    help: str
    def __init__(self, severity: _Optional[_Union[Severity, str]] = ..., file: _Optional[str] = ..., line: _Optional[int] = ..., column: _Optional[int] = ..., message: _Optional[str] = ..., help: _Optional[str] = ...) -> None: ...

class CheckRulesRequest(_message.Message):
    __slots__ = ("files",)
    FILES_FIELD_NUMBER: _ClassVar[int]
    files: _containers.RepeatedCompositeFieldContainer[RuleFile]
    def __init__(self, files: _Optional[_Iterable[_Union[RuleFile, _Mapping]]] = ...) -> None: ...

class CheckRulesResponse(_message.Message):
    __slots__ = ("revision", "diagnostics", "decisions_compared", "decisions_changed")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    DIAGNOSTICS_FIELD_NUMBER: _ClassVar[int]
    DECISIONS_COMPARED_FIELD_NUMBER: _ClassVar[int]
    DECISIONS_CHANGED_FIELD_NUMBER: _ClassVar[int]
    revision: str
    diagnostics: _containers.RepeatedCompositeFieldContainer[Diagnostic]
    decisions_compared: int
    decisions_changed: int
    def __init__(self, revision: _Optional[str] = ..., diagnostics: _Optional[_Iterable[_Union[Diagnostic, _Mapping]]] = ..., decisions_compared: _Optional[int] = ..., decisions_changed: _Optional[int] = ...) -> None: ...

class ExplainDecisionRequest(_message.Message):
    __slots__ = ("decision_id",)
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    decision_id: str
    def __init__(self, decision_id: _Optional[str] = ...) -> None: ...

class ExplainDecisionResponse(_message.Message):
    __slots__ = ("revision", "model", "explanation", "dropped")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    revision: str
    model: str
    explanation: _routing_pb2.Explanation
    dropped: _containers.RepeatedCompositeFieldContainer[_routing_pb2.DroppedCandidate]
    def __init__(self, revision: _Optional[str] = ..., model: _Optional[str] = ..., explanation: _Optional[_Union[_routing_pb2.Explanation, _Mapping]] = ..., dropped: _Optional[_Iterable[_Union[_routing_pb2.DroppedCandidate, _Mapping]]] = ...) -> None: ...

class ListModelsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListModelsResponse(_message.Message):
    __slots__ = ("models", "anonymous_tenant")
    MODELS_FIELD_NUMBER: _ClassVar[int]
    ANONYMOUS_TENANT_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[Model]
    anonymous_tenant: str
    def __init__(self, models: _Optional[_Iterable[_Union[Model, _Mapping]]] = ..., anonymous_tenant: _Optional[str] = ...) -> None: ...

class Model(_message.Message):
    __slots__ = ("id", "provider", "upstream_model", "tier", "capabilities", "tags", "context_window", "price", "unavailable", "time_to_first_token", "aliases")
    ID_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    UPSTREAM_MODEL_FIELD_NUMBER: _ClassVar[int]
    TIER_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_WINDOW_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    UNAVAILABLE_FIELD_NUMBER: _ClassVar[int]
    TIME_TO_FIRST_TOKEN_FIELD_NUMBER: _ClassVar[int]
    ALIASES_FIELD_NUMBER: _ClassVar[int]
    id: str
    provider: str
    upstream_model: str
    tier: str
    capabilities: _containers.RepeatedScalarFieldContainer[str]
    tags: _containers.RepeatedScalarFieldContainer[str]
    context_window: int
    price: Price
    unavailable: _routing_pb2.DropReason
    time_to_first_token: _duration_pb2.Duration
    aliases: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, id: _Optional[str] = ..., provider: _Optional[str] = ..., upstream_model: _Optional[str] = ..., tier: _Optional[str] = ..., capabilities: _Optional[_Iterable[str]] = ..., tags: _Optional[_Iterable[str]] = ..., context_window: _Optional[int] = ..., price: _Optional[_Union[Price, _Mapping]] = ..., unavailable: _Optional[_Union[_routing_pb2.DropReason, str]] = ..., time_to_first_token: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., aliases: _Optional[_Iterable[str]] = ...) -> None: ...

class Price(_message.Message):
    __slots__ = ("input", "cached_input", "cache_write", "output", "nominal")
    INPUT_FIELD_NUMBER: _ClassVar[int]
    CACHED_INPUT_FIELD_NUMBER: _ClassVar[int]
    CACHE_WRITE_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    NOMINAL_FIELD_NUMBER: _ClassVar[int]
    input: _routing_pb2.Money
    cached_input: _routing_pb2.Money
    cache_write: _routing_pb2.Money
    output: _routing_pb2.Money
    nominal: bool
    def __init__(self, input: _Optional[_Union[_routing_pb2.Money, _Mapping]] = ..., cached_input: _Optional[_Union[_routing_pb2.Money, _Mapping]] = ..., cache_write: _Optional[_Union[_routing_pb2.Money, _Mapping]] = ..., output: _Optional[_Union[_routing_pb2.Money, _Mapping]] = ..., nominal: _Optional[bool] = ...) -> None: ...

class GetUsageRequest(_message.Message):
    __slots__ = ("start_time", "end_time", "group_by", "tenant", "page_size", "page_token")
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    GROUP_BY_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    group_by: _containers.RepeatedScalarFieldContainer[str]
    tenant: str
    page_size: int
    page_token: str
    def __init__(self, start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., group_by: _Optional[_Iterable[str]] = ..., tenant: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class GetUsageResponse(_message.Message):
    __slots__ = ("rows", "next_page_token")
    ROWS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    rows: _containers.RepeatedCompositeFieldContainer[UsageRow]
    next_page_token: str
    def __init__(self, rows: _Optional[_Iterable[_Union[UsageRow, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class UsageRow(_message.Message):
    __slots__ = ("group", "requests", "input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens", "cost", "baseline_cost", "cache_hits", "fallbacks", "estimated")
    class GroupEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    GROUP_FIELD_NUMBER: _ClassVar[int]
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    CACHED_INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    REASONING_TOKENS_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    BASELINE_COST_FIELD_NUMBER: _ClassVar[int]
    CACHE_HITS_FIELD_NUMBER: _ClassVar[int]
    FALLBACKS_FIELD_NUMBER: _ClassVar[int]
    ESTIMATED_FIELD_NUMBER: _ClassVar[int]
    group: _containers.ScalarMap[str, str]
    requests: int
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cost: _routing_pb2.Money
    baseline_cost: _routing_pb2.Money
    cache_hits: int
    fallbacks: int
    estimated: int
    def __init__(self, group: _Optional[_Mapping[str, str]] = ..., requests: _Optional[int] = ..., input_tokens: _Optional[int] = ..., cached_input_tokens: _Optional[int] = ..., output_tokens: _Optional[int] = ..., reasoning_tokens: _Optional[int] = ..., cost: _Optional[_Union[_routing_pb2.Money, _Mapping]] = ..., baseline_cost: _Optional[_Union[_routing_pb2.Money, _Mapping]] = ..., cache_hits: _Optional[int] = ..., fallbacks: _Optional[int] = ..., estimated: _Optional[int] = ...) -> None: ...

class GetCacheRequest(_message.Message):
    __slots__ = ("tenant",)
    TENANT_FIELD_NUMBER: _ClassVar[int]
    tenant: str
    def __init__(self, tenant: _Optional[str] = ...) -> None: ...

class GetCacheResponse(_message.Message):
    __slots__ = ("rows", "misses", "entries", "bytes")
    ROWS_FIELD_NUMBER: _ClassVar[int]
    MISSES_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    rows: _containers.RepeatedCompositeFieldContainer[CacheRow]
    misses: _containers.RepeatedCompositeFieldContainer[CacheMiss]
    entries: int
    bytes: int
    def __init__(self, rows: _Optional[_Iterable[_Union[CacheRow, _Mapping]]] = ..., misses: _Optional[_Iterable[_Union[CacheMiss, _Mapping]]] = ..., entries: _Optional[int] = ..., bytes: _Optional[int] = ...) -> None: ...

class CacheRow(_message.Message):
    __slots__ = ("tenant", "rule", "hits", "misses", "coalesced", "stale", "bypassed", "saved_input_tokens", "saved_output_tokens", "saved")
    TENANT_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    HITS_FIELD_NUMBER: _ClassVar[int]
    MISSES_FIELD_NUMBER: _ClassVar[int]
    COALESCED_FIELD_NUMBER: _ClassVar[int]
    STALE_FIELD_NUMBER: _ClassVar[int]
    BYPASSED_FIELD_NUMBER: _ClassVar[int]
    SAVED_INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    SAVED_OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    SAVED_FIELD_NUMBER: _ClassVar[int]
    tenant: str
    rule: str
    hits: int
    misses: int
    coalesced: int
    stale: int
    bypassed: int
    saved_input_tokens: int
    saved_output_tokens: int
    saved: _routing_pb2.Money
    def __init__(self, tenant: _Optional[str] = ..., rule: _Optional[str] = ..., hits: _Optional[int] = ..., misses: _Optional[int] = ..., coalesced: _Optional[int] = ..., stale: _Optional[int] = ..., bypassed: _Optional[int] = ..., saved_input_tokens: _Optional[int] = ..., saved_output_tokens: _Optional[int] = ..., saved: _Optional[_Union[_routing_pb2.Money, _Mapping]] = ...) -> None: ...

class CacheMiss(_message.Message):
    __slots__ = ("decision_id", "time", "tenant", "rule", "changed")
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    decision_id: str
    time: _timestamp_pb2.Timestamp
    tenant: str
    rule: str
    changed: str
    def __init__(self, decision_id: _Optional[str] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., tenant: _Optional[str] = ..., rule: _Optional[str] = ..., changed: _Optional[str] = ...) -> None: ...

class PurgeCacheRequest(_message.Message):
    __slots__ = ("tenant",)
    TENANT_FIELD_NUMBER: _ClassVar[int]
    tenant: str
    def __init__(self, tenant: _Optional[str] = ...) -> None: ...

class PurgeCacheResponse(_message.Message):
    __slots__ = ("entries",)
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    entries: int
    def __init__(self, entries: _Optional[int] = ...) -> None: ...
