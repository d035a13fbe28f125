"""Which processes count as gone, and what becomes of their runs."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from platform_assets.composition import build_location
from platform_assets.ingest.replay import replay_tag
from platform_assets.operations.backfills import PartitionRequest, run_in_process
from platform_assets.operations.dead_runs import fail_dead_runs
from platform_resources.processes import is_working
from platform_resources.settings import Settings
from tests.world import World, as_file, sales

pytestmark = pytest.mark.journey
WORK = """
import os, signal, sys
import dagster as dg

@dg.op(pool=sys.argv[3])
def work():
    os.kill(os.getpid(), signal.SIGKILL if sys.argv[2] == "dies" else 0)

@dg.job(executor_def=dg.in_process_executor)
def working():
    work()

with dg.DagsterInstance.local_temp(sys.argv[1], overrides={"concurrency": {"pools": {"default_limit": 1}}}) as instance:
    working.execute_in_process(instance=instance)
"""


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as made:
        yield made


def work(folder: Path, how: str, pool: str = "table") -> None:
    """A run in a process of its own, which dies or ends well."""
    subprocess.run([sys.executable, "-c", WORK, str(folder), how, pool], capture_output=True, timeout=60, check=False)


def test_a_run_whose_process_was_killed_is_failed_and_its_pool_is_free(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    work(tmp_path, "dies")
    (run,) = instance.get_runs()
    assert run.status is dg.DagsterRunStatus.STARTED
    assert instance.event_log_storage.get_concurrency_run_ids() == {run.run_id}
    assert fail_dead_runs(instance) == [run.run_id]
    assert instance.event_log_storage.get_concurrency_run_ids() == set()
    assert [each.status for each in instance.get_runs()] == [dg.DagsterRunStatus.FAILURE]


def test_once_it_is_failed_the_next_run_does_not_wait_for_it(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    work(tmp_path, "dies")
    fail_dead_runs(instance)
    work(tmp_path, "lives")
    assert fail_dead_runs(instance) == []
    assert [each.status for each in instance.get_runs()] == [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]


def test_a_process_that_works_is_working_and_one_that_ended_is_not() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    assert is_working(os.getpid(), time.time())
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and its parent has not asked for it
    assert not is_working(child.pid, time.time())
    child.wait()
    assert not is_working(child.pid, time.time())


@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="only /proc says when a process started")
def test_a_later_process_with_the_same_number_does_not_stand_in_for_the_dead_one() -> None:
    assert not is_working(os.getpid(), instant=time.time() - 7 * 24 * 3600)


def test_a_replay_does_not_wait_for_the_pool_of_a_killed_one(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    settings = Settings.from_environment({"PLATFORM_STATE": str(tmp_path / "state")})
    location = build_location("tests.declared", settings)
    location.landing.put("shop/sales-a.parquet", as_file("a.parquet", sales((1, "apple", 1.0), (2, "apple", -1.0))))
    world = World(location, instance)
    world.catch_up()
    work(tmp_path, "dies", "table_shop_sales")
    request = PartitionRequest(dataset=world.dataset("shop/sales"), partitions=("2024-01",), tags=replay_tag(None))
    assert len(list(run_in_process(request, location.defs, instance))) == 1
