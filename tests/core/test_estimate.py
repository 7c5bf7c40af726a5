"""What is expected of one model for one request: tokens as it counts them, room for the answer, cost, time and quality."""

from __future__ import annotations

from math import ceil, exp, log

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from fakes import facts_of
from pointsman.core.catalog import Model, Price
from pointsman.core.estimate import estimate, tokens_on
from pointsman.core.lengths import Ratio
from pointsman.core.market import AS_CATALOGED, ModelState
from pointsman.core.quality import quality
from pointsman.core.ruleset import Defaults
from pointsman.core.tokenisers import Factor
from pointsman.core.vocabulary import TokenCountMethod

MODEL = Model(
    id="mini", provider="near", upstream="mini-2", tier="small", ability={"default": 0.7, "code": 0.4}, ability_estimated=False,
    price=Price(input=150_000_000, cached_input=15_000_000, cache_write=150_000_000, output=600_000_000), context_window=8000,
    max_output=1000, capabilities=frozenset(), tokenizer="o200k", ttft_ms=100.0, tokens_per_s=50.0, tags=frozenset(),
)  # fmt: skip
SILENT = Defaults()


@pytest.mark.parametrize(
    ("given", "default", "cap"),
    [
        pytest.param({}, None, 1000, id="the model's most"),
        pytest.param({"tokens_output_max": 300}, None, 300, id="what is asked"),
        pytest.param({"tokens_output_max": 5000}, None, 1000, id="what is asked, but no more than the model has"),
        pytest.param({}, 400, 400, id="the default where nothing is asked"),
        pytest.param({"tokens_output_max": 500}, 400, 500, id="what is asked, not the default"),
        pytest.param({"tokens_input": 7900}, None, 100, id="what is left of the window"),
        pytest.param({"request_max_total_tokens": 350}, None, 250, id="what is left of the token budget"),
        pytest.param({"request_max_total_tokens": 9000, "tokens_input": 7900}, None, 100, id="a budget beyond the window adds no room"),
        pytest.param({"tokens_input": 9000}, None, 0, id="no room at all"),
        pytest.param({"request_max_total_tokens": 50}, None, 0, id="no budget at all"),
    ],
)
def test_output_cap(given: dict[str, int], default: int | None, cap: int) -> None:
    assert tokens_on(MODEL, facts_of(**given), AS_CATALOGED, Defaults(max_output=default)).output_cap == cap


@pytest.mark.parametrize(
    ("given", "default", "output", "p90"),
    [
        pytest.param({}, None, 100, 200, id="as predicted"),
        pytest.param({"tokens_output_max": 150}, None, 100, 150, id="the long answers are cut"),
        pytest.param({"tokens_output_max": 50}, None, 50, 50, id="every answer is cut"),
        pytest.param({}, 50, 50, 50, id="cut by default"),
        pytest.param({"tokens_output": 3000, "tokens_output_p90": 4000}, None, 1000, 1000, id="the model can say no more"),
        pytest.param({"tokens_input": 7990}, None, 100, 200, id="a full window is a reason to drop, not to expect less"),
    ],
)
def test_answers_are_expected_to_be_no_longer_than_they_may(given: dict[str, int], default: int | None, output: int, p90: int) -> None:
    tokens = tokens_on(MODEL, facts_of(**given), AS_CATALOGED, Defaults(max_output=default))

    assert (tokens.output, tokens.output_p90) == (output, p90)


