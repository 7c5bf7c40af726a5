"""Money is an integer of nano-dollars, from the price in a rule file to the bill.

    cost of an attempt = ceil(sum over kinds of tokens x price / 1,000,000) nano-USD

with prices in nano-USD per million tokens: rounded once, always up, so that what was held is never less than what is settled. Decimal text
is read exactly; a float never touches an amount. `usd` is for people and for comparisons in rules only.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

NANO_PER_USD = 1_000_000_000
TOKENS_PER_PRICE = 1_000_000


def nano_usd(dollars: Decimal) -> int | None:
    """Return the amount in nano-USD, or None where it is negative, not finite, or finer than a nano-dollar."""
    if not dollars.is_finite() or dollars < 0:
        return None
    nano = Fraction(dollars) * NANO_PER_USD  # exact; a Decimal would round to its context's precision
    return nano.numerator if nano.denominator == 1 else None


def nearest_nano_usd(dollars: Decimal | float) -> int | None:
    """Return the amount rounded to nano-USD, however large it is, or None where it is negative."""
    return round(Fraction(dollars) * NANO_PER_USD) if dollars >= 0 else None


def charge(token_prices: int) -> int:
    """Return nano-USD for a sum of tokens x price per million tokens, rounded up."""
    return -(-token_prices // TOKENS_PER_PRICE)


def usd(nano: int) -> float:
    """Return dollars, for people and for the `*_usd` facts."""
    return nano / NANO_PER_USD


def dollars(nano: int) -> str:
    """Return an amount for people, with as many digits as it needs to be told from zero: "$1.50", "$0.0042", "$0.0000003"."""
    if nano >= NANO_PER_USD:
        return f"${nano / NANO_PER_USD:,.2f}"
    text = f"{nano / NANO_PER_USD:.9f}"
    significant = len(text) - len(text[2:].lstrip("0"))
    return "$" + (text[: max(significant + 2, 4)] if nano else "0.00")
