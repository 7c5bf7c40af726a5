"""Which requests are the same to the response cache: canonical bytes of all that an answer depends on, and their digest.

Two requests share a key only if a model could not tell them apart, and the same rules would send them to the same models. What merely picks
among models that are all good enough (accuracy, limits, labels) is left out: `core/caching.py` holds an entry against the decision. An
answer that is yet to come cannot be held against anything, so for those who share one it comes from the same models.
"""

from __future__ import annotations

from hashlib import blake2b

import msgspec
from msgspec import Struct, structs

from pointsman.core.decision import Decision
from pointsman.core.request import Prompt, Request, ResponseFormat
from pointsman.core.ruleset import Route
from pointsman.core.vocabulary import Strategy

_VERSION = 2
"""Of what the digests are made from, so that replicas of two versions can share a store."""

_ONE_MODEL = (Strategy.WEIGHTED, Strategy.BEST)
"""With these a route means one model: the one drawn, or the best. With the others any that it kept will do."""


class CacheKey(Struct, frozen=True):
    """Names an answer. `tenant` is in the digest, too; it stands here so that a store can drop all that is a tenant's."""

    tenant: str
    digest: bytes


def answer_key(tenant: str, request: Request, decision: Decision, route: Route) -> CacheKey:
    """Return the key of the answers to a request that these rules decided on."""
    by_model = route.strategy in _ONE_MODEL or route.rollout is not None or bool(request.requirements.model)
    policy = (route.ref.id, route.settings.optimize, route.settings.target_tokens, sorted(decision.constraints))
    model = decision.chosen.model if by_model else ""
    material = ("answer", _VERSION, tenant, policy, model, request.generation, _prompt(request.prompt).digest)
    return CacheKey(tenant, _digest(material))


def coming_key(key: CacheKey, decision: Decision, max_age_ms: float | None) -> CacheKey:
    """Return the name of an answer that is yet to come: all who share it may have it from the same models, as long and as old."""
    models = sorted((candidate.model, candidate.upstream, candidate.tokens.output_cap) for candidate in decision.plan)
    return CacheKey(key.tenant, _digest(("coming", _VERSION, key.digest, models, max_age_ms)))


def idempotency_key(tenant: str, key: str) -> CacheKey:
    """Return the key of the result that a caller's own key names."""
    return CacheKey(tenant, _digest(("once", _VERSION, tenant, key)))


def fingerprint(request: Request) -> bytes:
    """Return 32 bytes that differ for requests that differ in anything but the order of what has none."""
    return _digest(request)


def _digest(material: object) -> bytes:
    return blake2b(_ENCODER.encode(material), digest_size=32).digest()


def _prompt(prompt: Prompt) -> Prompt:
    """Return the prompt with its JSON Schemas in one form; texts of the conversation count to the byte."""
    form = prompt.response_format
    if not prompt.tools and form is None:
        return prompt
    tools = tuple(structs.replace(tool, parameters_json=_canonical(tool.parameters_json)) for tool in prompt.tools)
    return structs.replace(prompt, tools=tools, response_format=form and ResponseFormat(json_schema=_canonical(form.json_schema)))


def _canonical(text: str) -> str:
    """Return a JSON text with its keys sorted and nothing between its tokens; a text that is none as it is."""
    try:
        return _SORTED.encode(msgspec.json.decode(text)).decode() if text else ""
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return text


_ENCODER = msgspec.msgpack.Encoder(order="deterministic")
_SORTED = msgspec.json.Encoder(order="sorted")
