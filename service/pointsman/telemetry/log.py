"""What is told of calls: one JSON line each, from values that say what happened. Nothing else writes to the log.

A line holds the fields that are declared here and no others, none of which can hold text of a prompt, a credential or a user's id.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from typing import BinaryIO

import msgspec
from msgspec import Struct

from pointsman.core.completion import Completion
from pointsman.core.decision import Decision

FLUSH_S = 0.1
"""Encoding and writing line by line would be a tenth of what the lines are about."""


class CallRecord(Struct, kw_only=True, omit_defaults=True, tag_field="event", tag="call"):
    """What became of one call. It is filled in as the call goes on, by whoever knows."""

    method: str
    id: str
    time: datetime | None = None
    """When the call ended, in UTC."""
    code: str = ""
    reason: str = ""
    """Of an error: as in ErrorInfo."""
    ms: float = 0.0
    tenant: str = ""
    credential: str = ""
    """By what the caller is known: never the credential itself."""
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
    cache: str = ""
    """What the response cache did: hit, miss, bypass, coalesced or stale; empty where it is off."""

    def decided(self, decision: Decision) -> None:
        """Take down the decision."""
        self.revision, self.rule, self.model = decision.revision, decision.rule.id, decision.chosen.model
        if decision.shadows:
            self.shadows = [f"{shadow.rule.id}={shadow.model}" for shadow in decision.shadows]
        self.task = decision.features.task
        self.input_tokens = decision.chosen.tokens.input

    def completed(self, completion: Completion) -> None:
        """Take down the answer."""
        usage = completion.usage
        self.input_tokens, self.output_tokens, self.cost_nano_usd = usage.input_tokens, usage.output_tokens, usage.cost
        self.attempts = len(completion.attempts)
        if completion.cache_status:
            self.cache = completion.cache_status.name.lower()
        if completion.model != self.model:
            self.answered_by = completion.model


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
        self._encoder = msgspec.json.Encoder()
        self._waiting: list[CallRecord] = []

    def call(self, record: CallRecord) -> None:
        """Write the line of a call that has ended; it leaves within FLUSH_S, together with those of other calls."""
        record.time = self._now()
        if not self._waiting:
            asyncio.get_running_loop().call_later(FLUSH_S, self.flush)
        self._waiting.append(record)

    def note(self, message: str, *, level: str = "info") -> None:
        """Write a line about the process, and those that wait."""
        self.flush()
        self._out.write(self._encoder.encode(Note(time=self._now(), level=level, message=message)) + b"\n")
        self._out.flush()

    def flush(self) -> None:
        """Write the lines that wait."""
        lines, self._waiting = self._waiting, []
        if lines:
            self._out.write(self._encoder.encode_lines(lines))
            self._out.flush()

    def unexpected(self, record: CallRecord, error: BaseException) -> None:
        """Write where an error that nobody foresaw was raised. Its message is left out: it may quote the prompt."""
        frames = traceback.extract_tb(error.__traceback__)
        at = " < ".join(f"{frame.name} ({frame.filename.rpartition('/')[2]}:{frame.lineno})" for frame in reversed(frames[-6:]))
        self.note(f"{record.method} {record.id}: {type(error).__name__} raised in {at}", level="error")


class LibraryLog(logging.Handler):
    """Passes warnings of libraries on as notes.

    grpc reports every cancelled call as an error of its own; a call record already says that.
    """

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record: who logs and its message pattern, without arguments, which may quote a request."""
        if record.name != "grpc._cython.cygrpc":
            self._log.note(f"{record.name}: {record.msg}", level=record.levelname.lower())
