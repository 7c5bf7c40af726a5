"""What is told of calls: log lines and spans, from values that say what happened. Nothing else writes to the log or knows OpenTelemetry."""

from pointsman.telemetry.log import CallLine, LibraryLog, Log, Note
from pointsman.telemetry.story import UNTOLD, Content, Decided, Happening, HoldAsked, LookedUp, Parent, Scored, Story

__all__ = [
    "UNTOLD",
    "CallLine",
    "Content",
    "Decided",
    "Happening",
    "HoldAsked",
    "LibraryLog",
    "Log",
    "LookedUp",
    "Note",
    "Parent",
    "Scored",
    "Story",
]
