"""Files that land while `dagster dev` works: new ones, the same again, revised ones, broken ones."""

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tests.journeys.installation import Dev
from tests.journeys.months import a_year_later

pytestmark = pytest.mark.journey
NEW = "flights/flights-2014-02.parquet"
MARTS = ("daily_delays", "delay_by_carrier", "delay_by_hour", "delay_by_route")
IN_NEW = pl.col("_source") == NEW


@dataclass(frozen=True)
class Landed:
    """A month that landed, and what came of it."""

    rows: pl.DataFrame
    before: int
    runs: Sequence[dg.RunRecord]
    started_after: float
    done_after: float

    @property
    def run(self) -> dg.DagsterRun:
        """The first run that it started."""
        return self.runs[0].dagster_run


@pytest.fixture(scope="module")
def landed(dev: Dev) -> Landed:
    """February 2014, taken in."""
    rows, known, before = a_year_later(dev.installation, 2), dev.runs(), dev.installation.count("flights/flights")
    at = dev.installation.land(NEW, rows)
    run = dev.until(lambda: dev.of(NEW, known), f"a run that takes in {NEW}")
    dev.settle()
    return Landed(rows, before, dev.after(known), (run.start_time or 0) - at, (run.end_time or 0) - at)


def flights_counted(dev: Dev, mart: str) -> int:
    return int(dev.installation.scan(f"flights/{mart}").select(pl.col("flights").sum()).collect().item())


def test_a_new_month_and_all_that_is_below_it_work_in_one_run_and_one_process(dev: Dev, landed: Landed) -> None:
    told = [entry.message or "" for entry in dev.events(landed.run.run_id)]
    steps = {entry.step_key for entry in dev.events(landed.run.run_id) if entry.step_key}
    assert [record.dagster_run.status for record in landed.runs] == [dg.DagsterRunStatus.SUCCESS]
    assert steps == {"flights__flights", "dbt", "flights__daily_delays", "flights__flights__sla"}
    assert len({found[1] for each in told if (found := re.search(r"in process \(pid: (\d+)\)", each))}) == 1


def test_the_rows_of_a_new_month_reach_the_table_and_every_mart(dev: Dev, landed: Landed) -> None:
    after = landed.before + landed.rows.height
    assert dev.installation.count("flights/flights") == after
    for mart in MARTS:
        assert (mart, flights_counted(dev, mart)) == (mart, after)


def test_every_check_of_a_new_month_is_judged_in_its_run(dev: Dev, landed: Landed) -> None:
    shown = dev.installation.asked("datasets", "show", "flights/flights")
    assert {rule["run_id"] for rule in shown["rules"]} == {landed.run.run_id}
    assert {rule["status"] for rule in shown["rules"]} <= {"passed", "warned"}


def test_how_long_a_new_month_took_is_told(landed: Landed, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 < landed.started_after < landed.done_after
    with capsys.disabled():
        print(f"\nfile → ingest {landed.started_after:.0f} s, → all marts {landed.done_after:.0f} s")  # noqa: T201


def test_the_same_file_again_starts_nothing(dev: Dev, landed: Landed) -> None:
    known, path = dev.runs(), dev.installation.landing / NEW
    shutil.copy(path, path.with_suffix(".copy"))
    path.with_suffix(".copy").replace(path)
    dev.looked()
    assert dev.after(known) == []
    assert dev.installation.count("flights/flights", IN_NEW) == landed.rows.height


def test_a_revised_file_is_merged_without_duplicates_and_its_deleted_row_goes(dev: Dev, landed: Landed) -> None:
    known, key = dev.runs(), dev.installation.location.catalog["flights/flights"].key
    revised = landed.rows[1:].with_columns(
        dep_delay=pl.when(pl.int_range(pl.len()) < 10).then(777).otherwise("dep_delay")
    )
    dev.installation.land(NEW, revised)
    dev.until(lambda: dev.of(NEW, known), "a run that takes in the revision")
    kept = dev.installation.scan("flights/flights").filter(IN_NEW).collect()
    assert (kept.height, kept.select(key).n_unique()) == (revised.height, revised.height)
    assert kept.filter(dep_delay=777).height == 10
    assert kept.join(landed.rows[:1], on=list(key), how="semi").is_empty()
    assert flights_counted(dev, "daily_delays") == landed.before + revised.height


BROKEN = {
    "flights/flights-2014-04.parquet": "cut off",
    "flights/flights-2014-05.parquet": "empty",
    "flights/flights-2014-06.parquet": "carrier",
    "flights/planes-latin.csv": "not UTF-8",
}
GOOD = "flights/flights-2014-07.parquet"


def broken_files(dev: Dev) -> dict[str, pl.DataFrame | bytes]:
    """A truncated file, an empty one, one without a column that may not be null, one in another encoding."""
    whole = (dev.installation.landing / "flights/flights-2013-04.parquet").read_bytes()
    planes = (dev.installation.landing / "flights/planes.csv").read_text().replace("AIRBUS", "AÏRBUS")
    other = a_year_later(dev.installation, 6).drop("carrier")
    return dict(zip(BROKEN, [whole[: len(whole) // 2], b"", other, planes.encode("latin-1")], strict=True))


def test_broken_files_are_set_aside_with_the_reason_and_a_good_one_goes_through(dev: Dev) -> None:
    known, rows = dev.runs(), a_year_later(dev.installation, 7)
    tables = ("flights/planes", "flights/daily_delays")
    before = {name: dev.installation.scan(name).collect() for name in tables}
    for source, content in {**broken_files(dev), GOOD: rows}.items():
        dev.installation.land(source, content)
    for source in (*BROKEN, GOOD):
        dev.until(lambda source=source: dev.of(source, known), f"a run that takes in {source}")
    dev.until(dev.idle, "the end of all runs")

    aside = pl.concat([dev.installation.store(name).envelopes() for name in ("flights/flights", "flights/planes")])
    reasons = dict(aside.filter(pl.col("position").is_null()).select("source", "reason").iter_rows())
    assert {source: word in reasons.get(source, "") for source, word in BROKEN.items()} == dict.fromkeys(BROKEN, True)
    assert dev.installation.count("flights/flights", pl.col("_source") == GOOD) == rows.height
    assert_frame_equal(dev.installation.scan("flights/planes").collect(), before["flights/planes"])
    delays = dev.installation.scan("flights/daily_delays").collect()
    assert before["flights/daily_delays"].join(delays, on=delays.columns, how="anti", nulls_equal=True).is_empty()
    assert flights_counted(dev, "delay_by_carrier") == dev.installation.count("flights/flights")
