"""What the platform relies on beyond the vendors' public faces; an upgrade that breaks it fails here."""

from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, write_deltalake

from platform_resources.vendor.deltalake_internals import storage_options_of
from platform_resources.vendor.polars_internals import scan_parquet_by_field_id, skip_batch_predicate
from platform_resources.vendor.pyiceberg_internals import schema_of


def field(name: str, number: int) -> pa.Field:
    return pa.field(name, pa.int64(), metadata={"PARQUET:field_id": str(number)})


def test_polars_finds_a_renamed_column_by_its_field_id(tmp_path: Path) -> None:
    pq.write_table(pa.table({"old": [1, 2]}, schema=pa.schema([field("old", 7)])), tmp_path / "a.parquet")
    rows = scan_parquet_by_field_id(
        pa.schema([field("new", 7), field("later", 8)]), [str(tmp_path / "a.parquet")], None
    )
    assert rows.collect().to_dict(as_series=False) == {"new": [1, 2], "later": [None, None]}


def test_polars_says_of_which_files_no_row_passes() -> None:
    skip = skip_batch_predicate(pl.col("day") > 5, {"day": pl.Int64()})
    facts = pl.DataFrame({"day_min": [1, 4], "day_max": [5, 9], "day_nc": [0, 0], "len": [3, 3]},
                         schema_overrides={"day_nc": pl.UInt32, "len": pl.UInt32})  # fmt: skip
    assert skip is not None
    assert facts.select(skip).to_series().to_list() == [True, False]


def test_a_delta_table_remembers_its_storage_options(tmp_path: Path) -> None:
    write_deltalake(tmp_path, pl.DataFrame({"a": [1]}))
    assert storage_options_of(DeltaTable(tmp_path)) == {}
    assert storage_options_of(DeltaTable(tmp_path, storage_options={"max_retries": "3"})) == {"max_retries": "3"}


def test_pyiceberg_makes_a_schema_with_ids_and_docs_of_arrow_columns() -> None:
    made = schema_of(pa.schema([pa.field("a", pa.int64(), metadata={"doc": "mine"}), pa.field("b", pa.string())]))
    assert [(column.name, column.field_id, column.doc) for column in made.fields] == [("a", 1, "mine"), ("b", 2, None)]
