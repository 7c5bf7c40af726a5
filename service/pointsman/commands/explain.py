"""`pointsman rules explain`: how a text, facts, a record, or a decision of a running server came or would come out, and why."""

from __future__ import annotations

import argparse
import asyncio
import sys

from pointsman.client import Client
from pointsman.commands import calls, show
from pointsman.commands.given import BadFacts, situation_of
from pointsman.commands.options import BadOption, request_from_options
from pointsman.commands.rules import loaded_or_complaint
from pointsman.core.account import Account, Situation, account
from pointsman.core.diagnostics import did_you_mean, render
from pointsman.core.errors import PointsmanError
from pointsman.core.ruleset import Ruleset
from pointsman.core.tenants import NOBODY_TOLD_APART, Tenant, Tenants
from pointsman.offline import situation
from pointsman.settings import Settings
from pointsman.wire.json import account_to_json
from pointsman.wire.local import checked


def explain(options: argparse.Namespace, settings: Settings) -> int:
    """Show how the rules decide on a text or on facts, or how a server decided a while ago; 1 if the request was refused."""
    if (options.text is not None) + bool(options.facts is not None or options.id) != 1:
        print("pointsman: give a text, or --facts FILE, or --id ID", file=sys.stderr)
        return 2
    if options.id and options.facts is None:
        return _made_by_server(options, settings)
    loaded = loaded_or_complaint(options.rules, settings)
    if loaded is None or loaded.ruleset is None:
        return 1
    try:
        found = _situation(options, loaded.ruleset, loaded.tenants, settings)
    except BadOption as error:
        print(f"pointsman: {error}", file=sys.stderr)
        return 2
    except (OSError, BadFacts, PointsmanError) as error:
        if isinstance(error, BadFacts) and error.problems:
            show.problems(render(error.problems, {str(options.facts): error.source.decode(errors="replace")}), sys.stderr)
        print(f"pointsman: {error}", file=sys.stderr)
        return 1
    told = account(found)
    print(account_to_json(told)) if options.json else show.told(told)
    return 0 if told.model else 1


def _made_by_server(options: argparse.Namespace, settings: Settings) -> int:
    async def ask(client: Client) -> Account:
        return await client.explain(options.id, timeout_s=options.timeout)

    return calls.asked(options, settings, ask, account_to_json, show.told)


def _situation(options: argparse.Namespace, ruleset: Ruleset, tenants: Tenants | None, settings: Settings) -> Situation:
    if options.facts is not None:
        return situation_of(options.facts, options.id, ruleset)
    tenant = _tenant(options.tenant, tenants)
    return asyncio.run(situation(checked(request_from_options(options)), ruleset, tenant, settings))


def _tenant(name: str, tenants: Tenants | None) -> Tenant:
    if not name:
        return NOBODY_TOLD_APART
    known = tenants.by_id if tenants else {}
    if name not in known:
        raise BadOption(f"--tenant {name}: no tenant of that name; {did_you_mean(name, known) if known else 'there is no tenants.yaml'}")
    return known[name]
