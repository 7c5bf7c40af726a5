"""The oldest turns left out, so that what is sent fits a target. The system's words and the last turns stay, calls stay with their results.

A turn begins with what the user says. The cut moves by quarters of the target, not turn by turn: in between, a conversation that goes on
begins with the same bytes as before, and keeps the prefix that its provider has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate

from msgspec import structs

from pointsman.core.prompt_tokens import count_message, count_prompt
from pointsman.core.request import Message, Prompt, ToolCall, ToolResult
from pointsman.core.vocabulary import Role

KEPT_TURNS = 2
"""The last of them, however long they are."""

_STEPS = 4


def trimmed(prompt: Prompt, target_tokens: int, count: Callable[[str], int]) -> tuple[Prompt, int]:
    """Return the prompt with as many of its oldest turns left out as it takes to be within the target, and how many those are.

    `count` gives the tokens of one text. Where even the last turns are longer, the result is, too.
    """
    excess = count_prompt(prompt, count) - target_tokens
    starts = _starts(prompt.messages)
    if excess <= 0 or len(starts) <= KEPT_TURNS:
        return prompt, 0
    gone = _cut(prompt.messages, starts, excess, max(1, target_tokens // _STEPS), count)
    first_kept = starts[gone]
    messages = tuple(message for index, message in enumerate(prompt.messages) if index >= first_kept or message.role is Role.SYSTEM)
    return structs.replace(prompt, messages=messages), gone


def _starts(messages: Sequence[Message]) -> list[int]:
    """Return where turns begin; what stands before the first question belongs to the first turn."""
    starts = [index for index, message in enumerate(messages) if message.role is Role.USER and not _has_results(message)]
    return [0, *starts[1:]] if starts else []


def _has_results(message: Message) -> bool:
    return any(isinstance(part, ToolResult) for part in message.parts)


def _cut(messages: Sequence[Message], starts: list[int], excess: int, step: int, count: Callable[[str], int]) -> int:
    """Return how many turns go: enough for the excess, rounded up to whole steps as far as there are turns to leave out."""
    splits = _splits(messages)
    wanted = -(-excess // step) * step
    tokens = gone = 0
    for turn in range(1, len(starts) - KEPT_TURNS + 1):
        left_out = messages[starts[turn - 1] : starts[turn]]
        tokens += sum(count_message(message, count) for message in left_out if message.role is not Role.SYSTEM)
        gone = gone if splits[starts[turn]] else turn
        if tokens >= wanted and gone == turn:
            break
    return gone


def _splits(messages: Sequence[Message]) -> list[bool]:
    """Return for each place whether a cut there would part a call of a tool from its result. Whatever the system says stays."""
    calls: dict[str, int] = {}
    changes = [0] * (len(messages) + 2)
    for index, message in enumerate(messages):
        goes = len(messages) if message.role is Role.SYSTEM else index
        for part in message.parts:
            if isinstance(part, ToolResult) and part.tool_call_id in calls:
                first, last = sorted((calls[part.tool_call_id], goes))
                changes[first + 1] += 1
                changes[last + 1] -= 1
            elif isinstance(part, ToolCall):
                calls[part.id] = goes
    return [parted > 0 for parted in accumulate(changes)]
