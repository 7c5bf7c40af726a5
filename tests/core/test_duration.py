"""Durations as people say them."""

from __future__ import annotations

import pytest

from pointsman.core.duration import spoken


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "1 s"),
        (12.25, "12 s"),
        (59.6, "1 min"),
        (90, "1 min 30 s"),
        (3_599.7, "1 h"),
        (3_600 + 40, "1 h 1 min"),
        (69_688, "19 h 21 min"),
        (86_399, "1 d"),
        (2 * 86_400 + 3 * 3_600 + 59, "2 d 3 h"),
    ],
)
def test_a_duration_is_said_by_its_two_largest_units(seconds: float, told: str) -> None:
    assert spoken(seconds) == told
