"""DuckDB adds texts up as databases do."""

import hashlib

import polars as pl

from platform_resources.engines.duckdb import text_sums


def test_digits_of_texts_come_to_what_md5_says_of_each_and_nulls_to_nothing():
    texts = ["", "a", "ä€😀", "a\0b", "x" * 5000, "a"]
    expected = sum(int(hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()[:8], 16) for text in texts)
    with text_sums() as sum_texts:
        assert sum_texts(pl.Series([*texts, None])) == expected
        assert sum_texts(pl.Series([None], dtype=pl.String)) == 0
        assert sum_texts(pl.Series([], dtype=pl.String)) == 0
