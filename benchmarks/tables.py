"""What storing and loading a table costs through our IO manager, beside the raw library of each format.

TPC-H lineitem at scale factor 1: 6.0 M rows, 16 columns and a `day` of 365 values by which it is partitioned. Each side
starts from a Polars frame in memory and ends with one; vendors are imported before the clock starts, for both. The same
frame is stored as a whole and as 365 partitions in one commit; one day and two columns are read of the latter.

    pip install -e '.[bench]' && python benchmarks/tables.py --rounds 3
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from harness import Case, Facts, Steps, main

if TYPE_CHECKING:
    from pyiceberg.table import Table

    from platform_resources.storage.io_manager import LakeIOManager
    from platform_resources.storage.table import TableSpec

FORMATS = ("delta", "iceberg", "parquet")
DAYS = 365
DAY, TWO = "2024-06-15", ["l_orderkey", "l_extendedprice"]
Write = Callable[..., None]
Scan = Callable[[Path], pl.LazyFrame]


def prepare(folder: Path) -> None:
    """Makes lineitem with its days, and every table that is read, by both sides."""
    frame = make_rows(folder)
    for name in FORMATS:
        for daily in (False, True):
            _manager(folder / "read", name).handle_output(_output(name, daily=daily), frame)
            RAW[name][0](frame, _raw_place(folder / "read", name, daily=daily), daily=daily)


def make_rows(folder: Path) -> pl.DataFrame:
    """Makes lineitem with its days, as `li.parquet`."""
    made = Path(sys.executable).with_name("tpchgen-cli")
    subprocess.run([made, "parquet", "-s", "1", "-T", "lineitem", "-q", "-o", str(folder)], check=True)
    rows = pl.scan_parquet(folder / "lineitem.parquet").collect()
    floats = pl.col(pl.Decimal).cast(pl.Float64)
    day = (pl.int_range(pl.len()) * DAYS // pl.len()).cast(pl.Int32)
    first = pl.lit("2024-01-01").str.to_date()
    days = (first + pl.duration(days=day)).dt.strftime("%Y-%m-%d").alias("day")
    frame = rows.with_columns(floats).with_columns(days)
    frame.write_parquet(folder / "li.parquet")
    return frame


def raw_delta(frame: pl.DataFrame, path: Path, *, daily: bool) -> None:
    from deltalake import write_deltalake

    write_deltalake(str(path), frame, mode="overwrite", partition_by=["day"] if daily else None)


def raw_iceberg(frame: pl.DataFrame, path: Path, *, daily: bool) -> None:
    from pyiceberg.transforms import IdentityTransform

    catalogue = _catalogue(path)
    catalogue.create_namespace_if_not_exists("n")
    arrow = frame.to_arrow()
    table = catalogue.create_table("n.t", arrow.schema)
    if daily:
        with table.update_spec() as update:
            update.add_field("day", IdentityTransform(), "day")
    table.append(arrow)


def raw_parquet(frame: pl.DataFrame, path: Path, *, daily: bool) -> None:
    path.mkdir(parents=True, exist_ok=True)
    if daily:
        frame.write_parquet(pl.PartitionBy(str(path), key="day", include_key=True))
    else:
        frame.write_parquet(path / "data.parquet")


def _catalogue(path: Path) -> Any:
    from pyiceberg.catalog.sql import SqlCatalog

    path.mkdir(parents=True, exist_ok=True)
    return SqlCatalog("c", uri=f"sqlite:///{path}/catalogue.db", warehouse=str(path))


def _iceberg_scan(path: Path) -> pl.LazyFrame:
    table: Table = _catalogue(path).load_table("n.t")
    return pl.scan_iceberg(table)


RAW: dict[str, tuple[Write, Scan]] = {
    "delta": (raw_delta, lambda path: pl.scan_delta(str(path))),
    "iceberg": (raw_iceberg, _iceberg_scan),
    "parquet": (raw_parquet, lambda path: pl.scan_parquet(path / "**/*.parquet", hive_partitioning=True)),
}


def store_raw(name: str, *, daily: bool) -> Steps:
    def steps(folder: Path) -> Iterator[Facts | None]:
        frame = _ready(folder, name)
        place = _raw_place(folder / "written", name, daily=daily)
        yield None
        RAW[name][0](frame, place, daily=daily)
        yield _files(place)
        _clear(place)

    return steps


def store_ours(name: str, *, daily: bool) -> Steps:
    def steps(folder: Path) -> Iterator[Facts | None]:
        frame = _ready(folder, name)
        manager, context = _manager(folder / "written", name), _output(name, daily=daily)
        yield None
        manager.handle_output(context, frame)
        place = Path(manager.lake.location(_spec(name, daily=daily)))
        yield _files(place)
        _clear(place.parents[4])

    return steps


def load_raw(name: str) -> Steps:
    def steps(folder: Path) -> Iterator[Facts | None]:
        _vendors(name)
        place = _raw_place(folder / "read", name, daily=False)
        yield None
        yield {"rows": RAW[name][1](place).collect().height}

    return steps


def load_ours(name: str) -> Steps:
    def steps(folder: Path) -> Iterator[Facts | None]:
        _vendors(name)
        manager, context = _manager(folder / "read", name), _input(name, daily=False)
        yield None
        yield {"rows": manager.load_input(context).height}

    return steps


def day_raw(name: str) -> Steps:
    def steps(folder: Path) -> Iterator[Facts | None]:
        _vendors(name)
        place = _raw_place(folder / "read", name, daily=True)
        yield None
        yield {"rows": RAW[name][1](place).filter(pl.col("day") == DAY).select(TWO).collect().height}

    return steps


def day_ours(name: str) -> Steps:
    def steps(folder: Path) -> Iterator[Facts | None]:
        _vendors(name)
        manager, context = _manager(folder / "read", name), _input(name, daily=True)
        yield None
        yield {"rows": manager.load_input(context).height}

    return steps


def _ready(folder: Path, name: str) -> pl.DataFrame:
    _vendors(name)
    return pl.read_parquet(folder / "li.parquet")


def _vendors(name: str) -> None:
    import dagster  # noqa: F401 - imported before the clock starts, for both sides
    import pyarrow.parquet  # noqa: F401

    import platform_resources.storage.io_manager  # noqa: F401

    if name == "delta":
        import deltalake  # noqa: F401
    if name == "iceberg":
        import pyiceberg.catalog.sql
        import pyiceberg.io.pyarrow  # noqa: F401


def _spec(name: str, *, daily: bool) -> "TableSpec":
    from platform_resources.storage import TableSpec

    return TableSpec(
        path=f"tpch/{'daily' if daily else 'whole'}_{name}/v1",
        format=name,  # type: ignore[arg-type]  # one of FORMATS
        partition_column="day" if daily else None,
    )


def _manager(root: Path, name: str) -> "LakeIOManager":
    from platform_resources.settings import Settings
    from platform_resources.storage.io_manager import LakeIOManager

    return LakeIOManager(Settings.from_environment({"PLATFORM_STATE": str(root / "ours" / name)}))


def _output(name: str, *, daily: bool) -> Any:
    """An asset's output; to make it costs Dagster's imports, which a step has behind it."""
    import dagster as dg

    spec = _spec(name, daily=daily)
    return dg.build_output_context(asset_key=dg.AssetKey("li"), definition_metadata=spec.to_metadata(), run_id="r")


def _input(name: str, *, daily: bool) -> Any:
    """What an asset's input asks for: everything, or two columns of one day."""
    import dagster as dg

    days = dg.DailyPartitionsDefinition("2024-01-01", end_date="2025-01-01")
    of_a_day: dict[str, Any] = {"partition_key": DAY, "asset_partitions_def": days} if daily else {}
    one_day: dict[str, Any] = {**of_a_day, "asset_partition_key_range": dg.PartitionKeyRange(DAY, DAY)} if daily else {}
    above = dg.build_output_context(
        asset_key=dg.AssetKey("li"), definition_metadata=_spec(name, daily=daily).to_metadata()
    )
    return dg.build_input_context(
        asset_key=dg.AssetKey("li"),
        upstream_output=above,
        definition_metadata={"columns": TWO} if daily else {},
        **one_day,
    )


def _raw_place(root: Path, name: str, *, daily: bool) -> Path:
    return root / "raw" / f"{name}-{'daily' if daily else 'whole'}"


def _files(place: Path) -> Facts:
    found = [each for each in place.rglob("*.parquet") if "_delta_log" not in each.parts]
    return {"files": len(found), "MB": round(sum(each.stat().st_size for each in found) / 1e6)}


def _clear(place: Path) -> None:
    import shutil

    shutil.rmtree(place, ignore_errors=True)


def cases() -> list[Case]:
    """Each format: stored whole, stored by day, loaded whole, one day and two columns."""
    found = []
    for name in FORMATS:
        for what, raw, ours in (
            ("store", store_raw(name, daily=False), store_ours(name, daily=False)),
            ("store 365 days", store_raw(name, daily=True), store_ours(name, daily=True)),
            ("load", load_raw(name), load_ours(name)),
            ("one day, two columns", day_raw(name), day_ours(name)),
        ):
            table, base = f"{what}: 6.0 M rows by 17 columns", f"{name}, {what}: raw"
            found.append(Case(base, raw, (), table))
            found.append(Case(f"{name}, {what}: ours", ours, (base,), table))
    return found


if __name__ == "__main__":
    main(cases(), prepare=prepare)
