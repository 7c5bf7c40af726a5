"""Files of constraints and routes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StrictInt

from pointsman.core.rulefile.documents.base import (
    MOST_USD,
    STICKY,
    Condition,
    Date,
    Document,
    Identifier,
    Name,
    Number,
    Positive,
    Share,
    Span,
    Text,
    Version,
)


class SelectDoc(Document):
    """Picks models by what the catalog says of them; a model that meets any of the lists is picked."""

    models: Annotated[list[Text], Field(description="By id.")] = []
    tiers: Annotated[list[Text], Field(description="By tier.")] = []
    providers: Annotated[list[Text], Field(description="By provider.")] = []
    tags: Annotated[list[Text], Field(description="By tag: those that have any of these.")] = []


class GroupDoc(Document):
    """Conditions joined otherwise than by "all of these"; with several keys, all of the groups must hold."""

    any: Annotated[list[When], Field(min_length=1, description="At least one of these.")] = []
    all: Annotated[list[When], Field(min_length=1, description="All of these.")] = []
    none: Annotated[list[When], Field(min_length=1, description="None of these.")] = []


When = Condition | GroupDoc
"""One item of a `when`."""


class ConstraintDoc(Document):
    """Narrows every route while its condition holds. All constraints that hold apply."""

    id: Annotated[Identifier, Field(description="Unique among rules; named when nothing is left.")]
    why: Annotated[Text, Field(description="The reason, for people.")] = ""
    when: Annotated[When | list[When], Field(description="Conditions; a list means all of these.")]
    allow: Annotated[SelectDoc | None, Field(description="Only these models may serve.")] = None
    deny: Annotated[SelectDoc | None, Field(description="These models may not serve.")] = None


Sticky = Annotated[
    Text,
    Field(
        pattern=STICKY,
        description="What keeps a caller's share: request.session, request.user, request.tenant or request.labels.KEY. "
        "Where it is absent, each request draws anew.",
    ),
]


class UseDoc(Document):
    """What a route offers."""

    candidates: Annotated[
        Annotated[list[Text], Field(min_length=1)] | Annotated[dict[Text, Annotated[Number, Field(ge=0)]], Field(min_length=1)],
        Field(description="Models by id or alias; for strategy weighted a mapping of models to weights."),
    ]
    strategy: Annotated[
        Literal["cheapest", "fastest", "best", "weighted", "balanced"],
        Field(description="By what the kept candidates are ordered; balanced: quality x value_usd - expected cost."),
    ] = "cheapest"
    by: Sticky | None = None
    value_usd: Annotated[
        Positive | None, Field(le=MOST_USD, description="Of strategy balanced: what one right answer is worth, in dollars.")
    ] = None
    min_quality: Annotated[
        Text | Share | None,
        Field(description="Least acceptable quality, 0..1: a number or an expression. The caller's accuracy counts too."),
    ] = None
    on_empty: Annotated[
        Literal["reject", "fallback", "next_rule", "best_effort"], Field(description="What to do when no candidate is kept.")
    ] = "reject"


class RolloutDoc(Document):
    """A share of the requests that the conditions hold for; the others go on to the next rule."""

    percent: Annotated[Number, Field(ge=0, le=100, description="Share in percent, to the hundredth.")]
    by: Sticky | None = None
    seed: Annotated[Identifier | None, Field(description="Routes of one seed draw the same requests; default: the route's id.")] = None


class CacheDoc(Document):
    """The response cache for answers of this route."""

    mode: Annotated[Literal["off", "exact"], Field(description="exact: the same request gets the same answer.")]
    ttl: Annotated[Span, Field(description="How long an answer may be used, as 10m.")] = "1h"


class OptimizeDoc(Document):
    """What is done to a prompt before it is sent."""

    prompt: Annotated[
        Literal["lossless", "trim_history"],
        Field(description="lossless: white space and repetitions; trim_history: oldest turns out, to target_tokens."),
    ]
    target_tokens: Annotated[StrictInt | None, Field(gt=0, description="Of trim_history: the length to come down to.")] = None


class RouteBudgetDoc(Document):
    """What one request of this route may cost."""

    max_usd_per_request: Annotated[Number, Field(ge=0, le=MOST_USD, description="Candidates that are expected to cost more are dropped.")]


class HedgeDoc(Document):
    """A second model is asked when the first is slow."""

    after: Annotated[Span, Field(description="How long to wait for the first token, as 800ms.")]


Mode = Annotated[Literal["enforce", "shadow"], Field(description="shadow: evaluated and reported, never served.")]


class RouteDoc(Document):
    """Offers candidates to the requests that match it; the first that matches decides."""

    id: Annotated[Identifier, Field(description="Unique among rules; named in every decision.")]
    why: Annotated[Text, Field(description="The reason, for people.")] = ""
    mode: Mode = "enforce"
    priority: Annotated[
        StrictInt, Field(ge=-1_000_000, le=1_000_000, description="Higher ones are looked at first; then the order in the file.")
    ] = 0
    when: Annotated[
        When | list[When] | None,
        Field(description="Conditions; a list means all of these. Absent: the default route, which comes last."),
    ] = None
    rollout: Annotated[RolloutDoc | None, Field(description="Only for a share of the requests.")] = None
    expires: Annotated[Date | None, Field(description="Last day, UTC, on which the rule is used, as 2027-01-31.")] = None
    use: Annotated[UseDoc, Field(description="What it offers.")]
    fallbacks: Annotated[list[Text], Field(description="Models to try after the candidates, in this order.")] = []
    cache: Annotated[CacheDoc | None, Field(description="The response cache for its answers.")] = None
    optimize: Annotated[OptimizeDoc | None, Field(description="What is done to prompts before they are sent.")] = None
    budget: Annotated[RouteBudgetDoc | None, Field(description="What one request may cost.")] = None
    timeout: Annotated[Span | None, Field(description="Longest time for the whole answer, as 30s.")] = None
    hedge: Annotated[HedgeDoc | None, Field(description="A second model when the first is slow.")] = None


class DefaultsDoc(Document):
    """Where the caller says nothing."""

    accuracy: Annotated[Share, Field(description="Required accuracy, 0..1.")] = 0.0
    max_output: Annotated[StrictInt, Field(gt=0, description="Most output tokens.")] | None = None


class RoutingDoc(Document):
    """A file of constraints and routes."""

    version: Version
    owner: Annotated[Text, Field(description="Who answers for this file.")] = ""
    mode: Mode = "enforce"
    defaults: Annotated[DefaultsDoc | None, Field(description="Where the caller says nothing.")] = None
    lists: Annotated[dict[Name, list[Any]], Field(description="Named lists of literals, usable in any expression as lists.NAME.")] = {}
    vars: Annotated[dict[Name, Condition], Field(description="Named expressions; each may use those above it, as vars.NAME.")] = {}
    constraints: Annotated[list[ConstraintDoc], Field(description="All that hold apply; they can only narrow.")] = []
    routes: Annotated[list[RouteDoc], Field(description="The first that matches decides.")] = []


GroupDoc.model_rebuild()
