"""Each materialisation, and each failure, as points of CloudWatch: `DataPipeline/<dataset>`."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg

from platform_assets.location import CodeLocation
from platform_assets.operations.alerting.event_signals import step_signals
from platform_assets.operations.event_log import EventCursor, newest_event, read_events
from platform_resources.telemetry.cloudwatch import Point, send_points

_TYPES = (dg.DagsterEventType.ASSET_MATERIALIZATION, dg.DagsterEventType.PIPELINE_FAILURE)
_METRICS = {
    "RecordsProcessed": (("rows_in", "rows_written"), "Count"),
    "RecordsFailed": (("rows_quarantined",), "Count"),
    "DataSize": (("size_bytes",), "Bytes"),
    "ExecutionTime": (("duration_seconds",), "Seconds"),
}
_EVENTS_AT_ONCE = 5_000


def push_points(location: CodeLocation, instance: dg.DagsterInstance) -> int:
    """Send what happened since the last push, and return how many points; the first push begins with what follows it.

    The cursor is kept behind each push: a death between the two sends those points again.

    Raises:
        CloudWatchRefused: The points are sent again by the next push.
    """
    path = Path(location.settings.state) / "cloudwatch.json"
    if not path.exists():
        _keep(path, newest_event(instance))
        return 0
    document = json.loads(path.read_text())
    cursor = EventCursor(document["last"], frozenset(document["recent"]))
    sent = 0
    while True:
        entries, cursor = read_events(instance, cursor, _TYPES, limit=_EVENTS_AT_ONCE)
        points = [point for entry in entries for point in _points(instance, entry, location.settings.environment)]
        if points:
            send_points(points, region=location.settings.s3.region)
        _keep(path, cursor)
        sent += len(points)
        if len(entries) < _EVENTS_AT_ONCE:
            return sent


def _points(instance: dg.DagsterInstance, entry: dg.EventLogEntry, environment: str) -> Iterator[Point]:
    event, at = entry.dagster_event, datetime.fromtimestamp(entry.timestamp, UTC)
    if event is None:
        return
    if event.event_type == dg.DagsterEventType.PIPELINE_FAILURE:
        run = instance.get_run_by_id(entry.run_id)
        for _, signal in step_signals(instance, run) if run else ():
            if signal.dataset:
                yield _point(signal.subject, "Success", 0.0, "None", at, environment)
        return
    if event.asset_key is None:
        return
    name = event.asset_key.to_user_string()
    metadata = event.step_materialization_data.materialization.metadata
    for metric, (labels, unit) in _METRICS.items():
        values = [metadata[label].value for label in labels if label in metadata]
        if values and isinstance(values[0], int | float):
            yield _point(name, metric, float(values[0]), unit, at, environment)
    yield _point(name, "Success", 1.0, "None", at, environment)


def _point(name: str, metric: str, value: float, unit: str, at: datetime, environment: str) -> Point:
    return Point(
        namespace=f"DataPipeline/{name}",
        metric=metric,
        value=value,
        unit=unit,
        at=at,
        dimensions={"Environment": environment},
    )


def _keep(path: Path, cursor: EventCursor) -> None:
    document: dict[str, Any] = {"last": cursor.last, "recent": sorted(cursor.recent)}
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps(document))
    beside.replace(path)
