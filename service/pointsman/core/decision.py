"""The decision as a value: the plan, the rule that made it, every reason, and what is expected."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from pointsman.core.facts import FeatureFacts, TokenFacts
from pointsman.core.vocabulary import DecisionReason, DropReason, RuleOutcome, TokenCountMethod


class TokenEstimate(Struct, frozen=True, kw_only=True):
    """How many tokens a request takes on one model, as that model counts."""

    input: int
    input_upper_bound: int
    method: TokenCountMethod
    output: int
    """Median."""
    output_p90: int
    output_cap: int
    """The most output that would be asked of the model; 0 where there is no room for any."""


class Candidate(Struct, frozen=True, kw_only=True):
    """A model with what is expected of it for this request. Costs are nano-USD."""

    model: str
    provider: str
    upstream: str
    quality: float
    """0..1: predicted probability that the answer is acceptable."""
    tokens: TokenEstimate
    expected_cost: int
    max_cost: int
    """If the answer is as long as it may get."""
    expected_latency_ms: float
    expected_ttft_ms: float
    cached_tokens: int = 0
    """Input tokens expected to be read from the provider's cache."""
    switch_cost: int | None = None
    """What leaving the model with the warm prefix costs; None if this is that model, or none is warm."""
    writes_prefix: bool = False
    """Whether what is not read from that cache is written to it; not sent over the wire."""


class Dropped(Struct, frozen=True, kw_only=True):
    """A model that was on offer and may not serve."""

    model: str
    reason: DropReason
    detail: str
    """The reason with its numbers: "quality 0.74 < 0.90"."""


class Shadowed(Struct, frozen=True, kw_only=True):
    """What a rule in shadow would have decided. `model` is empty where it would have kept no candidate."""

    rule: RuleRef
    model: str = ""
    quality: float = 0.0
    expected_cost: int = 0
    """Nano-USD."""


class RuleRef(Struct, frozen=True, kw_only=True):
    """Where a rule stands and what its author says of it."""

    id: str
    file: str
    line: int
    why: str = ""


class ConditionTrace(Struct, frozen=True, kw_only=True):
    """One condition as written, and what it came to."""

    text: str
    line: int
    column: int
    result: bool
    values: Mapping[str, object]
    """The facts in it by name, None where absent."""


class RuleTrace(Struct, frozen=True, kw_only=True):
    """What became of one rule; its conditions up to the first that did not hold."""

    rule: RuleRef
    outcome: RuleOutcome
    conditions: tuple[ConditionTrace, ...] = ()
    detail: str = ""


class Contrast(Struct, frozen=True, kw_only=True):
    """A change of one fact by which the decision would have been another."""

    fact: str
    old: float | None
    """None where it is absent."""
    new: float
    rule: str
    model: str


class Explanation(Struct, frozen=True, kw_only=True):
    """The evaluation of every rule."""

    summary: str
    facts: Mapping[str, object]
    rules: tuple[RuleTrace, ...]
    contrasts: tuple[Contrast, ...] = ()
    """What would have led elsewhere, where that was looked for."""


class Decision(Struct, frozen=True, kw_only=True):
    """Which model is to serve a request, and why."""

    id: str
    chosen: Candidate
    fallbacks: tuple[Candidate, ...]
    """What to try next, in order."""
    rule: RuleRef
    revision: str
    reason: DecisionReason
    features: FeatureFacts
    tokens: TokenFacts
    dropped: tuple[Dropped, ...]
    baseline_cost: int
    """Expected cost at the prices of the dearest candidate that could have served this request."""
    baseline_model: str = ""
    """That candidate; empty in a decision that came over the wire."""
    explanation: Explanation | None = None
    constraints: tuple[str, ...] = ()
    """Ids of the constraints that hold; not sent over the wire."""
    prefix_key: str = ""
    """Names the conversation to providers that keep its prefix; empty where none would. Neither sent over the wire nor recorded."""
    shadows: tuple[Shadowed, ...] = ()
    """What rules in shadow would have decided; not sent over the wire but in explanations."""

    @property
    def plan(self) -> tuple[Candidate, ...]:
        """The models to try, in order."""
        return (self.chosen, *self.fallbacks)
