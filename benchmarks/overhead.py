"""What the platform adds to a step: a year of flights by our asset, by a Dagster asset written by hand, by a script.

Ours reads the 12 monthly files, types and judges every row by 50 rules with references into four tables, fills the
quarantine, merges with provenance and hashes, logs each file, and reports every check. The others read the same files,
validate with the same Pandera model, and write the same Delta partitions: no references, quarantine, provenance or log.
Modules are imported before the clock starts; every case runs in one process on a state folder of its own.
"""

import importlib
import os
import shutil
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from harness import Case, Facts, main

if TYPE_CHECKING:
    import dagster as dg

    from platform_assets.location import CodeLocation

REFERENCES = ("airlines", "airports", "planes", "weather")
FIRST, LAST = "2013-01", "2014-01"


def prepare(folder: Path) -> None:
    """Publishes the sample and takes in what flights refer to; then a second state in which flights are there too."""
    from platform_assets.operations.sample import publish

    location = _location(folder / "new")
    publish(location.landing)
    _materialise(location, REFERENCES)
    shutil.copytree(folder / "new", folder / "known")
    _materialise(_location(folder / "known"), ("flights",))
    _by_hand(folder / "known" / "landing" / "flights", folder / "known" / "by_hand")


def _location(state: Path) -> "CodeLocation":
    os.environ["PLATFORM_STATE"] = str(state)
    warnings.simplefilter("ignore")
    from platform_assets.composition import build_location
    from platform_resources.settings import Settings

    settings = Settings.from_environment({"PLATFORM_STATE": str(state)})
    return build_location("platform_assets.domains", settings, dbt=Path(__file__).parents[1] / "dbt")


def _materialise(location: "CodeLocation", names: tuple[str, ...]) -> None:
    import dagster as dg

    keys = {dg.AssetKey(["flights", name]) for name in names}
    job = location.defs.resolve_implicit_global_asset_job_def().get_subset(asset_selection=keys)
    with dg.DagsterInstance.ephemeral() as instance:
        assert job.execute_in_process(instance=instance, tags=_span()).success


def _span() -> dict[str, str]:
    return {"dagster/asset_partition_range_start": FIRST, "dagster/asset_partition_range_end": LAST}


def _own(folder: Path, state: str) -> Path:
    """A copy of a state, and the vendors of all cases in memory."""
    for name in ("dagster", "deltalake", "pandera.polars", "polars"):
        importlib.import_module(name)
    mine = folder / f"run-{os.getpid()}"
    shutil.copytree(folder / state, mine)
    return mine


def ours(folder: Path, state: str) -> Iterator[Facts | None]:
    """Our asset."""
    mine = _own(folder, state)
    location = _location(mine)
    yield None
    _materialise(location, ("flights",))
    yield None
    shutil.rmtree(mine)


def unchanged(folder: Path) -> Iterator[Facts | None]:
    """What a second `make demo`, or a sensor's tick without a cursor, costs: to see that nothing is new."""
    from platform_assets.operations.arrivals import SETTLED, Cursor, look

    mine = _own(folder, "known")
    location = _location(mine)
    datasets = [location.catalog["flights/flights"]]
    yield None
    now = datetime.now(UTC)
    arrivals, _ = look(location.lake, location.settings, datasets, Cursor.read(None, now), now + SETTLED)
    yield {"new files": len(arrivals)}
    shutil.rmtree(mine)


def _by_hand(landing: Path, table: Path) -> int:
    """Reads, validates, writes: the least a careful script does. Returns the rows."""
    import polars as pl
    from deltalake import write_deltalake

    from platform_assets.domains.flights.flights import Flights

    frame = pl.concat(pl.read_parquet(path) for path in sorted(landing.glob("flights-*.parquet")))
    typed = frame.with_columns(pl.col("dep_delay", "arr_delay", "air_time").cast(pl.Float64))
    valid = Flights.validate(typed, lazy=True)
    stored = valid.with_columns(pl.col("time_hour").dt.strftime("%Y-%m").alias("_partition"))
    write_deltalake(str(table), stored.to_arrow(), mode="overwrite", partition_by=["_partition"])
    return stored.height


def asset_by_hand(folder: Path, state: str) -> Iterator[Facts | None]:
    """A Dagster asset with the same partitions, pool and one check, by raw Polars, Pandera and delta-rs."""
    import dagster as dg

    mine = _own(folder, state)
    job = _hand_asset(mine).resolve_implicit_global_asset_job_def()
    yield None
    with dg.DagsterInstance.ephemeral() as instance:
        assert job.execute_in_process(instance=instance, tags=_span()).success
    yield None
    shutil.rmtree(mine)


def _hand_asset(mine: Path) -> "dg.Definitions":
    import dagster as dg

    @dg.asset(
        partitions_def=dg.MonthlyPartitionsDefinition(start_date=FIRST, fmt="%Y-%m", end_offset=1),
        backfill_policy=dg.BackfillPolicy.single_run(),
        check_specs=[dg.AssetCheckSpec("valid", asset="flights")],
        pool="flights",
    )
    def flights(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        rows = _by_hand(mine / "landing" / "flights", mine / "by_hand")
        context.log.info("%d rows", rows)
        return dg.MaterializeResult(metadata={"rows": rows}, check_results=[dg.AssetCheckResult(passed=True)])

    return dg.Definitions(assets=[flights], executor=dg.in_process_executor)


def script(folder: Path, state: str) -> Iterator[Facts | None]:
    """The same without Dagster."""
    mine = _own(folder, state)
    yield None
    rows = _by_hand(mine / "landing" / "flights", mine / "by_hand")
    yield {"rows": rows}
    shutil.rmtree(mine)


def cases() -> list[Case]:
    """The first run and a second one over the same files."""
    found = []
    for state, table in (("new", "First run: 336,776 flights in 12 files"), ("known", "Second run, the same files")):
        rows = f"{state}: Dagster asset by hand", f"{state}: script"
        found += [
            Case(f"{state}: ours", lambda folder, state=state: ours(folder, state), rows, table),
            Case(rows[0], lambda folder, state=state: asset_by_hand(folder, state), rows[1:], table),
            Case(rows[1], lambda folder, state=state: script(folder, state), (), table),
        ]
    hand, alone = "known: Dagster asset by hand", "known: script"
    return [*found, Case("known: ours sees that nothing is new", unchanged, (hand, alone), found[-1].table)]


if __name__ == "__main__":
    main(cases(), prepare=prepare, rounds=3)
