"""Amounts are read exactly, rounded once and up, and shown so that a person can tell them from zero."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.catalog import Price
from pointsman.core.money import NANO_PER_USD, charge, dollars, nano_usd, usd


@pytest.mark.parametrize(
    ("text", "nano"),
    [
        pytest.param("0", 0, id="nothing"),
        pytest.param("0.15", 150_000_000, id="a price that no float can hold"),
        pytest.param("0.000000001", 1, id="the smallest amount"),
        pytest.param("1e-9", 1, id="the smallest amount, written otherwise"),
        pytest.param("2.5000000000000", 2_500_000_000, id="zeros behind the ninth digit say nothing"),
        pytest.param("1E+3", 1_000_000_000_000, id="with an exponent"),
        pytest.param("123456789.123456789", 123_456_789_123_456_789, id="more digits than a float has"),
        pytest.param("0.0000000001", None, id="finer than a nano-dollar"),
        pytest.param("1.00000000000000000000000000001", None, id="finer than a nano-dollar, far behind the point"),
        pytest.param("-1", None, id="negative"),
        pytest.param("NaN", None, id="no number"),
        pytest.param("Infinity", None, id="no end"),
    ],
)
def test_nano_usd(text: str, nano: int | None) -> None:
    assert nano_usd(Decimal(text)) == nano


@given(st.integers(0, 10**18))
def test_every_amount_of_nine_digits_behind_the_point_is_read_exactly(nano: int) -> None:
    text = f"{nano // NANO_PER_USD}.{nano % NANO_PER_USD:09d}"

    assert nano_usd(Decimal(text)) == nano


@pytest.mark.parametrize(
    ("token_prices", "nano"),
    [
        pytest.param(0, 0, id="nothing costs nothing"),
        pytest.param(1, 1, id="the least is a nano-dollar"),
        pytest.param(1_000_000, 1, id="just one"),
        pytest.param(1_000_001, 2, id="up, not to the nearest"),
        pytest.param(10**30 + 1, 10**24 + 1, id="far beyond what a float tells apart"),
    ],
)
def test_charge(token_prices: int, nano: int) -> None:
    assert charge(token_prices) == nano


amounts = st.tuples(*[st.integers(0, 10**7)] * 4)
rates = st.builds(Price, **dict.fromkeys(("input", "cached_input", "cache_write", "output"), st.integers(0, 10**11)))


@given(amounts, rates)
def test_a_cost_is_the_exact_sum_over_all_kinds_of_tokens_rounded_up_once(tokens: tuple[int, int, int, int], price: Price) -> None:
    plain, cached, written, output = tokens

    cost = price.cost(input_tokens=plain + cached + written, output_tokens=output, cached_tokens=cached, cache_write_tokens=written)

    sum_ = plain * price.input + cached * price.cached_input + written * price.cache_write + output * price.output
    assert Fraction(sum_, 1_000_000) <= cost < Fraction(sum_, 1_000_000) + 1


def test_four_kinds_of_a_fraction_of_a_nano_dollar_each_make_one_not_four() -> None:
    price = Price(input=1, cached_input=1, cache_write=1, output=1)

    assert price.cost(input_tokens=3, output_tokens=1, cached_tokens=1, cache_write_tokens=1) == 1


def test_nothing_is_cached_or_written_unless_it_is_said() -> None:
    price = Price(input=2_000_000, cached_input=1, cache_write=1, output=1_000_000)

    assert price.cost(input_tokens=3, output_tokens=4) == 10


def test_usd_is_what_rules_compare_with() -> None:
    assert usd(20_000_000) == 0.02


@pytest.mark.parametrize(
    ("nano", "text"),
    [
        pytest.param(0, "$0.00", id="nothing"),
        pytest.param(1_000_000_000, "$1.00", id="a dollar"),
        pytest.param(1_500_000_000, "$1.50", id="dollars and cents"),
        pytest.param(1_234_567_890_000, "$1,234.57", id="thousands"),
        pytest.param(250_000_000, "$0.25", id="cents"),
        pytest.param(4_200_000, "$0.0042", id="a fraction of a cent"),
        pytest.param(310, "$0.00000031", id="next to nothing"),
        pytest.param(1, "$0.000000001", id="the smallest amount"),
    ],
)
def test_dollars(nano: int, text: str) -> None:
    assert dollars(nano) == text


@given(st.integers(1, 10**12))
def test_no_amount_looks_like_nothing(nano: int) -> None:
    assert dollars(nano).strip("$0.,") != ""
