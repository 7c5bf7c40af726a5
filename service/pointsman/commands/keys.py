"""`pointsman keys new`: makes an API key, shows it once, and says what to write into tenants.yaml."""

from __future__ import annotations

import argparse
import json
import re
import secrets
import sys
from hashlib import sha256

from rich.markup import escape

from pointsman.commands.show import terminal
from pointsman.core.rulefile.documents.base import IDENTIFIER
from pointsman.settings import Settings

BYTES = 32
PREFIX = "pm_"
"""So that scanners for secrets in repositories can know them."""


def new(options: argparse.Namespace, _settings: Settings) -> int:
    """Show a new key and its digest. It is kept nowhere."""
    if not re.fullmatch(IDENTIFIER, options.tenant):
        print(f"pointsman: '{options.tenant}' cannot be the name of a tenant: letters, digits and . _ / -, at most 63", file=sys.stderr)
        return 2
    key = PREFIX + secrets.token_urlsafe(BYTES)
    digest = sha256(key.encode()).hexdigest()
    if options.json:
        print(json.dumps({"api_key": key, "api_key_sha256": digest}))
        return 0
    console = terminal()
    console.print(f"[bold]{key}[/]\n", soft_wrap=True)
    console.print("[dim]The key is shown this once. Give it to the caller, who sends 'authorization: Bearer KEY' (POINTSMAN_API_KEY).[/]")
    console.print(f"[dim]For tenants.yaml, below tenants.{escape(options.tenant)}.credentials:[/]\n")
    console.print(f'      - {{api_key_sha256: "{digest}"}}', soft_wrap=True)
    return 0
