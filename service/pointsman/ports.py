"""What the middle of the house asks of the outside, in its smallest shape. Adapters need not inherit from these; they need only fit."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Protocol

from msgspec import Struct

from pointsman.core.budget import Hold, Levels, Meter, Settled, Taken
from pointsman.core.cachekey import CacheKey
from pointsman.core.catalog import Catalog, Model
from pointsman.core.catalog import Provider as CatalogProvider
from pointsman.core.completion import TextDelta, ToolCallDelta, Usage
from pointsman.core.ledger import Entry, Row
from pointsman.core.market import ModelState
from pointsman.core.reading import Count
from pointsman.core.record import Line
from pointsman.core.request import Generation, Message, Prompt
from pointsman.core.vocabulary import FinishReason

TRACE: ContextVar[Mapping[str, str]] = ContextVar("trace", default=MappingProxyType({}))
"""Headers by which an upstream of our own goes on with the caller's trace; whoever answers a call sets it, those of others never see it."""


class ModelCall(Struct, frozen=True, kw_only=True):
    """What one model is asked."""

    model: Model
    provider: CatalogProvider
    """Of the model, in the catalog that the call began with."""
    prompt: Prompt
    generation: Generation
    output_cap: int
    """The most output tokens to ask for; at least 1."""
    request_id: str
    prefix_key: str = ""
    """Names the conversation, for a provider that finds its prefix by that."""
    marks_prefix: bool = False
    """Whether the provider is to keep the prefix, where it wants to be told."""


class Answer(Struct, frozen=True, kw_only=True):
    """What one model answered. Costs in `usage` are not set: they are known where the prices are."""

    message: Message
    finish_reason: FinishReason
    usage: Usage
    ttft_ms: float


class Finished(Struct, frozen=True, kw_only=True):
    """The end of a streamed answer. `usage` is None where the provider did not say; its costs are not set."""

    finish_reason: FinishReason
    usage: Usage | None


Piece = TextDelta | ToolCallDelta | Finished


