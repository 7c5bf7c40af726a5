"""From the options of a command to a request."""

from __future__ import annotations

import argparse
import sys
from decimal import Decimal, InvalidOperation

from pointsman.core.money import nano_usd
from pointsman.core.request import CachePolicy, Context, Generation, Message, Prompt, Request, Requirements
from pointsman.core.vocabulary import CacheMode, Role

CACHE_MODES = {
    "use": CacheMode.USE,
    "bypass": CacheMode.BYPASS,
    "refresh": CacheMode.REFRESH,
    "only": CacheMode.ONLY_IF_CACHED,
}


class BadOption(ValueError):
    """An option has a value that cannot be used."""


def request_from_options(options: argparse.Namespace) -> Request:
    """Return the request that the options describe. What is wrong with its values the codec says, as it does to every client."""
    system = (Message(role=Role.SYSTEM, parts=(options.system,)),) if options.system else ()
    text = sys.stdin.read() if options.text == "-" else options.text
    user = (Message(role=Role.USER, parts=(text,)),) if text else ()
    return Request(
        prompt=Prompt(messages=(*system, *user)),
        generation=Generation(max_output_tokens=options.max_output, temperature=options.temperature, seed=options.seed),
        requirements=Requirements(
            accuracy=options.accuracy,
            max_total_tokens=options.max_tokens,
            max_cost=_nano_usd(options.max_cost),
            max_latency_ms=options.max_latency,
            max_ttft_ms=options.max_ttft,
            capabilities=frozenset(options.capability),
            tags=frozenset(options.tag),
            model=options.model,
        ),
        context=Context(session_id=options.session, labels=dict(_label(label) for label in options.label)),
    )


def cache_from_options(options: argparse.Namespace) -> CachePolicy | None:
    """Return how the response cache is to be used; None leaves it to the route."""
    return CachePolicy(mode=CACHE_MODES[options.cache]) if options.cache else None


def _nano_usd(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        asked = Decimal(text)
    except InvalidOperation:
        asked = Decimal("nan")
    if (amount := nano_usd(asked)) is not None:
        return amount
    if asked.is_finite() and asked > 0:
        raise BadOption(f"--max-cost {text}: that is finer than a nano-dollar, 0.000000001")
    raise BadOption(f"--max-cost {text}: dollars are expected, as in 0.002")


def _label(text: str) -> tuple[str, str]:
    key, separator, value = text.partition("=")
    if not separator:
        raise BadOption(f"--label {text}: KEY=VALUE is expected")
    return key, value
