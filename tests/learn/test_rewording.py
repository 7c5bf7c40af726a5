"""Rewording: what each change does, and decisions that stay."""

from __future__ import annotations

import pytest

pytest.importorskip("sklearn", reason="learning needs the extra `learn`: scikit-learn is not installed")

from fakes import ESTIMATE
from pointsman.learn.rewording import CHANGES, agreeing, decision, option_order

ASKED = "Which planet is closest to the sun?\nA. Venus\nB. Mercury\nC. Mars\nD. Earth"


@pytest.mark.parametrize(
    ("change", "begins"),
    [
        ("spelling", "Whcih planet is closest"),
        ("small letters", "which planet"),
        ("capitals", "WHICH PLANET"),
        ("white space", "Which  planet is closest  to"),
        ("politeness", "Hello, could you please help me with this? Which planet"),
        ("option order", "Which planet is closest to the sun?\nA. Earth\nB. Mars\nC. Mercury\nD. Venus"),
        ("all at once", "Hello, could you please help me with this? whcih  planet"),
    ],
)
def test_each_change_is_made_by_rule(change: str, begins: str) -> None:
    assert CHANGES[change](ASKED).startswith(begins)


def test_a_prompt_without_options_keeps_its_order() -> None:
    assert option_order("What is 17 * 23?") == "What is 17 * 23?"
    assert "option order" not in agreeing("What is 17 * 23?", ESTIMATE)


def test_harder_prompts_take_an_abler_model() -> None:
    assert decision(ESTIMATE("What is 2 + 2?")) < decision(ESTIMATE("Let f be a polynomial. Find the number of real roots of f(f(x)) = x."))
