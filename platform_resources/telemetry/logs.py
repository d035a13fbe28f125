"""Log lines as JSON on standard error, with the ids that join a file or message to the tables made of it."""

import sys
from typing import Any

from platform_resources.settings import Settings
from platform_resources.telemetry.tracing import current_trace


def log_event(settings: Settings, event: str, **facts: str | float | None) -> None:
    """Write one line where the settings ask for lines; nothing is imported where they do not.

    Args:
        settings: Say whether.
        event: What happened, of few different texts.
        facts: Names, ids and counts, never values of rows; `run_id`, `dataset`, `source`, `ingest_id` correlate.
    """
    if settings.logs != "json":
        return
    import structlog  # noqa: PLC0415 - for who logs

    processors: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.JSONRenderer(),
    ]
    logger = structlog.wrap_logger(structlog.WriteLogger(sys.stderr), processors=processors)
    logger.info(event, environment=settings.environment, trace_id=current_trace() or None, **facts)
