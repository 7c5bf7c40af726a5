"""models.yaml: providers, models, aliases."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictBool, StrictInt

from pointsman.core.rulefile.documents.base import MOST_USD, Date, Document, Identifier, Number, Positive, Share, Span, Text, Version
from pointsman.core.tokenisers import TOKENISERS
from pointsman.core.vocabulary import TASKS, Capability


class KeyDoc(Document):
    """Where the key of a provider is found: exactly one of the two."""

    env: Annotated[Text, Field(description="Environment variable that holds the key, as OPENAI_API_KEY.", pattern=r"^[A-Z][A-Z0-9_]*$")] = (
        ""
    )
    file: Annotated[Text, Field(description="File that holds the key.")] = ""


class RatesDoc(Document):
    """What the provider allows per minute."""

    rpm: Annotated[StrictInt, Field(gt=0, description="Requests per minute.")] | None = None
    tpm: Annotated[StrictInt, Field(gt=0, description="Tokens per minute.")] | None = None


class QuirksDoc(Document):
    """In what the wire format departs from the plain one."""

    output_cap: Annotated[
        Literal["max_tokens", "max_completion_tokens"] | None, Field(description="The field that limits the answer; default max_tokens.")
    ] = None
    sampling: Annotated[
        StrictBool | None, Field(description="false: temperature, top_p and seed are left out, as the model refuses them.")
    ] = None
    prompt_cache_key: Annotated[
        StrictBool | None, Field(description="true: the API takes prompt_cache_key, by which it finds a conversation's prefix.")
    ] = None
    stream_usage: Annotated[
        StrictBool | None, Field(description="false: usage is not asked for in streams, as the server does not know how.")
    ] = None


class ProviderDoc(Document):
    """Where models are called."""

    api: Annotated[Literal["builtin", "embedded", "openai", "anthropic"], Field(description="Wire format of the provider.")]
    base_url: Annotated[Text, Field(description="Address, for example https://api.openai.com/v1.")] = ""
    key: Annotated[KeyDoc | None, Field(description="Where the key is found; absent: none is needed.")] = None
    internal: Annotated[StrictBool, Field(description="In our own network: http:// and private addresses are allowed.")] = False
    max_in_flight: Annotated[StrictInt, Field(gt=0, description="Most calls at the same time.")] | None = None
    limits: Annotated[RatesDoc | None, Field(description="What the provider allows.")] = None
    model: Annotated[Text, Field(description="Of an embedded provider: the model that it runs.")] = ""
    quirks: Annotated[QuirksDoc | None, Field(description="What its models have in common that is not plain.")] = None


class PriceDoc(Document):
    """USD per million tokens, as decimal text."""

    input: Annotated[Number, Field(ge=0, le=MOST_USD, description="Input.")]
    output: Annotated[Number, Field(ge=0, le=MOST_USD, description="Output.")]
    cached_input: (
        Annotated[Number, Field(ge=0, le=MOST_USD, description="Input read from the provider's cache; default: as input.")] | None
    ) = None
    cache_write: (
        Annotated[Number, Field(ge=0, le=MOST_USD, description="Input written to the provider's cache; default: as input.")] | None
    ) = None
    nominal: Annotated[StrictBool, Field(description="Made up, as for models that run in process; marked in reports.")] = False
    source: Annotated[Text, Field(description="Where the price was read.")] = ""
    as_of: Annotated[Date, Field(description="When, as 2026-11-01.")] = ""


class LatencyDoc(Document):
    """How fast a model is until measurements replace it."""

    ttft_ms: Annotated[Number, Field(ge=0, description="Time to the first token, in milliseconds.")] = 500.0
    tokens_per_s: Annotated[Positive, Field(description="Tokens per second after the first.")] = 50.0


class PromptCacheDoc(Document):
    """The provider's prompt cache."""

    min_tokens: Annotated[StrictInt, Field(ge=0, description="Shortest prefix that is cached.")]
    ttl: Annotated[Span, Field(description="How long a prefix is kept, as 5m.")]


class PaceDoc(Document):
    """How the built-in provider behaves in place of a real model."""

    ttft_ms: Annotated[Number, Field(ge=0, le=600_000, description="Wait before the first token, in milliseconds.")] = 0.0
    tokens_per_s: Annotated[Number, Field(ge=0, description="Pace after it; 0: as fast as it can.")] = 0.0
    error_rate: Annotated[Share, Field(description="Share of calls that fail.")] = 0.0


class ModelDoc(Document):
    """A model that may be chosen."""

    provider: Annotated[Text, Field(description="Id of its provider.")]
    upstream: Annotated[Text, Field(description="The name that the provider knows it by.")]
    tier: Annotated[Text, Field(description="Its tier, one of `tiers`.")]
    ability: Annotated[
        dict[Text, Share | StrictBool],
        Field(
            description="Share of reference prompts that it answers acceptably: `default`, and by task. `estimated: true` marks a guess."
        ),
    ]
    price: Annotated[PriceDoc, Field(description="USD per million tokens.")]
    context_window: Annotated[StrictInt, Field(gt=0, lt=1 << 31, description="Most tokens of input and output.")]
    max_output: Annotated[StrictInt, Field(gt=0, lt=1 << 31, description="Most tokens of output.")]
    capabilities: Annotated[list[Capability], Field(description="What it can do.")] = []
    tokenizer: Annotated[Text, Field(description="Family of its tokeniser.", json_schema_extra={"enum": list(TOKENISERS)})] = "o200k"
    latency: Annotated[LatencyDoc, Field(description="How fast it is until measured.")] = LatencyDoc()
    prompt_cache: Annotated[PromptCacheDoc | None, Field(description="The provider's prompt cache.")] = None
    tags: Annotated[list[Text], Field(description="Free tags, as eu or onprem, for constraints and requirements.")] = []
    quirks: Annotated[QuirksDoc | None, Field(description="What is not plain about it; goes before the provider's.")] = None
    options: Annotated[PaceDoc | None, Field(description="Of the built-in provider only: how it behaves.")] = None


class ModelsDoc(Document):
    """models.yaml: the catalog."""

    version: Version
    tiers: Annotated[list[Identifier], Field(min_length=1, description="From the cheapest up.")] = ["small", "medium", "large"]
    providers: Annotated[dict[Identifier, ProviderDoc], Field(min_length=1, description="Where models are called, by id.")]
    models: Annotated[dict[Identifier, ModelDoc], Field(min_length=1, description="The models, by id.")]
    aliases: Annotated[
        dict[Identifier, Annotated[list[Text], Field(min_length=1)]],
        Field(description="Names for sets of models, that callers may ask for."),
    ] = {}


ABILITY_KEYS = ("default", "estimated", *TASKS)
