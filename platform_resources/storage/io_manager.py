"""Dagster's door to the lake: tables by annotation, every other value to its own home.

It knows no contract. The asset's definition metadata carries a TableSpec; an asset written by hand, without one, gets
a Parquet table at its key. It is no ConfigurableIOManager, because Dagster shows the values of those in its UI, and
the settings may hold secrets.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from types import NoneType
from typing import Any, TypeVar

import dagster as dg
import polars as pl

from platform_resources.errors import InvalidTableSpec, NotATable
from platform_resources.settings import Settings
from platform_resources.storage.batches import collected
from platform_resources.storage.caches import Tally
from platform_resources.storage.folder import file_name
from platform_resources.storage.frames import KINDS, from_polars, kind_of, to_polars
from platform_resources.storage.lake import Lake
from platform_resources.storage.table import Commit, TableSpec, Write
from platform_resources.transience import retry_transient

DEFAULT_PARTITION = "_partition"
STORING_CPU = "storing_cpu_seconds"
"""The metadata that says how many processor seconds storing an output took."""
Frame = pl.DataFrame | pl.LazyFrame
_Frame = TypeVar("_Frame", pl.DataFrame, pl.LazyFrame)
Context = dg.OutputContext | dg.InputContext


class LakeIOManager(dg.IOManager):
    """Stores and loads what assets return, in the lake that the settings name."""

    def __init__(self, lake: Lake | Settings, *, admit: Callable[[dg.InputContext], None] | None = None) -> None:
        """Take the lake that the process shares, or the settings of one of its own.

        Args:
            lake: Where tables lie.
            admit: Raises where a step may not read an asset as it is now; None lets it read all.
        """
        self.admit = admit
        self.lake = Lake(lake) if isinstance(lake, Settings) else lake
        self._told = Tally()
        self._lent = dict[str, TableSpec]()  # tables whose lazy frames may be collected with an output

    @cached_property
    def values(self) -> dg.IOManager:
        """The home of values that are not tables."""
        from platform_resources.storage.values import values_of  # noqa: PLC0415 - most steps need no pickles

        return values_of(self.lake.settings)

    @retry_transient()
    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Store the value; None stores nothing.

        Raises:
            NotATable: the asset declares a table and returned something else.
            InvalidTableSpec: a partitioned asset would overwrite its whole table.
        """
        if obj is None:
            return
        began = time.process_time()
        write = obj if isinstance(obj, Write) else Write(frame=obj)
        spec = TableSpec.from_metadata(context.definition_metadata)
        frame = _frames(write.frame, _name(context)) if context.has_asset_key else None
        if frame is None:
            self._store_object(context, spec, obj)
            return
        partitions = _partitions(context)
        if spec is None:
            spec = default_spec(context)
            frame = frame if isinstance(frame, Iterator) else _with_partition(spec, frame, partitions)
        commit = self._write(context, spec, frame, write)
        self._report(context, spec, commit, cpu_seconds=time.process_time() - began)

    @retry_transient()
    def load_input(self, context: dg.InputContext) -> Any:
        """Return what the upstream asset stored.

        A table comes as the annotated kind (a Polars frame without annotation), reduced to the partitions mapped and
        the `columns` in the input's metadata; a lazy frame has read nothing yet. A partition that was never written
        is empty. Anything else comes as it was returned.

        Raises:
            TableNotFound: nothing was ever written.
            NotATable: a table is annotated as something that it cannot become.
            TableForbidden: S3 refuses.
        """
        if self.admit is not None:
            self.admit(context)
        upstream = context.upstream_output
        declared = TableSpec.from_metadata(upstream.definition_metadata) if upstream else None
        if not self._is_table(context, declared):
            return self.values.load_input(context)
        spec = declared or default_spec(context)
        annotation = _annotation(context)
        kind = kind_of(annotation) or (kind_of(_annotation(upstream)) if annotation is Any else None)
        if kind is None and annotation is not Any:
            raise NotATable(
                spec.path,
                f"is a table, but the input {context.name!r} is annotated {annotation}",
                fix=f"annotate it as one of {', '.join(KINDS)}",
            )
        if kind == "polars.LazyFrame":
            self._lent[spec.path] = spec
            return self._rows(context, spec, self.lake.scan, declared=declared is not None)
        rows = self._rows(context, spec, self.lake.read, declared=declared is not None)
        return from_polars(rows, kind or "polars.DataFrame")

    def _is_table(self, context: dg.InputContext, declared: TableSpec | None) -> bool:
        """Return whether the upstream value is a table: by its spec, by an annotation, or else by looking."""
        if declared is not None or not context.has_asset_key:
            return declared is not None
        for annotation in (_annotation(context), _annotation(context.upstream_output)):
            if annotation is not Any:
                return kind_of(annotation) is not None or annotation is Write
        return self.lake.exists(default_spec(context))

    def _rows(
        self, context: dg.InputContext, spec: TableSpec, read: Callable[..., _Frame], *, declared: bool
    ) -> _Frame:
        columns = (context.definition_metadata or {}).get("columns")
        partitions = _partitions(context) if spec.partition_column else None
        frame = read(spec, partitions=partitions, columns=columns)
        added = spec.partition_column if not declared and columns is None else None
        return frame.drop(added) if added else frame

    def _store_object(self, context: dg.OutputContext, spec: TableSpec | None, obj: Any) -> None:
        if spec is not None or isinstance(obj, Write):
            value = obj.frame if isinstance(obj, Write) else obj
            raise NotATable(
                _name(context),
                f"is declared as a table and returned {type(value).__name__}; nothing was written",
                fix=f"return one of {', '.join(KINDS)}",
            )
        self.values.handle_output(context, obj)

    def _write(
        self, context: dg.OutputContext, spec: TableSpec, frame: Frame | Iterator[pl.DataFrame], write: Write
    ) -> Commit:
        """Return the commit; an append without transaction gets the step's, so that a retry does not append twice."""
        partitions, transaction = write.partitions, write.transaction
        if spec.mode == "append":
            transaction = transaction or f"{context.run_id}/{context.step_key}/{context.name}"
        if partitions is None and spec.mode == "overwrite":
            partitions = _partitions(context)
            if partitions is not None and spec.partition_column is None:
                raise InvalidTableSpec(
                    spec.path,
                    "is overwritten by a partitioned asset, so that each partition would erase the others",
                    fix="declare partition_column, or a mode other than overwrite",
                )
        return self.lake.write(
            spec,
            self._collected(frame) if isinstance(frame, pl.LazyFrame) else frame,
            partitions=partitions,
            transaction=transaction,
            expected_version=write.expected_version,
            expected_position=write.expected_position,
            replace_values=write.replace_values,
            commit_metadata=write.commit_metadata,
        )

    def _collected(self, frame: pl.LazyFrame) -> Iterator[pl.DataFrame]:
        """Yield the rows in batches; what goes wrong is told of the tables that were lent."""
        with self.lake.telling(*self._lent.values()):
            yield from collected(frame)

    def _report(self, context: dg.OutputContext, spec: TableSpec, commit: Commit, *, cpu_seconds: float) -> None:
        """Add the commit to the output's metadata; what the asset said itself is left alone."""
        known_keys = {*(context.output_metadata or {}), *context.get_logged_metadata()}
        facts = {
            **commit_metadata(self.lake.location(spec), commit, partitions=_partitions(context)),
            STORING_CPU: round(cpu_seconds, 3),
            **cache_metadata(self._read_since()),
        }
        context.add_output_metadata({name: value for name, value in facts.items() if name not in known_keys})

    def _read_since(self) -> Tally:
        """Return what the cache did since the last output: as a rule, for the inputs of this one."""
        if self.lake.cache is None:
            return Tally()
        self.lake.cache.record()
        before, self._told = self._told, self.lake.cache.counters.total
        return self._told - before


