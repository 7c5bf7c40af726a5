"""Made-up stories of calls, that several tests tell."""

from __future__ import annotations

from fakes import catalog_yaml, facts_of, model_yaml, ruleset_of
from pointsman.core.account import Situation
from pointsman.core.completion import Attempt, Completion, Expected, Usage
from pointsman.core.decide import outcome_of
from pointsman.core.facts import Facts
from pointsman.core.market import Market
from pointsman.core.ruleset import Ruleset
from pointsman.core.vocabulary import AttemptReason, FinishReason
from pointsman.telemetry.story import Decided, Story

RULES = ruleset_of(
    catalog_yaml({"small": model_yaml(price=1), "large": model_yaml(price=5, ability=0.9), "weak": model_yaml(ability=0.1)}),
    """version: 1
routes:
  - {id: everyday, why: Cheap and good enough., use: {candidates: [weak, large, small], min_quality: 0.5}}
""",
)
BEGAN = 1_790_000_000_000_000_000
MS = 1_000_000
METHOD = "pointsman.v1.RouterService/Complete"


def decided(facts: Facts, ruleset: Ruleset = RULES) -> Decided:
    """Return what the rules make of a request that asked for `auto`."""
    situation = Situation(ruleset=ruleset, facts=facts, market=Market())
    return Decided(began_s=7.001, ended_s=7.002, situation=situation, outcome=outcome_of(ruleset, facts, Market()), asked="auto")


def story(**changes: object) -> Story:
    """Return the story of a call that fell back once and was answered."""
    usage = Usage(input_tokens=120, cached_input_tokens=100, output_tokens=80, cost=600_000, baseline_cost=900_000)
    failed = Attempt(model="small", provider="p", reason=AttemptReason.PRIMARY, error_type="429", latency_ms=40.0, began_s=7.003)
    answered = Attempt(
        model="large",
        provider="p",
        reason=AttemptReason.FALLBACK,
        latency_ms=900.0,
        ttft_ms=200.0,
        usage=usage,
        began_s=7.045,
        expected=Expected(input_tokens=100, output_tokens=100, cost=1_000_000, latency_ms=1100.0),
    )
    told: dict[str, object] = {
        "method": METHOD,
        "id": "id-1",
        "began_s": 7.0,
        "began_ns": BEGAN,
        "ended_s": 7.95,
        "code": "OK",
        "tenant": "search",
        "is_stream": True,
        "decided": decided(facts_of()),
        "completion": Completion(message=None, finish_reason=FinishReason.STOP, usage=usage, attempts=(failed, answered), model="large"),
    }
    completion = (told | changes)["completion"]
    heard = list(completion.attempts) if isinstance(completion, Completion) else []
    return Story(**({"heard": heard} | told | changes))  # type: ignore[arg-type]  # tests name real fields
