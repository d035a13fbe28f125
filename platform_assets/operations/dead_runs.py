"""Runs whose process died with its machine, its server or its command: they count as failed, so that they heal.

Dagster's launcher sees the death of a process that it started, as long as it lives itself. After a power cut, or
`kill -9` of a command, nobody does: the run stays started, and the pools that it holds keep its tables from every later
run. This works only where the history lies in local files, because there alone every process is on this machine.
"""

import os
from math import inf
from pathlib import Path

import dagster as dg

_WORKING = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING])
_CLOCK_SECONDS = 2.0
"""By how much the kernel's account of a process's start may differ from the event log's."""


def fail_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """The ids of the runs that were found dead; their pools are free, and they are reported as failed.

    In this order, so that a caller that dies between the two leaves a run which the next one finds again.
    """
    dead = dead_runs(instance)
    for run in dead:
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
        instance.report_run_failed(run, "The process of this run is gone; it did not end by itself.")
    return [run.run_id for run in dead]


def dead_runs(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """The runs that count as working and whose process is gone; a run that has named no process yet is let alone."""
    # A process that loads definitions needs no storage, and the storage needs alembic.
    from dagster._core.storage.runs import SqliteRunStorage  # noqa: PLC0415

    if not isinstance(instance.run_storage, SqliteRunStorage):
        return []
    return [run for run in instance.get_runs(_WORKING) if _is_dead(run, instance)]


def _is_dead(run: dg.DagsterRun, instance: dg.DagsterInstance) -> bool:
    for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
        said = entry.dagster_event.engine_event_data.metadata if entry.dagster_event else {}
        if "pid" in said:
            return not is_working(int(str(said["pid"].value)), entry.timestamp)
    return False


def is_working(pid: int, instant: float) -> bool:
    """Whether the process that had the number at the instant, in seconds since the epoch, still works."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return _started(pid) <= instant + _CLOCK_SECONDS


def _started(pid: int) -> float:
    """When the process with the number started; a dead one whose parent has not asked for it never did.

    Without `/proc`, as on macOS, the number alone has to do. A container numbers its processes from 1 again after each
    start, so there the number alone would find another process.
    """
    if not Path("/proc/stat").exists():
        return 0.0
    try:
        told = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return inf
    state, *fields = told.rpartition(")")[2].split()
    booted = next(line.split()[1] for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime"))
    return inf if state == "Z" else float(booted) + int(fields[18]) / os.sysconf("SC_CLK_TCK")
