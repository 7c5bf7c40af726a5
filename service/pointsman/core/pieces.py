"""A streamed answer as a whole, and a whole answer as a stream."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import structs

from pointsman.core.completion import Completion, Delta, TextDelta, ToolCallDelta
from pointsman.core.request import Message, ToolCall
from pointsman.core.vocabulary import Role

PIECE = 2_000
"""Characters of a piece of an answer that is streamed though it is there."""


class Gathering:
    """Puts the pieces of an answer together."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._calls: dict[int, list[ToolCallDelta]] = {}

    def add(self, delta: Delta) -> None:
        """Take the next piece."""
        if isinstance(delta, TextDelta):
            self._texts.append(delta.text)
        else:
            self._calls.setdefault(delta.index, []).append(delta)

    def whole(self, completion: Completion) -> Completion:
        """Return a completion with its message; as it is where it has one."""
        return completion if completion.message is not None else structs.replace(completion, message=self._message())

    def _message(self) -> Message:
        text = "".join(self._texts)
        calls = [_call(pieces) for _, pieces in sorted(self._calls.items())]
        return Message(role=Role.ASSISTANT, parts=(*((text,) if text else ()), *calls))


def _call(pieces: list[ToolCallDelta]) -> ToolCall:
    first = pieces[0]
    return ToolCall(id=first.id, name=first.name, arguments_json="".join(piece.arguments_json for piece in pieces))


def streamed(completion: Completion) -> Iterator[Delta | Completion]:
    """Yield a whole answer as a stream: its pieces, and the completion without its message."""
    calls = 0
    for part in completion.message.parts if completion.message is not None else ():
        if isinstance(part, str):
            yield from (TextDelta(part[at : at + PIECE]) for at in range(0, len(part), PIECE))
        elif isinstance(part, ToolCall):
            yield ToolCallDelta(index=calls, id=part.id, name=part.name, arguments_json=part.arguments_json)
            calls += 1
    yield structs.replace(completion, message=None)
