"""*_test.yaml: tests of the rules beside them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, StrictInt

from pointsman.core.rulefile.documents.base import Document, Share, Text, Version


class ExpectDoc(Document):
    """What must come out. What is not named may be anything."""

    rule: Annotated[Text, Field(description="Id of the route that decides.")] = ""
    rule_not: Annotated[Text, Field(description="Id of a route that must not decide.")] = ""
    model: Annotated[Text, Field(description="The model that is chosen.")] = ""
    tier: Annotated[Text, Field(description="The tier of the model that is chosen.")] = ""
    tier_not: Annotated[Text, Field(description="A tier that the chosen model must not be of.")] = ""
    reason: Annotated[Text, Field(description="The kind of decision, as BEST_EFFORT.")] = ""
    fallbacks: Annotated[list[Text] | None, Field(description="The models to try next, in order.")] = None
    dropped: Annotated[dict[Text, Text], Field(description="Models that are dropped, with the reason, as QUALITY.")] = {}
    constraints: Annotated[list[Text] | None, Field(description="All constraints that hold, by id.")] = None
    shadow: Annotated[list[Text] | None, Field(description="All shadow routes that would have decided, by id.")] = None
    cache: Annotated[dict[Text, Any], Field(description="Cache settings of the route, as {mode: exact}.")] = {}
    refused: Annotated[Text, Field(description="No model may serve: the reason of the error, as CONSTRAINED_OUT.")] = ""


class ShareDoc(Document):
    """A share of many runs."""

    rule: Annotated[Text, Field(description="Id of the route that decides.")] = ""
    model: Annotated[Text, Field(description="The model that is chosen.")] = ""
    between: Annotated[list[Share], Field(min_length=2, max_length=2, description="Least and greatest share, 0..1.")]


class GivenDoc(Document):
    """Facts by group; what is absent stays as in `defaults`."""

    now: Annotated[Text, Field(description="The time, as 2026-12-01T10:00:00Z; fixes time.* and `expires`.")] = ""
    request: Annotated[dict[Text, Any], Field(description="Facts request.*, labels as a map.")] = {}
    features: Annotated[dict[Text, Any], Field(description="Facts features.*.")] = {}
    tokens: Annotated[dict[Text, Any], Field(description="Facts tokens.*; total is computed.")] = {}
    tenant: Annotated[dict[Text, Any], Field(description="Facts tenant.*, labels as a map.")] = {}
    budget: Annotated[dict[Text, Any], Field(description="Facts budget.*.")] = {}
    quality: Annotated[
        dict[Text, Share], Field(description="Fixes the predicted quality of models, so that a new estimator breaks no test.")
    ] = {}


class CaseDoc(Document):
    """One test, or with `matrix` one for each combination, or with `vary` a share of many."""

    name: Annotated[Text, Field(min_length=1, description="What is tested, as a sentence.")]
    given: Annotated[GivenDoc, Field(description="Facts that differ from the defaults.")] = GivenDoc()
    matrix: Annotated[
        dict[Text, Annotated[list[Any], Field(min_length=1)]],
        Field(description="Facts with several values: every combination is tested, as features.task: [code, math]."),
    ] = {}
    vary: (
        Annotated[
            dict[Text, Annotated[StrictInt, Field(gt=0, le=100_000)]],
            Field(min_length=1, max_length=1, description="A text fact with how many different values it takes, as request.session: 2000."),
        ]
        | None
    ) = None
    expect: Annotated[ExpectDoc | None, Field(description="What must come out.")] = None
    expect_share: Annotated[ShareDoc | None, Field(description="With `vary`: in which share of the runs something must come out.")] = None


class CasesDoc(Document):
    """A *_test.yaml file: tests of the rules beside it."""

    version: Version
    defaults: Annotated[GivenDoc, Field(description="The facts that every case starts from.")] = GivenDoc()
    tests: Annotated[list[CaseDoc], Field(description="The tests.")]
