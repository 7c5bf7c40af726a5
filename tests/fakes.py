"""Stand-ins with behaviour, and builders of small values, that many tests share."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from msgspec import structs

from pointsman.adapters.artifact import load_estimator
from pointsman.adapters.cache import Alone, MemoryCache
from pointsman.core.catalog import Catalog
from pointsman.core.completion import TextDelta, Usage
from pointsman.core.facts import Facts, FeatureFacts, RequestFacts, TimeFacts, TokenFacts
from pointsman.core.market import ModelState
from pointsman.core.reading import Count
from pointsman.core.request import Message
from pointsman.core.rulefile import load
from pointsman.core.ruleset import Ruleset
from pointsman.core.vocabulary import FinishReason, Role, TokenCountMethod
from pointsman.economy import Economy
from pointsman.execute import Executor
from pointsman.ports import Answer, AttemptFailed, Clock, Finished, ModelCall, Piece
from pointsman.recall import Recall


class FakeClock:
    """A clock that stands still until it is told to go on."""

    def __init__(self, start: datetime = datetime(2026, 11, 23, 12, tzinfo=UTC)) -> None:
        self._start = start
        self.elapsed_s = 0.0

    def advance(self, seconds: float) -> None:
        self.elapsed_s += seconds

    def monotonic(self) -> float:
        return self.elapsed_s

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self.elapsed_s)

    def epoch_s(self) -> float:
        return self.now().timestamp()


class Said(list[str]):
    """A `Say` that keeps what it is told, and at which levels."""

    def __init__(self) -> None:
        super().__init__()
        self.levels: list[str] = []

    def __call__(self, message: str, *, level: str = "info") -> None:
        self.append(message)
        self.levels.append(level)


ESTIMATE = load_estimator().estimate
"""What the shipped estimator predicts."""


class AllWell:
    """Nothing is known of any model but what the catalog says."""

    def states(self, catalog: Catalog) -> Mapping[str, ModelState]:
        return _NOTHING


_NOTHING: Mapping[str, ModelState] = {}


class WordCounter:
    """Counts a token per word: enough where a test needs some count."""

    def count(self, text: str) -> Count:
        return Count(len(text.split()), TokenCountMethod.EXACT)

    def shorten(self, text: str, tokens: int) -> str:
        words = text.split()
        return text if len(words) <= tokens else " ".join(words[:tokens])


class ScriptedProvider:
    """Gives its outcomes one after the other: a text to answer, or an error to raise. Each takes `takes_s` of the clock."""

    def __init__(self, *outcomes: str | Exception, clock: FakeClock | None = None, takes_s: float = 0.0) -> None:
        self._outcomes = list(outcomes)
        self._clock = clock
        self._takes_s = takes_s
        self.calls: list[ModelCall] = []

    async def answer(self, call: ModelCall) -> Answer:
        self.calls.append(call)
        if self._clock is not None:
            self._clock.advance(self._takes_s)
        outcome = self._outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        message = Message(role=Role.ASSISTANT, parts=(outcome,))
        usage = Usage(input_tokens=100, output_tokens=len(outcome.split()))
        return Answer(message=message, finish_reason=FinishReason.STOP, usage=usage, ttft_ms=5.0)

    async def stream(self, call: ModelCall) -> AsyncGenerator[Piece, None]:
        answer = await self.answer(call)
        for word in answer.message.text.split():
            yield TextDelta(f"{word} ")
        yield Finished(finish_reason=answer.finish_reason, usage=answer.usage)


class StreamingProvider:
    """Streams its scripts one after the other: texts to yield, errors to raise, and Finished where the answer ends as it should."""

    def __init__(self, *scripts: Sequence[str | Exception | Finished | Callable[[], Awaitable[None]]]) -> None:
        self._scripts = list(scripts)
        self.calls: list[ModelCall] = []
        self.closed = 0

    async def answer(self, call: ModelCall) -> Answer:
        raise NotImplementedError("this one streams")

    async def stream(self, call: ModelCall) -> AsyncGenerator[Piece, None]:
        self.calls.append(call)
        try:
            for step in self._scripts.pop(0):
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, str):
                    yield TextDelta(step)
                elif isinstance(step, Finished):
                    yield step
                else:
                    await step()
        finally:
            self.closed += 1


def recall_of(executor: Executor, clock: Clock) -> Recall:
    """Return what gives answers in a process without others."""
    return Recall(executor, Economy(WordCounter().count), MemoryCache(clock), Alone(), clock)


def failed(error_type: str = "connection") -> AttemptFailed:
    """Return the error of an attempt that failed."""
    return AttemptFailed(error_type)


MODEL = """{provider: p, upstream: u, tier: %(tier)s, ability: {default: %(ability)s},
    price: {input: %(price)s, output: %(price)s, nominal: true},
    context_window: %(window)s, max_output: %(max_output)s, capabilities: [%(capabilities)s], tags: [%(tags)s],
    latency: {ttft_ms: %(ttft_ms)s, tokens_per_s: %(tokens_per_s)s}}"""


def model_yaml(**changes: object) -> str:
    """Return a model of models.yaml as flow YAML; every field has a default."""
    usual = {
        "tier": "small", "ability": 0.7, "price": 1, "window": 8000, "max_output": 1000, "capabilities": "", "tags": "", "ttft_ms": 100,
        "tokens_per_s": 100,
    }  # fmt: skip
    return MODEL % (usual | changes)


def catalog_yaml(models: dict[str, str], *, aliases: str = "{}") -> str:
    """Return models.yaml with one built-in provider `p`."""
    lines = "\n".join(f"  {name}: {text.replace('upstream: u,', f'upstream: {name}-up,')}" for name, text in models.items())
    return f"version: 1\nproviders: {{p: {{api: builtin}}}}\nmodels:\n{lines}\naliases: {aliases}\n"


def ruleset_of(models: str, routing: str) -> Ruleset:
    """Return the ruleset of two files; problems fail the test."""
    loaded = load({"models.yaml": models.encode(), "routing.yaml": routing.encode()})
    assert loaded.ruleset is not None, [f"{problem.line}:{problem.column} {problem.message}" for problem in loaded.problems]
    return loaded.ruleset


def facts_of(**changes: object) -> Facts:
    """Return plain facts; keywords are `group_field`, as in `features_task="code"` or `request_max_cost=5`."""
    facts = Facts(
        request=RequestFacts(tenant="default", accuracy=0.0, id="id-1"),
        features=FeatureFacts(complexity=0.42, gain=0.3, confidence=1.0),
        tokens=TokenFacts(input=100, output=100, output_p90=200, total=300),
        time=TimeFacts(hour=12, weekday=1, date="2026-11-23"),
    )
    for name, value in changes.items():
        group, _, field = name.partition("_")
        facts = structs.replace(facts, **{group: structs.replace(getattr(facts, group), **{field: value})})
    return facts
