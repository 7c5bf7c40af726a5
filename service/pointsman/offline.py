"""Composition root of what needs no server: the rules of a directory, and a router in this process. The server adds listening to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pointsman.adapters.anthropic import AnthropicProvider
from pointsman.adapters.artifact import UnreadableArtifact, load_estimator
from pointsman.adapters.builtin import BuiltinProvider
from pointsman.adapters.cache import Alone, MemoryCache
from pointsman.adapters.clock import SystemClock
from pointsman.adapters.credentials import Keys
from pointsman.adapters.embedded import KNOWN, CannotFetch, Fleet, State, Supervisor, fetch, installed, supervise
from pointsman.adapters.http import HttpClient
from pointsman.adapters.memory_budgets import MemoryBudgets
from pointsman.adapters.model_states import KnownStates
from pointsman.adapters.o200k import O200kCounter, load_encoding
from pointsman.adapters.openai import OpenAiProvider
from pointsman.adapters.records import read_records as read_log
from pointsman.adapters.remote import Endpoint
from pointsman.adapters.rulefiles import read_directory
from pointsman.affinity import Affinity
from pointsman.alone import SharedBudgets
from pointsman.core.account import Situation
from pointsman.core.catalog import Provider as CatalogProvider
from pointsman.core.gather import gather
from pointsman.core.market import Market
from pointsman.core.reading import Reading, read
from pointsman.core.request import Prompt, Request
from pointsman.core.rulefile import Loaded, Trust, load
from pointsman.core.ruleset import Ruleset
from pointsman.core.tenants import Tenant
from pointsman.deciding import check_model
from pointsman.economy import Economy
from pointsman.execute import Executor
from pointsman.mirror import Mirror
from pointsman.ports import AttemptFailed, Budgets, Cache, Clock, Provider, Say, Usages
from pointsman.reader import Reader
from pointsman.recall import Recall
from pointsman.router import Router
from pointsman.settings import Settings
from pointsman.spending import Spending
from pointsman.upstreams import Upstreams

if TYPE_CHECKING:
    from pointsman.adapters.valkey import Valkey


TRAILS_BYTES = 4 << 20
"""Of what is remembered of conversations: some seven thousand."""


def load_rules(directory: Path, trust: Trust) -> tuple[Loaded, dict[str, bytes]]:
    """Return what a rule directory comes to, and its files by name. Raises OSError if it cannot be read."""
    sources = read_directory(directory)
    return load(sources, today=SystemClock().now().date().isoformat(), trust=trust), sources


def open_router(
    ruleset: Ruleset, settings: Settings, say: Say, *, embedded: bool = True
) -> AbstractAsyncContextManager[tuple[Router, Fleet]]:
    """Open a router over rules that stay as they are; otherwise as `open_live_router`."""
    return open_live_router(lambda: ruleset, settings, say, embedded=embedded)


@asynccontextmanager
async def open_live_router(
    rules: Callable[[], Ruleset], settings: Settings, say: Say, *, embedded: bool = True
) -> AsyncIterator[tuple[Router, Fleet]]:
    """Open a router over the rules in use with all that it needs, and the supervisors of its embedded models; close it afterwards.

    Opening takes 0.4 s, most of it for the tokeniser; embedded models become ready later. `say` is told what happens to them. Without
    `embedded` none is started, for commands that only decide: they then count as ready if they are in the cache.
    """
    clock, keys = SystemClock(), Keys(settings.environment)
    counter = O200kCounter(load_encoding())
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(HttpClient())
        valkey = await stack.enter_async_context(_shared(settings.valkey_url, clock, say)) if settings.valkey_url else None
        spending = await stack.enter_async_context(_spending(valkey, settings, clock, say))
        fleet = await stack.enter_async_context(Fleet(_launching(settings, say), linger_s=settings.longest_call_s))
        if embedded:
            fleet.follow(rules().catalog)
        ports: dict[str, Provider] = {
            "builtin": BuiltinProvider(counter),
            "anthropic": AnthropicProvider(http, _endpoint_by(keys), _count_by(counter)),
            "openai": OpenAiProvider(http, _endpoint_by(keys), _count_by(counter)),
            "embedded": OpenAiProvider(http, _endpoint_of(fleet), _count_by(counter)),
        }
        upstreams = Upstreams(KnownStates(keys, fleet.is_ready if embedded else _in_cache(settings)), clock, say)
        reader = Reader(counter, load_estimator(settings.estimator).estimate)
        router = Router(
            rules=rules,
            reader=reader,
            recall=_recall(
                Executor(ports, counter, clock, upstreams), Economy(reader.count), valkey, clock, stack, megabytes=settings.cache_mb
            ),
            affinity=Affinity(_remembering(valkey, clock, "trail", TRAILS_BYTES), clock),
            upstreams=upstreams,
            clock=clock,
            longest_s=settings.longest_call_s,
            spending=spending,
            is_alone=valkey is None and settings.replicas == 1,
        )
        yield router, fleet


@asynccontextmanager
async def _spending(valkey: Valkey | None, settings: Settings, clock: Clock, say: Say) -> AsyncIterator[Spending]:
    """Open the counting of what tenants spend: shared where there is a store, else in this process. At the end it is settled."""
    async with AsyncExitStack() as stack:
        budgets: Budgets
        usages: Usages
        budgets = usages = MemoryBudgets(clock)
        alone: Callable[[], tuple[str, ...]] = tuple
        if valkey is not None:
            budgets, usages = _shared_budgets(valkey, settings, clock, say, stack)
            alone = budgets.alone
        mirror = Mirror(budgets, clock, say, is_shared=valkey is not None)
        spending = Spending(budgets, usages, mirror, clock, say, alone=alone)
        _beside(mirror.run(), stack)
        yield spending
        await spending.settled()


def _shared_budgets(valkey: Valkey, settings: Settings, clock: Clock, say: Say, stack: AsyncExitStack) -> tuple[SharedBudgets, Usages]:
    from pointsman.adapters.valkey_budgets import ValkeyBudgets  # noqa: PLC0415  # as below
    from pointsman.adapters.valkey_budgets.replicas import Replicas  # noqa: PLC0415  # as below

    replicas = Replicas(valkey, settings.replicas)
    _beside(replicas.run(), stack)
    kept = ValkeyBudgets(valkey)
    shared = SharedBudgets(kept, clock, say, replicas=replicas.count)
    _beside(shared.run(), stack)
    return shared, kept


def _beside(running: Coroutine[None, None, None], stack: AsyncExitStack) -> None:
    """Have something run until the stack is closed."""
    task = asyncio.create_task(running)

    async def end() -> None:
        task.cancel()
        await asyncio.wait((task,))

    stack.push_async_callback(end)


def _shared(url: str, clock: Clock, say: Say) -> AbstractAsyncContextManager[Valkey]:
    """Return what opens the store that replicas share."""
    from pointsman.adapters.valkey import open_valkey  # noqa: PLC0415  # its library takes 90 ms and 7 MB, which most do not need

    return open_valkey(url, clock=clock, say=say)


def _recall(executor: Executor, economy: Economy, valkey: Valkey | None, clock: Clock, stack: AsyncExitStack, *, megabytes: int) -> Recall:
    """Return what gives answers again: of this process, or of all replicas where they share a store."""
    near = MemoryCache(clock, most_bytes=megabytes << 20)
    if valkey is None:
        return Recall(executor, economy, near, Alone(), clock)
    from pointsman.adapters.cache.names import Names  # noqa: PLC0415  # as above
    from pointsman.adapters.cache.shared import SharedCache  # noqa: PLC0415  # as above
    from pointsman.adapters.cache.turns import SharedTurns  # noqa: PLC0415  # as above

    names = Names(valkey)
    turns = SharedTurns(valkey, names)
    stack.push_async_callback(turns.close)
    return Recall(executor, economy, SharedCache(valkey, names, near, clock), turns, clock)


def _remembering(valkey: Valkey | None, clock: Clock, kind: str, most_bytes: int) -> Cache:
    """Return what remembers something of calls: of this process, up to so many bytes, or of all replicas where they share a store."""
    near = MemoryCache(clock, most_bytes=most_bytes)
    if valkey is None:
        return near
    from pointsman.adapters.cache.names import Names  # noqa: PLC0415  # as above
    from pointsman.adapters.cache.shared import SharedCache  # noqa: PLC0415  # as above

    return SharedCache(valkey, Names(valkey), near, clock, kind=kind)


async def situation(request: Request, ruleset: Ruleset, tenant: Tenant, settings: Settings) -> Situation:
    """Return what a request would be decided on here and now, as `open_router` without embedded models has it. Raises UnknownModel."""
    check_model(ruleset, request.requirements.model)
    clock, keys = SystemClock(), Keys(settings.environment)
    reading = await Reader(O200kCounter(load_encoding()), load_estimator(settings.estimator).estimate).read(request.prompt)
    facts = gather(request, reading, defaults=ruleset.defaults, now=clock.now(), request_id="explain", tenant=tenant)
    return Situation(ruleset=ruleset, facts=facts, market=Market(models=KnownStates(keys, _in_cache(settings)).states(ruleset.catalog)))


def reading_of(settings: Settings) -> Callable[[Prompt], Reading]:
    """Return what reads prompts, one after the other and remembering none. Raises UnreadableArtifact."""
    counter, estimate = O200kCounter(load_encoding()), load_estimator(settings.estimator).estimate
    return lambda prompt: read(prompt, counter.count, estimate)


def _launching(settings: Settings, say: Say) -> Callable[[CatalogProvider], Supervisor]:
    def tell(state: State, why: str) -> None:
        say(why, level="info" if state in (State.STARTING, State.READY) else "warning")

    return lambda provider: supervise(KNOWN[provider.model], settings.cache_dir, environment=settings.environment, say=tell)


def _endpoint_by(keys: Keys) -> Callable[[CatalogProvider], Endpoint]:
    return lambda provider: Endpoint(base_url=provider.base_url, key=keys.key(provider))


def _endpoint_of(fleet: Fleet) -> Callable[[CatalogProvider], Endpoint]:
    def endpoint(provider: CatalogProvider) -> Endpoint:
        supervisor = fleet.of(provider)
        if supervisor is None or supervisor.address is None:
            raise AttemptFailed("not_ready")
        return Endpoint(base_url=supervisor.address, key=supervisor.key)

    return endpoint


def _in_cache(settings: Settings) -> Callable[[CatalogProvider], bool]:
    there = {name: installed(model, settings.cache_dir) is not None for name, model in KNOWN.items()}
    return lambda provider: there[provider.model]


def _count_by(counter: O200kCounter) -> Callable[[str], int]:
    return lambda text: counter.count(text).tokens


def fetch_models(settings: Settings, say: Callable[[str], None]) -> list[str]:
    """Bring every embedded model into the cache, and return why for those that could not be."""
    failed = []
    for model in KNOWN.values():
        try:
            fetch(model, settings.cache_dir, say)
        except CannotFetch as error:
            failed.append(str(error))
    return failed


__all__ = ["UnreadableArtifact", "fetch_models", "load_rules", "open_router", "read_log", "reading_of", "situation"]
