"""What is told of calls: log lines and spans, from values that say what happened. Nothing else writes to the log or knows OpenTelemetry."""

from pointsman.telemetry.log import CallRecord, LibraryLog, Log, Note

__all__ = ["CallRecord", "LibraryLog", "Log", "Note"]
