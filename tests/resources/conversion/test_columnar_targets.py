"""What readers of Parquet find: types that every Arrow has, a dictionary where values repeat, whole row groups."""

import datetime as dt
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from platform_resources.conversion import convert
from platform_resources.settings import Settings

ROWS = 200_000
DAYS = [dt.date(2020, 1, 1) + dt.timedelta(days=day) for day in range(2_000)]
FLAT = pl.DataFrame(
    {
        "id": range(ROWS),
        "day": [DAYS[row * 7 % 2_000] for row in range(ROWS)],
        "text": [None if row % 11 == 0 else f"the text of row {row}, too long for a view" for row in range(ROWS)],
        "bytes": [bytes([row % 7]) for row in range(ROWS)],
    }
)


def converted(frame: pl.DataFrame, folder: Path) -> Path:
    frame.write_ipc(folder / "in.arrow")
    convert(str(folder / "in.arrow"), str(folder / "out.parquet"), settings=Settings.from_environment({}))
    return folder / "out.parquet"


def test_a_dictionary_is_kept_where_values_repeat_and_nowhere_else(tmp_path: Path) -> None:
    group = pq.ParquetFile(converted(FLAT, tmp_path)).metadata.row_group(0)
    kept = {group.column(place).path_in_schema: group.column(place).has_dictionary_page for place in range(4)}
    assert kept == {"id": False, "day": True, "text": False, "bytes": True}


def test_the_first_rows_are_no_row_groups_of_their_own(tmp_path: Path) -> None:
    facts = pq.ParquetFile(converted(FLAT, tmp_path)).metadata
    assert facts.num_rows == ROWS
    assert all(facts.row_group(place).num_rows >= 32_768 for place in range(facts.num_row_groups - 1))


@pytest.mark.parametrize("nested", [False, True], ids=["flat", "nested"])
def test_arrow_is_told_types_that_every_version_of_it_has(*, nested: bool, tmp_path: Path) -> None:
    frame = FLAT.head(10).with_columns(kind=pl.lit("a").cast(pl.Categorical), at=pl.lit(["x"])) if nested else FLAT
    path = converted(frame, tmp_path)
    schema = pq.read_schema(path)
    assert schema.field("text").type == pa.large_string()
    assert schema.field("bytes").type == pa.large_binary()
    assert pl.read_parquet(path).equals(frame)


@pytest.mark.parametrize("rows", [0, 1])
def test_a_table_of_no_rows_keeps_its_columns(rows: int, tmp_path: Path) -> None:
    path = converted(FLAT.head(rows), tmp_path)
    assert pl.read_parquet(path).equals(FLAT.head(rows))
    assert pq.read_schema(path).field("text").type == pa.large_string()


@pytest.mark.parametrize("within", [None, "list", "struct"])
def test_an_arrow_file_has_the_categories_of_all_its_chunks(within: str | None, tmp_path: Path) -> None:
    names = pl.Series("kind", [None if row % 7 == 0 else f"k{row // 3_000}" for row in range(30_000)])
    kind = pl.col("kind").cast(pl.Categorical)
    told = {None: kind, "list": pl.concat_list(kind), "struct": pl.struct(kind)}[within]
    frame = pl.DataFrame([names]).select(told.alias("kind"), n=pl.int_range(pl.len()))
    frame.write_parquet(tmp_path / "in.parquet")
    convert(str(tmp_path / "in.parquet"), str(tmp_path / "out.arrow"), settings=Settings.from_environment({}))
    assert pl.read_ipc(tmp_path / "out.arrow").equals(frame)
    assert pa.ipc.open_file(tmp_path / "out.arrow").read_all()["kind"].to_pylist() == frame["kind"].to_list()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["in.parquet", "out.arrow"]
