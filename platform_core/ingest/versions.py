"""Changes of keys folded to versions: what each row said from when until when (slowly changing dimension, type 2).

A version holds from `valid_from`, which counts itself, until `valid_to`, which does not and is null of the present one.
A change that says what the version before it said makes none. Changes that are sent again come to the same.
"""

from collections.abc import Sequence

import polars as pl

from platform_core.ingest.changes import PLACE
from platform_core.ingest.ownership import INGEST

VALID_FROM, VALID_TO, IS_CURRENT = "valid_from", "valid_to", "is_current"
VERSION_COLUMNS = (VALID_FROM, VALID_TO, IS_CURRENT)
"""The columns that a history has beside the row's own."""

AT, GONE, IS_READ = "_at", "_gone", "_is_read"
_STORED, _CONTENT, _POSITION, _FLOOR = "\0stored", "\0content", "\0position", "\0floor"
_READ_BY, _READ_AT, _REOPENED = "\0read by", "\0read at", "\0reopened"
_ANEW = "~"
"""How the position of a truncate begins that goes before rows which are read anew: behind every other position."""


def fold_versions(
    events: pl.DataFrame, stored: pl.DataFrame, *, key: Sequence[str], content: Sequence[str]
) -> pl.DataFrame:
    """Return the versions to merge by key and `valid_from`: new ones, and those that end.

    Where a clock was set back, a version begins no earlier than any before it began or ended; of several that begin at
    the same instant the last one stands, and a deletion without a time ends then what it deletes. So no two versions of
    a key overlap, however its changes were cut into batches.
    A truncate before rows that are read anew ends what is not read again. A version whose row is read again goes on,
    also where an earlier batch ended it so: nobody saw the row go.

    Args:
        events: Rows as they are after each change, and of deletions (`GONE`) the key; with the columns `PLACE`, `AT`,
            when it was committed, and `IS_READ`, whether it is a row of a snapshot.
        stored: The versions that the table has of these keys, with their `_position`; of the columns of `events` it
            has all but those.
        key: The columns that identify a row, without `valid_from`.
        content: The columns of which a change makes a version.
    """
    keys = list(key)
    names = [name for name in stored.columns if name != "_position"]
    events, stored = _without_rereads(events, stored, keys)
    known = pl.col("_position").filter(~_is_anew())
    latest = stored.group_by(keys).agg(
        known.max().alias(_POSITION), pl.max_horizontal(VALID_FROM, VALID_TO).max().alias(_FLOOR)
    )
    fresh = events.join(latest, on=keys, how="left", maintain_order="left").filter(
        (pl.col("_epoch") > 0) | (pl.col("_position") >= pl.col(_POSITION)).fill_null(value=True)
    )
    fresh = fresh.with_columns(pl.max_horizontal(AT, _FLOOR).alias(AT)).drop(_POSITION, _FLOOR)
    present = stored.filter(IS_CURRENT).with_columns(
        pl.col(VALID_FROM).alias(AT),
        pl.lit(False).alias(GONE),  # noqa: FBT003 - a value of the column
        pl.lit(True).alias(_STORED),  # noqa: FBT003
        pl.lit(-1, pl.Int64).alias("_epoch"),
        pl.lit(-1, pl.Int64).alias("_offset"),
    )
    chain = pl.concat([present, fresh], how="diagonal_relaxed")
    chain = chain.sort(PLACE, maintain_order=True).with_columns(pl.struct(content).hash().alias(_CONTENT))
    before_gone = pl.col(GONE).shift(1).over(keys).fill_null(value=True)
    is_same = pl.col(_CONTENT).shift(1).over(keys) == pl.col(_CONTENT)
    says_nothing = pl.when(GONE).then(before_gone).otherwise(~before_gone & is_same.fill_null(value=False))
    chain = chain.filter(~says_nothing).with_columns(pl.col(AT).cum_max().forward_fill().over(keys).alias(VALID_FROM))
    ends_by_deletion = pl.col(GONE).shift(-1).over(keys).fill_null(value=False)
    versions = chain.with_columns(
        pl.col(VALID_FROM).shift(-1).over(keys).alias(VALID_TO),
        pl.when(ends_by_deletion).then(pl.col(INGEST).shift(-1).over(keys)).otherwise(INGEST).alias(INGEST),
    ).filter(~pl.col(GONE))
    versions = versions.with_columns(pl.col(VALID_TO).is_null().alias(IS_CURRENT))
    changed = versions.filter(pl.col(_STORED).is_null() | ~pl.col(IS_CURRENT) | pl.col(_REOPENED))
    return changed.unique([*keys, VALID_FROM], keep="last", maintain_order=True).select(names)


def _is_anew() -> pl.Expr:
    return pl.col("_position").str.starts_with(_ANEW)


def _without_rereads(events: pl.DataFrame, stored: pl.DataFrame, keys: list[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Leave out that rows went which were read again behind that, and open the versions that it ended before."""
    last = pl.col("_offset").max().alias(_READ_AT)
    read = events.filter(IS_READ).group_by(keys).agg(last, pl.col(INGEST).first().alias(_READ_BY))
    marked = events.join(read, on=keys, how="left", maintain_order="left")
    is_undone = pl.col(GONE) & _is_anew() & (pl.col("_offset") < pl.col(_READ_AT))
    events = marked.filter(~is_undone.fill_null(value=False)).drop(_READ_AT, _READ_BY)
    marked = stored.join(read, on=keys, how="left", maintain_order="left")
    is_last = pl.col(VALID_FROM) == pl.col(VALID_FROM).max().over(keys)
    marked = marked.with_columns((pl.col(_READ_BY).is_not_null() & ~pl.col(IS_CURRENT) & _is_anew() & is_last)
                                 .alias(_REOPENED))  # fmt: skip
    reopened = pl.when(_REOPENED)
    stored = marked.with_columns(
        reopened.then(None).otherwise(VALID_TO).alias(VALID_TO),
        (pl.col(IS_CURRENT) | pl.col(_REOPENED)).alias(IS_CURRENT),
        reopened.then(_READ_BY).otherwise(INGEST).alias(INGEST),
    )
    return events, stored.drop(_READ_AT, _READ_BY)


def insert_versions(rows: pl.DataFrame, stored: pl.DataFrame, *, key: Sequence[str]) -> pl.DataFrame:
    """Return the versions to merge where changes come late, out of quarantine: each ends the version it falls into.

    Args:
        rows: The late versions; their `valid_from` says when they begin.
        stored: The versions that the table has of their keys; the columns of `rows`.
        key: The columns that identify a row, without `valid_from`.
    """
    versions = {(tuple(row[name] for name in key), row[VALID_FROM]): row for row in stored.to_dicts()}
    touched: dict[tuple[object, ...], dict[str, object]] = {}
    for row in rows.sort(VALID_FROM).to_dicts():
        identity, at = tuple(row[name] for name in key), row[VALID_FROM]
        mine = sorted(begin for known, begin in versions if known == identity and begin != at)
        before = next((versions[identity, begin] for begin in reversed(mine) if begin < at), None)
        if before is not None and (before[VALID_TO] is None or before[VALID_TO] > at):
            row[VALID_TO] = before[VALID_TO]
            ended = {**before, VALID_TO: at, IS_CURRENT: False}
            versions[identity, before[VALID_FROM]] = touched[identity, before[VALID_FROM]] = ended
        else:
            row[VALID_TO] = next((begin for begin in mine if begin > at), None)
        row[IS_CURRENT] = row[VALID_TO] is None
        versions[identity, at] = touched[identity, at] = row
    return pl.DataFrame(list(touched.values()), schema=rows.schema)
