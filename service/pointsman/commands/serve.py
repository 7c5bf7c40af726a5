"""`pointsman serve`."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace

import uvloop

from pointsman import server
from pointsman.commands.rules import ruleset_or_complaint
from pointsman.core.ruleset import Ruleset
from pointsman.settings import BadSetting, Settings, described


def serve(options: argparse.Namespace, settings: Settings) -> int:
    """Serve until asked to end. The ready line, alone on stdout, says where."""
    parse = {name: parser for name, parser, _, _ in described()}["POINTSMAN_LISTEN"]
    try:
        listen = parse(options.listen)
    except (ValueError, BadSetting) as error:
        print(f"pointsman: --listen {options.listen}: {error}", file=sys.stderr)
        return 2
    ruleset = ruleset_or_complaint(options.rules)
    if ruleset is None:
        return 1
    return _run(replace(settings, listen=listen, rules=options.rules), ruleset)


def _run(settings: Settings, ruleset: Ruleset) -> int:
    try:
        uvloop.run(server.serve(settings, ruleset, ready=_say_ready))
    except server.CannotListen as error:
        print(f"pointsman: {error}", file=sys.stderr)
        return 1
    return 0


def _say_ready(address: str) -> None:
    print(f"pointsman ready on {address}", flush=True)
