"""Decision records as log records over OTLP, for those who would rather have a collector keep them than a disk.

The library's part for logs is still named as if it were private; it is the one that there is.
"""

from __future__ import annotations

from typing import Any

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource

from pointsman.core.record import DecisionRecord, Line, to_json
from pointsman.telemetry import names

MOST_WAITING = 2048
"""Records; more are dropped rather than held."""

MOST_AT_ONCE = 64
"""In one message: a record of a large catalog has some 30 KB, and collectors take 4 MB."""


class SentRecords:
    """Sends records: the body of each is the JSON that a file would have."""

    def __init__(self, exporter: Any, resource: Resource) -> None:  # noqa: ANN401  # one of the library, watched
        provider = LoggerProvider(resource=resource, shutdown_on_exit=False)
        provider.add_log_record_processor(
            BatchLogRecordProcessor(exporter, max_queue_size=MOST_WAITING, max_export_batch_size=MOST_AT_ONCE)
        )
        self._logger = provider.get_logger("pointsman")
        self.shutdown = provider.shutdown

    def add(self, line: Line) -> None:
        """Send a record, or what was said of one, soon."""
        is_decision = isinstance(line, DecisionRecord)
        tenant = line.facts.request.tenant if isinstance(line, DecisionRecord) else line.tenant
        self._logger.emit(
            LogRecord(
                timestamp=round(line.time.timestamp() * 1e9),
                severity_number=SeverityNumber.INFO,
                event_name=names.DECIDE if is_decision else names.FEEDBACK,
                body=to_json(line).decode(),
                attributes={names.CALL_ID: line.id, names.TENANT: tenant},
            )
        )
