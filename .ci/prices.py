"""Brings the prices and windows of rules/models.yaml up to date from the package genai-prices, which `make prices` installs apart.

A model whose `price.source` reads "genai-prices: PROVIDER/MODEL" is looked up under that name; its `price:` and `context_window:` lines are
rewritten in place, everything else stays. Where a provider charges more above some input length, the window ends there: the catalog knows one
price a model, and a wrong one would be worse than a shorter window. Development only; nothing reads prices at run time.
"""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from genai_prices import data

MODELS = Path(__file__).parents[1] / "rules" / "models.yaml"
SOURCE = re.compile(r"^( +price: )\{.*source: \"genai-prices: (?P<provider>[\w-]+)/(?P<model>[\w./-]+)\".*\}$", re.MULTILINE)
WINDOW = re.compile(r"^( +context_window: )(\d+)", re.MULTILINE)


def main() -> int:
    """Rewrite the file, and say what changed."""
    now = datetime.now(UTC)
    text = MODELS.read_text()
    changed = SOURCE.sub(lambda match: priced(match, now), text)
    changed = windowed(changed, now)
    MODELS.write_text(changed)
    old, new = text.splitlines(), changed.splitlines()
    for before, after in zip(old, new, strict=True):
        if before != after:
            print(f"-{before}\n+{after}")
    return 0


def priced(match: re.Match[str], now: datetime) -> str:
    """Return the price line of a model as of now."""
    prices, _ = looked_up(match["provider"], match["model"], now)
    amounts = {"input": prices.input_mtok, "cached_input": prices.cache_read_mtok, "cache_write": prices.cache_write_mtok, "output": prices.output_mtok}
    known = ", ".join(f"{kind}: {plain(base(amount))}" for kind, amount in amounts.items() if amount is not None)
    return f'{match[1]}{{{known}, source: "genai-prices: {match["provider"]}/{match["model"]}", as_of: {now.date()}}}'


def windowed(text: str, now: datetime) -> str:
    """Return the text with the window of every model that has such a price, as far as that price holds."""
    parts = re.split(r"(?m)^(?=  \S)", text)
    return "".join(part if (match := SOURCE.search(part)) is None else with_window(part, match, now) for part in parts)


def with_window(part: str, match: re.Match[str], now: datetime) -> str:
    """Return the lines of one model with its window, which must be known either there or here."""
    prices, window = looked_up(match["provider"], match["model"], now)
    tiers = [tier.start for amount in (prices.input_mtok, prices.output_mtok) for tier in getattr(amount, "tiers", ())]
    limits = [limit for limit in (window, *tiers) if limit]
    return WINDOW.sub(rf"\g<1>{min(limits)}", part) if limits else part


def looked_up(provider_id: str, model_id: str, now: datetime) -> tuple[Any, int | None]:
    """Return the prices in force and the window of a model."""
    provider = next(provider for provider in data.providers if provider.id == provider_id)
    model = next((model for model in provider.models if model.id == model_id), None)
    if model is None:
        sys.exit(f"genai-prices has no {provider_id}/{model_id}")
    return model.get_prices(now), model.context_window


def base(amount: Any) -> Decimal:
    """Return the price below the first tier."""
    return Decimal(getattr(amount, "base", amount))


def plain(amount: Decimal) -> str:
    """Return a price as people write it."""
    return f"{amount.normalize():f}"


if __name__ == "__main__":
    sys.exit(main())
