"""How many tokens a prompt is: its texts, what frames them, its tools and pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import assert_never

from pointsman.core.request import Image, Message, Prompt, ToolCall, ToolResult

FRAME_MESSAGE = 3
"""Tokens that frame one message; the chat formats of the reference family spend three on role and separators."""

FRAME_ANSWER = 3
"""Tokens that open the answer."""

FRAME_TOOL = 8
"""Tokens around one tool's definition."""

IMAGE = 1_100
"""Tokens of a picture of ordinary size; providers bill between 85 and 1,600, by size, which is not known here."""


def count_prompt(prompt: Prompt, count: Callable[[str], int]) -> int:
    """Return the tokens of everything that will be sent; `count` gives those of one text."""
    frames = FRAME_TOOL * len(prompt.tools) + FRAME_ANSWER
    described = sum(count(text) for text in _described(prompt) if text) if prompt.tools or prompt.response_format else 0
    return frames + described + sum([count_message(message, count) for message in prompt.messages])


def count_message(message: Message, count: Callable[[str], int]) -> int:
    """Return the tokens of one message, by which a prompt is shorter without it."""
    tokens = FRAME_MESSAGE
    for part in message.parts:
        if isinstance(part, str):  # nearly all are
            tokens += count(part) if part else 0
        else:
            tokens += IMAGE if isinstance(part, Image) else sum(count(text) for text in _texts_of_part(part) if text)
    return tokens


def texts_of(prompt: Prompt) -> Iterator[str]:
    """Yield every text that will be sent, tools and schema included."""
    for message in prompt.messages:
        for part in message.parts:
            if isinstance(part, str):
                yield part
            else:
                yield from _texts_of_part(part)
    yield from _described(prompt)


def _described(prompt: Prompt) -> Iterator[str]:
    """Yield the texts that describe tools and the form of the answer."""
    for tool in prompt.tools:
        yield from (tool.name, tool.description, tool.parameters_json)
    if prompt.response_format is not None:
        yield prompt.response_format.json_schema


def _texts_of_part(part: Image | ToolCall | ToolResult) -> tuple[str, ...]:
    match part:
        case ToolCall(name=name, arguments_json=arguments):
            return (name, arguments)
        case ToolResult(text=text):
            return (text,)
        case Image():
            return ()
        case _:
            assert_never(part)
