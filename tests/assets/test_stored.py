"""Rows are read as the contract declares them now, whichever version of it wrote them."""

import polars as pl

from platform_assets.ingest.stored import as_declared
from tests.oddities.odd.notes import notes
from tests.world import World


def test_a_column_that_a_later_version_added_is_null_in_the_rows_from_before() -> None:
    before = pl.LazyFrame({"note": [1], "kind": ["a"], "_source": ["odd/notes-a"]})
    rows = as_declared(before, notes, beside=["_source"]).collect()
    assert rows.columns == [*(column.name for column in notes.columns), "_source"]
    assert rows["amount"].to_list() == [None]


def test_an_enumeration_that_is_stored_as_text_is_read_as_one(odd: World) -> None:
    for name in ("a", "b"):
        odd.land(f"odd/notes-{name}.parquet", pl.DataFrame({**EMPTY, "note": [ord(name)], "kind": [name]}))
        odd.catch_up()
    assert odd.rows("odd/notes")["kind"].to_list() == ["a", "b"]


def test_a_column_named_by_a_word_of_sql_reaches_duckdb(odd: World) -> None:
    odd.land("odd/notes-a.parquet", pl.DataFrame({**EMPTY, "note": [1], "order": [7]}))
    odd.catch_up()
    assert odd.rows("odd/ranks").rows() == [(1, 7)]


EMPTY = {column.name: pl.Series([None], dtype=pl.Null) for column in notes.columns}
