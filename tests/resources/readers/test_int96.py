"""Instants of 96 bits, as Spark writes them, are read as what they are, or refused; never as others."""

from datetime import datetime
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from platform_resources.readers.columnar import parquet

DAYS = [datetime(year, 6, 1, 1, 2, 3, 5) for year in (1, 1677, 1970, 2262, 9999)]  # noqa: DTZ001 - Spark writes no zone


def spark_file(folder: Path, values: pa.Array) -> Path:
    path = folder / "spark.parquet"
    table = pa.table({"id": list(range(len(values))), "at": values})
    pq.write_table(table, path, use_deprecated_int96_timestamps=True, store_schema=False)
    return path


def read(path: Path) -> pl.Series:
    return pl.concat(list(parquet(path, path.name).frames()))["at"]


def test_instants_beyond_nanoseconds_are_read_as_microseconds(tmp_path: Path) -> None:
    assert read(spark_file(tmp_path, pa.array(DAYS, pa.timestamp("us")))).to_list() == DAYS


def test_nanoseconds_stay_where_they_have_room(tmp_path: Path) -> None:
    assert read(spark_file(tmp_path, pa.array([1_234_567_891], pa.timestamp("ns")))).dt.nanosecond()[0] == 234_567_891


def test_nested_instants_are_read_too(tmp_path: Path) -> None:
    nested = pa.array([[day] for day in DAYS], pa.list_(pa.timestamp("us")))
    assert read(spark_file(tmp_path, nested)).to_list() == [[day] for day in DAYS]
