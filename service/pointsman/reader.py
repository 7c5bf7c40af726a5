"""Reads prompts, and remembers what was read: a Route and the Complete after it, or a call sent again, cost one reading; of a conversation
that goes on, only what is new is counted.

Only digests are kept, never a prompt.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from threading import Lock

from cachetools import LRUCache

from pointsman.core.estimator import Estimate
from pointsman.core.prompt_tokens import texts_of
from pointsman.core.reading import Count, Reading, read
from pointsman.core.request import Prompt
from pointsman.ports import TokenCounter

REMEMBERED = 8_192
"""Prompts, some 4 MB of readings."""

COUNTED = 32_768
"""Texts of messages, some 6 MB of counts."""

SHORT = 256
"""Characters of a text that is counted about as soon as looked up."""

INLINE = 8_000
"""Characters, some 2,000 tokens: reading more takes over a millisecond, so a thread does it. Four times as many held the event loop up for
5 ms at a time."""


class Reader:
    """Gives the reading of a prompt."""

    def __init__(self, counter: TokenCounter, estimate: Callable[[str, str], Estimate]) -> None:
        """`estimate` predicts from what is asked and the text of the system, on any thread."""
        self._counter = counter
        self._estimate = estimate
        self._readings: LRUCache[bytes, Reading] = LRUCache(REMEMBERED)
        self._counts: LRUCache[bytes, Count] = LRUCache(COUNTED)
        self._lock = Lock()  # of the counts, which the threads look up, too
        self._threads = ThreadPoolExecutor(2, "reading")  # its own: names that do not resolve can take all of the common ones

    async def read(self, prompt: Prompt) -> Reading:
        """Return what the prompt says of itself."""
        long = sum(map(len, texts_of(prompt))) > INLINE
        loop = asyncio.get_running_loop()
        key = await loop.run_in_executor(self._threads, lambda: prompt.digest) if long else prompt.digest
        reading = self._readings.get(key)
        if reading is None:
            what = (prompt, self.count, self._estimate)
            reading = await loop.run_in_executor(self._threads, read, *what) if long else read(*what)
            self._readings[key] = reading
        return reading

    def count(self, text: str) -> Count:
        """Return the tokens of one text, on any thread; those of messages are remembered."""
        if len(text) < SHORT:
            return self._counter.count(text)
        key = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        with self._lock:
            known = self._counts.get(key)
        if known is None:
            known = self._counter.count(text)
            with self._lock:
                self._counts[key] = known
        return known
