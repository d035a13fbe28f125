"""Programs that tests run as processes of their own: writers that race, and writers that are killed."""

import dataclasses
import os
import sys
from pathlib import Path

import polars as pl

from platform_resources.settings import Settings
from platform_resources.storage import Lake, TableSpec

MERGED = TableSpec(path="race/merged/v1", mode="merge", key=("id",), partition_column="_month")
APPENDED = TableSpec(path="race/appended/v1", mode="append")
APPENDED_PARQUET = TableSpec(path="race/parquet/v1", format="parquet", mode="append")
BY_MONTH = TableSpec(path="race/monthly/v1", partition_column="_month")
ICEBERG_MERGED = dataclasses.replace(MERGED, path="race/iceberg_merged/v1", format="iceberg")
ICEBERG_APPENDED = dataclasses.replace(APPENDED, path="race/iceberg_appended/v1", format="iceberg")
ICEBERG_BY_MONTH = dataclasses.replace(BY_MONTH, path="race/iceberg_monthly/v1", format="iceberg")
TABLES = {
    "merged": MERGED, "appended": APPENDED, "parquet": APPENDED_PARQUET, "monthly": BY_MONTH,
    "iceberg_merged": ICEBERG_MERGED, "iceberg_appended": ICEBERG_APPENDED, "iceberg_monthly": ICEBERG_BY_MONTH,
}  # fmt: skip
COMMITS = 5


def race(name: str, who: int, gate: Path) -> None:
    """Writes COMMITS rows, one a commit, from the moment the gate opens."""
    lake, spec = Lake(Settings.from_environment()), TABLES[name]
    (gate.parent / f"ready-{who}").touch()
    while not gate.exists():
        os.sched_yield()
    for number in range(COMMITS):
        month = f"m{who}" if "monthly" in name else "m0"
        rows = pl.DataFrame({"id": [who * 100 + number], "_month": [month]})
        partitions = [month] if "monthly" in name else None
        lake.write(spec, rows, partitions=partitions, transaction=f"{who}-{number}")


def same(name: str, who: int, gate: Path) -> None:
    """Writes the same file as the other process, under the same transaction."""
    lake = Lake(Settings.from_environment())
    (gate.parent / f"ready-{who}").touch()
    while not gate.exists():
        os.sched_yield()
    rows = pl.DataFrame({"id": range(10)}).with_columns(_month=pl.lit("m0"))
    lake.write(TABLES[name], rows, transaction="the-same-file")


def moved(name: str, who: int, gate: Path) -> None:
    """Merges the same keys as the other process, into a partition of its own."""
    lake = Lake(Settings.from_environment())
    rows = pl.DataFrame({"id": [1, 2, 3]}).with_columns(_month=pl.lit(f"m{who}"))
    (gate.parent / f"ready-{who}").touch()
    while not gate.exists():
        os.sched_yield()
    lake.write(TABLES[name], rows)


def write_for_ever(format_name: str, mode: str) -> None:
    """Writes one generation after the other, whose rows all carry its growing number, until it is killed."""
    lake, spec = Lake(Settings.from_environment()), killed(format_name, mode)
    for number in range(1, 10_000):
        lake.write(spec, generation(number), transaction=str(number) if mode == "append" else None)
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()


def killed(format_name: str, mode: str = "overwrite") -> TableSpec:
    path = f"killed/{format_name}_{mode}/v1"
    return TableSpec(path=path, format=format_name, mode=mode, key=("noise",))  # type: ignore[arg-type]


def generation(number: int) -> pl.DataFrame:
    return pl.DataFrame({"number": [number] * 200_000, "noise": range(200_000)})


if __name__ == "__main__":
    if sys.argv[1] == "race":
        race(sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
    elif sys.argv[1] == "same":
        same(sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
    elif sys.argv[1] == "moved":
        moved(sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
    else:
        write_for_ever(sys.argv[2], sys.argv[1])
