"""The quality curve: through the ability at the average prompt, up with ability, down with complexity, never sure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.quality import BASE_RATE, quality

shares = st.floats(0, 1)
inner_shares = st.floats(0.01, 0.99)
discriminations = st.floats(0.1, 5)

A_HAIR = 1e-12
"""What rounding may turn round where two values are all but equal."""


@pytest.mark.parametrize("discrimination", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("ability", [0.1, 0.5, 0.74, 0.99])
def test_an_average_prompt_gives_a_model_its_ability(ability: float, discrimination: float) -> None:
    assert quality(ability, BASE_RATE, discrimination) == pytest.approx(ability)


@pytest.mark.parametrize(
    ("ability", "complexity", "discrimination", "expected"),
    [
        # logit 0.5 = 0; logit 0.8 = ln 4; logit 0.42 = ln (21/29). odds = odds(ability) x (odds(base) / odds(complexity)) ** discrimination
        pytest.param(0.8, 0.5, 1.0, 84 / 113, id="odds of 4 to 1 on a prompt harder than average"),
        pytest.param(0.5, 0.2, 1.0, 84 / 113, id="even odds on an easy one"),
        pytest.param(0.5, 0.5, 2.0, 441 / 1282, id="twice the discrimination squares the odds"),
        pytest.param(0.5, 0.5, 0.0, 0.5, id="no discrimination: all prompts are alike"),
    ],
)
def test_quality(ability: float, complexity: float, discrimination: float, expected: float) -> None:
    assert quality(ability, complexity, discrimination) == pytest.approx(expected)


@given(inner_shares, inner_shares, shares, discriminations)
def test_an_abler_model_is_never_predicted_to_do_worse(one: float, other: float, complexity: float, discrimination: float) -> None:
    less, more = sorted((one, other))

    assert quality(less, complexity, discrimination) <= quality(more, complexity, discrimination) + A_HAIR


@given(inner_shares, inner_shares, shares, discriminations)
def test_a_harder_prompt_is_never_predicted_to_go_better(one: float, other: float, ability: float, discrimination: float) -> None:
    easier, harder = sorted((one, other))

    assert quality(ability, harder, discrimination) <= quality(ability, easier, discrimination) + A_HAIR


def test_prompts_tell_models_apart_as_usual_where_nothing_else_is_said() -> None:
    assert quality(0.8, 0.5) == quality(0.8, 0.5, 1.0)


def test_steps_that_can_be_seen_make_a_difference_in_both_directions() -> None:
    assert quality(0.71, 0.5) > quality(0.70, 0.5) > quality(0.70, 0.51)


@given(shares, shares, discriminations)
def test_nothing_is_predicted_to_be_sure_or_hopeless(ability: float, complexity: float, discrimination: float) -> None:
    assert 0.0 < quality(ability, complexity, discrimination) < 1.0