@pytest.mark.parametrize(
    ("tokenizer", "text_class", "middle", "bound"),
    [
        pytest.param("o200k", "english", 101, 101, id="the reference counts for itself"),
        pytest.param("o200k", "script", 101, 101, id="whatever the text"),
        pytest.param("claude", "english", 141, 149, id="1.39 of it, and 1.40 x 1.05 at most, rounded up"),
        pytest.param("claude", "latin", 212, 255, id="2.095 of it, and 2.40 x 1.05"),
        pytest.param("claude", "unknown", 141, 255, id="likely English, and perhaps not"),
        pytest.param("claude3", "english", 110, 118, id="1.085 of it, and 1.11 x 1.05"),
        pytest.param("smollm2", "english", 138, 186, id="1.12 and 1.60 of it, and what frames every prompt"),
        pytest.param("qwen", "english", 105, 114, id="1.035 of it, and 1.07 x 1.05"),
        pytest.param("qwen", "script", 188, 288, id="1.855 of it, and 2.71 x 1.05"),
    ],
)
def test_input_is_counted_as_the_model_counts(tokenizer: str, text_class: str, middle: int, bound: int) -> None:
    model = structs.replace(MODEL, tokenizer=tokenizer)

    tokens = tokens_on(model, facts_of(tokens_input=101, features_text_class=text_class), AS_CATALOGED, SILENT)

    assert (tokens.input, tokens.input_upper_bound) == (middle, bound)


def test_the_bound_of_the_input_not_its_middle_takes_room_from_the_answer() -> None:
    model = structs.replace(MODEL, tokenizer="claude")

    assert tokens_on(model, facts_of(tokens_input=5000), AS_CATALOGED, SILENT).output_cap == 8000 - 7350


@pytest.mark.parametrize(
    ("tokenizer", "counted", "expected"),
    [
        ("o200k", TokenCountMethod.EXACT, TokenCountMethod.EXACT),
        ("claude", TokenCountMethod.EXACT, TokenCountMethod.CALIBRATED),
        ("o200k", TokenCountMethod.HEURISTIC, TokenCountMethod.HEURISTIC),
        ("claude", TokenCountMethod.HEURISTIC, TokenCountMethod.HEURISTIC),
    ],
)
def test_an_estimate_says_how_sure_its_count_is(tokenizer: str, counted: TokenCountMethod, expected: TokenCountMethod) -> None:
    model = structs.replace(MODEL, tokenizer=tokenizer)

    assert tokens_on(model, facts_of(tokens_method=counted), AS_CATALOGED, SILENT).method == expected


@pytest.mark.parametrize(
    ("task", "complexity", "median", "p90"),
    [
        pytest.param("math", 0.9, 300, 1000, id="measured for hard ones of the task"),
        pytest.param("math", 0.1, 250, 800, id="measured for the task"),
        pytest.param("chat", 0.9, 50, 100, id="measured over all tasks"),
    ],
)
def test_answers_are_as_long_as_the_model_has_shown(task: str, complexity: float, median: int, p90: int) -> None:
    state = ModelState(answers={"math, hard": Ratio(3.0, 5.0), "math": Ratio(2.5, 4.0), "": Ratio(0.5, 0.5)})

    tokens = tokens_on(MODEL, facts_of(features_task=task, features_complexity=complexity), state, SILENT)

    assert (tokens.output, tokens.output_p90) == (median, p90)


def test_answers_follow_the_prompt_as_the_model_has_shown() -> None:
    shown = Ratio(2.0, 3.0, complexity=0.4, log_prompt=log(1000), by_complexity=1.0, by_prompt=0.5)
    state = ModelState(answers={"": shown})

    harder = tokens_on(MODEL, facts_of(features_complexity=0.6, tokens_input=1000), state, SILENT)
    longer = tokens_on(MODEL, facts_of(features_complexity=0.4, tokens_input=4000), state, SILENT)

    assert (harder.output, harder.output_p90) == (ceil(200 * exp(0.2)), ceil(600 * exp(0.2)))
    assert longer.output == pytest.approx(400, abs=1)


def test_an_answer_that_is_longer_than_asked_for_is_cut_and_its_ninth_decile_never_falls_below_its_median() -> None:
    state = ModelState(answers={"": Ratio(5.0, 0.1)})

    assert tokens_on(MODEL, facts_of(tokens_output_max=400), state, SILENT).output == 400
    assert tokens_on(MODEL, facts_of(), state, SILENT).output_p90 == 500


