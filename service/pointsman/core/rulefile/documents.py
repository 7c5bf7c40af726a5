"""The structure of rule files: which keys there are, of which type, with which defaults, and the sentence that an editor shows for each.

Structure only. What refers to something else (models, lists, facts) is checked in `rulefile`, which knows where everything stands. Unknown
keys are errors. `json_schema` gives editors the same structure; it is committed under `rules/schema`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictInt, StrictStr

from pointsman.core.tokenisers import TOKENISERS
from pointsman.core.vocabulary import TASKS, Capability

IDENTIFIER = r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$"
NAME = r"^[A-Za-z_][A-Za-z0-9_]{0,62}$"


def _number(value: object) -> object:
    """Return a number as a float; the YAML reader gives those with a point as Decimal (prices are read from their text)."""
    if isinstance(value, bool | str):
        raise ValueError("a number is expected")  # noqa: TRY004  # pydantic turns this one into a problem
    return float(value) if isinstance(value, Decimal) else value


Number = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]
Share = Annotated[Number, Field(ge=0, le=1)]
Positive = Annotated[Number, Field(gt=0)]
Identifier = Annotated[StrictStr, Field(pattern=IDENTIFIER)]
Name = Annotated[StrictStr, Field(pattern=NAME)]
Text = StrictStr
Version = Annotated[Literal[1], Field(description="Version of the format: 1.")]
Condition = Annotated[
    Text | StrictBool | StrictInt | Decimal, Field(description="A condition in the CEL subset, for example: features.complexity > 0.7")
]


class Document(BaseModel):
    """What all parts of rule files have in common: no unknown keys, nothing changed after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


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


class ProviderDoc(Document):
    """Where models are called."""

    api: Annotated[Literal["builtin", "embedded", "openai", "anthropic"], Field(description="Wire format of the provider.")]
    base_url: Annotated[Text, Field(description="Address, for example https://api.openai.com/v1.")] = ""
    key: Annotated[KeyDoc | None, Field(description="Where the key is found; absent: none is needed.")] = None
    internal: Annotated[StrictBool, Field(description="In our own network: http:// and private addresses are allowed.")] = False
    max_in_flight: Annotated[StrictInt, Field(gt=0, description="Most calls at the same time.")] | None = None
    limits: Annotated[RatesDoc | None, Field(description="What the provider allows.")] = None
    model: Annotated[Text, Field(description="Of an embedded provider: the model that it runs.")] = ""


class PriceDoc(Document):
    """USD per million tokens, as decimal text."""

    input: Annotated[Number, Field(ge=0, description="Input.")]
    output: Annotated[Number, Field(ge=0, description="Output.")]
    cached_input: Annotated[Number, Field(ge=0, description="Input read from the provider's cache; default: as input.")] | None = None
    cache_write: Annotated[Number, Field(ge=0, description="Input written to the provider's cache; default: as input.")] | None = None
    nominal: Annotated[StrictBool, Field(description="Made up, as for models that run in process; marked in reports.")] = False
    source: Annotated[Text, Field(description="Where the price was read.")] = ""
    as_of: Annotated[Text, Field(description="When, as 2026-11-01.", pattern=r"^\d{4}-\d\d-\d\d$")] = ""


class LatencyDoc(Document):
    """How fast a model is until measurements replace it."""

    ttft_ms: Annotated[Number, Field(ge=0, description="Time to the first token, in milliseconds.")] = 500.0
    tokens_per_s: Annotated[Positive, Field(description="Tokens per second after the first.")] = 50.0


class PromptCacheDoc(Document):
    """The provider's prompt cache."""

    min_tokens: Annotated[StrictInt, Field(ge=0, description="Shortest prefix that is cached.")]
    ttl: Annotated[Text, Field(description="How long a prefix is kept, as 5m.", pattern=r"^\d+(ms|s|m|h|d)$")]


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


class SelectDoc(Document):
    """Picks models by what the catalog says of them; a model that meets any of the lists is picked."""

    models: Annotated[list[Text], Field(description="By id.")] = []
    tiers: Annotated[list[Text], Field(description="By tier.")] = []
    providers: Annotated[list[Text], Field(description="By provider.")] = []
    tags: Annotated[list[Text], Field(description="By tag: those that have any of these.")] = []


class ConstraintDoc(Document):
    """Narrows every route while its condition holds. All constraints that hold apply."""

    id: Annotated[Identifier, Field(description="Unique among rules; named when nothing is left.")]
    why: Annotated[Text, Field(description="The reason, for people.")] = ""
    when: Annotated[Condition | list[Condition], Field(description="Conditions; a list means all of these.")]
    allow: Annotated[SelectDoc | None, Field(description="Only these models may serve.")] = None
    deny: Annotated[SelectDoc | None, Field(description="These models may not serve.")] = None


