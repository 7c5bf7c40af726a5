"""Which requests are the same to the response cache: canonical bytes of all that an answer depends on, and their digest.

Two requests share a key only if a model could not tell them apart, and the same rules would send them to the same models. What merely picks
among models that are all good enough (accuracy, limits, labels) is left out: `core/caching.py` holds an entry against the decision. An
answer that is yet to come cannot be held against anything, so for those who share one it comes from the same models.
"""

from __future__ import annotations

from hashlib import sha256

import msgspec
from msgspec import Struct

from pointsman.core.decision import Decision
from pointsman.core.request import Generation, Prompt, Request
from pointsman.core.ruleset import Route
from pointsman.core.vocabulary import Strategy

_VERSION = 1
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
    material = ("answer", _VERSION, tenant, policy, model, _generation(request.generation), _prompt(request.prompt))
    return CacheKey(tenant, sha256(_ENCODER.encode(material)).digest())


def coming_key(key: CacheKey, decision: Decision, max_age_ms: float | None) -> CacheKey:
    """Return the name of an answer that is yet to come: all who share it may have it from the same models, as long and as old."""
    models = sorted((candidate.model, candidate.upstream, candidate.tokens.output_cap) for candidate in decision.plan)
    return CacheKey(key.tenant, sha256(_ENCODER.encode(("coming", _VERSION, key.digest, models, max_age_ms))).digest())


def idempotency_key(tenant: str, key: str) -> CacheKey:
    """Return the key of the result that a caller's own key names."""
    return CacheKey(tenant, sha256(_ENCODER.encode(("once", _VERSION, tenant, key))).digest())


def fingerprint(request: Request) -> bytes:
    """Return 32 bytes that differ for requests that differ in anything but the order of what has none."""
    return sha256(_ENCODER.encode(request)).digest()


def _generation(generation: Generation) -> tuple[object, ...]:
    temperature, top_p = (None if value is None else value + 0.0 for value in (generation.temperature, generation.top_p))  # -0.0 is 0.0
    return (generation.max_output_tokens, temperature, top_p, generation.seed, generation.stop)


def _prompt(prompt: Prompt) -> tuple[object, ...]:
    """Return the prompt with its JSON Schemas in one form; texts of the conversation count to the byte."""
    form = prompt.response_format
    tools = [(tool.name, tool.description, _canonical(tool.parameters_json)) for tool in prompt.tools]
    messages = [(message.role, [_part(part) for part in message.parts]) for message in prompt.messages]
    return (messages, tools, None if form is None else _canonical(form.json_schema))


def _part(part: object) -> object:
    """Return a text as it is, and others with the name of what they are: a picture is no tool call, whatever its fields hold."""
    return part if isinstance(part, str) else (type(part).__name__, part)


def _canonical(text: str) -> bytes:
    """Return a JSON text with its keys sorted and nothing between its tokens; a text that is none as it is."""
    try:
        return _SORTED.encode(msgspec.json.decode(text)) if text else b""
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return text.encode("utf-8", "surrogatepass")


_ENCODER = msgspec.msgpack.Encoder(order="deterministic")
_SORTED = msgspec.json.Encoder(order="sorted")
