"""Reading prompts once."""

from __future__ import annotations

from fakes import ESTIMATE, WordCounter
from pointsman.core.prompt_tokens import FRAME_MESSAGE
from pointsman.core.reading import Count
from pointsman.core.request import Message, Prompt, Request
from pointsman.core.vocabulary import Role
from pointsman.reader import INLINE, Reader


class Counted(WordCounter):
    """Notes what it counts."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def count(self, text: str) -> Count:
        self.texts.append(text)
        return super().count(text)


async def test_a_prompt_is_read_once() -> None:
    counter = Counted()
    reader = Reader(counter, ESTIMATE)

    first = await reader.read(Request.of("Hello there").prompt)
    again = await reader.read(Request.of("Hello there").prompt)
    other = await reader.read(Request.of("Hello you").prompt)

    assert counter.texts == ["Hello there", "Hello you"]
    assert again is first
    assert other.input_tokens == first.input_tokens


async def test_a_long_prompt_is_read_once_too() -> None:
    counter, text = Counted(), "word " * INLINE
    reader = Reader(counter, ESTIMATE)

    first = await reader.read(Request.of(text).prompt)

    assert await reader.read(Request.of(text).prompt) is first
    assert counter.texts == [text]


async def test_of_a_conversation_that_goes_on_only_what_is_new_is_counted() -> None:
    counter = Counted()
    reader = Reader(counter, ESTIMATE)
    turns = [
        Message(role=role, parts=(f"{word} " * 200,))
        for role, word in ((Role.USER, "ask"), (Role.ASSISTANT, "answer"), (Role.USER, "more"))
    ]

    first = await reader.read(Prompt(messages=tuple(turns[:1])))
    whole = await reader.read(Prompt(messages=tuple(turns)))

    assert counter.texts == [turn.text for turn in turns]
    assert whole.input_tokens - first.input_tokens == 2 * (200 + FRAME_MESSAGE)


async def test_no_prompt_is_kept() -> None:
    reader = Reader(WordCounter(), ESTIMATE)
    await reader.read(Request.of("a secret " * 100).prompt)

    assert "secret" not in str(vars(reader))
