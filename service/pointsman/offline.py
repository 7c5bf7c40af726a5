"""Composition root of what needs no server: the rules of a directory, and a router in this process. The server adds listening to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from pointsman.adapters.builtin import BuiltinProvider
from pointsman.adapters.clock import SystemClock
from pointsman.adapters.credentials import Keys
from pointsman.adapters.embedded import KNOWN, CannotFetch, Supervisor, fetch, installed, supervise
from pointsman.adapters.http import HttpClient
from pointsman.adapters.model_states import KnownStates
from pointsman.adapters.o200k import O200kCounter, load_encoding
from pointsman.adapters.openai import Endpoint, OpenAiProvider
from pointsman.adapters.records import read_records as read_log
from pointsman.adapters.rulefiles import read_directory
from pointsman.core.catalog import Provider as CatalogProvider
from pointsman.core.facts import Facts
from pointsman.core.gather import gather
from pointsman.core.market import Market
from pointsman.core.request import Request
from pointsman.core.rulefile import Loaded, load
from pointsman.core.ruleset import Ruleset
from pointsman.execute import Executor
from pointsman.ports import AttemptFailed, Provider
from pointsman.reader import Reader
from pointsman.router import Router
from pointsman.settings import Settings


def load_rules(directory: Path) -> tuple[Loaded, dict[str, bytes]]:
    """Return what a rule directory comes to, and its files by name. Raises OSError if it cannot be read."""
    sources = read_directory(directory)
    return load(sources), sources


@asynccontextmanager
async def open_router(
    ruleset: Ruleset, settings: Settings, say: Callable[[str], None], *, embedded: bool = True
) -> AsyncIterator[tuple[Router, Mapping[str, Supervisor]]]:
    """Open a router over the ruleset with all that it needs, and the supervisors of its embedded models by provider; close it afterwards.

    Opening takes 0.4 s, most of it for the tokeniser; embedded models become ready later. `say` is told what happens to them. Without
    `embedded` none is started, for commands that only decide: they then count as ready if they are in the cache.
    """
    clock, keys, known = SystemClock(), Keys(settings.environment), ruleset.catalog.providers
    counter = O200kCounter(load_encoding())
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(HttpClient())
        supervisors = _supervisors(ruleset, settings, say) if embedded else {}
        for supervisor in supervisors.values():
            await stack.enter_async_context(supervisor)
        ports: dict[str, Provider] = {
            "builtin": BuiltinProvider(counter),
            "openai": OpenAiProvider(http, known, _endpoint_by(keys), _count_by(counter)),
            "embedded": OpenAiProvider(http, known, _endpoint_of(supervisors), _count_by(counter)),
        }
        router = Router(
            ruleset=ruleset,
            reader=Reader(counter),
            executor=Executor(ports, counter, clock),
            states=KnownStates(ruleset.catalog, keys, _readiness(supervisors, settings)),
            clock=clock,
            longest_s=settings.longest_call_s,
        )
        yield router, supervisors


async def situation(request: Request, ruleset: Ruleset, settings: Settings) -> tuple[Facts, Market]:
    """Return what a request would be decided on here and now, as `open_router` without embedded models has it."""
    clock, keys = SystemClock(), Keys(settings.environment)
    reading = await Reader(O200kCounter(load_encoding())).read(request.prompt)
    facts = gather(request, reading, defaults=ruleset.defaults, now=clock.now(), request_id="explain")
    return facts, Market(models=KnownStates(ruleset.catalog, keys, _readiness({}, settings)).states())


def _supervisors(ruleset: Ruleset, settings: Settings, say: Callable[[str], None]) -> dict[str, Supervisor]:
    def tell(_state: object, why: str) -> None:
        say(why)

    return {
        provider.id: supervise(KNOWN[provider.model], settings.cache_dir, environment=settings.environment, say=tell)
        for provider in ruleset.catalog.providers.values()
        if provider.api == "embedded"
    }


def _endpoint_by(keys: Keys) -> Callable[[CatalogProvider], Endpoint]:
    return lambda provider: Endpoint(base_url=provider.base_url, key=keys.key(provider))


def _endpoint_of(supervisors: Mapping[str, Supervisor]) -> Callable[[CatalogProvider], Endpoint]:
    def endpoint(provider: CatalogProvider) -> Endpoint:
        supervisor = supervisors.get(provider.id)
        if supervisor is None or supervisor.address is None:
            raise AttemptFailed("not_ready")
        return Endpoint(base_url=supervisor.address, key=supervisor.key)

    return endpoint


def _readiness(supervisors: Mapping[str, Supervisor], settings: Settings) -> Callable[[CatalogProvider], bool]:
    if supervisors:
        return lambda provider: supervisors[provider.id].address is not None
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


__all__ = ["fetch_models", "load_rules", "open_router", "read_log", "situation"]
