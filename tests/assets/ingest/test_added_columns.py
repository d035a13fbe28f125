"""New columns are added by policy, and types become wider, on every format and however large the input is."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from platform_assets.ingest.ingest import Ingest, Run, ingest
from platform_assets.ingest.inputs import Input
from platform_assets.ingest.tables import superseded_spec, table_spec
from platform_core.contracts import DataFrameModel, Dataset, Day, Files, Generated, Parquet, UtcTimestamp
from platform_core.quality.added_columns import joint_types, new_columns
from platform_resources.sources import Batch
from platform_resources.storage import Lake
from tests.assets.ingest.worker import opened, orders

both_formats = pytest.mark.parametrize("kind", ["delta", "iceberg"])


class Narrow(DataFrameModel):
    """Orders as they were declared first."""

    id: pl.Int32
    day: Day
    price: pl.Float32


class Wide(DataFrameModel):
    """Orders as they are declared later."""

    id: int
    day: UtcTimestamp
    price: float


def taken(lake: Lake, dataset: Dataset, name: str, *, in_batches: bool = False, **columns: list[str | None]) -> Ingest:
    raw = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))
    pieces = [Batch(raw[row : row + 1], first_record=row + 1) for row in range(raw.height)]
    given = Input(f"shop/{name}", repr(columns), raw=None if in_batches else raw,
                  batches=(lambda: iter(pieces)) if in_batches else None)  # fmt: skip
    run = Run(run_id=repr(columns), at=datetime(2024, 3, 1, tzinfo=UTC), partitions=["2024-01"])
    return ingest(lake, dataset, lambda _: [given], {}, run=run, admits=lambda _: True)[-1]


def reason(made: Ingest) -> str:
    return next(result.reason for result in made.intake.results if result.rule.id == "schema")


@both_formats
@pytest.mark.parametrize("in_batches", [False, True])
def test_a_new_column_is_added_with_its_type_and_older_files_have_nulls(
    tmp_path: Path, kind: str, *, in_batches: bool
) -> None:
    lake = opened(tmp_path)
    dataset = replace(orders(kind), source=Files("orders-*", extra_columns="add"))
    day = "2024-01-15"
    taken(lake, dataset, "a", id=["1"], day=[day], price=["3"])
    made = taken(lake, dataset, "b", in_batches=in_batches, id=["2", "3"], day=[day] * 2, price=["4", "5"],
                 tip=["1", "0.5"], code=["007", None], empty=[None, None])  # fmt: skip
    assert reason(made).startswith("added to the table, though the contract does not name them: tip (Float64), code")
    taken(lake, dataset, "c", in_batches=in_batches, id=["4", "5"], day=[day] * 2, price=["6", "7"], tip=["x", "2"])
    rows = lake.scan(table_spec(dataset)).select("id", "tip", "code").sort("id").collect()
    assert rows.rows() == [(1, None, None), (2, 1.0, "007"), (3, 0.5, None), (5, 2.0, None)]
    taken(lake, dataset, "a", id=["1"], day=[day], price=["9"])
    assert lake.scan(table_spec(dataset)).collect().height == 4


def test_a_misspelt_column_is_refused_and_not_added(tmp_path: Path) -> None:
    lake, dataset = opened(tmp_path), replace(orders("delta"), source=Files("orders-*", extra_columns="add"))
    made = taken(lake, dataset, "a", id=["1"], day=["2024-01-15"], Price=["3"])
    assert "'Price' differs from 'price'" in reason(made)


def test_the_type_of_a_new_column_reads_each_of_its_values() -> None:
    raw = pl.DataFrame({
        "id": ["1", "2"], "whole": ["1", None], "day": ["2024-01-15", "2024-02-30"], "yes": ["true", "False"],
        "at": ["2024-01-15T00:00:00Z"] * 2, "Id": ["a", "b"], "_own": ["a", "b"], "list": [[1], [2]],
    })  # fmt: skip
    dataset = replace(orders("delta"), model=type("OnlyIds", (DataFrameModel,), {"__annotations__": {"id": int}}))
    assert joint_types([new_columns(raw, dataset, needed=["id"])]) == {
        "whole": pl.Int64(), "day": pl.String(), "yes": pl.Boolean(), "at": pl.Datetime("us", "UTC"),
    }  # fmt: skip


def test_numbers_with_more_digits_than_a_float_keeps_are_added_as_texts() -> None:
    raw = pl.DataFrame({"id": ["1"], "account": ["12345678901234567890"], "rate": ["12345678.12345678901"],
                        "sum": ["0.30000000000000004"], "large": ["1e300"], "cents": ["10.10"]})  # fmt: skip
    dataset = replace(orders("delta"), model=type("OnlyIds", (DataFrameModel,), {"__annotations__": {"id": int}}))
    assert new_columns(raw, dataset, needed=["id"]) == {
        "account": pl.String(), "rate": pl.String(), "sum": pl.Float64(), "large": pl.Float64(), "cents": pl.Float64(),
    }  # fmt: skip


@pytest.mark.parametrize("in_batches", [False, True])
def test_whole_numbers_beside_fractions_keep_their_digits_and_names_of_the_platform_are_told(
    tmp_path: Path, *, in_batches: bool
) -> None:
    lake, dataset = opened(tmp_path), replace(orders("delta"), source=Files("orders-*", extra_columns="add"))
    made = taken(lake, dataset, "a", in_batches=in_batches, id=["1", "2"], day=["2024-01-15"] * 2, price=["3"] * 2,
                 account=["9007199254740993", "0.5"], tip=["1", "0.5"], long=["9007199254740993", "1"],
                 _partition=["x", "y"])  # fmt: skip
    assert "account (String), tip (Float64), long (Int64)" in reason(made)
    assert reason(made).endswith("; left out, for the contract does not name them: _partition.")
    rows = lake.scan(table_spec(dataset)).select("account", "tip", "long").sort("tip").collect()
    assert rows.rows() == [("0.5", 0.5, 1), ("9007199254740993", 1.0, 9007199254740993)]


@both_formats
def test_a_declared_type_becomes_wider_without_reading_inputs_again(tmp_path: Path, kind: str) -> None:
    lake, dataset = opened(tmp_path), orders(kind)
    store = replace(dataset.store, evolution="add")
    narrow, wide = (replace(dataset, model=model, store=store) for model in (Narrow, Wide))
    taken(lake, narrow, "a", id=["1", "2"], day=["2024-01-15", "2024-02-01"], price=["3", "1.5"])
    taken(lake, narrow, "b", id=["1"], day=["2024-01-16"], price=["4"])
    big, instant = str(2**40), "2024-01-15T10:00:00Z"
    taken(lake, wide, "c", id=[big], day=[instant], price=["9"])
    taken(lake, wide, "b", id=["7"], day=[instant], price=["8"])
    rows = lake.scan(table_spec(wide)).select("id", "price").sort("id").collect()
    assert rows.rows() == [(1, 3.0), (2, 1.5), (7, 8.0), (2**40, 9.0)], "row 1 of the first file stands again"
    assert lake.scan(superseded_spec(wide)).collect().is_empty()


def test_parquet_takes_the_wider_type_and_keeps_its_other_partitions(tmp_path: Path) -> None:
    lake = opened(tmp_path)
    terms = {"source": Generated(rows=1), "store": Parquet("append", evolution="add"), "quarantine": None}
    narrow, wide = (replace(orders("delta"), model=model, **terms) for model in (Narrow, Wide))
    taken(lake, narrow, "generated", id=["1"], day=["2024-01-15"], price=["3"])
    taken(lake, wide, "generated", id=[str(2**40)], day=["2024-01-15T10:00:00Z"], price=["9"])
    assert lake.scan(table_spec(wide)).select("id").collect()["id"].sort().to_list() == [1, 2**40]
