from pointsman.v1 import routing_pb2 as _routing_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RouteRequest(_message.Message):
    __slots__ = ("request", "explain")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_FIELD_NUMBER: _ClassVar[int]
    request: _routing_pb2.Request
    explain: bool
    def __init__(self, request: _Optional[_Union[_routing_pb2.Request, _Mapping]] = ..., explain: _Optional[bool] = ...) -> None: ...

class RouteResponse(_message.Message):
    __slots__ = ("decision",)
    DECISION_FIELD_NUMBER: _ClassVar[int]
    decision: _routing_pb2.Decision
    def __init__(self, decision: _Optional[_Union[_routing_pb2.Decision, _Mapping]] = ...) -> None: ...

class CompleteRequest(_message.Message):
    __slots__ = ("request", "explain", "cache")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_FIELD_NUMBER: _ClassVar[int]
    CACHE_FIELD_NUMBER: _ClassVar[int]
    request: _routing_pb2.Request
    explain: bool
    cache: _routing_pb2.CachePolicy
    def __init__(self, request: _Optional[_Union[_routing_pb2.Request, _Mapping]] = ..., explain: _Optional[bool] = ..., cache: _Optional[_Union[_routing_pb2.CachePolicy, _Mapping]] = ...) -> None: ...

class CompleteResponse(_message.Message):
    __slots__ = ("decision", "completion")
    DECISION_FIELD_NUMBER: _ClassVar[int]
    COMPLETION_FIELD_NUMBER: _ClassVar[int]
    decision: _routing_pb2.Decision
    completion: _routing_pb2.Completion
    def __init__(self, decision: _Optional[_Union[_routing_pb2.Decision, _Mapping]] = ..., completion: _Optional[_Union[_routing_pb2.Completion, _Mapping]] = ...) -> None: ...

class StreamCompleteRequest(_message.Message):
    __slots__ = ("request", "explain", "cache")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_FIELD_NUMBER: _ClassVar[int]
    CACHE_FIELD_NUMBER: _ClassVar[int]
    request: _routing_pb2.Request
    explain: bool
    cache: _routing_pb2.CachePolicy
    def __init__(self, request: _Optional[_Union[_routing_pb2.Request, _Mapping]] = ..., explain: _Optional[bool] = ..., cache: _Optional[_Union[_routing_pb2.CachePolicy, _Mapping]] = ...) -> None: ...

class StreamCompleteResponse(_message.Message):
    __slots__ = ("decision", "delta", "completion")
    DECISION_FIELD_NUMBER: _ClassVar[int]
    DELTA_FIELD_NUMBER: _ClassVar[int]
    COMPLETION_FIELD_NUMBER: _ClassVar[int]
    decision: _routing_pb2.Decision
    delta: Delta
    completion: _routing_pb2.Completion
    def __init__(self, decision: _Optional[_Union[_routing_pb2.Decision, _Mapping]] = ..., delta: _Optional[_Union[Delta, _Mapping]] = ..., completion: _Optional[_Union[_routing_pb2.Completion, _Mapping]] = ...) -> None: ...

class Delta(_message.Message):
    __slots__ = ("text", "tool_call")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    TOOL_CALL_FIELD_NUMBER: _ClassVar[int]
    text: str
    tool_call: ToolCallDelta
    def __init__(self, text: _Optional[str] = ..., tool_call: _Optional[_Union[ToolCallDelta, _Mapping]] = ...) -> None: ...

class ToolCallDelta(_message.Message):
    __slots__ = ("index", "id", "name", "arguments_json")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_JSON_FIELD_NUMBER: _ClassVar[int]
    index: int
    id: str
    name: str
    arguments_json: str
    def __init__(self, index: _Optional[int] = ..., id: _Optional[str] = ..., name: _Optional[str] = ..., arguments_json: _Optional[str] = ...) -> None: ...

class RecordFeedbackRequest(_message.Message):
    __slots__ = ("decision_id", "score", "source")
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    decision_id: str
    score: float
    source: str
    def __init__(self, decision_id: _Optional[str] = ..., score: _Optional[float] = ..., source: _Optional[str] = ...) -> None: ...

class RecordFeedbackResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
