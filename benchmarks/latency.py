"""How long a landed file takes to a downstream row, under a real `dagster dev` with its daemon and nothing else.

Three months are held back, everything else is up to date; then each lands, one after the other. Reported are the
seconds from the rename that lands the file to: the run that takes it in is there, its rows can be read, the derived
table has them. There is no peer in this table: a sensor of Dagster's ticks every 30 s by default, and two minutes is
the promise.
"""

import argparse
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import dagster as dg

    from platform_assets.location import CodeLocation

REPOSITORY = Path(__file__).resolve().parent.parent
MONTHS = ("2013-10", "2013-11", "2013-12")
PATIENCE_SECONDS = 300
STAGES = ("a run is asked for", "rows in flights/flights", "rows in flights/daily_delays")


def main() -> None:
    """Prints one row a stage: the median and the range over the months."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--months", type=int, default=len(MONTHS))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="platform-bench-", ignore_cleanup_errors=True) as name:
        location, held = _prepared(Path(name), MONTHS[: given.months])
        with _dagster_dev(Path(name)) as instance:
            taken = [_landed(location, instance, month, held[month]) for month in MONTHS[: given.months]]
    print("### From a landed file to a downstream row\n\n| stage | median s | range s |\n| --- | ---: | ---: |")
    for stage, seconds in zip(STAGES, zip(*taken, strict=True), strict=True):
        print(f"| {stage} | {statistics.median(seconds):.1f} | {min(seconds):.1f} to {max(seconds):.1f} |")


def _prepared(state: Path, months: tuple[str, ...]) -> tuple["CodeLocation", dict[str, bytes]]:
    """A location that is up to date but for the flights of the given months, and those months' files."""
    os.environ["PLATFORM_STATE"] = str(state)
    os.environ["DAGSTER_HOME"] = str(state / "dagster")
    (state / "dagster").mkdir()
    shutil.copy(REPOSITORY / "dagster.yaml", state / "dagster")
    import dagster as dg

    from platform_assets.definitions import location
    from platform_assets.operations.catch_up import run_catch_up, stale_runs
    from platform_assets.operations.sample import sample_files

    held = {f"flights/flights-{month}.parquet": month for month in months}
    kept = {}
    for source, content in sample_files():
        if source in held:
            kept[held[source]] = content
        else:
            location.landing.put(source, content)
    with dg.DagsterInstance.get() as instance:
        events = (e for run in stale_runs(location, instance) for e in run_catch_up(run, location.defs, instance))
        failed = [event.step_key for event in events if event.is_step_failure]
    if failed:
        print(f"  failed while preparing: {', '.join(map(str, failed))}", file=sys.stderr)
    return location, kept


@contextmanager
def _dagster_dev(state: Path) -> Iterator["dg.DagsterInstance"]:
    """`dagster dev` on a free port, once its daemon has ticked the landing sensor."""
    import dagster as dg

    command = [str(Path(sys.executable).parent / "dagster"), "dev", "-w", "workspace.yaml", "-p", str(_free_port())]
    with (state / "dev.log").open("w") as log:
        server = subprocess.Popen(command, cwd=REPOSITORY, stdout=log, stderr=log, start_new_session=True)
    try:
        with dg.DagsterInstance.get() as instance:
            _until(lambda: _ticked(instance), "the landing sensor to tick")
            yield instance
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(60)


def _ticked(instance: "dg.DagsterInstance") -> bool:
    for state in instance.all_instigator_state():
        if state.origin.instigator_name == "flights_landing":
            return bool(instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1))
    return False


def _landed(location: "CodeLocation", instance: "dg.DagsterInstance", month: str, content: bytes) -> list[float]:
    """Seconds from landing to each stage."""
    runs = instance.get_runs_count()
    location.landing.put(f"flights/flights-{month}.parquet", content)
    landed = time.monotonic()
    conditions = (
        lambda: instance.get_runs_count() > runs,
        lambda: _rows(location, "flights/flights", month) > 0,
        lambda: _rows(location, "flights/daily_delays", month) > 60,
    )
    taken = []
    for stage, condition in zip(STAGES, conditions, strict=True):
        _until(lambda condition=condition: condition() or _refuse_failure(instance), f"{stage} for {month}")
        taken.append(time.monotonic() - landed)
        print(f"  {month}: {stage}: {taken[-1]:.1f} s", file=sys.stderr)
    _until(lambda: not _busy(instance), "the runs to end")
    return taken


def _refuse_failure(instance: "dg.DagsterInstance") -> bool:
    """False; a failed run ends the benchmark with its reason."""
    import dagster as dg

    for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]), limit=1):
        told = [event.dagster_event.message for event in instance.all_logs(run.run_id)
                if event.dagster_event and event.dagster_event.is_failure]  # fmt: skip
        raise SystemExit(f"run {run.run_id} failed: {told}")
    return False


def _rows(location: "CodeLocation", name: str, month: str) -> int:
    """Rows of the month, those of the first day left out: the month before holds its local evening too."""
    import polars as pl

    from platform_assets.ingest import table_spec

    dataset = location.catalog[name]
    assert dataset.partitions
    late = pl.col(dataset.partitions.on).dt.day() > 1
    rows = location.lake.scan(table_spec(dataset), partitions=[month])
    return int(rows.filter(late).select(pl.len()).collect().item())


def _busy(instance: "dg.DagsterInstance") -> bool:
    import dagster as dg

    open_ones = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]
    return instance.get_runs_count(dg.RunsFilter(statuses=open_ones)) > 0


def _until(condition: Callable[[], bool], what: str) -> None:
    ends = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > ends:
            raise SystemExit(f"gave up waiting for {what} after {PATIENCE_SECONDS} s")
        time.sleep(0.25)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
