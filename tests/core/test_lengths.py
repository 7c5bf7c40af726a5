"""Usual lengths of answers, and what a model has shown of its own."""

from __future__ import annotations

from math import e
from random import Random
from typing import get_args

import pytest

from pointsman.core.lengths import Length, Lengths, Ratio, ratio_of, usual
from pointsman.core.quality import BASE_RATE
from pointsman.core.vocabulary import Task


@pytest.mark.parametrize("task", get_args(Task))
def test_nine_in_ten_answers_are_longer_than_half_of_them(task: Task) -> None:
    median, p90 = usual(task, BASE_RATE)

    assert 0 < median < p90


def test_a_prompt_of_average_complexity_gets_what_the_task_gets() -> None:
    assert usual("math", BASE_RATE) == (250, 700)


@pytest.mark.parametrize("task", get_args(Task))
def test_harder_prompts_get_longer_answers(task: Task) -> None:
    lengths = [usual(task, share / 20) for share in range(21)]

    assert lengths == sorted(lengths)
    assert lengths[0][0] >= 1
    assert lengths[-1][0] >= 3 * lengths[0][0]


def shown(*answers: tuple[float, int, int]) -> Ratio:
    """Return what answers to easy sums show: complexity, tokens of the prompt, and tokens of the answer, where 100 are usual."""
    lengths = Lengths()
    for complexity, prompt_tokens, tokens in answers:
        lengths.note("math", complexity, tokens, Length(100, 300), prompt_tokens=prompt_tokens)
    return ratio_of(lengths.shown(), "math", 0.3)


def test_a_model_that_writes_more_the_longer_the_prompt_is_so_known() -> None:
    ratio = shown(*[(0.3, tokens, round(10 * tokens**0.5)) for tokens in (25, 100, 400)] * 40)

    assert ratio.at(0.3, 36) * ratio.median == pytest.approx(0.6, rel=0.1)
    assert ratio.at(0.3, 324) * ratio.median == pytest.approx(1.8, rel=0.1)


def test_a_model_that_writes_more_the_harder_the_prompt_is_so_known() -> None:
    ratio = shown(*[(complexity, 50, round(1000 * complexity)) for complexity in (0.1, 0.2, 0.3, 0.4)] * 40)

    assert ratio.at(0.35, 50) > 1.2 * ratio.at(0.25, 50)


def test_prompts_that_are_all_alike_show_no_slope() -> None:
    ratio = shown(*[(0.3, 50, tokens) for tokens in (40, 100, 300)] * 20)

    assert ratio.at(0.4, 5000) == pytest.approx(1)


def test_a_few_answers_are_hardly_believed_and_one_odd_answer_counts_no_more_than_another() -> None:
    random = Random(3)  # noqa: S311  # made-up lengths are no secret
    plain = [(0.3, random.randrange(50, 200), 100) for _ in range(50)]

    assert abs(shown((0.2, 40, 50), (0.3, 60, 200)).by_prompt) < 0.2
    assert abs(shown(*plain, (0.3, 150, 100_000)).by_prompt) < 0.1


@pytest.mark.parametrize(("prompt_tokens", "times"), [(0, 1 / e), (1, 1 / e), (100, 1.0), (1_000_000, e)])
def test_slopes_do_not_lead_far_from_where_answers_were_seen(prompt_tokens: int, times: float) -> None:
    ratio = Ratio(1.0, 1.0, log_prompt=4.605170185988092, by_prompt=0.8)

    assert ratio.at(0.5, prompt_tokens) == pytest.approx(times)


def test_what_is_new_counts_from_the_next_look_on() -> None:
    lengths = Lengths()
    medians = []
    for tokens in (50, 800):
        for _ in range(150):
            lengths.note("math", 0.3, tokens, Length(100, 300), prompt_tokens=50)
        medians.append(ratio_of(lengths.shown(), "math", 0.3).median)

    assert medians == pytest.approx([0.5, 8.0], rel=0.1)
