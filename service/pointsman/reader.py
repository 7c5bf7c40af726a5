"""Reads prompts, and remembers what was read: a Route and the Complete after it, or a call sent again, cost one reading.

Only digests are kept, never a prompt.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

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
        self._threads = ThreadPoolExecutor(2, "reading")  # its own: names that do not resolve can take all of the common ones

    async def read(self, prompt: Prompt) -> Reading:
        """Return what the prompt says of itself."""
        long = sum(map(len, texts_of(prompt))) > INLINE
        loop = asyncio.get_running_loop()
        key = await loop.run_in_executor(self._threads, digest, prompt) if long else digest(prompt)
        reading = self._readings.get(key)
        if reading is None:
            count = self._counter.count
            reading = await loop.run_in_executor(self._threads, read, prompt, count) if long else read(prompt, count)
            self._readings[key] = reading
        return reading
