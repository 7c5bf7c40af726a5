"""The catalog: which models there are, what they can do, and what they cost. Read from `models.yaml`, immutable afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from msgspec import Struct

from pointsman.core.money import charge


class Price(Struct, frozen=True, kw_only=True):
    """Nano-USD per million tokens."""

    input: int
    cached_input: int
    cache_write: int
    output: int
    nominal: bool = False
    """Made up, as for models that run in this process; marked in every report."""

    def cost(self, input_tokens: int, output_tokens: int, *, cached_tokens: int = 0, cache_write_tokens: int = 0) -> int:
        """Return what the tokens cost in nano-USD; cached and written tokens are part of `input_tokens`."""
        due = input_tokens * self.input + output_tokens * self.output
        if cached_tokens or cache_write_tokens:
            due += cached_tokens * (self.cached_input - self.input) + cache_write_tokens * (self.cache_write - self.input)
        return charge(due)


EMBEDDED = ("smollm2-135m",)
"""Models that an `embedded` provider can run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How the built-in provider behaves in place of a real model; all zero: at once and without fail."""

    ttft_ms: float = 0.0
    tokens_per_s: float = 0.0
    error_rate: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """In what a model's wire format departs from the plain one."""

    output_cap: str = "max_tokens"
    """The field of Chat Completions that limits the answer: "max_tokens" or "max_completion_tokens"."""
    sampling: bool = True
    """Whether temperature, top_p and seed may be said; if not, they are left out, since the model would refuse the call."""
    prompt_cache_key: bool = False
    """Whether the API takes a name for the conversation, by which it finds its prefix; others refuse what they do not know."""
    stream_usage: bool = True
    """Whether usage may be asked for in a stream; if not, it is counted here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """Where models are called."""

    id: str
    api: str
    """The wire format: "builtin", "openai", "anthropic", "embedded"."""
    base_url: str = ""
    key_env: str = ""
    """Environment variable that holds the key; empty where no key is needed, or a file holds it."""
    key_file: str = ""
    model: str = ""
    """Of an embedded provider: the model that it runs."""
    internal: bool = False
    """In our own network: its address may be private."""
    max_in_flight: int | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None

    @property
    def needs_key(self) -> bool:
        return bool(self.key_env or self.key_file)


class PromptCache(Struct, frozen=True, kw_only=True):
    """What a provider keeps of prompts: prefixes of at least `min_tokens`, for `ttl_s` seconds since they were last used."""

    min_tokens: int
    ttl_s: float


class Model(Struct, frozen=True, kw_only=True):
    """A model of the catalog."""

    id: str
    provider: str
    upstream: str
    """The name that the provider knows it by."""
    tier: str
    ability: Mapping[str, float]
    """Share, 0..1, of reference prompts that it answers acceptably, by task; "default" for the other tasks."""
    ability_estimated: bool
    price: Price
    context_window: int
    max_output: int
    capabilities: frozenset[str]
    tokenizer: str
    ttft_ms: float
    tokens_per_s: float
    tags: frozenset[str]
    pace: Pace = Pace()
    quirks: Quirks = Quirks()
    prompt_cache: PromptCache | None = None

    def ability_for(self, task: str) -> float:
        """Return the ability, 0..1, for the task."""
        return self.ability.get(task, self.ability["default"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """Models by id in file order, their providers, and the aliases that callers may ask for."""

    models: Mapping[str, Model]
    providers: Mapping[str, Provider]
    tiers: tuple[str, ...]
    """From the cheapest up."""
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def tags(self) -> frozenset[str]:
        """All that models have."""
        return frozenset[str]().union(*(model.tags for model in self.models.values()))

    def named(self, name: str) -> tuple[str, ...]:
        """Return the ids behind an alias or id, in the alias's order; empty if there is neither."""
        if name in self.models:
            return (name,)
        return self.aliases.get(name, ())
