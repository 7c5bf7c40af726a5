"""What to expect of one model for one request: tokens as it counts, quality, cost and latency."""

from __future__ import annotations

from math import ceil

from pointsman.core.catalog import Model
from pointsman.core.decision import Candidate, TokenEstimate
from pointsman.core.facts import Facts, FeatureFacts, TokenFacts
from pointsman.core.lengths import ratio_of
from pointsman.core.market import ModelState
from pointsman.core.quality import quality
from pointsman.core.ruleset import Defaults
from pointsman.core.tokenisers import factor, method
from pointsman.core.vocabulary import TokenCountMethod

_NO_LIMIT = 1 << 31


def estimate(model: Model, facts: Facts, state: ModelState, defaults: Defaults) -> Candidate:
    """Return the model as a candidate for the request."""
    tokens, price = tokens_on(model, facts, state, defaults), model.price
    ttft = model.ttft_ms if state.ttft_ms is None else state.ttft_ms
    writes = state.writes_prefix
    warm = min(state.warm_prefix_tokens, tokens.input) if state.warm_prefix_tokens else 0
    return Candidate(
        model=model.id,
        provider=model.provider,
        upstream=model.upstream,
        quality=_quality(model, facts.features) if state.quality is None else state.quality,
        tokens=tokens,
        expected_cost=price.cost(tokens.input, tokens.output, cached_tokens=warm, cache_write_tokens=tokens.input - warm if writes else 0),
        max_cost=price.cost(tokens.input_upper_bound, tokens.output_cap, cache_write_tokens=tokens.input_upper_bound if writes else 0),
        expected_latency_ms=ttft + tokens.output * 1000.0 / (state.tokens_per_s or model.tokens_per_s),
        expected_ttft_ms=ttft,
        cached_tokens=warm,
        writes_prefix=writes,
    )


def _quality(model: Model, features: FeatureFacts) -> float:
    return quality(model.ability_for(features.task), features.complexity, features.discrimination)


def tokens_on(model: Model, facts: Facts, state: ModelState, defaults: Defaults) -> TokenEstimate:
    """Return how many tokens the request takes on the model.

    The cap on output is min(asked, the model's, window - input bound, token budget - input bound), and 0 where that is negative.
    """
    counted, budget = facts.tokens, facts.request.max_total_tokens
    kind = facts.features.text_class
    corrected = state.counts.get(kind) if state.counts else None
    family = corrected or factor(model.tokenizer, kind)
    median, p90 = _answer(counted, state, facts.features)
    bound = ceil(counted.input * family.bound) + family.frame
    longest = _lesser(asked_output(facts, defaults), model.max_output)
    room = model.context_window if budget is None else _lesser(model.context_window, budget)
    return TokenEstimate(
        input=ceil(counted.input * family.middle) + family.frame,
        input_upper_bound=bound,
        method=method(model.tokenizer, counted.method) if corrected is None else max(counted.method, TokenCountMethod.CALIBRATED),
        output=_lesser(median, longest),
        output_p90=_lesser(p90, longest),
        output_cap=_lesser(longest, room - bound) if room > bound else 0,
    )


def _answer(counted: TokenFacts, state: ModelState, features: FeatureFacts) -> tuple[int, int]:
    """Return the median and the 90th percentile of the answer's tokens: those that are usual for the task, by the model's own measure."""
    if not state.answers:
        return counted.output, counted.output_p90
    ratio = ratio_of(state.answers, features.task, features.complexity)
    here = ratio.at(features.complexity, counted.input)
    median = ceil(counted.output * ratio.median * here)
    return median, max(median, ceil(counted.output_p90 * ratio.p90 * here))


def _lesser(one: int, other: int) -> int:
    """Return the lesser of two."""
    return one if one < other else other  # noqa: FURB136  # `min` takes 2.4 times as long, and this is asked five times per candidate


def asked_output(facts: Facts, defaults: Defaults) -> int:
    """Return the most output that the caller, or else the rules, ask for; a number beyond any model where neither does."""
    return facts.tokens.output_max or defaults.max_output or _NO_LIMIT