def test_what_a_model_reports_of_its_counting_goes_before_its_family() -> None:
    model, state = structs.replace(MODEL, tokenizer="o200k"), ModelState(counts={"english": Factor(1.1, 1.3)})

    tokens = tokens_on(model, facts_of(), state, SILENT)
    other = tokens_on(model, facts_of(features_text_class="script"), state, SILENT)

    assert (tokens.input, tokens.input_upper_bound, tokens.method) == (111, 130, TokenCountMethod.CALIBRATED)
    assert (other.input, other.input_upper_bound, other.method) == (100, 100, TokenCountMethod.EXACT)


def test_an_estimate_names_the_model_its_provider_and_the_name_there() -> None:
    candidate = estimate(MODEL, facts_of(), AS_CATALOGED, SILENT)

    assert (candidate.model, candidate.provider, candidate.upstream) == ("mini", "near", "mini-2")


@pytest.mark.parametrize(
    ("warm", "cached", "cost"),
    [
        # 100 tokens in at 150 nano-USD each, or 15 where cached, and 100 out at 600
        pytest.param(0, 0, 75_000, id="cold"),
        pytest.param(60, 60, 66_900, id="warm in part"),
        pytest.param(100, 100, 61_500, id="warm"),
        pytest.param(5000, 100, 61_500, id="no more can be warm than is sent"),
    ],
)
def test_a_warm_prefix_makes_the_expected_cost_smaller(warm: int, cached: int, cost: int) -> None:
    candidate = estimate(MODEL, facts_of(), ModelState(warm_prefix_tokens=warm), SILENT)

    assert (candidate.cached_tokens, candidate.expected_cost) == (cached, cost)


def test_the_most_that_it_may_cost_reckons_with_the_bound_of_the_input_the_longest_answer_and_no_warmth() -> None:
    model = structs.replace(MODEL, tokenizer="claude")

    candidate = estimate(model, facts_of(), ModelState(warm_prefix_tokens=50), SILENT)

    assert candidate.max_cost == 147 * 150 + 1000 * 600


@given(
    tokens_input=st.integers(0, 10_000),
    tokens_output=st.integers(0, 2000),
    tokens_output_max=st.none() | st.integers(1, 2000),
    request_max_total_tokens=st.none() | st.integers(1, 20_000),
)
def test_where_the_request_fits_its_cap_covers_the_expected_answer_and_the_most_covers_the_expected_cost(**given_: int | None) -> None:
    facts = facts_of(**given_)
    candidate = estimate(MODEL, facts, AS_CATALOGED, SILENT)
    tokens = candidate.tokens

    if tokens.input_upper_bound + tokens.output <= min(MODEL.context_window, facts.request.max_total_tokens or MODEL.context_window):
        assert tokens.output <= tokens.output_cap
        assert candidate.expected_cost <= candidate.max_cost


@pytest.mark.parametrize(
    ("state", "ttft_ms", "latency_ms"),
    [
        pytest.param(ModelState(), 100, 2100, id="as the catalog says"),
        pytest.param(ModelState(ttft_ms=30), 30, 2030, id="begins sooner than it used to"),
        pytest.param(ModelState(ttft_ms=0), 0, 2000, id="begins at once"),
        pytest.param(ModelState(tokens_per_s=200), 100, 600, id="is faster than it used to be"),
    ],
)
def test_what_is_measured_takes_the_place_of_the_catalog(state: ModelState, ttft_ms: float, latency_ms: float) -> None:
    candidate = estimate(MODEL, facts_of(), state, SILENT)

    assert (candidate.expected_ttft_ms, candidate.expected_latency_ms) == (ttft_ms, latency_ms)


def test_quality_is_that_of_the_ability_for_the_task() -> None:
    hard_code = facts_of(features_task="code", features_complexity=0.8, features_discrimination=1.5)

    assert estimate(MODEL, hard_code, AS_CATALOGED, SILENT).quality == quality(0.4, 0.8, 1.5)
    assert estimate(MODEL, facts_of(features_task="chat"), AS_CATALOGED, SILENT).quality == quality(0.7, 0.42)


@pytest.mark.parametrize("fixed", [0.0, 0.33])
def test_a_fixed_quality_takes_the_place_of_the_prediction(fixed: float) -> None:
    assert estimate(MODEL, facts_of(), ModelState(quality=fixed), SILENT).quality == fixed
