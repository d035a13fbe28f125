"""Merges, updates and deletions in Delta: read what is concerned, decide on frames, commit only what differs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import polars as pl

from platform_resources.storage.formats.delta_frames import (
    properties,
    quoted,
    restored,
    schema_mode,
    stored,
    streamed,
    within,
    writing,
)
from platform_resources.storage.merge import MergePlan, compared_columns, plan_merge, touched_partitions
from platform_resources.storage.table import Rows, TableSpec

if TYPE_CHECKING:
    from arro3.core import RecordBatchReader
    from deltalake import DeltaTable

_OPERATION = "__platform_operation"
_NEW = "__platform_new_"


@dataclass(frozen=True)
class DeltaMerge:
    """One merge into one snapshot of a table."""

    spec: TableSpec
    table: "DeltaTable"
    frame: pl.DataFrame
    rows: Rows

    def run(self) -> MergePlan:
        """Return what was committed; nothing was when the plan is empty."""
        replaced, dead = self.rows.replace_values, self.rows.deleted_keys
        touched = touched_partitions(
            self.spec, restored(self.table), self.frame, replace_values=replaced, deleted_keys=dead
        )
        plan = plan_merge(self.spec, self.frame, self._current(touched), replace_values=replaced, deleted_keys=dead)
        if not plan.is_empty:
            self._commit(plan, touched)
        return plan

    def _current(self, touched: list[str] | None) -> pl.DataFrame:
        """Return key and compared columns of every row in the partitions."""
        known = restored(self.table)
        if touched is not None:
            known = known.filter(pl.col(str(self.spec.partition_column)).is_in(touched))
        stored_names = known.collect_schema().names()
        merged_names = dict.fromkeys([*self.spec.key, *compared_columns(self.spec, self.frame.columns)])
        return known.select(name for name in merged_names if name in stored_names).collect()

    def _commit(self, plan: MergePlan, touched: list[str] | None) -> None:
        on = [f"t.{quoted(name)} = s.{quoted(name)}" for name in self.spec.key]
        if touched is not None:
            on.append(within(str(self.spec.partition_column), touched, alias="t."))
        values = {quoted(name): f"s.{quoted(name)}" for name in self.frame.columns}
        upsert = f"s.{_OPERATION} = 'upsert'"
        merger = self.table.merge(
            self._source(plan),
            predicate=" AND ".join(on),
            source_alias="s",
            target_alias="t",
            merge_schema=schema_mode(self.table, self.frame) is not None,
            commit_properties=properties(self.rows, self.table, retries=self._retries),
        )
        merger = merger.when_matched_delete(f"s.{_OPERATION} = 'delete'")
        merger.when_matched_update(values, upsert).when_not_matched_insert(values, upsert).execute()

    def _source(self, plan: MergePlan) -> "pl.DataFrame | RecordBatchReader":
        """Return the rows to write and the keys to delete, each marked with what is done."""
        marked = [
            rows.with_columns(pl.lit(operation).alias(_OPERATION))
            for rows, operation in ((plan.upserts, "upsert"), (plan.deletes, "delete"))
        ]
        return stored(pl.concat(marked, how="diagonal"))

    @property
    def _retries(self) -> int | None:
        """How often delta-rs may move the commit past others by itself.

        Its predicate names the partitions touched, so it sees what spoils them. Where the plan looked further, for
        moved keys or replaced rows, it cannot know, and any commit in between is planned anew.
        """
        looks_further = self.rows.replace_values or self.rows.deleted_keys is not None
        return None if self.spec.partition_from_key and not looks_further else 0


@dataclass(frozen=True)
class SpooledDeltaMerge(DeltaMerge):
    """A merge whose rows are too many for memory: their keys and compared columns decide, the rows follow from disk.

    Rows that are all new are appended. Where some replace others, delta-rs holds those that are written.
    """

    def run(self) -> MergePlan:
        """Return what was committed; nothing was when the plan is empty."""
        names = list(dict.fromkeys([*self.spec.key, *compared_columns(self.spec, self.rows.frame.columns)]))
        keys = self.rows.select(names)
        replaced, dead = self.rows.replace_values, self.rows.deleted_keys
        touched = touched_partitions(self.spec, restored(self.table), keys, replace_values=replaced, deleted_keys=dead)
        current = self._current(touched)
        plan = plan_merge(self.spec, keys, current, replace_values=replaced, deleted_keys=dead)
        if plan.is_empty:
            return plan
        key = list(self.spec.key)
        if plan.deletes.is_empty() and plan.upserts.join(current, on=key, how="semi").is_empty():
            self._append(plan.upserts.select(key))
        else:
            self._commit(plan, touched)
        return plan

    def _frames(self, keys: pl.DataFrame) -> Iterator[pl.DataFrame]:
        spool = self.rows.spool
        for frame in spool.fitted(self.frame.schema) if spool is not None else ():
            yield frame.join(keys, on=list(self.spec.key), how="semi", maintain_order="left")

    def _append(self, keys: pl.DataFrame) -> None:
        from deltalake import write_deltalake

        write_deltalake(
            self.table,
            streamed(self._frames(keys), self.frame.schema),
            mode="append",
            schema_mode=schema_mode(self.table, self.frame),
            **writing(self.rows),
            commit_properties=properties(self.rows, self.table, retries=0),
        )

    def _source(self, plan: MergePlan) -> "RecordBatchReader":
        """Return the rows to write and the keys to delete, each marked with what is done."""
        schema = pl.Schema({**self.frame.schema, _OPERATION: pl.String()})
        deletes = plan.deletes.with_columns(
            *(
                pl.lit(None, dtype=kind).alias(n)
                for n, kind in self.frame.schema.items()
                if n not in plan.deletes.columns
            ),
            pl.lit("delete").alias(_OPERATION),
        ).select(list(schema))
        upserts = self._frames(plan.upserts.select(list(self.spec.key)))
        marked = (frame.with_columns(pl.lit("upsert").alias(_OPERATION)) for frame in upserts)
        return streamed(chain([deletes], marked), schema)


def change_rows(
    table: "DeltaTable", column: str, values: Sequence[Any], changes: Mapping[str, Any] | None
) -> tuple[int, int]:
    """Return how many rows were updated and deleted, in one commit, or in none when no row was concerned.

    Args:
        table: the snapshot to commit on.
        column: decides which rows are concerned.
        values: of that column.
        changes: new values of columns; None deletes the rows.
    """
    schema = restored(table).collect_schema()
    concerned = pl.DataFrame({column: list(values)}, schema={column: schema[column]}).unique()
    new = {f"{_NEW}{name}": pl.lit(value, dtype=schema[name]) for name, value in (changes or {}).items()}
    merger = table.merge(
        stored(concerned.with_columns(**new)),
        predicate=f"t.{quoted(column)} = s.{quoted(column)}",
        source_alias="s",
        target_alias="t",
    )
    if changes is None:
        done = merger.when_matched_delete().execute()
    else:
        done = merger.when_matched_update({quoted(n): f"s.{quoted(_NEW + n)}" for n in changes}).execute()
    return done["num_target_rows_updated"], done["num_target_rows_deleted"]