class AttemptFailed(Exception):
    """A model gave no answer. `error_type` says how: "timeout", "429", "connection" and the like; it never holds a provider's text.

    `retry_after_s` is for how long the provider asks to be left alone; None where it does not ask.
    """

    def __init__(self, error_type: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(error_type)
        self.error_type = error_type
        self.retry_after_s = retry_after_s


class Say(Protocol):
    """Is told what happens, in a sentence for those who run the server. What they should look at has level "warning"."""

    def __call__(self, message: str, /, *, level: str = "info") -> None: ...


def unheard(_message: str, *, level: str = "info") -> None:
    """Is a `Say` for where nobody listens."""


class StoreDown(Exception):
    """What replicas share cannot be had now. It never holds anything that is kept there; whoever asked goes on without.

    `was_asked` says whether the store may have done what it was to do; `was_refused`, that it is well, and that asking again is no use.
    """

    def __init__(self, message: str, *, was_asked: bool = True, was_refused: bool = False) -> None:
        super().__init__(message)
        self.was_asked = was_asked
        self.was_refused = was_refused


class Provider(Protocol):
    """Calls the models of one API."""

    async def answer(self, call: ModelCall) -> Answer:
        """Return the whole answer. Raises AttemptFailed, and nothing else; cancelling it ends the call upstream."""
        ...

    def stream(self, call: ModelCall) -> AsyncGenerator[Piece, None]:
        """Yield the answer as it comes, and Finished last. Raises AttemptFailed, and nothing else; closing it ends the call upstream.

        It asks upstream for more only when it is asked itself, so that a slow reader slows the model and fills no buffer here.
        """
        ...


class Cache(Protocol):
    """Keeps answers as bytes for a while. What it cannot do it leaves undone: nothing here raises."""

    def peek(self, key: CacheKey) -> bytes | None:
        """Return what this process knows, at once."""
        ...

    async def get(self, key: CacheKey) -> bytes | None:
        """Return what is kept, by this process or by another that shares the cache."""
        ...

    async def put(self, key: CacheKey, data: bytes, *, ttl_s: float, asked_s: float | None = None) -> None:
        """Keep this for at most so long; this process knows it before anything is awaited.

        A purge covers all that was asked for before it: `asked_s` says when this was, in seconds of the epoch; now where it is None.
        """
        ...


class Answers(Cache, Protocol):
    """A cache whose answers can be counted and dropped."""

    @property
    def near(self) -> tuple[int, int]:
        """How many entries this process keeps by itself, and the bytes that they take."""
        ...

    async def purge(self, tenant: str) -> int:
        """Drop all that is a tenant's, and return how many entries of this process that were. Raises StoreDown where others keep theirs."""
        ...


class Turns(Protocol):
    """Agrees with other replicas on who asks a model. Nothing here raises; a turn whose holder dies is free again within seconds."""

    async def take(self, key: CacheKey) -> bool:
        """Return whether it is this process's turn: until it is given back, or where nobody can say."""
        ...

    async def give_back(self, key: CacheKey) -> None:
        """End this process's turn, if it has it."""
        ...


class TokenCounter(Protocol):
    """Counts tokens by the reference tokeniser. Text that looks like a special token is text like any other."""

    def count(self, text: str) -> Count:
        """Return the count; it takes time in proportion to the text, may be called from any thread, and never fails."""
        ...


class Tokens(Protocol):
    """Verifies JSON Web Tokens."""

    def subject(self, token: str) -> str:
        """Return whom a token is about. Raises CredentialInvalid and CredentialExpired, and nothing else."""
        ...


class Budgets(Protocol):
    """Keeps what tenants have spent and hold. Each call is one step that nothing comes between.

    All raise StoreDown, and nothing else: whether the step was done is not known then.
    """

    async def hold(self, tenant: str, hold: Hold) -> Taken:
        """Take a hold from all meters of a tenant, or nothing where one has no room for it; return what they show afterwards."""
        ...

    async def settle(self, tenant: str, hold: Hold, actual: tuple[int, ...], entry: Entry | None) -> Settled:
        """Put what was used, by the hold's shares, in the place of a hold, and enter it into the ledger; nothing to release the hold.

        A hold that has ended before stays as it is: settled in full, and in the ledger so. One without shares is entered only, and once for
        its id where it is not known whether that was done: it may be tried again within a minute.
        """
        ...

    async def levels(self, tenant: str, meters: tuple[Meter, ...]) -> Levels:
        """Return what meters of a tenant show."""
        ...


class Usages(Protocol):
    """Tells what was used."""

    async def rows(self, tenant: str, first_hour: int, last_hour: int) -> list[Row]:
        """Return what a tenant used from one hour since the epoch to another, both included. Raises StoreDown."""
        ...

    async def tenants(self) -> tuple[str, ...]:
        """Return the names of those of whom something is known, though there may be no such tenant any more. Raises StoreDown."""
        ...


class Clock(Protocol):
    """Time, so that tests can set it."""

    def monotonic(self) -> float:
        """Return seconds that only go forward."""
        ...

    def now(self) -> datetime:
        """Return the time in UTC."""
        ...

    def epoch_s(self) -> float:
        """Return the same time in seconds of the Unix epoch."""
        ...


class ModelStates(Protocol):
    """Knows the state of the models at present."""

    def states(self, catalog: Catalog) -> Mapping[str, ModelState]:
        """Return the state of each model of the catalog by id, as one value that does not change afterwards."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleFiles:
    """The rule directory at one moment. Two are equal if their files are."""

    sources: Mapping[str, bytes]
    """By name."""
    link: str = field(default="", compare=False)
    """Where the link of a ConfigMap's volume points, which is swapped when a new set of files is complete; empty for a plain directory."""


class RuleSource(Protocol):
    """Where rules come from."""

    def read(self) -> RuleFiles:
        """Return the rule files as they are now. Raises OSError, and nothing else; may be called from any thread."""
        ...


class KeptRules(Protocol):
    """Keeps the last good rule files over the end of the process. May be called from any thread."""

    def read(self) -> Mapping[str, bytes] | None:
        """Return the files by name, None if none were kept. Raises OSError, and nothing else."""
        ...

    def write(self, sources: Mapping[str, bytes]) -> None:
        """Keep these files in place of those before. Raises OSError, and nothing else."""
        ...


class Records(Protocol):
    """Keeps decision records, or sends them somewhere. It takes them at once, and never raises."""

    def add(self, line: Line) -> None:
        """Take a record, or what was said of one."""
        ...