class UseDoc(Document):
    """What a route offers."""

    candidates: Annotated[list[Text], Field(min_length=1, description="Models by id or alias.")]
    strategy: Annotated[Literal["cheapest", "fastest", "best"], Field(description="By what the kept candidates are ordered.")] = "cheapest"
    min_quality: Annotated[
        Text | Share | None,
        Field(description="Least acceptable quality, 0..1: a number or an expression. The caller's accuracy counts too."),
    ] = None
    on_empty: Annotated[
        Literal["reject", "fallback", "next_rule", "best_effort"], Field(description="What to do when no candidate is kept.")
    ] = "reject"


class RouteDoc(Document):
    """Offers candidates to the requests that match it; the first that matches decides."""

    id: Annotated[Identifier, Field(description="Unique among rules; named in every decision.")]
    why: Annotated[Text, Field(description="The reason, for people.")] = ""
    priority: Annotated[
        StrictInt, Field(ge=-1_000_000, le=1_000_000, description="Higher ones are looked at first; then the order in the file.")
    ] = 0
    when: Annotated[
        Condition | list[Condition] | None,
        Field(description="Conditions; a list means all of these. Absent: the default route, which comes last."),
    ] = None
    use: Annotated[UseDoc, Field(description="What it offers.")]
    fallbacks: Annotated[list[Text], Field(description="Models to try after the candidates, in this order.")] = []


class DefaultsDoc(Document):
    """Where the caller says nothing."""

    accuracy: Annotated[Share, Field(description="Required accuracy, 0..1.")] = 0.0
    max_output: Annotated[StrictInt, Field(gt=0, description="Most output tokens.")] | None = None


class RoutingDoc(Document):
    """A file of constraints and routes."""

    version: Version
    owner: Annotated[Text, Field(description="Who answers for this file.")] = ""
    defaults: Annotated[DefaultsDoc | None, Field(description="Where the caller says nothing.")] = None
    lists: Annotated[dict[Name, list[Any]], Field(description="Named lists of literals, usable in any expression as lists.NAME.")] = {}
    vars: Annotated[dict[Name, Condition], Field(description="Named expressions; each may use those above it, as vars.NAME.")] = {}
    constraints: Annotated[list[ConstraintDoc], Field(description="All that hold apply; they can only narrow.")] = []
    routes: Annotated[list[RouteDoc], Field(description="The first that matches decides.")] = []


class ExpectDoc(Document):
    """What must come out."""

    rule: Annotated[Text, Field(description="Id of the route that decides.")] = ""
    model: Annotated[Text, Field(description="The model that is chosen.")] = ""


class GivenDoc(Document):
    """Facts by group; what is absent stays as in `defaults`."""

    request: Annotated[dict[Text, Any], Field(description="Facts request.*, labels as a map.")] = {}
    features: Annotated[dict[Text, Any], Field(description="Facts features.*.")] = {}
    tokens: Annotated[dict[Text, Any], Field(description="Facts tokens.*; total is computed.")] = {}
    tenant: Annotated[dict[Text, Any], Field(description="Facts tenant.*, labels as a map.")] = {}
    budget: Annotated[dict[Text, Any], Field(description="Facts budget.*.")] = {}
    quality: Annotated[
        dict[Text, Share], Field(description="Fixes the predicted quality of models, so that a new estimator breaks no test.")
    ] = {}


class CaseDefaultsDoc(GivenDoc):
    """The facts that every case starts from."""

    now: Annotated[Text, Field(description="The time, as 2026-12-01T10:00:00Z.")] = "2026-01-01T12:00:00Z"


class CaseDoc(Document):
    """One test."""

    name: Annotated[Text, Field(min_length=1, description="What is tested, as a sentence.")]
    given: Annotated[GivenDoc, Field(description="Facts that differ from the defaults.")] = GivenDoc()
    expect: Annotated[ExpectDoc, Field(description="What must come out.")]


class CasesDoc(Document):
    """A *_test.yaml file: tests of the rules beside it."""

    version: Version
    defaults: Annotated[CaseDefaultsDoc, Field(description="The facts that every case starts from.")] = CaseDefaultsDoc()
    tests: Annotated[list[CaseDoc], Field(description="The tests.")]


ABILITY_KEYS = ("default", "estimated", *TASKS)

LATER = {
    "rollout": "shares of traffic",
    "mode": "shadow rules",
    "expires": "rules with an end",
    "cache": "the response cache",
    "optimize": "prompt optimisation",
    "budget": "budgets of routes",
    "timeout": "time-outs of routes",
    "hedge": "hedged calls",
    "by": "weighted choice",
    "value_usd": "balanced choice",
} | dict.fromkeys(("matrix", "vary", "expect_share", "rule_not", "tier_not", "dropped", "constraints", "shadow"), "fuller rule tests")
"""Keys of the rule language that this version does not read yet: an error that says so, not a typo."""

SCHEMAS: dict[str, type[Document]] = {"models": ModelsDoc, "routing": RoutingDoc, "routing_test": CasesDoc}
"""The kinds of files by the name of their schema."""


def json_schema(kind: str) -> dict[str, Any]:
    """Return the JSON Schema of a kind of file, for editors."""
    schema = SCHEMAS[kind].model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
