"""Receipts: what tables have, as counts and order-free checksums of hashed key buckets, so that two can be compared.

A receipt has a fixed size whatever the table's: rows are added up by bucket, in any order and any number of pieces.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

BUCKETS = 4096
_BITS = 1 << 20
"""Hashes are cut by so much, so that sums of a million rows a bucket fit."""
_KEY, _ROWS, _BUCKET = "\0key", "\0rows", "\0bucket"


@dataclass(frozen=True)
class Comparison:
    """Where two tables differ.

    Attributes:
        buckets: Those whose keys are not the same.
        columns: Columns that differ where keys are the same, with the number of buckets.
        source_rows: Of the first table.
        table_rows: Of the second.
    """

    buckets: Sequence[int]
    columns: dict[str, int]
    source_rows: int
    table_rows: int


def buckets_of(keys: pl.DataFrame, key: Sequence[str]) -> pl.Series:
    """Compute the bucket of each row by its key."""
    return keys.select((pl.struct(key).hash(seed=7) % BUCKETS).cast(pl.UInt16).alias(_BUCKET)).to_series()


def receipt_of(rows: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
    """Add rows up by bucket: their number, and for the key and each other column the sum of its values' hashes.

    Every value is hashed together with the row's key, so that values which change places are seen.
    """
    others = [name for name in rows.columns if name not in key]
    hashes = [(pl.struct(key).hash(seed=11) // _BITS).alias(_KEY)]
    hashes += [(pl.struct([*key, name]).hash(seed=13) // _BITS).alias(name) for name in others]
    hashed = rows.select(hashes).with_columns(buckets_of(rows, key).alias(_BUCKET))
    sums = [pl.col(name).sum() for name in (_KEY, *others)]
    return hashed.group_by(_BUCKET).agg(pl.len().cast(pl.UInt64).alias(_ROWS), *sums)


def add_receipts(receipts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Add up the receipts of a table's pieces."""
    together = pl.concat(receipts)
    return together.group_by(_BUCKET).agg(pl.exclude(_BUCKET).sum())


def compare_receipts(source: pl.DataFrame, table: pl.DataFrame) -> Comparison:
    """Compare two receipts of the same columns."""
    names = [name for name in source.columns if name not in {_BUCKET, _ROWS, _KEY}]
    both = source.join(table, on=_BUCKET, how="full", coalesce=True, suffix="\0t").fill_null(0)
    same = (pl.col(_KEY) == pl.col(f"{_KEY}\0t")) & (pl.col(_ROWS) == pl.col(f"{_ROWS}\0t"))
    alike = both.filter(same)
    columns = {name: alike.filter(pl.col(name) != pl.col(f"{name}\0t")).height for name in names}
    return Comparison(
        both.filter(~same)[_BUCKET].to_list(),
        {name: count for name, count in columns.items() if count},
        int(source[_ROWS].sum()),
        int(table[_ROWS].sum()),
    )
