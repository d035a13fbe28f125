"""kill -9 of a run's process, of a whole `dagster dev`, of `platform demo`: what was begun is ended, each row once."""

import os
import re
import signal
import subprocess
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from tests.journeys.conftest import Demo
from tests.journeys.installation import REPOSITORY, Dev, Installation, binary, until
from tests.journeys.months import a_year_later

pytestmark = pytest.mark.journey
FLIGHTS = "flights/flights"


def working_on(instance: dg.DagsterInstance, run_id: str, step: str) -> int | None:
    """The process of a run that has begun the step and not ended it."""
    events = [entry.dagster_event for entry in instance.all_logs(run_id) if entry.dagster_event]
    states = [event.event_type_value for event in events if event.step_key == step]
    if "STEP_START" not in states or "STEP_SUCCESS" in states:
        return None
    told = " ".join(event.message or "" for event in events)
    return int(re.findall(r"Executing steps in process \(pid: (\d+)\)", told)[-1])


def process_of_a_run(dev: Dev, source: str, rows: pl.DataFrame) -> int:
    """The process that takes in a file that has just landed, halfway through."""
    known = dev.runs()
    dev.installation.land(source, rows)
    run_id = dev.until(lambda: dev.after(known), "a run for the new file")[0].dagster_run.run_id
    return dev.until(lambda: working_on(dev.instance, run_id, "dbt"), "dbt at work")


def healed(dev: Dev, known: list[dg.RunRecord]) -> bool:
    """Whether the run that was killed failed and every later one succeeded.

    There may be more than one: what is downstream may be asked for by its condition before the next try has begun.
    """
    dev.until(lambda: len(dev.after(known)) > 1 and dev.idle(), "the end of another try")
    first, *later = [record.dagster_run.status for record in dev.after(known)]
    return first == dg.DagsterRunStatus.FAILURE and set(later) == {dg.DagsterRunStatus.SUCCESS}


def counts(installation: Installation) -> tuple[int, int, int]:
    """The flights in the table, their keys, and the flights that a mart counted."""
    flights = installation.scan(FLIGHTS).select(installation.location.catalog[FLIGHTS].key).collect()
    mart = installation.scan("flights/delay_by_carrier").select(pl.col("flights").sum()).collect().item()
    return flights.height, flights.n_unique(), int(mart)


def test_a_run_whose_process_is_killed_is_tried_again(dev: Dev) -> None:
    rows, known, before = a_year_later(dev.installation, 9), dev.runs(), dev.installation.count(FLIGHTS)
    os.kill(process_of_a_run(dev, "flights/flights-2014-09.parquet", rows), signal.SIGKILL)
    assert healed(dev, known)
    assert counts(dev.installation) == (before + rows.height,) * 3


def test_a_power_cut_is_forgotten_once_dagster_dev_runs_again(demo: Demo, tmp_path: Path) -> None:
    installation = demo.installation.copy(tmp_path / "state")
    rows, before = a_year_later(installation, 10), installation.count(FLIGHTS)
    with installation.dev() as dev:
        known = dev.runs()
        process_of_a_run(dev, "flights/flights-2014-10.parquet", rows)
        dev.server.kill()
    with installation.dev() as dev:
        assert healed(dev, known)
    assert counts(installation) == (before + rows.height,) * 3


def test_a_demo_that_was_killed_does_not_hold_up_the_next(demo: Demo, tmp_path: Path) -> None:
    installation = demo.installation.copy(tmp_path / "state")
    rows, before = a_year_later(installation, 11), installation.count(FLIGHTS)
    installation.land("flights/flights-2014-11.parquet", rows)
    killed = subprocess.Popen(
        [binary("platform"), "demo"], cwd=REPOSITORY, env=installation.environment, stdout=subprocess.DEVNULL
    )
    with installation.instance() as instance:
        until(lambda: any(working_on(instance, run.run_id, "dbt") for run in instance.get_runs(limit=1)), "dbt at work")
    killed.kill()
    killed.wait()
    installation.succeed("platform", "demo")
    assert counts(installation) == (before + rows.height,) * 3
