"""What the Messages API sends, as types.

Fields and kinds that we do not know are ignored: the API says that it adds some without a new version. Those that we know must have their
type. What is wrong is AttemptFailed("bad_response"), which holds none of it.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias, TypeVar, get_args

from msgspec import Meta, Raw, Struct, json

from pointsman.core.request import redacted
from pointsman.ports import AttemptFailed

Tokens = Annotated[int, Meta(ge=0, lt=1 << 29)]
Index = Annotated[int, Meta(ge=0, le=1023)]

T = TypeVar("T")


class OutputDetails(Struct, frozen=True):
    """Parts of the output."""

    thinking_tokens: Tokens | None = None


class Used(Struct, frozen=True):
    """What was told of the usage. The input leaves out what was read from the provider's cache or written to it."""

    input_tokens: Tokens | None = None
    cache_read_input_tokens: Tokens | None = None
    cache_creation_input_tokens: Tokens | None = None
    output_tokens: Tokens | None = None
    output_tokens_details: OutputDetails | None = None


class Received(Struct, frozen=True):
    """A whole reply, or an error; `content` is a list of blocks."""

    type: str
    content: list[Raw] | None = None
    stop_reason: str | None = None
    usage: Used | None = None

    __repr__ = redacted


# Blocks of the content, and pieces of them.


class Text(Struct, frozen=True, tag="text"):
    text: str

    __repr__ = redacted


class ToolUse(Struct, frozen=True, tag="tool_use"):
    id: str
    name: str
    input: Raw = Raw(b"{}")

    __repr__ = redacted


class TextPiece(Struct, frozen=True, tag="text_delta"):
    text: str

    __repr__ = redacted


class InputPiece(Struct, frozen=True, tag="input_json_delta"):
    partial_json: str

    __repr__ = redacted


# Events of a stream.


class Head(Struct, frozen=True):
    """The message as it is before its content."""

    usage: Used | None = None


class Began(Struct, frozen=True, tag="message_start"):
    message: Head


class BlockBegan(Struct, frozen=True, tag="content_block_start"):
    index: Index
    content_block: Raw

    __repr__ = redacted


class BlockGrew(Struct, frozen=True, tag="content_block_delta"):
    index: Index
    delta: Raw

    __repr__ = redacted


class BlockEnded(Struct, frozen=True, tag="content_block_stop"):
    index: Index


class Ending(Struct, frozen=True):
    stop_reason: str | None = None


class Changed(Struct, frozen=True, tag="message_delta"):
    delta: Ending
    usage: Used | None = None


class Ended(Struct, frozen=True, tag="message_stop"):
    pass


class Cause(Struct, frozen=True):
    type: str | None = None


class Failed(Struct, frozen=True, tag="error"):
    error: Cause | str | None = None

    __repr__ = redacted

    @property
    def kind(self) -> str:
        """The kind of error, "" where it is not told."""
        return (isinstance(self.error, Cause) and self.error.type) or ""


# Reading them.

Block: TypeAlias = Text | ToolUse
Piece: TypeAlias = TextPiece | InputPiece
Event: TypeAlias = Began | BlockBegan | BlockGrew | BlockEnded | Changed | Ended | Failed


class _Kind(Struct, frozen=True):
    type: str


_KIND = json.Decoder(_Kind)
_REPLY = json.Decoder(Received)
_BLOCK: json.Decoder[Block] = json.Decoder(Block)
_PIECE: json.Decoder[Piece] = json.Decoder(Piece)
_EVENT: json.Decoder[Event] = json.Decoder(Event)


def _tags(kinds: object) -> frozenset[object]:
    return frozenset(kind.__struct_config__.tag for kind in get_args(kinds))


_BLOCKS, _PIECES, _EVENTS = _tags(Block), _tags(Piece), _tags(Event)


def reply_in(text: bytes) -> Received:
    """Return the reply. Raises AttemptFailed("bad_response")."""
    return _read(text, _REPLY)


def event_in(text: str) -> Event | None:
    """Return the event, None for those that say nothing to us. Raises AttemptFailed("bad_response")."""
    return _known(text, _EVENT, _EVENTS)


def block_in(raw: Raw) -> Block | None:
    """Return the block, None for thoughts and others that are no part of our answers. Raises AttemptFailed("bad_response")."""
    return _known(raw, _BLOCK, _BLOCKS)


def piece_in(raw: Raw) -> Piece | None:
    """Return the piece of a block, None as for blocks. Raises AttemptFailed("bad_response")."""
    return _known(raw, _PIECE, _PIECES)


def _known(text: str | Raw, decoder: json.Decoder[T], kinds: frozenset[object]) -> T | None:
    """Return the value if it is of one of the kinds. What is of another is not looked into: its fields may mean anything."""
    return _read(text, decoder) if _read(text, _KIND).type in kinds else None


def _read(text: bytes | str | Raw, decoder: json.Decoder[T]) -> T:
    try:
        return decoder.decode(text)
    except (ValueError, RecursionError):
        failed = AttemptFailed("bad_response")
    raise failed  # here, because an error of the decoder can hold the text
