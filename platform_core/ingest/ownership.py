"""Which row of a key stands: that of the newest input that brought the key, in whichever partition it lies.

Where a column is declared, it is the row with the greatest value, of equal ones that of the newest input.
A valid row that a newer input overtakes is kept aside. When the newer input gives the key up, by a revision without it
or with a row that is refused, the newest row that is kept stands again, without its file being read again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from platform_core.ingest.arrivals import NEWEST

SOURCE, INGEST, HASH, INGESTED_AT = "_source", "_ingest_id", "_row_hash", "_ingested_at"
PROVENANCE = (SOURCE, INGEST, HASH, INGESTED_AT)
"""What every row of an ingested table says beside the contract's columns: where it came from."""

_ARRIVAL, _ORIGIN = "\0arrival", "\0origin"
_ASIDE, _TABLE, _NEW = 0, 1, 2


@dataclass(frozen=True)
class RowPlan:
    """What the commit of a run's valid rows does.

    Attributes:
        written: Rows to merge into the table: the run's own that stand, and kept ones that stand again.
        overtaken: Rows to keep aside: the run's own that do not stand, and the table's that give way.
        restored: Rows that are kept aside and are now to be found in the table: sources and keys.
    """

    written: pl.DataFrame
    overtaken: pl.DataFrame
    restored: pl.DataFrame


def plan_rows(
    new: pl.DataFrame,
    table: pl.DataFrame,
    aside: pl.DataFrame,
    *,
    key: Sequence[str],
    arrivals: Mapping[str, int],
    newest: str | None = None,
) -> RowPlan:
    """Decide for each key which row stands.

    A row may be in the table and aside at once, where a run died in between; it counts once.

    Args:
        new: The run's valid rows with their provenance; of one source and key the last stands, unless a
            column decides. Their sources' earlier rows are given neither in `table` nor in `aside`, where they are
            replaced.
        table: The table's rows of other sources with one of the keys concerned: those of `new`, and those that the
            run's sources had and give up. The same columns as `new`.
        aside: The kept rows of other sources with one of these keys.
        key: The columns that identify a row.
        arrivals: By source, the number of its arrival; a source without one is the newest.
        newest: The column whose greatest value stands before the order of arrival is asked; no value of it is null.
    """
    keys = list(key)
    if table.is_empty() and aside.is_empty() and new.select(keys).n_unique() == new.height:
        return RowPlan(written=new, overtaken=new.clear(), restored=_keys(aside, keys))
    if table.is_empty() and aside.is_empty():
        ordered = _in_order(new.with_columns(_arrival(arrivals)), newest)
        ordered = ordered.unique([SOURCE, *keys], keep="last", maintain_order=True)
        written = ordered.unique(keys, keep="last", maintain_order=True)
        overtaken = new.clear()
        if written.height < new.height:
            overtaken = ordered.join(written, on=[SOURCE, *keys], how="anti", maintain_order="left")
        return RowPlan(
            written=written.select(new.columns), overtaken=overtaken.select(new.columns), restored=_keys(aside, keys)
        )
    contested = pl.concat([table.select(keys), aside.select(keys)]).unique()
    free = plan_rows(
        new.join(contested, on=keys, how="anti", maintain_order="left"), table.clear(), aside.clear(),
        key=key, arrivals=arrivals, newest=newest,
    )  # fmt: skip
    mine = new.join(contested, on=keys, how="semi", maintain_order="left")
    offered = pl.concat([
        rows.select(new.columns).with_columns(_arrival(arrivals), pl.lit(origin).alias(_ORIGIN))
        for rows, origin in ((aside, _ASIDE), (table, _TABLE), (mine, _NEW))
    ])  # fmt: skip
    candidates = _in_order(offered, newest).unique([SOURCE, *keys], keep="last", maintain_order=True)
    standing = candidates.unique(keys, keep="last", maintain_order=True)
    beaten = candidates.join(standing, on=[SOURCE, *keys], how="anti", maintain_order="left")
    return RowPlan(
        written=pl.concat([free.written, standing.filter(pl.col(_ORIGIN) != _TABLE).select(new.columns)]),
        overtaken=pl.concat([free.overtaken, beaten.filter(pl.col(_ORIGIN) != _ASIDE).select(new.columns)]),
        restored=_keys(aside.join(standing, on=[SOURCE, *keys], how="semi"), keys),
    )


def row_hash(names: Sequence[str]) -> pl.Expr:
    """Compute the 64-bit hash of a row over the contract's columns, as text."""
    return pl.struct(names).hash(seed=0).cast(pl.String)


def _arrival(arrivals: Mapping[str, int]) -> pl.Expr:
    number = pl.col(SOURCE).replace_strict(
        list(arrivals), list(arrivals.values()), default=NEWEST, return_dtype=pl.Int64
    )
    return number.alias(_ARRIVAL)


def _in_order(rows: pl.DataFrame, newest: str | None) -> pl.DataFrame:
    """Return the rows, those that win their key last."""
    if newest is None and rows[_ARRIVAL].is_sorted():
        return rows
    return rows.sort([newest, _ARRIVAL] if newest else [_ARRIVAL], maintain_order=True)


def _keys(rows: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    return rows.select(SOURCE, *keys)
