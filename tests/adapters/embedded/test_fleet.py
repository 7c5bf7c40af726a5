"""Supervisors come and go with the catalog, and no call that may still want one loses it."""

from __future__ import annotations

import asyncio
import os

import pytest

from pointsman.adapters.embedded import Fleet, State, Supervisor
from pointsman.core.catalog import Catalog, Provider


def catalog(*ids: str) -> Catalog:
    """Return a catalog of embedded providers of those ids, and one of another kind."""
    providers = {name: Provider(id=name, api="embedded", model="smollm2-135m") for name in ids}
    return Catalog(models={}, providers={"far": Provider(id="far", api="openai"), **providers}, tiers=())


class Yard:
    """Launches supervisors that cannot start a child, and takes pauses until it is told to let them end."""

    def __init__(self) -> None:
        self.launched: list[str] = []
        self.pauses: list[float] = []
        self._over = asyncio.Event()
        self.fleet = Fleet(self._launch, linger_s=120, sleep=self._sleep)

    def _launch(self, provider: Provider) -> Supervisor:
        self.launched.append(provider.id)
        return Supervisor(("/no/such/program",), environment=os.environ, obstacle=lambda: (State.MISSING, f"{provider.id} is missing"))

    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await self._over.wait()

    def has(self, name: str) -> bool:
        return self.fleet.of(catalog(name).providers[name]) is not None

    async def let_pauses_end(self) -> None:
        self._over.set()
        await turns()
        self._over.clear()


async def turns() -> None:
    """Let every task that can go on do so."""
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.fixture
async def yard() -> Yard:
    return Yard()


async def test_each_embedded_provider_that_is_named_is_started_once(yard: Yard) -> None:
    async with yard.fleet as fleet:
        fleet.follow(catalog("a"))
        fleet.follow(catalog("a", "b"))
        await fleet.settled()

        assert yard.launched == ["a", "b"]
        assert not fleet.is_ready(catalog("a").providers["a"])
        assert fleet.of(Provider(id="far", api="openai")) is None


async def test_what_is_no_longer_named_goes_after_the_longest_call(yard: Yard) -> None:
    async with yard.fleet as fleet:
        fleet.follow(catalog("a"))
        fleet.follow(catalog())
        await turns()
        lingers = yard.has("a")
        await yard.let_pauses_end()

        assert (lingers, yard.has("a"), yard.pauses) == (True, False, [120])

        fleet.follow(catalog("a"))
        assert yard.launched == ["a", "a"]


async def test_what_is_named_again_in_time_never_went(yard: Yard) -> None:
    async with yard.fleet as fleet:
        fleet.follow(catalog("a"))
        fleet.follow(catalog())
        await turns()
        fleet.follow(catalog("a"))
        await yard.let_pauses_end()

        assert (yard.has("a"), yard.launched) == (True, ["a"])


async def test_another_model_under_the_same_name_is_another_child(yard: Yard) -> None:
    async with yard.fleet as fleet:
        fleet.follow(catalog("a"))
        other = Provider(id="a", api="embedded", model="another")
        fleet.follow(Catalog(models={}, providers={"a": other}, tiers=()))

        assert yard.launched == ["a", "a"]
        assert fleet.of(other) is not fleet.of(catalog("a").providers["a"])


@pytest.mark.parametrize("leaving", [False, True])
async def test_all_are_ended_when_it_is_closed(yard: Yard, leaving: bool) -> None:
    async with yard.fleet as fleet:
        fleet.follow(catalog("a", "b"))
        if leaving:
            fleet.follow(catalog("b"))
            await turns()

    assert not yard.has("a")
    assert not yard.has("b")
    assert len(asyncio.all_tasks()) == 1
