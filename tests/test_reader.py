"""Reading prompts once."""

from __future__ import annotations

from fakes import WordCounter
from pointsman.core.reading import Count
from pointsman.core.request import Request
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
    reader = Reader(counter)

    first = await reader.read(Request.of("Hello there").prompt)
    again = await reader.read(Request.of("Hello there").prompt)
    other = await reader.read(Request.of("Hello you").prompt)

    assert counter.texts == ["Hello there", "Hello you"]
    assert again is first
    assert other.input_tokens == first.input_tokens


async def test_a_long_prompt_is_read_once_too() -> None:
    counter, text = Counted(), "word " * INLINE
    reader = Reader(counter)

    first = await reader.read(Request.of(text).prompt)

    assert await reader.read(Request.of(text).prompt) is first
    assert counter.texts == [text]


async def test_no_prompt_is_kept() -> None:
    reader = Reader(WordCounter())
    await reader.read(Request.of("a secret").prompt)

    assert "secret" not in str(vars(reader))
