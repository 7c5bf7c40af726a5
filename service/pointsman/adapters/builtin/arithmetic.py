"""Computes the value of a sum in an ask, exactly where that is possible, and within caps on the work."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from decimal import Context, Decimal, Overflow, Underflow
from fractions import Fraction
from itertools import accumulate
from math import isqrt
from operator import add, mod, mul, sub, truediv

QUESTION_CAP = 400  # characters; a longer ask is about something else than the sum in it
EXPRESSION_CAP = 200  # characters
DEPTH_CAP = 32
EXPONENT_CAP = 1000
BITS_CAP = 10_000
ROUNDED_DIGITS = 100
ROUNDED_RANGE = 80  # as a power of ten; well inside ROUNDED_DIGITS, so that a rounded power is never shown as a long integer
SHOWN_DIGITS = 12

DIVIDES_BY_ZERO = "That divides by zero, which has no answer."

# What people write -> what Python's grammar reads. The leading zero of "555-0134" or "2024-01-15" is left for that grammar to refuse.
_SPELLINGS = tuple(
    (re.compile(pattern, re.ASCII | re.IGNORECASE), plain)
    for pattern, plain in (
        (r"[\u00d7·]|\b(?:times|multiplied by)\b|(?<=[\d)])\s+x\s+(?=[\d(])", "*"),
        (r"÷|\bdivided by\b", "/"),
        (r"\u2212|\bminus\b", "-"),
        (r"\bplus\b", "+"),
        (r"\^|\bto the power of\b", "**"),
        (r"(?<=\d),(?=\d{3}(?!\d))", ""),
        (r"([\d.]+)\s*(?:%|percent)\s*of\b", r"(\1/100)*"),
        (r"([\d.]+)\s*%(?!\s*[\d.(s√])", r"(\1/100)"),  # in front of an operand it is the remainder instead
        (r"(?:√|\bsqrt\b|\b(?:the )?square root of\b)\s*", "sqrt"),
        (r"sqrt([\d.]+)", r"sqrt(\1)"),
    )
)
# Nothing else reaches the parser; a longer exponent would be computed before it could be refused.
_PLAIN = re.compile(r"(?:[-+*/%().\d\s]|(?<=[\d.])e[-+]?\d{1,3}(?!\d)|sqrt)+", re.ASCII)
_EXPRESSION = r"(?P<sum>(?:[^?=.\n]|\.(?=\d))+?)"
_CUE = r"(?:what is|what['\u2019]?s|what does|how much is|calculate|compute|evaluate|solve|work out)"
_QUESTIONS = (
    re.compile(rf"{_EXPRESSION}[?=.\s]*\Z"),
    re.compile(
        rf"(?:(?:q|question|problem):)?[^\d:\"“]{{0,80}}?\b{_CUE}\b[\s:]*(?:the (?:result|value) of )?"
        rf"{_EXPRESSION}(?:,?\s*\b(?:equals?|please))?\s*(?:[?=.\n]\D*)?\Z",
        re.IGNORECASE,
    ),
)
_BARE_NUMBER = re.compile(r"[\s(+-]*[\d.,e]*[\s)]*")


def arithmetic_answer(ask: str) -> str | None:
    """Return the value of the expression that the ask consists of or asks for, None where it is about anything else."""
    if len(ask) > QUESTION_CAP:
        return None
    asked = (found["sum"] for found in (question.match(ask) for question in _QUESTIONS) if found)
    return next((value for text in asked if not _BARE_NUMBER.fullmatch(text) and (value := evaluate(text))), None)


def evaluate(expression: str) -> str | None:
    """Return the value of an arithmetic expression as text, None where it is not one or passes a cap."""
    expression = expression.strip()
    if len(expression) > EXPRESSION_CAP:
        return None
    try:
        return _spelled(_value(*_parsed(expression)))
    except ZeroDivisionError:
        return DIVIDES_BY_ZERO
    except _NotArithmetic:
        return None


class _NotArithmetic(ValueError):
    """The text is no expression, or one whose value is too large to write down, or not real."""


def _parsed(expression: str) -> tuple[ast.expr, str]:
    """Return the syntax tree of an expression and the plain spelling that its positions refer to."""
    for pattern, plain in _SPELLINGS:
        expression = pattern.sub(plain, expression)
    nesting = max(accumulate((sign == "(") - (sign == ")") for sign in expression), default=0)
    if nesting > DEPTH_CAP or not _PLAIN.fullmatch(expression):
        raise _NotArithmetic
    try:
        return ast.parse(expression, mode="eval").body, expression
    except (SyntaxError, MemoryError) as error:
        raise _NotArithmetic from error


def _value(node: ast.expr, source: str, depth: int = 0) -> Fraction:
    if depth > DEPTH_CAP:
        raise _NotArithmetic
    match node:
        case ast.Constant():
            value = Fraction(source[node.col_offset : node.end_col_offset])  # the text, not the float that Python made of it
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=operand):
            value = _value(operand, source, depth + 1) * (-1 if isinstance(sign, ast.USub) else 1)
        case ast.BinOp(left=left, op=operator, right=right) if type(operator) in _OPERATORS:
            value = _OPERATORS[type(operator)](_value(left, source, depth), _value(right, source, depth + 1))
        case ast.Call(func=ast.Name(id="sqrt"), args=[operand]):
            value = _power(_value(operand, source, depth + 1), Fraction(1, 2))
        case _:
            raise _NotArithmetic
    if _bits(value) > BITS_CAP:
        raise _NotArithmetic
    return value


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    """Return the power: exact where that is possible within the caps, otherwise to ROUNDED_DIGITS."""
    if abs(exponent) > EXPONENT_CAP:
        raise _NotArithmetic
    if exponent.denominator == 1 and _bits(base) * abs(exponent) <= BITS_CAP:
        return base**exponent.numerator
    if base == 0 and exponent < 0:
        raise ZeroDivisionError
    if base < 0:
        raise _NotArithmetic
    root = Fraction(isqrt(base.numerator), isqrt(base.denominator))
    if exponent == Fraction(1, 2) and root * root == base:
        return root
    context = Context(prec=ROUNDED_DIGITS, Emax=ROUNDED_RANGE, Emin=-ROUNDED_RANGE, traps=[Overflow, Underflow])
    try:
        return Fraction(context.power(_rounded(base, ROUNDED_DIGITS), _rounded(exponent, ROUNDED_DIGITS)))
    except (Overflow, Underflow):
        raise _NotArithmetic from None


def _bits(value: Fraction) -> int:
    return max(value.numerator.bit_length(), value.denominator.bit_length())


def _rounded(value: Fraction, digits: int) -> Decimal:
    return Context(prec=digits).divide(Decimal(value.numerator), Decimal(value.denominator))


def _spelled(value: Fraction) -> str:
    if value.denominator == 1:
        return str(value.numerator)
    shown = Context(prec=SHOWN_DIGITS).normalize(_rounded(value, SHOWN_DIGITS))
    return f"{shown:f}" if -7 <= shown.adjusted() < SHOWN_DIGITS else f"{shown:e}"


_OPERATORS: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: add,
    ast.Sub: sub,
    ast.Mult: mul,
    ast.Div: truediv,
    ast.FloorDiv: lambda left, right: Fraction(left // right),
    ast.Mod: mod,
    ast.Pow: _power,
}
