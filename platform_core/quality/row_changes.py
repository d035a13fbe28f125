"""What differs between two states of a table: rows by their key, values by column, and the columns themselves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from platform_core.privacy.masking import MASK

_EXAMPLES = 3
_BEFORE = "\0before\0"


@dataclass(frozen=True)
class ValueChange:
    """A value of one row before and after, with the row's key; personal data is masked."""

    key: Mapping[str, Any]
    before: Any
    after: Any


@dataclass(frozen=True)
class ColumnChange:
    """How many rows differ in a column, and some of them."""

    column: str
    rows: int
    examples: tuple[ValueChange, ...]


@dataclass(frozen=True)
class RowChanges:
    """How a table differs from what it was.

    Attributes:
        key: The columns that identify a row; empty where rows are compared whole.
        added: Rows whose key is new; without a key, rows that were not there.
        removed: Rows whose key is gone.
        changed: Rows of one key that differ in a column.
        columns: The columns in which they differ, the most changed first.
        new_columns: Columns that came, with their types.
        lost_columns: Columns that went.
        retyped: Columns of another type, as `before -> after`.
    """

    key: tuple[str, ...]
    added: int
    removed: int
    changed: int
    columns: tuple[ColumnChange, ...]
    new_columns: Mapping[str, str]
    lost_columns: tuple[str, ...]
    retyped: Mapping[str, str]

    @property
    def is_empty(self) -> bool:
        """Whether nothing differs."""
        return not (self.added or self.removed or self.changed or self.new_columns or self.lost_columns or self.retyped)


def compare_rows(
    before: pl.LazyFrame, after: pl.LazyFrame, key: Sequence[str], *, hidden: frozenset[str] = frozenset()
) -> RowChanges:
    """Compare two states of a table row by row.

    Two nulls are alike, and so are two NaN. A key that several rows of one state share is compared as often as they
    meet; rows with a null in the key are found by it as others are. Columns that only one state has are told as
    columns, not as changes of every row.

    Args:
        before: The earlier state.
        after: The later one.
        key: Columns that identify a row; without any, or where a state lacks one, whole rows are compared.
        hidden: Columns whose values are masked in examples.
    """
    old, new = before.collect_schema(), after.collect_schema()
    retyped = {name: f"{old[name]} -> {new[name]}" for name in new if name in old and old[name] != new[name]}
    facts = {
        "new_columns": {name: str(kind) for name, kind in new.items() if name not in old},
        "lost_columns": tuple(name for name in old if name not in new),
        "retyped": retyped,
    }
    shared = [name for name in new if name in old and name not in retyped]
    if not key or not set(key) <= set(shared):
        return _compare_whole_rows(before.select(shared), after.select(shared), facts)
    return _compare_by_key(before.select(shared), after.select(shared), tuple(key), hidden, facts)


def _compare_whole_rows(before: pl.LazyFrame, after: pl.LazyFrame, facts: Mapping[str, Any]) -> RowChanges:
    columns = after.collect_schema().names()
    counted = [frame.group_by(columns).len(name) for frame, name in ((before, "\0old"), (after, "\0new"))]
    pairs = counted[0].join(counted[1], on=columns, how="full", nulls_equal=True, coalesce=True)
    difference = pl.col("\0new").fill_null(0).cast(pl.Int64) - pl.col("\0old").fill_null(0).cast(pl.Int64)
    sums = pairs.select(
        added=difference.clip(lower_bound=0).sum(), removed=(-difference).clip(lower_bound=0).sum()
    ).collect()
    return RowChanges((), sums["added"].item(), sums["removed"].item(), 0, (), **facts)


def _compare_by_key(
    before: pl.LazyFrame, after: pl.LazyFrame, key: tuple[str, ...], hidden: frozenset[str], facts: Mapping[str, Any]
) -> RowChanges:
    values = [name for name in after.collect_schema().names() if name not in key]
    added = after.join(before, on=key, how="anti", nulls_equal=True).select(pl.len())
    removed = before.join(after, on=key, how="anti", nulls_equal=True).select(pl.len())
    pairs = before.select(*key, pl.col(values).name.prefix(_BEFORE)).join(after, on=key, how="inner", nulls_equal=True)
    differs = {name: pl.col(name).ne_missing(pl.col(_BEFORE + name)) for name in values}
    changed = pairs.filter(pl.any_horizontal(*differs.values())) if values else pairs.clear()
    rows = changed.collect()
    counted = rows.select(**differs).sum().row(0, named=True) if values and rows.height else {}
    columns = tuple(
        ColumnChange(name, count, _examples(rows.filter(differs[name]), key, name, hidden))
        for name, count in sorted(counted.items(), key=lambda item: -item[1])
        if count
    )
    return RowChanges(key, added.collect().item(), removed.collect().item(), rows.height, columns, **facts)


def _examples(rows: pl.DataFrame, key: tuple[str, ...], column: str, hidden: frozenset[str]) -> tuple[ValueChange, ...]:
    def shown(name: str, value: Any) -> Any:
        return MASK if name in hidden and value is not None else value

    return tuple(
        ValueChange(
            {name: shown(name, row[name]) for name in key},
            shown(column, row[_BEFORE + column]),
            shown(column, row[column]),
        )
        for row in rows.head(_EXAMPLES).to_dicts()
    )
