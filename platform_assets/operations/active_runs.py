"""Runs that read right now: what they may still need of a table is not deleted under them."""

from datetime import UTC, datetime

import dagster as dg

_ACTIVE = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED])


def oldest_active_run(instance: dg.DagsterInstance) -> tuple[str, datetime] | None:
    """Find the id and the start of the run that has been working longest, or None; every run may read every table."""
    records = instance.get_run_records(_ACTIVE)
    started = [
        (record.start_time or record.create_timestamp.timestamp(), record.dagster_run.run_id) for record in records
    ]
    if not started:
        return None
    at, run_id = min(started)
    return run_id, datetime.fromtimestamp(at, UTC)
