"""Sums: what they come to, what is taken for one, and how much is computed."""

from __future__ import annotations

import os
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.adapters.builtin.answers import ECHO, answer
from pointsman.adapters.builtin.arithmetic import DIVIDES_BY_ZERO, evaluate

EXAMPLES = 1000 if "POINTSMAN_TEST_SOAK" in os.environ else 100


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        pytest.param("What is 17 * 23?", "391", id="question"),
        pytest.param("2+2?", "4", id="bare expression"),
        pytest.param("compute (3.5 - 1) / 2", "1.25", id="parentheses"),
        pytest.param("12 % 5", "2", id="remainder"),
        pytest.param("12 % (-5)", "-3", id="remainder has the sign of the divisor"),
        pytest.param("15% of 240", "36", id="percentage of"),
        pytest.param("What is 15 percent of 240?", "36", id="percentage in words"),
        pytest.param("10% + 5", "5.1", id="percentage alone is a hundredth"),
        pytest.param("2^10", "1024", id="caret"),
        pytest.param("2**10", "1024", id="two stars"),
        pytest.param("2**3**2", "512", id="powers group to the right"),
        pytest.param("-2**2", "-4", id="sign binds less than the power"),
        pytest.param("8^(1/3)", "2", id="cube root"),
        pytest.param("1.0001^1000", "1.1051653926", id="near one, to a high power"),
        pytest.param("sqrt(144)", "12", id="square root"),
        pytest.param("What is the square root of 2?", "1.41421356237", id="square root in words, twelve digits"),
        pytest.param("√144 \u00d7 2", "24", id="typographic root and times"),
        pytest.param("6 ÷ 4", "1.5", id="typographic division"),
        pytest.param("7 \u2212 10", "-3", id="typographic minus"),
        pytest.param("What is 5 plus 3 times 2", "11", id="operators in words"),
        pytest.param("3 x 4", "12", id="the letter x"),
        pytest.param("what's 1,000 + 5", "1005", id="thousands separator"),
        pytest.param("0.1 + 0.2", "0.3", id="decimals are exact"),
        pytest.param("12345678901234567890.5 - 12345678901234567890", "0.5", id="long decimals are exact"),
        pytest.param("1/3", "0.333333333333", id="twelve digits"),
        pytest.param("1/30000000000", "3.33333333333e-11", id="small"),
        pytest.param("10 ** 20.5", "3.16227766017e+20", id="large and rounded"),
        pytest.param("2^1000", str(2**1000), id="large and exact"),
        pytest.param("2 + 2 = ?", "4", id="equals sign"),
        pytest.param("What does 2+2 equal?", "4", id="equal in words"),
        pytest.param("Question: can you tell me what is 3 * 4, please?", "12", id="polite"),
        pytest.param("What is 2+2? Answer with just the number.", "4", id="how to answer"),
        pytest.param("1/0", DIVIDES_BY_ZERO, id="division by zero"),
        pytest.param("What is 5 % 0?", DIVIDES_BY_ZERO, id="remainder by zero"),
        pytest.param("0 ** -1", DIVIDES_BY_ZERO, id="negative power of zero"),
        pytest.param("0 ^ -0.5", DIVIDES_BY_ZERO, id="negative root of zero"),
        pytest.param("+".join("1" * 100), "100", id="long sums are not nested"),
    ],
)
def test_arithmetic_is_answered_with_its_value(ask: str, expected: str) -> None:
    assert answer(ask) == expected


@pytest.mark.parametrize(
    "ask",
    [
        "call me at 555-1234",
        "555-0134",
        "version 3.11-rc1",
        "the 2024-2025 season",
        "What is the 2024-2025 season?",
        "what is 2024-01-15?",
        "10.0.0.1",
        "in 1999",
        "1999",
        "What is 5?",
        "-5",
        "What is 2+2 and why?",
        "What is 2+2? And what is 3+3?",
        "what is 3+5!",
        "().__class__",
        "1 if 1 else 2",
        "what is __import__('os')?",
    ],
)
def test_text_with_numbers_is_no_arithmetic(ask: str) -> None:
    assert answer(ask).startswith(ECHO)


@pytest.mark.parametrize(
    "expression",
    [
        pytest.param("9**9**9", id="exponent"),
        pytest.param("10**999 * 10**999 * 10**999 * 10**999", id="bits of the result"),
        pytest.param("10 ** 90.5", id="size of a rounded power"),
        pytest.param("1e9999 + 1", id="exponent of a literal"),
        pytest.param("1+" * 100 + "1", id="length"),
        pytest.param("(" * 33 + "1+1" + ")" * 33, id="parentheses"),
        pytest.param("-" * 40 + "1", id="signs"),
        pytest.param("(-8)^(1/3)", id="not real"),
        pytest.param("sqrt(-1)", id="root not real"),
        pytest.param("sqrt", id="function without operand"),
        pytest.param("3(4)", id="call of a number"),
        pytest.param("", id="empty"),
        pytest.param("2\0+2", id="null character"),
        pytest.param("2+\n2", id="two lines"),
        pytest.param("0x10+1", id="hexadecimal"),
        pytest.param("1_000+1", id="underscore"),
    ],
)
def test_evaluate_returns_none_past_a_cap_and_for_what_is_no_expression(expression: str) -> None:
    assert evaluate(expression) is None


def joined(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(parts, st.sampled_from(["+", "-", "*", "//", "%", "/"]), parts).map(
        lambda drawn: f"({drawn[0]} {drawn[1]} ({drawn[2]}))"
    )


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.recursive(st.integers(-999, 999).map(str), joined, max_leaves=8))
def test_evaluate_agrees_with_python(expression: str) -> None:
    """Python computes the same text on Fractions; only the test may eval, and only what it drew itself."""
    exact = "".join(f"Fraction({part})" if part.isdigit() else part for part in spaced(expression))
    exact = exact.replace("(", "Fraction(").replace(
        "FractionFraction(", "Fraction("
    )  # what // makes of two is an int, and / of that a float
    try:
        value = eval(exact, {"Fraction": Fraction})  # noqa: S307  # see above
    except ZeroDivisionError:
        assert evaluate(expression) == DIVIDES_BY_ZERO
        return

    said = evaluate(expression)
    assert said is not None
    if value == int(value):
        assert said == str(int(value))
    else:
        assert float(said) == pytest.approx(float(value), rel=1e-11)


def spaced(expression: str) -> list[str]:
    for mark in "()-+*/%":
        expression = expression.replace(mark, f" {mark} ")
    return expression.replace("/  /", "//").split()
