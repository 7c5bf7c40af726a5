"""An exporter of the library, watched: that a collector takes nothing is said once, and when it does again; what is lost is counted.

By itself the library would say so twice in a second, in words that name neither.
"""

from __future__ import annotations

from collections.abc import Callable, Sized
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

from pointsman.ports import Say


class Watched:
    """Hands batches over."""

    def __init__(self, exporter: Any, what: str, endpoint: str, say: Say) -> None:  # noqa: ANN401  # the library's have nothing in common
        """`what` it exports, "spans" and the like; `say` is called on threads of the library."""
        self.done = 0
        """Handed over or lost in that."""
        self.lost = 0
        """Of what it exports; batches of what has no length count as one."""
        self.shutdown: Callable[..., Any] = exporter.shutdown
        self._exporter = exporter
        self._what = what
        self._endpoint = endpoint
        self._say = say
        self._is_taken = True

    def export(self, batch: Any, *arguments: Any, **more: Any) -> Any:  # noqa: ANN401  # as above
        """Hand a batch over, and return what the exporter says of that."""
        is_taken = False
        try:
            result = self._exporter.export(batch, *arguments, **more)
            is_taken = result.name == "SUCCESS"
            return result
        finally:
            self._told(batch, is_taken=is_taken)

    def _told(self, batch: object, *, is_taken: bool) -> None:
        size = len(batch) if isinstance(batch, Sized) else 1
        self.done += size
        if not is_taken:
            self.lost += size
        if is_taken is not self._is_taken:
            self._is_taken = is_taken
            if is_taken:
                self._say(f"{self._what} are taken again at {self._endpoint}; {self.lost} were lost so far")
            else:
                self._say(
                    f"{self._what} are not taken at {self._endpoint}, and are lost until they are; no call waits for them", level="warning"
                )


class Queued(SpanProcessor):
    """Hands spans to a processor that drops what it has no room for, and counts that: the library does not say."""

    def __init__(self, processor: SpanProcessor, exporter: Watched, room: int) -> None:
        """`room` is how many spans may wait, those on their way included."""
        self._processor = processor
        self._exporter = exporter
        self._room = room
        self._offered = 0

    def on_end(self, span: ReadableSpan) -> None:
        """Take a span that has ended."""
        if self._offered - self._exporter.done >= self._room:
            self._exporter.lost += 1
        else:
            self._offered += 1
        self._processor.on_end(span)

    def shutdown(self) -> None:
        """Send what waits, and end."""
        self._processor.shutdown()
