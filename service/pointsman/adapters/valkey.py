"""Valkey, whose memory all replicas share. The one file that knows its client library.

What is kept there makes calls cheaper or limits stricter, never possible: when it is down, slow or wrong, StoreDown is raised within the
timeout, and a breaker then spares calls even that, until one that finds out is answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha1
from typing import TypeAlias
from urllib.parse import urlsplit

from valkey.asyncio.connection import AbstractConnection, ConnectionPool
from valkey.exceptions import NoPermissionError, NoScriptError, OutOfMemoryError, ReadOnlyError, ResponseError, ValkeyError

from pointsman.core.breaker import Breaker
from pointsman.ports import Clock, Say, StoreDown

TIMEOUT_S = 0.020
CONNECTIONS = 16
"""At once. More would not be faster: the server runs commands one after the other, and this process, too."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 0.5
"""After which a server that failed is asked again; short, since a call that finds out loses TIMEOUT_S at most."""

_HELD_UP_S = 0.005
"""A timer that is later than this was held up with everything else, and the reply may be there, unread."""

_UNFIT = (ReadOnlyError, OutOfMemoryError, NoPermissionError)
"""Refusals that are about the server rather than about one command."""

_FINAL = ("WRONGTYPE", "ResponseError")
"""Kinds of refusals that stay: the second is what the library calls a plain ERR, as of a script that fails."""

Word: TypeAlias = bytes | str | int | float
Reply: TypeAlias = "bytes | int | list[Reply] | None"


@dataclass(frozen=True, slots=True)
class Script:
    """A script in Lua that the server runs in one step, so that nothing comes between its commands."""

    text: str = field(repr=False)
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", sha1(self.text.encode(), usedforsecurity=False).hexdigest())


class Valkey:
    """Connections to one server. Every method raises StoreDown where it does not answer in time, or not as it should."""

    def __init__(
        self,
        url: str,
        *,
        clock: Clock,
        say: Say,
        timeout_s: float = TIMEOUT_S,
        connections: int = CONNECTIONS,
    ) -> None:
        """Nothing is connected before the first command. `say` is told when the server begins to fail and when it answers again."""
        self.where = _place(url)
        self._clock = clock
        self._say = say
        self._timeout_s = timeout_s
        scheme, _, rest = url.partition(":")
        self._pool = ConnectionPool.from_url(
            f"{scheme.replace('rediss', 'valkeys').replace('redis', 'valkey')}:{rest}", socket_timeout=None
        )
        self._slots = asyncio.Semaphore(connections)
        self._breaker = Breaker(first_s=FIRST_PAUSE_S, longest_s=LONGEST_PAUSE_S)

    @property
    def is_well(self) -> bool:
        """Whether commands are sent at all, by what is known so far."""
        return self._breaker.is_at_ease

    async def call(self, *command: Word) -> Reply:
        """Return the reply to one command."""
        return _sound(await self._exchange((command,)))[0]

    async def pipeline(self, commands: Sequence[Sequence[Word]]) -> list[Reply]:
        """Return the replies to commands that are sent together. All were run even where StoreDown says that one was refused."""
        return _sound(await self._exchange(commands))

    async def run(self, script: Script, keys: Sequence[Word], arguments: Sequence[Word] = ()) -> Reply:
        """Return what a script returns. Its text is sent only where the server does not know it yet, or any more."""
        rest = (len(keys), *keys, *arguments)
        replies = await self._exchange((("EVALSHA", script.digest, *rest),))
        if isinstance(replies[0], NoScriptError):
            replies = await self._exchange((("EVAL", script.text, *rest),))
        return _sound(replies)[0]

    async def close(self) -> None:
        """End all connections."""
        await asyncio.gather(self._pool.disconnect(), return_exceptions=True)

    async def _exchange(self, commands: Sequence[Sequence[Word]]) -> list[Reply | ResponseError]:
        self._check()
        await self._slot()
        try:
            self._check()  # it may have begun to fail while others were before us
            return await self._watched(commands, probe=self._breaker.began())
        finally:
            self._slots.release()

    def _check(self) -> None:
        if not self._breaker.admits(self._clock.monotonic()):
            raise StoreDown(f"Valkey at {self.where} fails, and is left alone for a moment", was_asked=False)

    async def _slot(self) -> None:
        """Wait for a connection's turn. Too long a wait is no fault of the server's."""
        try:
            async with asyncio.timeout(self._timeout_s if self._slots.locked() else None):
                await self._slots.acquire()
        except TimeoutError:
            raise StoreDown(f"all connections to Valkey at {self.where} are taken", was_asked=False) from None

    async def _watched(self, commands: Sequence[Sequence[Word]], *, probe: bool) -> list[Reply | ResponseError]:
        """Send commands, and take down how the server fared."""
        try:
            async with _limit(self._timeout_s):
                replies = await self._sent(commands)
        except TimeoutError:
            raise self._failed(f"no reply in {self._timeout_s * 1000:.0f} ms", probe=probe) from None
        except (ValkeyError, OSError) as error:
            raise self._failed(_kind(error), probe=probe) from error
        except BaseException:
            self._breaker.gave_up(probe=probe)
            raise
        if unfit := next((reply for reply in replies if isinstance(reply, _UNFIT)), None):
            raise self._failed(_kind(unfit), probe=probe)
        self._answered(probe=probe)
        return replies

    async def _sent(self, commands: Sequence[Sequence[Word]]) -> list[Reply | ResponseError]:
        connection = await self._pool.get_connection("")  # type: ignore[no-untyped-call]  # the library has it so
        try:
            packed = connection.pack_commands(commands)
            await connection.send_packed_command(packed)
            return [await _reply(connection) for _ in commands]
        except BaseException:
            await connection.disconnect(nowait=True)  # else the next command would be given the reply to this one
            raise
        finally:
            await self._pool.release(connection)

    def _answered(self, *, probe: bool) -> None:
        was_well = self.is_well
        self._breaker.succeeded(self._clock.monotonic(), probe=probe)
        if self.is_well and not was_well:
            self._say(f"Valkey at {self.where} answers again")

    def _failed(self, how: str, *, probe: bool) -> StoreDown:
        was_well = self.is_well
        self._breaker.failed(self._clock.monotonic(), probe=probe)
        if was_well and not self.is_well:
            self._say(f"Valkey at {self.where} fails ({how}): this process goes on by itself until it answers", level="warning")
        return StoreDown(f"Valkey at {self.where}: {how}")


