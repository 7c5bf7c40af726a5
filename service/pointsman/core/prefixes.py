"""What providers' prompt caches are expected to hold of a conversation: who served it last, when, and with how many tokens.

A conversation is known by a chain of digests, one for each message that a turn of it ended with; whoever sends it again, longer, shows the
same ones and a new one. What is kept under a digest is a trail: for each model its last turn, and which models could have served the last
turns. No text is kept, and no digest is the same for two tenants.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

import msgspec
from msgspec import Struct, structs

from pointsman.core.cachekey import CacheKey
from pointsman.core.catalog import Catalog, Model, Price
from pointsman.core.market import AS_CATALOGED, Market
from pointsman.core.request import Prompt, Request
from pointsman.core.vocabulary import Role

SHORTEST = 1_500
"""Characters: no provider caches a prompt of less than 512 tokens."""

LONGEST = 4_000_000
"""Characters: no model reads more than a million tokens."""

LOOKED_AT = 16
"""Turns back from the last: of a conversation that goes on, it is the one before."""

REMEMBERED_TURNS = 8
REMEMBERED_MODELS = 4

MOST_TURNS_LEFT = 8.0

KEPT_S = 7_200.0
"""Longer than any provider keeps a prefix that is not used."""


class Conversation(Struct, frozen=True, kw_only=True):
    """A prompt as a conversation."""

    tenant: str
    ends: tuple[bytes, ...]
    """Digests of what each of the last turns sent, this one last."""
    key: str
    """Names it to a provider that wants to send it where its prefix is; the same from its second turn on."""
    turns: int
    """That were sent, this one included."""
    turns_left: float
    """That are expected to follow: as many as there were, since what lasted is likely to last."""


def conversation_of(tenant: str, request: Request) -> Conversation | None:
    """Return a prompt as a conversation; None where it is too short for any provider to keep, or too long for any model."""
    prompt = request.prompt
    if not SHORTEST <= _length(prompt) <= LONGEST:
        return None
    chain = sha256(_ENCODER.encode(("prefix", tenant, prompt.tools, prompt.response_format)))
    ends, key = [], ""
    for index, message in enumerate(prompt.messages):
        chain.update(
            _ENCODER.encode((message.role, [part if isinstance(part, str) else (type(part).__name__, part) for part in message.parts]))
        )
        follows = prompt.messages[index + 1] if index + 1 < len(prompt.messages) else None
        if message.role is not Role.ASSISTANT and (follows is None or follows.role is Role.ASSISTANT):
            ends.append(chain.copy().digest())
            key = key or ends[0].hex()[:32]
    if not ends:
        return None
    turns = len(ends)
    begins = 1.0 if prompt.tools or request.context.session_id else 0.0
    left = min(float(turns), MOST_TURNS_LEFT) if turns > 1 else begins
    return Conversation(tenant=tenant, ends=tuple(ends[-LOOKED_AT:]), key=key, turns=turns, turns_left=left)


def _length(prompt: Prompt) -> int:
    texts = sum(len(part) if isinstance(part, str) else 200 for message in prompt.messages for part in message.parts)
    return texts + sum(len(tool.parameters_json) for tool in prompt.tools)


class Turn(Struct, frozen=True, array_like=True):
    """The last turn that a model served: how many tokens its provider counted, and when, in seconds of the epoch."""

    model: str
    tokens: int
    at: float


class Trail(Struct, frozen=True, array_like=True):
    """What became of a conversation so far."""

    turns: tuple[Turn, ...] = ()
    """The last of each model, the latest last."""
    able: tuple[tuple[str, ...], ...] = ()
    """Which models could have served each of the last turns."""

    def after(self, turn: Turn, able: tuple[str, ...]) -> Trail:
        """Return the trail with one more turn."""
        others = tuple(each for each in self.turns if each.model != turn.model)
        return Trail((*others, turn)[-REMEMBERED_MODELS:], (*self.able, able)[-REMEMBERED_TURNS:])

    def tokens(self, model: str) -> int:
        """Return how many tokens a model read in its last turn; 0 where it had none."""
        return next((turn.tokens for turn in self.turns if turn.model == model), 0)

    def encoded(self) -> bytes:
        """Return it as bytes."""
        return _ENCODER.encode(self)


def trail_from(data: bytes | None) -> Trail | None:
    """Return the trail that bytes hold; None where they hold none, whoever wrote them."""
    try:
        return None if data is None else _DECODER.decode(data)
    except (msgspec.MsgspecError, ValueError):
        return None


def keys_of(conversation: Conversation) -> list[CacheKey]:
    """Return where trails may be found, the longest prefix first."""
    return [CacheKey(conversation.tenant, end) for end in reversed(conversation.ends)]


def with_prefixes(
    market: Market,
    catalog: Catalog,
    conversation: Conversation,
    trail: Trail,
    *,
    input_tokens: int,
    now_s: float,
    trust: Mapping[str, float],
) -> Market:
    """Return the market with what is expected of prompt caches for this conversation.

    `input_tokens` are those of the reference tokeniser; `trust` says for a model which share of what was expected its provider has had.
    """
    states = dict(market.models)
    for name, model in catalog.models.items():
        if model.prompt_cache is not None and input_tokens >= model.prompt_cache.min_tokens:
            states[name] = structs.replace(
                states.get(name, AS_CATALOGED),
                warm_prefix_tokens=round(_warm(model, trail, now_s) * trust.get(name, 1.0)),
                writes_prefix=_writes(model, catalog, conversation.turns_left),
                share_of_turns=_share(name, trail),
            )
    last = max((turn.at for turn in trail.turns), default=now_s)
    return structs.replace(market, models=states, turns_left=conversation.turns_left, turn_gap_s=max(0.0, now_s - last))


def _warm(model: Model, trail: Trail, now_s: float) -> int:
    """Return the tokens of its last turn that a provider still keeps."""
    cache = model.prompt_cache
    turn = next((turn for turn in trail.turns if turn.model == model.id), None)
    if cache is None or turn is None or turn.tokens < cache.min_tokens or now_s - turn.at > cache.ttl_s:
        return 0
    return turn.tokens


def _writes(model: Model, catalog: Catalog, turns_left: float) -> bool:
    """Return whether a prompt is written to the provider's cache: by itself, or because it is asked to where that pays."""
    provider = catalog.providers[model.provider]
    return provider.api != "anthropic" or pays(model.price, turns_left)


def pays(price: Price, turns_left: float) -> bool:
    """Return whether writing a prefix costs less than reading it from the cache is expected to save."""
    return turns_left * (price.input - price.cached_input) > price.cache_write - price.input


def _share(model: str, trail: Trail) -> float:
    """Return the share of the conversation's turns, this one included, that a model could have served."""
    return (sum(model in able for able in trail.able) + 1) / (len(trail.able) + 1)


_ENCODER = msgspec.msgpack.Encoder(order="deterministic")
_DECODER = msgspec.msgpack.Decoder(Trail)
