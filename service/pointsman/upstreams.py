"""What is known of upstreams while running: which fail, which are full, whose key does not count. It decides who is called at all.

Known here and nowhere else: `states` tells it to decisions, before anything is tried; `admit` asks the same again for each attempt, since
much can happen between the two, and counts what is under way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from math import inf

from msgspec import structs

from pointsman.core.blame import Blame, blame
from pointsman.core.breaker import Breaker
from pointsman.core.catalog import Catalog, Model, Provider
from pointsman.core.experience import Experience, Observation
from pointsman.core.limits import Limit, Rate
from pointsman.core.market import AS_CATALOGED, ModelState
from pointsman.ports import Clock, ModelStates, Say, unheard

KEY_S = 300.0
"""How long a key is not used that a provider has refused. A person has to mend it, and may do so at the provider's, where we cannot see."""

MOST_WAITING = 50
"""Callers that wait for room. Each looks again whenever a call ends, so that many would wear out what they wait for."""

_OVERLOADED = frozenset({"429", "503", "504", "529", "timeout", "connection"})

_ABLE = (True, True, "")


class _Account:
    """What a provider allows us, over all its models."""

    def __init__(self, provider: Provider) -> None:
        self.most = provider.max_in_flight or inf
        self._rates = [Rate(provider.requests_per_minute)] if provider.requests_per_minute else []
        self._tokens = Rate(provider.tokens_per_minute) if provider.tokens_per_minute else None
        self.in_flight = 0
        self.refused_until = -inf

    @property
    def is_at_ease(self) -> bool:
        """Whether nothing but the number of calls can keep it from another one."""
        return self.in_flight < self.most and self.refused_until == -inf and not self._rates and self._tokens is None

    def full(self, now: float) -> str:
        """Return why no call can be made, empty where one can."""
        if self.in_flight >= self.most:
            return f"its provider takes {self.most} calls at once"
        return "" if all(rate.has_room(now) for rate in self._all()) else "what its provider takes in a minute is used up"

    def room_at(self, now: float) -> float:
        """Return when a rate gives room again; `inf` where none is in the way."""
        return max((rate.room_at(now) for rate in self._all() if not rate.has_room(now)), default=inf)

    def take(self, now: float, tokens: int) -> None:
        """Count a call that begins."""
        self.in_flight += 1
        for rate in self._rates:
            rate.take(now, 1)
        if self._tokens is not None:
            self._tokens.take(now, tokens)

    def _all(self) -> list[Rate]:
        return self._rates if self._tokens is None else [*self._rates, self._tokens]


class _Upstream:
    """One model at its provider."""

    def __init__(self, account: _Account) -> None:
        self.account = account
        self.breaker = Breaker()
        self.limit = Limit()
        self.refused_until = -inf
        self.told = _ABLE
        self.experience = Experience()

    @property
    def is_at_ease(self) -> bool:
        """Whether it can be called, whatever time it is. So are nearly all, nearly always: then there is nothing else to look at."""
        return self.breaker.is_at_ease and self.limit.has_room and self.refused_until == -inf and self.account.is_at_ease

    def found(self, now: float) -> tuple[bool, bool, str]:
        """Return whether it is well, whether it has room, and why not."""
        if now < max(self.refused_until, self.account.refused_until):
            return False, True, "its key was refused, and is not tried again for some minutes"
        if not self.breaker.admits(now):
            return False, True, "it failed or asked for a pause, and is left alone for now"
        full = self.account.full(now) if self.limit.has_room else f"it bears {self.limit.in_flight} calls at once"
        return True, not full, full

    def next_change(self, now: float) -> float:
        """Return when `found` may change without anything happening before."""
        refused = max(self.refused_until, self.account.refused_until)
        return min(refused if refused > now else inf, self.breaker.heals_at(now), self.account.room_at(now), self.experience.changes_at())


class Ticket:
    """The right to make one call, and the duty to say how it ended. Only what is said first counts."""

    def __init__(self, upstreams: Upstreams, upstream: _Upstream, model: Model, *, probe: bool) -> None:
        self._upstreams = upstreams
        self._model = model
        self._upstream: _Upstream | None = upstream
        self._probe = probe

    def answered(self, seen: Observation | None = None) -> None:
        """Note that the upstream answered, and what its answer has shown."""
        if (upstream := self._ended()) is not None:
            if seen is not None:
                upstream.experience.note(seen, self._model)
            upstream.breaker.succeeded(self._upstreams.now(), probe=self._probe)
            upstream.limit.went_well()
            self._upstreams.changed(upstream)

    def failed(self, error_type: str, retry_after_s: float | None = None) -> None:
        """Note that the call failed, by whosever fault."""
        if (upstream := self._ended()) is not None:
            self._blame(upstream, error_type, retry_after_s)
            self._upstreams.changed(upstream)

    def gave_up(self) -> None:
        """Note that the call ended without saying anything about the upstream."""
        if (upstream := self._ended()) is not None:
            upstream.breaker.gave_up(probe=self._probe)
            self._upstreams.changed(upstream)

    def _ended(self) -> _Upstream | None:
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            self._upstreams.ended(upstream)
        return upstream

    def _blame(self, upstream: _Upstream, error_type: str, retry_after_s: float | None) -> None:
        now, found = self._upstreams.now(), blame(error_type)
        if error_type in _OVERLOADED:
            upstream.limit.overloaded(now)
        if found is Blame.KEY:
            whose = upstream if error_type == "403" else upstream.account  # a key may count, and yet not for every model
            whose.refused_until = now + KEY_S
            upstream.breaker.gave_up(probe=self._probe)
        elif found is Blame.REQUEST:
            upstream.breaker.gave_up(probe=self._probe)
        elif error_type == "429":
            upstream.breaker.cool(now, retry_after_s, probe=self._probe)
        else:
            upstream.breaker.failed(now, probe=self._probe)
            if retry_after_s is not None or found is Blame.RATE:
                upstream.breaker.cool(now, retry_after_s, probe=self._probe)


