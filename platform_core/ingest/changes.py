"""Changes of keys folded to what they come to: which rows stand, and which keys are gone.

A change has an epoch (a snapshot begins one), a position in the database's history, and an offset in the topic; the
greatest of these three wins its key. So changes that are sent again, in their order, come to the same.
"""

from collections.abc import Sequence

import polars as pl

PLACE = ("_epoch", "_position", "_offset")
_GONE = "_gone"


def fold_changes(
    rows: pl.DataFrame, deletes: pl.DataFrame, truncates: pl.DataFrame, *, key: Sequence[str]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the rows that stand at the end and the keys that are gone, each with its place.

    Args:
        rows: Rows after inserts, updates and snapshots, with the columns `PLACE`.
        deletes: Keys that went, with the columns `PLACE`.
        truncates: The places at which all rows went.
        key: The columns that identify a row.
    """
    names = [*key, *PLACE]
    marked = pl.concat([
        rows.select(names).with_columns(pl.lit(False).alias(_GONE)),  # noqa: FBT003 - a value of the column
        deletes.select(names).with_columns(pl.lit(True).alias(_GONE)),  # noqa: FBT003
    ])  # fmt: skip
    if truncates.height:
        marked = marked.filter(_is_behind(*truncates.sort(PLACE).select(PLACE).row(-1)))
    last_of_key = marked.sort(PLACE).unique(list(key), keep="last", maintain_order=True)
    standing = rows.join(last_of_key.filter(~pl.col(_GONE)).select(names), on=names, how="semi")
    return standing, last_of_key.filter(_GONE).select(names)


def _is_behind(epoch: int, position: str, offset: int) -> pl.Expr:
    """Whether a change lies behind a place."""
    same_epoch, same_position = pl.col("_epoch") == epoch, pl.col("_position") == position
    return (
        (pl.col("_epoch") > epoch)
        | (same_epoch & (pl.col("_position") > position))
        | (same_epoch & same_position & (pl.col("_offset") > offset))
    )


def without_stale(changes: pl.DataFrame, stored: pl.DataFrame, *, key: Sequence[str]) -> pl.DataFrame:
    """Leave out changes that lie before what the table has under their key; a snapshot and what follows it stand.

    Args:
        changes: With the columns `PLACE`.
        stored: Of the table, the key and the `_position` of each row that may be concerned.
        key: The columns that identify a row.
    """
    known = stored.select(*key, pl.col("_position").alias("_stored"))
    joined = changes.join(known, on=list(key), how="left", maintain_order="left")
    is_stale = (pl.col("_stored") > pl.col("_position")).fill_null(value=False)
    return joined.filter(~is_stale | (pl.col("_epoch") > 0)).drop("_stored")
