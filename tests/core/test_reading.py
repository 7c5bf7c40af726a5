"""What a prompt says of itself."""

from __future__ import annotations

import pytest
from msgspec import structs

from fakes import ESTIMATE
from pointsman.core.reading import Count, read
from pointsman.core.request import Image, Message, Prompt, Request, ResponseFormat, Tool, ToolCall, ToolResult
from pointsman.core.vocabulary import Role, TokenCountMethod

SAID = Request.of("Hello there").prompt


def test_the_least_sure_count_of_a_text_is_that_of_the_prompt() -> None:
    prompt = Prompt(messages=(Message(role=Role.USER, parts=("plain",)), Message(role=Role.USER, parts=("a guess",))))

    def count(text: str) -> Count:
        return Count(5, TokenCountMethod.HEURISTIC if "guess" in text else TokenCountMethod.EXACT)

    reading = read(prompt, count, ESTIMATE)

    assert reading.method is TokenCountMethod.HEURISTIC
    assert reading.input_tokens == 5 + 5 + 2 * 3 + 3
    assert reading.features.turns == 2


def said(*parts: object, role: Role = Role.USER) -> Prompt:
    """Return a prompt of one message."""
    return Prompt(messages=(Message(role=role, parts=parts),))  # type: ignore[arg-type]  # as the table says


@pytest.mark.parametrize(
    "other",
    [
        said("Hello  there"),
        said("Hello", " there"),
        said("Hello there", role=Role.SYSTEM),
        said("Hello there", ""),
        said(Image(data=b"Hello there")),
        said(Image(url="Hello there")),
        said(ToolCall(id="", name="", arguments_json="Hello there")),
        said(ToolResult(tool_call_id="", text="Hello there")),
        structs.replace(SAID, tools=(Tool(name="t"),)),
        structs.replace(SAID, response_format=ResponseFormat()),
        structs.replace(SAID, messages=SAID.messages * 2),
    ],
    ids=lambda prompt: str(len(prompt.messages)),
)
def test_whatever_differs_has_another_digest(other: Prompt) -> None:
    assert other.digest != SAID.digest


def test_the_same_has_the_same_digest() -> None:
    assert Request.of("Hello there").prompt.digest == SAID.digest
    assert len(SAID.digest) == 32
