"""Programs of the stress test: processes that read a table through one cache folder, and one that cleans it.

python -m tests.resources.storage.caches.writing fill|clean
"""

# ruff: noqa: T201 - it speaks to the test by lines

import random
import sys
from datetime import timedelta

import polars as pl

from platform_resources.settings import Settings
from platform_resources.storage import Lake, TableSpec

SPECS = [
    TableSpec(path=f"shop/{name}/v1", format=name, partition_column="_month")  # type: ignore[arg-type]
    for name in ("delta", "parquet", "iceberg")
]
MONTHS = ["jan", "feb", "mar", "apr"]


def version(number: int, rows: int = 400) -> pl.DataFrame:
    """All rows of one version say its number."""
    return pl.DataFrame(
        {"id": range(rows), "version": [number] * rows, "text": [f"{number}:{row}" for row in range(rows)],
         "_month": [MONTHS[row % 4] for row in range(rows)]}
    )  # fmt: skip


def _fill(lake: Lake) -> None:
    """Reads in all ways until told to stop; after every line from the test, what it reads is at least that version."""
    print("ready", flush=True)
    for line in sys.stdin:
        least, reads = int(line), random.Random(line)  # noqa: S311
        for _ in range(4):
            for spec in SPECS:
                _read(lake, spec, least, reads)
        print("ok", flush=True)


def _read(lake: Lake, spec: TableSpec, least: int, reads: random.Random) -> None:
    month = reads.choice(MONTHS)
    ways = [
        lambda lazy: lazy,
        lambda lazy: lazy.filter(pl.col("_month") == month),
        lambda lazy: lazy.filter(pl.col("id") >= reads.randrange(400)),
        lambda lazy: lazy.select("version", "id", "text"),
    ]
    rows = reads.choice(ways)(lake.scan(spec)).collect()
    expected = rows.select(text=pl.format("{}:{}", "version", "id"))
    assert rows.select("text").equals(expected), "a row is made of two versions"
    assert rows.is_empty() or rows["version"].min() >= least, f"stale: {rows['version'].min()} < {least}"  # type: ignore[operator]


def _clean(lake: Lake) -> None:
    assert lake.cache is not None
    print("ready", flush=True)
    for _ in sys.stdin:
        for _ in range(3):
            lake.cache.disk.clean(timedelta(0))
            lake.cache.disk.shrink()
            assert lake.cache.disk.verify().corrupt == ()
        print("ok", flush=True)


if __name__ == "__main__":
    {"fill": _fill, "clean": _clean}[sys.argv[1]](Lake(Settings.from_environment()))
