"""`pointsman serve`."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace

import uvloop

from pointsman import server
from pointsman.core.diagnostics import errors, render
from pointsman.live import BadRules
from pointsman.observing import CannotObserve
from pointsman.offline import UnreadableArtifact
from pointsman.settings import BadSetting, Settings, described
from pointsman.wire.transport import CannotListen


def serve(options: argparse.Namespace, settings: Settings) -> int:
    """Serve until asked to end. The ready line, alone on stdout, says where."""
    parse = {name: parser for name, parser, _, _ in described()}["POINTSMAN_LISTEN"]
    try:
        listen = parse(options.listen)
    except (ValueError, BadSetting) as error:
        print(f"pointsman: --listen {options.listen}: {error}", file=sys.stderr)
        return 2
    return _run(replace(settings, listen=listen, rules=options.rules))


def _run(settings: Settings) -> int:
    try:
        uvloop.run(server.serve(settings, ready=_say_ready))
    except BadRules as refused:
        texts = {name: text.decode(errors="replace") for name, text in refused.sources.items()}
        number = len(errors(refused.problems))
        print(render(refused.problems, texts, prefix=f"{settings.rules}/"), file=sys.stderr)
        print(f"pointsman: {number} error{'' if number == 1 else 's'} in {settings.rules}; not started", file=sys.stderr)
        return 1
    except (CannotListen, CannotObserve, UnreadableArtifact) as error:
        print(f"pointsman: {error}", file=sys.stderr)
        return 1
    return 0


def _say_ready(address: str) -> None:
    print(f"pointsman ready on {address}", flush=True)
