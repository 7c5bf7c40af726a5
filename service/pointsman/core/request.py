"""What is asked: the request as the rest of the house sees it, already checked by the codec.

No value that holds text of a caller shows it in its `repr`: what is printed by accident ends in logs.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b

import msgspec
from msgspec import Struct

from pointsman.core.vocabulary import CacheMode, Role


def redacted(value: object) -> str:
    """Return what stands in place of a value that holds text of a caller or a model."""
    return f"<{type(value).__name__}: content not shown>"


class Image(Struct, frozen=True, kw_only=True):
    """A picture: `data` with its `media_type`, or the https `url` where the provider finds it."""

    data: bytes = b""
    url: str = ""
    media_type: str = ""

    __repr__ = redacted


class ToolCall(Struct, frozen=True, kw_only=True):
    """A model's wish to call a tool. `arguments_json` is what the model wrote, which need not be valid JSON."""

    id: str
    name: str
    arguments_json: str

    __repr__ = redacted


class ToolResult(Struct, frozen=True, kw_only=True):
    """What a tool returned for the call `tool_call_id`."""

    tool_call_id: str
    text: str
    failed: bool = False

    __repr__ = redacted


Part = str | Image | ToolCall | ToolResult
"""A piece of a message; text is a plain string."""


class Message(Struct, frozen=True, kw_only=True):
    """One turn of a conversation: who speaks, and the pieces in order."""

    role: Role
    parts: tuple[Part, ...]

    __repr__ = redacted

    @property
    def text(self) -> str:
        """All text of the message, pieces joined by line breaks."""
        return "\n".join([part for part in self.parts if isinstance(part, str)])


class Tool(Struct, frozen=True, kw_only=True):
    """A function that a model may ask to call; `parameters_json` is its JSON Schema, passed on byte for byte."""

    name: str
    description: str = ""
    parameters_json: str = ""

    __repr__ = redacted


class ResponseFormat(Struct, frozen=True, kw_only=True):
    """An answer in JSON: any value, or one that satisfies `json_schema` where that is not empty."""

    json_schema: str = ""

    __repr__ = redacted


class Prompt(Struct, frozen=True, kw_only=True, dict=True):
    """A conversation of at least one message, the tools, and the form of the answer (None: plain text)."""

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    response_format: ResponseFormat | None = None

    __repr__ = redacted

    @property
    def shows_pictures(self) -> bool:
        return any(isinstance(part, Image) for message in self.messages for part in message.parts)

    @property
    def digest(self) -> bytes:
        """32 bytes that differ for prompts that differ in anything. Names of fields are in them: a picture is no tool call."""
        found: bytes | None = self.__dict__.get("digest")
        if found is None:  # by hand: before Python 3.12, functools.cached_property takes a lock
            found = self.__dict__["digest"] = blake2b(_ENCODER.encode(self), digest_size=32).digest()
        return found


class Generation(Struct, frozen=True, kw_only=True):
    """How to write the answer. None and empty are left to the model."""

    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()

    __repr__ = redacted


class Requirements(Struct, frozen=True, kw_only=True):
    """Hard limits. None does not limit; `accuracy` None takes the default of the rules."""

    accuracy: float | None = None
    """0..1: least acceptable probability that the answer is right."""
    max_total_tokens: int | None = None
    max_cost: int | None = None
    """Nano-USD."""
    max_latency_ms: float | None = None
    max_ttft_ms: float | None = None
    capabilities: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    model: str = ""
    """Id or alias that narrows the candidates; empty for "you decide"."""

    __repr__ = redacted


class Context(Struct, frozen=True, kw_only=True):
    """Who asks, and in which conversation. The tenant is not here: it comes from the credential."""

    session_id: str = ""
    user_id: str = ""
    labels: Mapping[str, str] = {}

    __repr__ = redacted


class Request(Struct, frozen=True, kw_only=True):
    """One question to a language model: what to answer, how, within which limits, on whose behalf."""

    prompt: Prompt
    generation: Generation = Generation()
    requirements: Requirements = Requirements()
    context: Context = Context()

    @classmethod
    def of(cls, text: str, *, generation: Generation | None = None, context: Context | None = None, **requirements: object) -> Request:
        """Return the request of a single user text; the other keywords are those of Requirements."""
        needs = Requirements(**requirements)  # type: ignore[arg-type]  # checked by Struct
        prompt = Prompt(messages=(Message(role=Role.USER, parts=(text,)),))
        return cls(prompt=prompt, generation=generation or Generation(), requirements=needs, context=context or Context())


class CachePolicy(Struct, frozen=True, kw_only=True):
    """How a request uses the response cache; answers older than `max_age_ms` are not taken (None: any age)."""

    mode: CacheMode = CacheMode.UNSPECIFIED
    max_age_ms: float | None = None


_ENCODER = msgspec.msgpack.Encoder()
