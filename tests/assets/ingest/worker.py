"""An ingest without Dagster, as a script makes one: landed files in, one commit; it may be killed at a named point.

python -m tests.assets.ingest.worker FOLDER FORMAT POINT SOURCE...
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from platform_assets.ingest.ingest import Ingest, Run, ingest, large_bytes
from platform_assets.ingest.inputs import Input, adapter_for, take_inputs
from platform_assets.ingest.state import IngestState
from platform_assets.ingest.tables import ingests_spec, quarantine_spec, superseded_spec, table_spec
from platform_core.contracts import DataFrameModel, Dataset, Day, Delta, Field, Files, Iceberg, Quarantine, monthly
from platform_resources.settings import Settings
from platform_resources.sources import Landing
from platform_resources.storage import Lake

POINTS = ("before quarantine", "before superseded", "before table", "after table", "before log")
SPECS = {"quarantine": quarantine_spec, "superseded": superseded_spec, "table": table_spec, "log": ingests_spec}


class Orders(DataFrameModel):
    """One row per order; its day may change, and with it the month that it lies in."""

    id: int
    day: Day
    price: int = Field(ge=0)


def orders(kind: str, newest: str | None = None) -> Dataset:
    """The dataset, kept as Delta or Iceberg."""
    store = {"delta": Delta(mode="merge"), "iceberg": Iceberg(mode="merge")}[kind]
    return Dataset(
        "shop/orders",
        Orders,
        owner="team:shop",
        version="1.0.0",
        key=("id",),
        newest=newest,
        source=Files("orders-*.csv"),
        partitions=monthly("2024-01", on="day"),
        store=store,
        quarantine=Quarantine(),
    )


def opened(folder: Path) -> Lake:
    """The lake of a folder."""
    return Lake(Settings.from_environment({"PLATFORM_STATE": str(folder / "state")}))


def land(lake: Lake, name: str, rows: Sequence[tuple[int, int, int]]) -> None:
    """Lands a file of ids, months and prices."""
    lines = [f"{key},2024-{month:02}-15,{price}" for key, month, price in rows] or ["0,2024-01-01,-1"]
    Landing(lake.settings).put(f"shop/orders-{name}.csv", ("id,day,price\n" + "\n".join(lines) + "\n").encode())


def take_in(lake: Lake, dataset: Dataset, names: Sequence[str]) -> Ingest:
    """Takes in the named files as they are now."""
    sources = [f"shop/orders-{name}.csv" for name in names]

    def read(state: IngestState) -> list[Input]:
        inputs = take_inputs(
            adapter_for(dataset, lake.settings), state, again=True, names=sources, partitions=None,
            large_bytes=large_bytes(lake, dataset),
        )  # fmt: skip
        return sorted(inputs, key=lambda given: sources.index(given.source))

    now = datetime.now(UTC)
    return ingest(lake, dataset, read, {}, run=Run(run_id=f"run-{now}", at=now), admits=lambda _: True)[-1]


@contextmanager
def dying(point: str, dataset: Dataset, die: Callable[[], None]) -> Iterator[None]:
    """A world in which `die` is called before or after one of an ingest's commits."""
    when, _, table = point.partition(" ")
    if not table:
        yield
        return
    spec, write = SPECS[table](dataset), Lake.write

    def deadly(lake: Lake, written: Any, *args: Any, **kwargs: Any) -> Any:
        if written == spec and when == "before":
            die()
        result = write(lake, written, *args, **kwargs)
        if written == spec:
            die()
        return result

    Lake.write = deadly  # type: ignore[method-assign]
    try:
        yield
    finally:
        Lake.write = write  # type: ignore[method-assign]


def standing(lake: Lake, dataset: Dataset) -> dict[int, tuple[int, int, str]]:
    """By id, month, price and file of the rows in the table; fails where an id is there twice."""
    spec = table_spec(dataset)
    if not lake.exists(spec):
        return {}
    rows = lake.scan(spec).select("id", pl.col("day").dt.month(), "price", pl.col("_source").str.slice(-5, 1)).collect()
    assert rows["id"].is_unique().all(), rows
    return {key: tuple(row) for key, *row in rows.rows()}  # type: ignore[misc]


if __name__ == "__main__":
    here, kept = opened(Path(sys.argv[1])), orders(sys.argv[2])
    with dying(sys.argv[3], kept, lambda: os.kill(os.getpid(), signal.SIGKILL)):
        take_in(here, kept, sys.argv[4:])
    assert "dagster" not in sys.modules
