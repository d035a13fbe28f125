"""Runs whose process died with its machine, its server or its command: they count as failed, so that they heal.

Dagster's launcher sees the death of a process that it started, as long as it lives itself. After a power cut, or
`kill -9` of a command, nobody does: the run stays started, and the pools that it holds keep its tables from every later
run. This works only where the history lies in local files, because there alone every process is on this machine.
"""

import dagster as dg

from platform_resources.processes import is_working

_WORKING = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING])


def fail_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Free the pools of dead runs and report these as failed; return their ids.

    In this order, so that a caller that dies between the two leaves a run which the next one finds again.
    """
    dead = dead_runs(instance)
    for run in dead:
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
        instance.report_run_failed(run, "The process of this run is gone; it did not end by itself.")
    return [run.run_id for run in dead]


def dead_runs(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """List the runs that count as working and whose process is gone; one that has named no process is let alone."""
    # A process that loads definitions needs no storage, and the storage needs alembic.
    from dagster._core.storage.runs import SqliteRunStorage  # noqa: PLC0415

    if not isinstance(instance.run_storage, SqliteRunStorage):
        return []
    return [run for run in instance.get_runs(_WORKING) if _is_dead(run, instance)]


def _is_dead(run: dg.DagsterRun, instance: dg.DagsterInstance) -> bool:
    for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
        metadata = entry.dagster_event.engine_event_data.metadata if entry.dagster_event else {}
        if "pid" in metadata:
            return not is_working(int(str(metadata["pid"].value)), entry.timestamp)
    return False
