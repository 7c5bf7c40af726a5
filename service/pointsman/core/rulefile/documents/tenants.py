"""tenants.yaml: who may call, with which credentials and limits."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictInt

from pointsman.core.rulefile.documents.base import (
    DIGEST,
    MOST_USD,
    SPIFFE,
    Date,
    Document,
    Identifier,
    Label,
    Positive,
    Span,
    Text,
    Version,
)


class CredentialDoc(Document):
    """By what a caller is known as this tenant: exactly one of the four."""

    api_key_sha256: Annotated[
        Text | None, Field(pattern=DIGEST, description="SHA-256 of an API key, as `pointsman keys new` prints it. Never the key.")
    ] = None
    spiffe: Annotated[
        Text | None,
        Field(
            pattern=SPIFFE,
            description="SPIFFE id of a client certificate; `/*` at its end stands for every id below, as spiffe://corp/ns/search/*.",
        ),
    ] = None
    subject: Annotated[
        Text | None,
        Field(min_length=1, description="Subject of a client certificate in RFC 4514 form: CN=search,O=corp; one * stands for a value."),
    ] = None
    jwt_subject: Annotated[
        Text | None, Field(min_length=1, description="`sub` of a JSON Web Token of POINTSMAN_JWT_ISSUER; one * stands for any characters.")
    ] = None
    expires: Annotated[Date | None, Field(description="Last day, UTC, on which the credential counts, as 2027-01-31.")] = None
    note: Annotated[Text, Field(description="Whose it is or why it is there, for people.")] = ""


class LimitsDoc(Document):
    """How much a tenant may ask."""

    requests_per_minute: Annotated[StrictInt | None, Field(gt=0, description="Requests per minute.")] = None
    max_in_flight: Annotated[StrictInt | None, Field(gt=0, description="Calls at the same time.")] = None


class WindowDoc(Document):
    """A budget: so much of one kind, tokens, usd or requests, in a stretch of time."""

    window: Annotated[Span, Field(description="How long, from 1m to 30d.")]
    kind: Annotated[Literal["fixed", "sliding"], Field(description="fixed: aligned to UTC; sliding: up to now.")] = "fixed"
    tokens: Annotated[StrictInt | None, Field(gt=0, description="Tokens, input and output.")] = None
    usd: Annotated[Positive | None, Field(le=MOST_USD, description="Dollars.")] = None
    requests: Annotated[StrictInt | None, Field(gt=0, description="Requests.")] = None
    tier: Annotated[Text, Field(description="Only what models of this tier use counts.")] = ""
    on_exhausted: Annotated[
        Literal["reject", "degrade", "warn"], Field(description="reject; degrade: only the cheapest tier; warn: go on.")
    ] = "reject"


class TenantDoc(Document):
    """One tenant."""

    tier: Annotated[Text, Field(description="For rules: tenant.tier.")] = ""
    labels: Annotated[dict[Label, Text], Field(description="For rules: tenant.labels.KEY.")] = {}
    roles: Annotated[
        list[Literal["caller", "admin"]],
        Field(min_length=1, description="caller: Route, Complete, StreamComplete, RecordFeedback; admin: AdminService and reflection."),
    ] = ["caller"]
    credentials: Annotated[list[CredentialDoc], Field(description="Any of these; several, so that one can follow another.")] = []
    limits: Annotated[LimitsDoc | None, Field(description="How much it may ask.")] = None
    budgets: Annotated[list[WindowDoc], Field(description="All hold at once.")] = []
    store_lost: Annotated[
        Literal["local", "closed"],
        Field(description="While Valkey cannot be asked: local, each replica spends its share of the budgets; closed, nothing is spent."),
    ] = "local"


class TenantsDoc(Document):
    """tenants.yaml: who may call."""

    version: Version
    tenants: Annotated[dict[Identifier, TenantDoc], Field(min_length=1, description="The tenants, by id.")]
