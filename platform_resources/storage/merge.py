"""The decision of a merge, taken on frames: which rows to write, which to delete, whether anything differs at all."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from platform_resources.errors import InvalidRows
from platform_resources.storage.table import PROVENANCE, TableSpec

_HASH = "_row_hash"
_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class MergePlan:
    """Rows to insert or update, and keys of rows to delete (with their partition)."""

    upserts: pl.DataFrame
    deletes: pl.DataFrame

    @property
    def is_empty(self) -> bool:
        """Whether the table already says all of it."""
        return self.upserts.is_empty() and self.deletes.is_empty()


def check_key(spec: TableSpec, frame: pl.DataFrame) -> None:
    """Refuse rows that cannot be merged.

    Raises:
        InvalidRows: a key column is not there or null, or two rows have the same key.
    """
    if absent := [name for name in spec.key if name not in frame.columns]:
        raise InvalidRows(
            spec.path, absent[0], absent, f"the rows have no key column {', '.join(absent)}", fix="add it to the rows"
        )
    for name in spec.key:
        if nulls := frame[name].null_count():
            raise InvalidRows(
                spec.path, name, (None,), f"key column {name} is null in {nulls} rows", fix="quarantine or fill them"
            )
    _refuse_repeated(spec, frame)


def present_keys(spec: TableSpec, frame: pl.DataFrame) -> list[str]:
    """Return the key columns that a frame has."""
    return [name for name in spec.key if name in frame.columns]


def compared_columns(spec: TableSpec, columns: Sequence[str]) -> list[str]:
    """Return the columns besides the key that decide whether a row differs.

    The hash stands for the values where there is one. The column of `replaces` counts too: a row that moved to another
    source belongs to that one from now on.
    """
    ours = [name for name in columns if name not in spec.key]
    values = [_HASH] if _HASH in ours else [name for name in ours if name not in PROVENANCE]
    extra = [name for name in (spec.partition_column, spec.replaces) if name in ours and name not in values]
    return values + [name for name in extra if name is not None]


def plan_merge(
    spec: TableSpec,
    frame: pl.DataFrame,
    current: pl.DataFrame,
    *,
    replace_values: Sequence[str],
    deleted_keys: pl.DataFrame | None = None,
) -> MergePlan:
    """Return what has to change so that the table says what the frame says.

    Args:
        spec: the table.
        frame: the rows to merge; keys are unique and not null.
        current: the rows of every partition concerned, reduced to key and compared columns.
        replace_values: rows of `current` that carry one of these in `spec.replaces` and are not in `frame` are deleted.
        deleted_keys: keys of rows that are deleted, unless they are in `frame`.
    """
    key = list(spec.key)
    compared_names = compared_columns(spec, frame.columns)
    compared = [name for name in compared_names if name in current.columns]
    theirs = current.select(*key, *(pl.col(name).alias(f"{name}\0") for name in compared), pl.lit(1).alias("\0"))
    joined = frame.join(theirs, on=key, how="left", maintain_order="left")
    differs = [pl.col(name).ne_missing(pl.col(f"{name}\0")) for name in compared]
    differs += [pl.col(name).is_not_null() for name in compared_names if name not in current.columns]
    upserts = joined.filter(pl.any_horizontal(pl.col("\0").is_null(), *differs)).select(frame.columns)
    unique = current.clear()
    if spec.replaces and replace_values and spec.replaces in current.columns:
        old = current.filter(pl.col(spec.replaces).is_in(list(replace_values)))
        unique = old.join(frame.select(key), on=key, how="anti")
    if deleted_keys is not None:
        dead = current.join(deleted_keys, on=key, how="semi").join(frame.select(key), on=key, how="anti")
        unique = pl.concat([unique, dead]).unique(key, maintain_order=True)
    key_names = dict.fromkeys([*key, *([spec.partition_column] if spec.partition_column else [])])
    return MergePlan(upserts=upserts, deletes=unique.select(*key_names))


def touched_partitions(
    spec: TableSpec,
    known: pl.LazyFrame,
    frame: pl.DataFrame,
    *,
    replace_values: Sequence[str],
    deleted_keys: pl.DataFrame | None = None,
) -> list[str] | None:
    """Return the partitions that hold the frame's keys, or rows to be replaced; None for an unpartitioned table.

    Args:
        spec: the table.
        known: all its rows, not yet read.
        frame: the rows to merge.
        replace_values: as `plan_merge` takes them.
        deleted_keys: see there.
    """
    column, key = spec.partition_column, list(spec.key)
    if column is None:
        return None
    unique = set(frame[column].unique())
    if not spec.partition_from_key:
        elsewhere = known.filter(~pl.col(column).is_in(list(unique)))
        unique |= _values(elsewhere.join(frame.lazy().select(key), on=key, how="semi"), column)
    if spec.replaces and replace_values:
        unique |= _values(known.filter(pl.col(spec.replaces).is_in(list(replace_values))), column)
    if deleted_keys is not None:
        unique |= _values(known.join(deleted_keys.lazy(), on=key, how="semi"), column)
    return sorted(unique)


def _values(frame: pl.LazyFrame, column: str) -> set[str]:
    return set(frame.select(pl.col(column).unique()).collect()[column])


def _refuse_repeated(spec: TableSpec, frame: pl.DataFrame) -> None:
    if frame.select(spec.key).n_unique() == frame.height:
        return
    repeated = frame.select(spec.key).filter(pl.struct(spec.key).is_duplicated()).unique(maintain_order=True)
    if repeated.is_empty():
        return
    shown = repeated.head(_SHOWN).rows()
    more = f" and {repeated.height - _SHOWN} more" if repeated.height > _SHOWN else ""
    raise InvalidRows(
        spec.path,
        ", ".join(spec.key),
        repeated.rows(),
        f"key ({', '.join(spec.key)}) is repeated: {', '.join(map(str, shown))}{more}",
        fix="drop or quarantine the duplicates, or make the key longer",
    )
