"""What calls have shown of a model: quantiles beside a prior, with a bound on memory and on how far they lead away."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes import catalog_yaml, model_yaml, ruleset_of
from pointsman.core.catalog import Model
from pointsman.core.experience import SUMMED_EVERY_S, Experience, Observation
from pointsman.core.lengths import Length
from pointsman.core.market import ModelState
from pointsman.core.sample import ASSUMED, KEPT
from pointsman.core.tokenisers import factor

MODELS = ruleset_of(
    catalog_yaml(
        {
            "plain": model_yaml(ttft_ms=100, tokens_per_s=100),
            "other": model_yaml(ttft_ms=900).replace("latency:", "tokenizer: claude, latency:"),
        }
    ),
    "version: 1\nroutes: [{id: default, why: w, use: {candidates: [plain, other]}}]\n",
).catalog.models
PLAIN, CLAUDE = MODELS["plain"], MODELS["other"]
USUAL = Length(100, 300)


def seen(**changes: object) -> Observation:
    """Return an observation of a model that does as its catalog says."""
    as_expected: dict[str, object] = {
        "task": "chat", "complexity": 0.4, "text_class": "english", "latency_ms": 1100.0, "ttft_ms": 100.0, "prompt_tokens": 50,
        "output_tokens": 100, "usual": USUAL,
    }  # fmt: skip
    return Observation(**(as_expected | changes))  # type: ignore[arg-type]  # tests name real fields


def after(*observations: Observation, model: Model = PLAIN) -> ModelState:
    experience = Experience()
    for observation in observations:
        experience.note(observation, model)
    state = experience.shown(model, 0.0)
    assert state is not None
    return state


def test_before_anything_was_seen_nothing_is_said() -> None:
    assert Experience().shown(PLAIN, 0.0) is None
    assert Experience().changes_at() == inf


def test_a_model_that_does_as_cataloged_stays_as_cataloged() -> None:
    state = after(*[seen()] * KEPT)

    assert (state.ttft_ms, state.tokens_per_s) == (100, 100)
    assert state.answers["chat"].median == 1
    assert state.counts == {}


def test_one_slow_answer_changes_nothing_and_a_slow_model_is_known_after_a_few() -> None:
    slow = seen(ttft_ms=4000.0, latency_ms=14_000.0)

    assert after(slow).ttft_ms == 100
    assert after(*[slow] * (ASSUMED + 1)).ttft_ms == 4000
    assert after(*[slow] * (ASSUMED + 1)).tokens_per_s == 10


def test_a_model_that_becomes_fast_again_is_known_anew() -> None:
    assert after(*[seen(ttft_ms=4000.0, latency_ms=5000.0)] * KEPT, *[seen(ttft_ms=50.0)] * KEPT).ttft_ms == 50


def test_a_whole_answer_tells_how_fast_it_was_written_behind_the_usual_first_token() -> None:
    state = after(*[seen(ttft_ms=None, latency_ms=600.0)] * KEPT)

    assert (state.ttft_ms, state.tokens_per_s) == (100, 200)


def test_an_answer_that_is_whole_before_its_first_token_was_due_says_that_this_comes_sooner() -> None:
    state = after(*[seen(ttft_ms=None, latency_ms=40.0)] * KEPT)

    assert state.ttft_ms == pytest.approx(20)


def test_a_reader_who_takes_his_time_says_nothing_of_the_model() -> None:
    state = after(*[seen(ttft_ms=9000.0, latency_ms=90_000.0, is_paced=False)] * KEPT)

    assert (state.ttft_ms, state.tokens_per_s) == (100, 100)


def test_short_answers_say_nothing_of_speed() -> None:
    assert after(*[seen(output_tokens=2, latency_ms=200.0)] * KEPT).tokens_per_s == 100


def test_lengths_are_told_by_task_and_a_wordy_model_is_taken_to_be_wordy_everywhere() -> None:
    state = after(*[seen(task="math", output_tokens=500)] * KEPT, *[seen(task="classify", output_tokens=100)] * 20)

    assert state.answers["math"].median == pytest.approx(5, rel=0.1)
    assert state.answers["classify"].median == 1
    assert state.answers[""].median == pytest.approx(5, rel=0.1)


def test_a_first_answer_in_a_task_moves_little() -> None:
    state = after(seen(output_tokens=10_000))

    assert state.answers["chat"].median < 1.5


def test_a_model_that_is_wordy_on_hard_prompts_alone_is_so_known() -> None:
    short, long = seen(), seen(complexity=0.7, output_tokens=500)
    answers = after(*[short, long] * (KEPT // 2)).answers

    assert answers["chat, easy"].median == 1
    assert answers["chat, hard"].median == pytest.approx(5)


def test_an_answer_that_was_cut_counts_as_a_long_one() -> None:
    assert after(*[seen(output_tokens=20, is_cut=True)] * KEPT).answers["chat"].median == pytest.approx(3)


@given(st.integers(0, 2**32), st.floats(0.2, 5), st.floats(0.3, 1.2))
def test_after_two_hundred_answers_nine_in_ten_stay_below_the_ninth_decile(seed: int, wordy: float, width: float) -> None:
    random = Random(seed)  # noqa: S311  # made-up lengths are no secret
    lengths = [max(1, round(100 * wordy * random.lognormvariate(0, width))) for _ in range(2 * KEPT)]

    state = after(*[seen(output_tokens=length) for length in lengths[:KEPT]])

    expected = state.answers["chat"].p90 * USUAL.p90
    assert 0.72 <= sum(length <= expected for length in lengths[KEPT:]) / KEPT < 1.0  # six deviations of two samples of 200


@pytest.mark.parametrize(
    ("counts_as", "middle", "bound"),
    [
        pytest.param(1.41, None, None, id="as the family"),
        pytest.param(1.20, 1.20, 1.47, id="fewer: the bound stays"),
        pytest.param(1.80, 1.80, 1.80, id="more: the bound goes along"),
        pytest.param(9.00, 2.78, 2.94, id="far more: something else is wrong"),
        pytest.param(0.01, 0.695, 1.47, id="far fewer"),
    ],
)
def test_counts_of_a_tokeniser_are_corrected_within_bounds(counts_as: float, middle: float | None, bound: float | None) -> None:
    assert (factor("claude", "english").middle, factor("claude", "english").bound) == (1.39, 1.47)

    found = after(*[seen(counts_as=counts_as)] * KEPT, model=CLAUDE).counts.get("english")

    assert (found and pytest.approx(found.middle)) == middle
    assert (found and pytest.approx(found.bound)) == bound


def test_one_longer_count_raises_the_bound_at_once_and_not_the_middle() -> None:
    found = after(seen(counts_as=2.0), model=CLAUDE).counts["english"]

    assert (found.middle, found.bound) == (1.39, 2.0)


def test_once_many_were_seen_one_longer_count_in_a_hundred_raises_nothing() -> None:
    usual = [seen(counts_as=1.41)] * KEPT

    assert after(*usual, seen(counts_as=2.5), model=CLAUDE).counts == {}
    assert after(*usual, seen(counts_as=2.5), seen(counts_as=2.5), model=CLAUDE).counts["english"].bound == 2.5


def test_a_class_of_text_says_nothing_of_another() -> None:
    assert set(after(*[seen(counts_as=2.0)] * KEPT, model=CLAUDE).counts) == {"english"}


@dataclass
class Watched:
    experience: Experience

    def at(self, now: float) -> ModelState | None:
        return self.experience.shown(PLAIN, now)


def test_it_is_summed_up_at_most_once_a_second() -> None:
    watched = Watched(Experience())
    watched.experience.note(seen(), PLAIN)
    first = watched.at(10.0)
    watched.experience.note(seen(output_tokens=900), PLAIN)

    assert watched.experience.changes_at() == 10.0 + SUMMED_EVERY_S
    assert watched.at(10.0 + SUMMED_EVERY_S / 2) is first
    assert watched.at(10.0 + SUMMED_EVERY_S) != first
    assert watched.experience.changes_at() == inf


def test_another_prior_of_the_same_model_is_looked_at() -> None:
    experience = Experience()
    experience.note(seen(ttft_ms=None), PLAIN)

    assert [state.ttft_ms for model in (PLAIN, CLAUDE) if (state := experience.shown(model, 0.0))] == [100, 900]
