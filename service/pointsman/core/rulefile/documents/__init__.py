"""The structure of rule files: which keys there are, of which type, with which defaults, and the sentence that an editor shows for each.

Structure only. What refers to something else (models, lists, facts) is checked in `rulefile`, which knows where everything stands. Unknown
keys are errors. `json_schema` gives editors the same structure; it is committed under `rules/schema`.
"""

from __future__ import annotations

from typing import Any

from pointsman.core.rulefile.documents.base import EXAMPLES, SECRET, Document
from pointsman.core.rulefile.documents.cases import CaseDoc, CasesDoc, ExpectDoc, GivenDoc, ShareDoc
from pointsman.core.rulefile.documents.models import ABILITY_KEYS, ModelDoc, ModelsDoc, PaceDoc, ProviderDoc
from pointsman.core.rulefile.documents.routing import CacheDoc, ConstraintDoc, DefaultsDoc, RouteDoc, RoutingDoc, SelectDoc
from pointsman.core.rulefile.documents.tenants import CredentialDoc, TenantDoc, TenantsDoc, WindowDoc

SCHEMAS: dict[str, type[Document]] = {"models": ModelsDoc, "routing": RoutingDoc, "routing_test": CasesDoc, "tenants": TenantsDoc}
"""The kinds of files by the name of their schema."""


def json_schema(kind: str) -> dict[str, Any]:
    """Return the JSON Schema of a kind of file, for editors."""
    schema = SCHEMAS[kind].model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


__all__ = [
    "ABILITY_KEYS",
    "EXAMPLES",
    "SCHEMAS",
    "SECRET",
    "CacheDoc",
    "CaseDoc",
    "CasesDoc",
    "ConstraintDoc",
    "CredentialDoc",
    "DefaultsDoc",
    "Document",
    "ExpectDoc",
    "GivenDoc",
    "ModelDoc",
    "ModelsDoc",
    "PaceDoc",
    "ProviderDoc",
    "RouteDoc",
    "RoutingDoc",
    "SelectDoc",
    "ShareDoc",
    "TenantDoc",
    "TenantsDoc",
    "WindowDoc",
    "json_schema",
]