@asynccontextmanager
async def open_valkey(url: str, *, clock: Clock, say: Say) -> AsyncIterator[Valkey]:
    """Open a server's connections, say whether it answers, and close them afterwards."""
    valkey = Valkey(url, clock=clock, say=say)
    try:
        await valkey.call("PING")
        say(f"sharing with other replicas by Valkey at {valkey.where}")
    except StoreDown as down:
        say(f"{down}; this process goes on by itself until it answers", level="warning")
    try:
        yield valkey
    finally:
        await valkey.close()


async def _reply(connection: AbstractConnection) -> Reply | ResponseError:
    """Return the next reply; a refusal is one, too, and those behind it must still be read."""
    try:
        reply: Reply = await connection.read_response(disable_decoding=True)
    except ResponseError as refused:
        return refused
    return reply


def _sound(replies: Sequence[Reply | ResponseError]) -> list[Reply]:
    """Return the replies if none is a refusal."""
    sound: list[Reply] = []
    for reply in replies:
        if isinstance(reply, ResponseError):
            kind = _kind(reply)
            raise StoreDown(f"Valkey refused a command: {kind}", was_refused=kind in _FINAL) from reply
        sound.append(reply)
    return sound


def _kind(error: Exception) -> str:
    """Return what is wrong in one word. Not in those of the error, which may quote what was sent."""
    first = str(error).split(" ", 1)[0]
    return first if isinstance(error, ResponseError) and first.isupper() and first.isalpha() else type(error).__name__


def _place(url: str) -> str:
    """Return where a server is, without user and password."""
    parts = urlsplit(url)
    return parts.path if parts.scheme == "unix" else f"{parts.hostname}:{parts.port or 6379}"


@asynccontextmanager
async def _limit(seconds: float) -> AsyncIterator[None]:
    """As `asyncio.timeout`, but a process that was itself held up is given the time to read what has come meanwhile."""
    loop = asyncio.get_running_loop()

    def over(due: float) -> None:
        was_held_up = loop.time() - due > _HELD_UP_S
        limit.reschedule(loop.time() + (seconds / 2 if was_held_up else 0.0))

    async with asyncio.timeout(None) as limit:
        timer = loop.call_at(loop.time() + seconds, over, loop.time() + seconds)
        try:
            yield
        finally:
            timer.cancel()
