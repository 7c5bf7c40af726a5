"""What to expect of one model for one request: tokens as it counts, quality, cost and latency."""

from __future__ import annotations

from math import ceil

from pointsman.core.catalog import Model
from pointsman.core.decision import Candidate, TokenEstimate
from pointsman.core.facts import Facts
from pointsman.core.market import ModelState
from pointsman.core.quality import quality
from pointsman.core.ruleset import Defaults
from pointsman.core.tokenisers import factor, method

_NO_LIMIT = 1 << 31


def estimate(model: Model, facts: Facts, state: ModelState, defaults: Defaults) -> Candidate:
    """Return the model as a candidate for the request."""
    tokens = tokens_on(model, facts, defaults)
    features = facts.features
    ability = model.ability_for(features.task)
    ttft = model.ttft_ms if state.ttft_ms is None else state.ttft_ms
    pace = state.tokens_per_s or model.tokens_per_s
    warm = min(state.warm_prefix_tokens, tokens.input)
    fixed = state.quality
    return Candidate(
        model=model.id,
        provider=model.provider,
        upstream=model.upstream,
        quality=quality(ability, features.complexity, features.discrimination) if fixed is None else fixed,
        tokens=tokens,
        expected_cost=model.price.cost(input_tokens=tokens.input, output_tokens=tokens.output, cached_tokens=warm),
        max_cost=model.price.cost(input_tokens=tokens.input_upper_bound, output_tokens=tokens.output_cap),
        expected_latency_ms=ttft + tokens.output * 1000.0 / pace,
        expected_ttft_ms=ttft,
        cached_tokens=warm,
    )


def tokens_on(model: Model, facts: Facts, defaults: Defaults) -> TokenEstimate:
    """Return how many tokens the request takes on the model.

    The cap on output is min(asked, the model's, window - input bound, token budget - input bound), and 0 where that is negative.
    """
    counted = facts.tokens
    family = factor(model.tokenizer, facts.features.text_class)
    bound = ceil(counted.input * family.bound)
    longest = min(asked_output(facts, defaults), model.max_output)
    budget = facts.request.max_total_tokens
    room = model.context_window if budget is None else min(model.context_window, budget)
    return TokenEstimate(
        input=ceil(counted.input * family.middle),
        input_upper_bound=bound,
        method=method(model.tokenizer, counted.method),
        output=min(counted.output, longest),
        output_p90=min(counted.output_p90, longest),
        output_cap=max(0, min(longest, room - bound)),
    )


def asked_output(facts: Facts, defaults: Defaults) -> int:
    """Return the most output that the caller, or else the rules, ask for; a number beyond any model where neither does."""
    return facts.tokens.output_max or defaults.max_output or _NO_LIMIT
