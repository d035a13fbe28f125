"""The span of each run, sent when the run is over: until then nothing in its processes knows how it ends."""

import json
from datetime import UTC, datetime

import dagster as dg

from platform_resources.settings import Settings
from platform_resources.telemetry import flush_spans, run_traceparent, send_span
from platform_resources.telemetry.tracing import TRACEPARENT_TAG

_SECONDS = 10
_AT_ONCE = 500
_ENDS = {
    dg.DagsterRunStatus.SUCCESS: "",
    dg.DagsterRunStatus.FAILURE: "RunFailed",
    dg.DagsterRunStatus.CANCELED: "RunCanceled",
}


def trace_sensor(settings: Settings) -> dg.SensorDefinition:
    """Build the sensor that sends the spans of runs that ended; the first tick begins with what follows it."""

    @dg.sensor(name="traces", minimum_interval_seconds=_SECONDS, default_status=dg.DefaultSensorStatus.RUNNING)
    def send(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        """Send a span of each run that ended."""
        if context.cursor is None:
            context.update_cursor(_cursor(datetime.now(UTC).timestamp(), ()))
            return dg.SkipReason("runs that end from now on are traced")
        sent, cursor = send_runs(settings, context.instance, context.cursor)
        context.update_cursor(cursor)
        return dg.SkipReason(f"{sent} runs sent")

    return send


def send_runs(settings: Settings, instance: dg.DagsterInstance, cursor: str) -> tuple[int, str]:
    """Send the spans of runs that ended behind the cursor; return how many, and the cursor behind them."""
    position = json.loads(cursor)
    last, known = float(position["last"]), set(position["known"])
    records = instance.get_run_records(
        dg.RunsFilter(statuses=list(_ENDS), updated_after=datetime.fromtimestamp(last - 1, UTC)),
        limit=_AT_ONCE + len(known), order_by="update_timestamp", ascending=True,
    )  # fmt: skip
    fresh = [record for record in records if record.dagster_run.run_id not in known]
    for record in fresh:
        run = record.dagster_run
        ended = record.end_time or record.update_timestamp.replace(tzinfo=UTC).timestamp()
        asked_by = run.tags.get(TRACEPARENT_TAG, "")
        send_span(
            settings, "run", own=run_traceparent(run.run_id, asked_by), parent=asked_by,
            began=datetime.fromtimestamp(record.start_time or ended, UTC), ended=datetime.fromtimestamp(ended, UTC),
            attributes={"dagster.run_id": run.run_id, "dagster.job": run.job_name, "status": run.status.value.lower()},
            error=_ENDS[run.status],
        )  # fmt: skip
    flush_spans(settings)
    stamps = {record.dagster_run.run_id: record.update_timestamp.replace(tzinfo=UTC).timestamp() for record in records}
    last = max([last, *stamps.values()])
    return len(fresh), _cursor(last, sorted(run_id for run_id, stamp in stamps.items() if stamp >= last - 1))


def _cursor(last: float, known: "list[str] | tuple[str, ...]") -> str:
    return json.dumps({"last": last, "known": list(known)})