def default_spec(context: Context) -> TableSpec:
    """Return the spec of an asset that declares none: Parquet at its key, overwritten, a partition at a time."""
    return TableSpec(
        path="/".join([*map(file_name, context.asset_key.path), "v1"]),
        format="parquet",
        partition_column=DEFAULT_PARTITION if context.has_asset_partitions else None,
        schema_evolution="add",
    )


def commit_metadata(location: str, commit: Commit, *, partitions: Sequence[str] | None = None) -> Mapping[str, Any]:
    """Return a commit as output metadata; Dagster draws row counts over time from its own two keys.

    `dagster/row_count` is the table's where its format knows it, otherwise what was written; a run of one partition
    also says `dagster/partition_row_count`.
    """
    facts = {
        "dagster/row_count": commit.rows_total if commit.rows_total is not None else commit.rows_written,
        "dagster/uri": location,
        "rows_written": commit.rows_written,
        "rows_deleted": commit.rows_deleted,
        "size_bytes": commit.size_bytes,
        "size_mb": round(commit.size_bytes / 1e6, 3),
        "files": commit.files,
        "table_version": commit.version or "",
        "table_changed": commit.changed,
    }
    if partitions is not None and len(partitions) == 1:
        facts["dagster/partition_row_count"] = commit.rows_written
    return facts


def cache_metadata(tally: Tally) -> Mapping[str, Any]:
    """Return what the cache did, as output metadata; nothing where it was not asked."""
    if tally.hit_rate is None:
        return {}
    return {
        "cache_hit_rate": round(tally.hit_rate, 3),
        "cache_memory_hits": tally.memory_hits,
        "cache_memory_bytes": tally.memory_bytes,
        "cache_memory_evictions": tally.memory_evictions,
        "cache_disk_hits": tally.disk_hits,
        "cache_disk_bytes": tally.disk_bytes,
        "cache_disk_evictions": tally.disk_evictions,
        "cache_misses": tally.misses,
        "cache_filled_bytes": tally.filled_bytes,
    }


def _with_partition(spec: TableSpec, frame: Frame, partitions: Sequence[str] | None) -> Frame:
    """Return the frame with the run's partition key in every row; a run of several partitions must bring its own."""
    if partitions is None or spec.partition_column in frame.collect_schema().names():
        return frame
    if len(partitions) != 1:
        raise NotATable(
            spec.path,
            f"a run of {len(partitions)} partitions returned rows that do not say which is theirs; nothing was written",
            fix=f"add a text column {spec.partition_column} with the partition key, or declare a TableSpec",
        )
    return frame.with_columns(pl.lit(partitions[0], dtype=pl.String).alias(str(spec.partition_column)))


def _frames(value: Any, table: str) -> Frame | Iterator[pl.DataFrame] | None:
    """Return a table of any kind as a frame, batches as they are, and None for anything else."""
    frame = to_polars(value, table=table)  # a RecordBatchReader is an iterator, too
    return value if frame is None and isinstance(value, Iterator) else frame


def _partitions(context: Context) -> list[str] | None:
    return [str(key) for key in context.asset_partition_keys] if context.has_asset_partitions else None


def _annotation(context: Context | None) -> Any:
    """Return the Python type of an input or output; Any where nothing, None or no Dagster type was said."""
    dagster_type = getattr(context, "_dagster_type", None)  # the property raises for an asset outside of the run
    typing_type = Any if dagster_type is None else dagster_type.typing_type
    return Any if typing_type in (NoneType, object) or typing_type is dg.Nothing else typing_type


def _name(context: dg.OutputContext) -> str:
    return context.asset_key.to_user_string() if context.has_asset_key else context.name
