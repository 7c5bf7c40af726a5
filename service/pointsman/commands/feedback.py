"""`pointsman feedback`: say how good an answer was."""

from __future__ import annotations

import argparse

from pointsman.client import Client
from pointsman.commands import calls
from pointsman.commands.show import terminal
from pointsman.settings import Settings


def feedback(options: argparse.Namespace, settings: Settings) -> int:
    """Record a score for the answer of a decision."""

    async def ask(client: Client) -> None:
        await client.record_feedback(options.id, options.score, source=options.source, timeout_s=options.timeout)

    def shown(_: None) -> None:
        terminal().print(f"recorded: {options.score:g} for {options.id}", markup=False)

    return calls.asked(options, settings, ask, lambda _: "{}", shown)
