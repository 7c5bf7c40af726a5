"""The closed sets of words: the enums of the contract without their wire prefixes, and the vocabularies that rules compare with.

Numbers are those of the wire, so that the codec converts without a table; a test holds both sides equal. UNSPECIFIED also stands for what a
newer server says and this client does not know.
"""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import Literal, get_args


class Role(IntEnum):
    """Who speaks in a message."""

    SYSTEM = 1
    USER = 2
    ASSISTANT = 3
    TOOL = 4


class TokenCountMethod(IntEnum):
    """How tokens were counted: by the model's own tokeniser, by another one and a factor, or partly guessed."""

    UNSPECIFIED = 0
    EXACT = 1
    CALIBRATED = 2
    HEURISTIC = 3


class DecisionReason(IntEnum):
    """What kind of decision was made."""

    UNSPECIFIED = 0
    RULE_MATCH = 1
    ROLLOUT = 2
    DEFAULT = 3
    CALLER_MODEL = 4
    STICKY = 5
    ON_EMPTY_FALLBACK = 6
    BEST_EFFORT = 7
    DEGRADED = 8


class DropReason(IntEnum):
    """Why a model may not serve. They are checked in this order; the first that holds is given."""

    UNSPECIFIED = 0
    CONSTRAINT = 1
    TENANT = 2
    NOT_ASKED = 3
    TAGS = 4
    CAPABILITY = 5
    NO_CREDENTIAL = 6
    CONTEXT_WINDOW = 7
    TOKEN_BUDGET = 8
    BUDGET = 9
    COST = 10
    QUALITY = 11
    LATENCY = 12
    UNHEALTHY = 13
    CAPACITY = 14


class RuleOutcome(IntEnum):
    """What became of a rule in an explanation."""

    UNSPECIFIED = 0
    NO_MATCH = 1
    MATCH = 2
    ROLLED_OUT_OF = 3
    SHADOW_MATCH = 4
    SKIPPED = 5


class FinishReason(IntEnum):
    """Why an answer ends. UNSPECIFIED where the provider did not say."""

    UNSPECIFIED = 0
    STOP = 1
    LENGTH = 2
    TOOL_CALLS = 3
    CONTENT_FILTER = 4
    ERROR = 5


class AttemptReason(IntEnum):
    """Why a model was called."""

    UNSPECIFIED = 0
    PRIMARY = 1
    RETRY = 2
    FALLBACK = 3
    HEDGE = 4


class CacheMode(IntEnum):
    """How a request uses the response cache. UNSPECIFIED: as the route says."""

    UNSPECIFIED = 0
    BYPASS = 1
    REFRESH = 2
    ONLY_IF_CACHED = 3
    USE = 4


class CacheStatus(IntEnum):
    """What the response cache did. UNSPECIFIED where it is off."""

    UNSPECIFIED = 0
    HIT = 1
    MISS = 2
    BYPASS = 3
    COALESCED = 4
    STALE = 5


class Strategy(Enum):
    """By what a route orders the candidates that it keeps."""

    CHEAPEST = "cheapest"
    FASTEST = "fastest"
    BEST = "best"
    WEIGHTED = "weighted"
    BALANCED = "balanced"


class OnEmpty(Enum):
    """What a route does when it keeps no candidate."""

    REJECT = "reject"
    FALLBACK = "fallback"
    NEXT_RULE = "next_rule"
    BEST_EFFORT = "best_effort"


Capability = Literal["tools", "json", "vision"]
CAPABILITIES: tuple[str, ...] = get_args(Capability)

Task = Literal["chat", "write", "summarize", "extract", "classify", "translate", "code", "math", "reason", "knowledge", "unknown"]
TASKS: tuple[Task, ...] = get_args(Task)

# The fourteen fields of MMLU-Pro, by which public benchmarks report how models differ, and `unknown`.
Subject = Literal[
    "math", "physics", "chemistry", "biology", "health", "law", "history", "philosophy",
    "psychology", "business", "economics", "engineering", "computing", "other", "unknown",
]  # fmt: skip
SUBJECTS: tuple[Subject, ...] = get_args(Subject)
