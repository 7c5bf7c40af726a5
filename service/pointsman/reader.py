"""Reads prompts, and remembers what was read: a Route and the Complete after it, or a call sent again, cost one reading.

Only digests are kept, never a prompt.
"""

from __future__ import annotations

import asyncio

from cachetools import LRUCache

from pointsman.core.prompt_tokens import texts_of
from pointsman.core.reading import Reading, digest, read
from pointsman.core.request import Prompt
from pointsman.ports import TokenCounter

REMEMBERED = 8_192
"""Prompts, some 4 MB of readings."""

INLINE = 32_000
"""Characters, some 8,000 tokens: reading more takes over a millisecond, so a thread does it."""


class Reader:
    """Gives the reading of a prompt."""

    def __init__(self, counter: TokenCounter) -> None:
        self._counter = counter
        self._readings: LRUCache[bytes, Reading] = LRUCache(REMEMBERED)

    async def read(self, prompt: Prompt) -> Reading:
        """Return what the prompt says of itself."""
        long = sum(map(len, texts_of(prompt))) > INLINE
        key = await asyncio.to_thread(digest, prompt) if long else digest(prompt)
        reading = self._readings.get(key)
        if reading is None:
            reading = await asyncio.to_thread(read, prompt, self._counter.count) if long else read(prompt, self._counter.count)
            self._readings[key] = reading
        return reading
