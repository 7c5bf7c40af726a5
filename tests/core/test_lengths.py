"""Usual lengths of answers."""

from __future__ import annotations

from typing import get_args

import pytest

from pointsman.core.lengths import usual
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