class Upstreams:
    """Keeps account of every upstream model that has been called."""

    def __init__(self, known: ModelStates, clock: Clock, say: Say = unheard) -> None:
        """`known` says what can be known of models without calling them. `say` is told when one is left alone, and when no longer."""
        self._known = known
        self._say = say
        self._clock = clock
        self._accounts: dict[Provider, _Account] = {}
        self._upstreams: dict[tuple[Provider, str], _Upstream] = {}
        self._waiting: list[asyncio.Future[None]] = []
        self._before: Mapping[str, ModelState] | None = None
        self._states: Mapping[str, ModelState] = {}
        self._is_stale = False
        self._next_change = inf

    def now(self) -> float:
        """Return the time by which all is counted, in seconds."""
        return self._clock.monotonic()

    def states(self, catalog: Catalog) -> Mapping[str, ModelState]:
        """Return the state of each model by id, the same value until something changes."""
        known = self._known.states(catalog)
        if known is self._before and not self._is_stale and self.now() < self._next_change:
            return self._states
        self._forget(catalog)
        self._before, self._is_stale, self._next_change = known, False, inf
        self._states = {**known, **self._differing(catalog, known)}
        return self._states

    def breakers(self, catalog: Catalog) -> dict[str, str]:
        """Return the state of the breaker of each model that has been called: "closed", "open", "half_open"."""
        found = ((model.id, self._upstreams.get((catalog.providers[model.provider], model.upstream))) for model in catalog.models.values())
        return {model: upstream.breaker.state(self.now()) for model, upstream in found if upstream is not None}

    def admit(self, model: Model, provider: Provider, tokens: int) -> Ticket | None:
        """Return the right to call a model now, None where it should not be called. `tokens` is what the call may use."""
        upstream, now = self._upstream(model, provider), self.now()
        if not upstream.is_at_ease and upstream.found(now)[:2] != (True, True):
            return None
        probe = upstream.breaker.began()
        upstream.limit.began()
        upstream.account.take(now, tokens)
        self.changed(upstream)
        return Ticket(self, upstream, model, probe=probe)

    def ended(self, upstream: _Upstream) -> None:
        """Count a call that has ended; those who wait for room look again, all of them: only they know what for."""
        upstream.limit.ended()
        upstream.account.in_flight -= 1
        if upstream.account.in_flight + 1 >= upstream.account.most:
            self._is_stale = True  # it was full for all its models
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)

    def changed(self, upstream: _Upstream) -> None:
        """Take note that something has happened at an upstream."""
        self._next_change = min(self._next_change, upstream.experience.changes_at())
        if not (upstream.is_at_ease and upstream.told is _ABLE):
            now = self.now()
            self._next_change = min(self._next_change, upstream.next_change(now))
            if upstream.found(now) != upstream.told:
                self._is_stale = True

    async def room(self, until: float) -> bool:
        """Wait until there may be room, for a call has ended or a rate allows another; return False, at once, where it is no use to wait:
        the time is up, or too many wait already.
        """
        left = min(until, self._next_change) - self.now()
        if self.now() >= until or len(self._waiting) >= MOST_WAITING:
            return False
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.001, left)):
                await waiter
        return True

    def _upstream(self, model: Model, provider: Provider) -> _Upstream:
        key = (provider, model.upstream)
        if key not in self._upstreams:
            account = self._accounts.setdefault(provider, _Account(provider))
            self._upstreams[key] = _Upstream(account)
        return self._upstreams[key]

    def _forget(self, catalog: Catalog) -> None:
        """Let go of providers that the rules in use no longer name and that nobody is calling."""
        named = set(catalog.providers.values())
        for provider in [provider for provider, account in self._accounts.items() if provider not in named and not account.in_flight]:
            del self._accounts[provider]
            self._upstreams = {key: upstream for key, upstream in self._upstreams.items() if key[0] != provider}

    def _differing(self, catalog: Catalog, known: Mapping[str, ModelState]) -> dict[str, ModelState]:
        """Return the states of models that have been called: what their answers have shown, and whether they can be called now."""
        now, differing = self.now(), {}
        for model in catalog.models.values():
            provider = catalog.providers[model.provider]
            if provider not in self._accounts:
                continue  # nothing of it was called yet
            upstream = self._upstream(model, provider)
            well, room, why = found = upstream.found(now)
            if well is not upstream.told[0]:
                if well:
                    self._say(f"model {model.id} is called again")
                else:
                    self._say(f"model {model.id} is not called: {why}", level="warning")
            upstream.told = _ABLE if well and room else found
            shown = upstream.experience.shown(model, now)
            self._next_change = min(self._next_change, upstream.next_change(now))
            if shown is not None or not (well and room):
                state = known.get(model.id, AS_CATALOGED)
                differing[model.id] = structs.replace(
                    shown or state, has_credential=state.has_credential, healthy=state.healthy and well, has_room=room, note=why
                )
        return differing
