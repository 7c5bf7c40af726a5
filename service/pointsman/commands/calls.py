"""`pointsman route|complete|models`: against a server, or in this process with --local. Both ways go through the same codec."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import TypeVar

from msgspec import structs

from pointsman.client import Client, Tls
from pointsman.commands import show
from pointsman.commands.options import BadOption, cache_from_options, request_from_options
from pointsman.commands.rules import ruleset_or_complaint
from pointsman.commands.unreached import TLS_VARIABLES, hint
from pointsman.core.completion import Completion, TextDelta
from pointsman.core.decision import Decision
from pointsman.core.errors import PointsmanError
from pointsman.core.request import Message
from pointsman.core.ruleset import Ruleset
from pointsman.core.vocabulary import Role
from pointsman.offline import open_router
from pointsman.settings import Settings
from pointsman.wire.codec.catalog import ListedModel
from pointsman.wire.json import completion_to_json, decision_to_json, models_to_json
from pointsman.wire.local import LocalClient
from pointsman.wire.tls import BadCertificate

T = TypeVar("T")
C = TypeVar("C")
Caller = Client | LocalClient


def route(options: argparse.Namespace, settings: Settings) -> int:
    """Show which model would serve a text, and why."""

    async def ask(client: Caller) -> Decision:
        return await client.route(request_from_options(options), explain=options.explain, timeout_s=options.timeout)

    def shown(decision: Decision) -> None:
        show.decision(decision)
        show.explained(decision)

    return _run(options, settings, ask, decision_to_json, shown)


def complete(options: argparse.Namespace, settings: Settings) -> int:
    """Show the answer to a text, and below it how it came about."""
    if options.stream:
        return _run(options, settings, lambda client: _streamed(client, options), lambda found: completion_to_json(*found), _told)

    async def ask(client: Caller) -> tuple[Decision, Completion]:
        return await client.complete(
            request_from_options(options), explain=options.explain, timeout_s=options.timeout, cache=cache_from_options(options)
        )

    def shown(found: tuple[Decision, Completion]) -> None:
        show.answer(*found)
        show.explained(found[0])

    return _run(options, settings, ask, lambda found: completion_to_json(*found), shown)


async def _streamed(client: Caller, options: argparse.Namespace) -> tuple[Decision, Completion]:
    """Print the answer as it comes (with --json: at the end), and return what came before and after it."""
    decision = completion = None
    texts: list[str] = []
    request, cache = request_from_options(options), cache_from_options(options)
    async with aclosing(client.stream(request, explain=options.explain, timeout_s=options.timeout, cache=cache)) as events:
        async for event in events:
            if isinstance(event, Decision):
                decision = event
            elif isinstance(event, Completion):
                completion = event
            elif isinstance(event, TextDelta):
                texts.append(event.text)
                if not options.json:
                    print(event.text, end="", flush=True)
    assert decision is not None  # a stream that ends without an error has begun with one and ended with the other
    assert completion is not None
    return decision, structs.replace(completion, message=Message(role=Role.ASSISTANT, parts=("".join(texts),)))


def _told(found: tuple[Decision, Completion]) -> None:
    print()
    show.account(*found)
    show.explained(found[0])


def models(options: argparse.Namespace, settings: Settings) -> int:
    """List the models of the catalog."""

    async def ask(client: Caller) -> list[ListedModel]:
        return await client.models(timeout_s=options.timeout)

    return _run(options, settings, ask, models_to_json, show.models)


def _run(
    options: argparse.Namespace,
    settings: Settings,
    ask: Callable[[Caller], Awaitable[T]],
    to_json: Callable[[T], str],
    shown: Callable[[T], None],
) -> int:
    if not options.local:
        return asked(options, settings, ask, to_json, shown)
    ruleset = ruleset_or_complaint(options.rules, settings)
    if ruleset is None:
        return 1
    calls_models = options.command is complete
    return _answered(options, lambda: _local(ruleset, settings, calls_models=calls_models), ask, to_json, shown)


def asked(
    options: argparse.Namespace,
    settings: Settings,
    ask: Callable[[Client], Awaitable[T]],
    to_json: Callable[[T], str],
    shown: Callable[[T], None],
) -> int:
    """Ask the server that the options name, show what it says, and return the exit code."""

    def why(error: PointsmanError) -> str:
        return hint(error, options.server, settings, has_local="local" in options)

    return _answered(options, lambda: _client(options.server, settings), ask, to_json, shown, why=why)


def _client(server: str, settings: Settings) -> Client:
    """Return a client with the key and certificates of the settings."""
    tls = Tls(ca=settings.server_ca, cert=settings.client_cert, key=settings.client_key, name=settings.server_name)
    return Client(server, api_key=settings.api_key, tls=tls if settings.calls_over_tls else None)


@asynccontextmanager
async def _local(ruleset: Ruleset, settings: Settings, *, calls_models: bool) -> AsyncIterator[Caller]:
    """Open a client of a router in this process; embedded models are started, and waited for, only where models are called."""

    def say(why: str, *, level: str = "info") -> None:  # noqa: ARG001  # people see all of it
        print(f"pointsman: {why}", file=sys.stderr)

    async with open_router(ruleset, settings, say, embedded=calls_models) as (router, fleet):
        await fleet.settled()
        yield LocalClient(router)


def _answered(
    options: argparse.Namespace,
    client: Callable[[], AbstractAsyncContextManager[C]],
    ask: Callable[[C], Awaitable[T]],
    to_json: Callable[[T], str],
    shown: Callable[[T], None],
    *,
    why: Callable[[PointsmanError], str] = lambda _: "",
) -> int:
    """Ask a client that is opened for it, show what it says, and return the exit code."""
    try:
        found = asyncio.run(_opened(client, ask))
    except BadOption as error:
        print(f"pointsman: {error}", file=sys.stderr)
        return 2
    except BadCertificate as error:
        print(f"pointsman: {error}; see {TLS_VARIABLES}", file=sys.stderr)
        return 1
    except PointsmanError as error:
        show.failure(error, why(error))
        return 1
    if options.json:
        print(to_json(found))
    else:
        shown(found)
    return 0


async def _opened(client: Callable[[], AbstractAsyncContextManager[C]], ask: Callable[[C], Awaitable[T]]) -> T:
    async with client() as opened:
        return await ask(opened)
