"""An input that is judged in batches says what it says when it is judged whole, in bounded memory."""

import random
import resource
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from platform_assets.ingest.ingest import Run, ingest
from platform_assets.ingest.inputs import Input
from platform_assets.ingest.metrics import read_metrics
from platform_assets.ingest.quarantine import QuarantineStore
from platform_core.contracts import Dataset
from platform_resources.sources import Batch
from platform_resources.storage import Lake
from tests.assets.ingest.worker import opened, orders, standing
from tests.world import sales, world


def as_it_came(draw: random.Random, rows: int) -> pl.DataFrame:
    """Rows as text; keys come twice, days cannot be read, prices are refused."""
    return pl.DataFrame(
        {
            "id": [str(draw.randint(1, 12)) for _ in range(rows)],
            "day": [draw.choice(["2024-01-15", "2024-02-15", "2024-02-30"]) for _ in range(rows)],
            "price": [str(draw.randint(-1, 3)) for _ in range(rows)],
        }
    )


def taken_in(
    lake: Lake, dataset: Dataset, raw: pl.DataFrame, *, name: str, ident: str, rows_a_batch: int | None
) -> None:
    def batches():
        for first in range(0, raw.height, rows_a_batch or 1):
            yield Batch(raw[first : first + (rows_a_batch or 1)], first_record=first + 1)

    given = Input(f"shop/orders-{name}.csv", ident, raw=raw if rows_a_batch is None else None,
                  batches=None if rows_a_batch is None else batches)  # fmt: skip
    run = Run(run_id="run", at=datetime(2024, 3, 1, tzinfo=UTC))
    ingest(lake, dataset, lambda _: [given], {}, run=run, admits=lambda _: True)


def what_stands(lake: Lake, dataset: Dataset) -> tuple:
    store = QuarantineStore(lake, dataset)
    log = store.ingests().select("source", "rows", "valid", "quarantined", "superseded", "partitions", "arrival")
    envelopes = store.envelopes().select("quarantine_id", "rules", "payload").sort("quarantine_id")
    return standing(lake, dataset), log.to_dicts(), envelopes.to_dicts()


@pytest.mark.parametrize(("seed", "newest"), [(0, None), (1, None), (2, None), (3, "price"), (4, "_arrival")])
def test_batches_say_what_the_whole_says(tmp_path: Path, seed: int, newest: str | None) -> None:
    draw = random.Random(seed)  # noqa: S311 - not a secret
    dataset, whole, pieces = orders("delta", newest), opened(tmp_path / "whole"), opened(tmp_path / "pieces")
    for turn in range(3):
        raw, name = as_it_came(draw, draw.randint(3, 9)), draw.choice("ab")
        taken_in(whole, dataset, raw, name=name, ident=f"{turn:012}{turn:020}", rows_a_batch=None)
        taken_in(pieces, dataset, raw, name=name, ident=f"{turn:012}{turn:020}", rows_a_batch=draw.randint(1, 4))
        assert what_stands(pieces, dataset) == what_stands(whole, dataset)


def test_a_key_too_many_in_one_row_of_a_large_file_sets_one_row_aside(tmp_path: Path) -> None:
    lake, dataset = opened(tmp_path), orders("delta")
    raw = pl.DataFrame(
        {"id": ["1", "2", "3"], "day": ["2024-01-15"] * 3, "price": ["1"] * 3, "note": [None, "x", None]}
    )
    taken_in(lake, dataset, raw, name="a", ident="1", rows_a_batch=3)
    (envelope,) = QuarantineStore(lake, dataset).envelopes().to_dicts()
    assert (envelope["position"], envelope["reason"]) == (2, "malformed: the contract lacks 'note'")
    assert len(standing(lake, dataset)) == 2


def test_a_large_file_leaves_measurements_of_its_rows(tmp_path: Path) -> None:
    with world(tmp_path, PLATFORM_MEMORY_BYTES=str(64 * 2**20)) as shop:
        rows = sales((1, "apple", None)).join(pl.DataFrame({"sale": range(2, 60_000)}), how="cross").drop("sale")
        shop.land("shop/sales-a.csv", rows.rename({"sale_right": "sale"}))
        shop.catch_up()
        found = read_metrics(shop.location.lake, shop.dataset("shop/sales")).filter(pl.col("partition") == "2024-01")
    measured = {(column, metric): value for column, metric, value in found.select("column", "metric", "value").rows()}
    assert (measured["", "row_count"], measured["price", "null_rate"]) == (59_998, 1.0)
    assert ("price", "outlier_rate") not in measured, "it was judged whole"


@pytest.mark.lane
def test_the_first_load_of_many_million_rows_goes_through_in_bounded_memory(tmp_path: Path) -> None:
    lake, dataset = opened(tmp_path), orders("delta")
    path = Path(lake.settings.landing) / "shop/orders-a.csv"
    path.parent.mkdir(parents=True)
    rows = 10_000_000
    number = pl.int_range(rows)
    price = number % 1000 - (number % 1000 == 0)
    pl.LazyFrame().select(id=number, day=pl.lit("2024-01-15"), price=price).sink_csv(path)
    command = [sys.executable, "-m", "tests.assets.ingest.worker", str(tmp_path), "delta", "never", "a"]
    assert subprocess.run(command, check=False).returncode == 0
    # judging takes 0.7 GB, the write of delta-rs the rest; a merge into rows that are there 2.7 GB
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 1_800_000
    (log,) = QuarantineStore(lake, dataset).ingests(["shop/orders-a.csv"]).to_dicts()
    assert (log["rows"], log["quarantined"]) == (rows, rows // 1000)
    assert log["valid"] + log["quarantined"] + log["superseded"] == rows
