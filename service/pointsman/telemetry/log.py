"""What is told of calls: one JSON line each, from values that say what happened. Nothing else writes to the log.

A line holds the fields that are declared here and no others, none of which can hold text of a prompt, a credential or a user's id.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, BinaryIO

import msgspec
from msgspec import Struct

from pointsman.core.decision import Decision
from pointsman.core.optimise import Optimisation
from pointsman.telemetry.story import Story

FLUSH_S = 0.1
"""Making, encoding and writing lines one by one would be a tenth of what they are about; together it is done in a fifth of the time."""


class CallLine(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="event", tag="call"):
    """What is said of a call that has ended."""

    method: str
    id: str
    time: datetime
    """When the call ended, in UTC."""
    code: str
    reason: str = ""
    ms: float = 0.0
    tenant: str = ""
    credential: str = ""
    role: str = ""
    """That the method asks for, where it is more than to call: these lines are the audit."""
    revision: str = ""
    rule: str = ""
    model: str = ""
    """The model chosen."""
    answered_by: str = ""
    """The model that answered, where it is another."""
    shadows: list[str] = []
    """What rules in shadow would have chosen: RULE=MODEL, no model where they would have kept none."""
    task: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cost_nano_usd: int = 0
    attempts: int = 0
    failed: list[str] = []
    """Attempts that came to nothing, and why: "gpt-6-astra 503"."""
    cache: str = ""
    """What the response cache did: hit, miss, bypass, coalesced or stale; empty where it is off."""
    optimized: str = ""
    """What was left out of the prompt before it was sent: "12040 -> 5988 tokens: turns 8"; empty where the route says nothing of that."""
    decision: str = ""
    """Of feedback: the decision that it is about."""
    score: float | None = None
    source: str = ""
    trace: str = ""
    """Id of the trace, in hexadecimal; empty where none is made."""


def line_of(story: Story, time: datetime, trace: str = "") -> CallLine:
    """Return the line of a call that ended at `time`."""
    return CallLine(
        method=story.method.rpartition("/")[2],
        id=story.id,
        time=time,
        code=story.code,
        reason=story.reason,
        ms=round((story.ended_s - story.began_s) * 1000, 3),
        tenant=story.tenant,
        credential=story.credential,
        role=story.role,
        revision=story.revision,
        trace=trace,
        failed=[f"{attempt.model} {attempt.error_type}" for attempt in story.attempts if attempt.error_type],
        **_decision(story),
        **_answer(story),
        **_scored(story),
    )


def _decision(story: Story) -> dict[str, Any]:
    outcome = story.decided.outcome if story.decided is not None else None
    if not isinstance(outcome, Decision):
        return {"rule": outcome.rule} if outcome is not None else {}
    shadows = [f"{shadow.rule.id}={shadow.model}" for shadow in outcome.shadows]
    tokens = {} if story.completion is not None else {"input_tokens": outcome.chosen.tokens.input}
    return {"rule": outcome.rule.id, "model": outcome.chosen.model, "shadows": shadows, "task": outcome.features.task, **tokens}


def _answer(story: Story) -> dict[str, Any]:
    completion = story.completion
    paid = {"attempts": len(story.heard), "cost_nano_usd": story.cost}
    if completion is None:
        return paid
    usage, outcome = completion.usage, story.decided.outcome if story.decided is not None else None
    is_chosen = isinstance(outcome, Decision) and outcome.chosen.model == completion.model
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        **paid,
        "optimized": _spared(completion.optimisation) if completion.optimisation is not None else "",
        "cache": completion.cache_status.name.lower() if completion.cache_status else "",
        "answered_by": "" if is_chosen else completion.model,
    }


def _scored(story: Story) -> dict[str, Any]:
    scored = story.scored
    if scored is None:
        return {}
    return {"decision": scored.decision_id, "score": scored.score, "source": scored.source, "rule": scored.rule, "model": scored.model}


def _spared(found: Optimisation) -> str:
    return f"{found.tokens_before} -> {found.tokens_after} tokens: {found.removed or 'nothing'}"


class Note(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="event", tag="note"):
    """Something about the process rather than about a call."""

    time: datetime
    level: str
    message: str


class Log:
    """Writes lines to stderr, or wherever it is told."""

    def __init__(self, out: BinaryIO | None = None, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._out = sys.stderr.buffer if out is None else out
        self._now = now
        self._home = _here()
        self._encoder = msgspec.json.Encoder()
        self._waiting: list[tuple[Story, datetime]] = []
        self.observe: Callable[[Story], str] = lambda _: ""
        """Is shown each story, too, before its line is written, and returns the id of the trace that it made of it."""

    def call(self, story: Story) -> None:
        """Write the line of a call that has ended; it leaves within FLUSH_S, together with those of other calls."""
        if not self._waiting:
            asyncio.get_running_loop().call_later(FLUSH_S, self.flush)
        self._waiting.append((story, self._now()))

    def note(self, message: str, *, level: str = "info") -> None:
        """Write a line about the process, and those that wait; on another thread than the log's own, soon."""
        if self._home is not None and _here() is not self._home:
            with suppress(RuntimeError):  # it is over: nobody writes any more
                self._home.call_soon_threadsafe(partial(self.note, message, level=level))
            return
        self.flush()
        self._write(self._encoder.encode(Note(time=self._now(), level=level, message=message)) + b"\n")

    def flush(self) -> None:
        """Write the lines that wait."""
        waiting, self._waiting = self._waiting, []
        if waiting:
            self._write(self._encoder.encode_lines([line_of(story, time, self._observed(story)) for story, time in waiting]))

    def _write(self, lines: bytes) -> None:
        with suppress(OSError, ValueError):  # nobody reads it, or it is full: that is no reason to fail calls, or not to end
            self._out.write(lines)
            self._out.flush()

    def _observed(self, story: Story) -> str:
        try:
            return self.observe(story)
        except Exception as error:  # a line of the log is the audit of its call: it is written whatever becomes of the rest
            self.unexpected(story, error)
            return ""

    def unexpected(self, story: Story, error: BaseException) -> None:
        """Write where an error that nobody foresaw was raised. Its message is left out: it may quote the prompt."""
        frames = traceback.extract_tb(error.__traceback__)
        at = " < ".join(f"{frame.name} ({frame.filename.rpartition('/')[2]}:{frame.lineno})" for frame in reversed(frames[-6:]))
        method = story.method.rpartition("/")[2]
        self.note(f"{method} {story.id}: {type(error).__name__} raised in {at}", level="error")


def _here() -> asyncio.AbstractEventLoop | None:
    """Return the event loop that runs on this thread, if one does."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


class LibraryLog(logging.Handler):
    """Passes warnings of libraries on as notes.

    grpc reports every cancelled call as an error of its own; a call record already says that. Exporters report each batch that a
    collector did not take; `watched` says so once.
    """

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record: who logs and its message pattern, without arguments, which may quote a request."""
        if record.name != "grpc._cython.cygrpc" and not record.name.startswith("opentelemetry.exporter."):
            self._log.note(f"{record.name}: {record.msg}", level=record.levelname.lower())
