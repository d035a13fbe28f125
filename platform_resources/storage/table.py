"""What is said about a table before it is touched, and what is known after a write.

A TableSpec travels as one JSON entry of an asset's definition metadata, so the IO manager needs no contract.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal, get_args

import polars as pl

from platform_resources.errors import InvalidTableSpec
from platform_resources.storage.columns import SchemaEvolution
from platform_resources.storage.transactions import ANY, ExpectedPosition, Transaction, WriteGuard

if TYPE_CHECKING:
    from platform_resources.storage.batches import SpooledRows

METADATA_KEY = "platform/table"
PROVENANCE = ("_source", "_ingest_id", "_row_hash", "_ingested_at")
Format = Literal["delta", "iceberg", "parquet"]
Mode = Literal["overwrite", "append", "merge"]


@dataclass(frozen=True, kw_only=True)
class TableSpec:
    """One table: where it lies, in which format, and what a write to it means.

    Attributes:
        path: place below the tables root, such as `flights/flights/v1`.
        mode: what a write does to the rows that are there.
        key: columns that identify a row; a merge needs them.
        partition_column: a string column of the frame whose values are partition keys.
        partition_from_key: the partition follows from the key, so a key is never looked for in other partitions.
        replaces: in a merge, rows whose value here is among `replace_values` and that are not written again go.
        schema_evolution: whether new columns are added as nullable ones or refused.
        sort_by: columns by which the rows of each Iceberg file are sorted.
    """

    path: str
    format: Format = "delta"
    mode: Mode = "overwrite"
    key: tuple[str, ...] = ()
    partition_column: str | None = None
    partition_from_key: bool = False
    replaces: str | None = None
    schema_evolution: SchemaEvolution = "refuse"
    sort_by: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raise InvalidTableSpec when the parts contradict one another."""
        self._check_path()
        for name, allowed in (("format", Format), ("mode", Mode), ("schema_evolution", SchemaEvolution)):
            self._check_choice(name, get_args(allowed))
        if self.mode == "merge" and self.format == "parquet":
            raise InvalidTableSpec(
                self.path, "a merge into Parquet cannot be atomic", fix="declare format='delta' or format='iceberg'"
            )
        if self.sort_by and self.format != "iceberg":
            raise InvalidTableSpec(self.path, f"{self.format} keeps no sort order", fix="declare format='iceberg'")
        if self.mode == "merge" and not self.key:
            raise InvalidTableSpec(self.path, "a merge needs a key", fix="declare the columns that identify a row")
        if self.replaces and self.mode != "merge":
            raise InvalidTableSpec(self.path, f"replaces={self.replaces!r} needs a merge", fix="declare mode='merge'")

    def to_metadata(self) -> dict[str, Any]:
        """Return the entry that an asset carries in its definition metadata."""
        return {METADATA_KEY: {**asdict(self), "key": list(self.key), "sort_by": list(self.sort_by)}}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, Any]) -> "TableSpec | None":
        """Return the spec that definition metadata carries, or None where there is none."""
        entry = metadata.get(METADATA_KEY)
        if entry is None:
            return None
        value = dict(getattr(entry, "data", entry))
        known = {field_.name for field_ in fields(cls)}
        if unknown := sorted(set(value) - known):
            raise InvalidTableSpec(
                str(value.get("path")),
                f"metadata {METADATA_KEY!r} has unknown parts {', '.join(unknown)}",
                fix=f"use only {', '.join(sorted(known))}",
            )
        return cls(**{**value, "key": tuple(value.get("key", ())), "sort_by": tuple(value.get("sort_by", ()))})

    def _check_path(self) -> None:
        parts = self.path.split("/")
        if not self.path or any(part in ("", ".", "..") for part in parts):
            raise InvalidTableSpec(
                self.path or "(no path)", f"{self.path!r} is no path below the lake", fix="write domain/dataset/v1"
            )

    def _check_choice(self, name: str, allowed: tuple[str, ...]) -> None:
        value = getattr(self, name)
        if value not in allowed:
            raise InvalidTableSpec(self.path, f"{name}={value!r} is unknown", fix=f"choose one of {', '.join(allowed)}")


@dataclass(frozen=True, kw_only=True)
class Commit:
    """What a write did; `changed` is False when the table already had all of its rows.

    Then no commit was made, or one that only notes the write's transaction.
    """

    version: str | None
    rows_written: int = 0
    rows_deleted: int = 0
    rows_total: int | None = None
    size_bytes: int = 0
    files: int = 0
    changed: bool = True
    partitions: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Write:
    """A frame together with how it is to be written; what an asset returns when a frame alone says too little.

    Attributes:
        frame: a table of any kind that the IO manager knows, or an iterator of Polars frames of one schema.
        partitions: the partitions it covers; None takes the run's for an overwrite, the frame's own otherwise.
        transaction: the name under which the write happens at most once, or a stream's id and the growing number of
            this write in it.
        expected_version: the version that the table must have, None for no table yet; another one refuses the write.
        expected_position: likewise the number of the stream's last write.
        replace_values: the values of the spec's `replaces` column that this write brings anew.
        commit_metadata: words to keep beside the commit.
    """

    frame: Any
    partitions: Sequence[str] | None = None
    transaction: Transaction | None = None
    expected_version: str | None = ANY
    expected_position: ExpectedPosition = ANY
    replace_values: Sequence[str] = ()
    commit_metadata: Mapping[str, str] | None = None


@dataclass(frozen=True, kw_only=True)
class Rows:
    """A checked write on its way to a format, partitions decided.

    Attributes:
        frame: all rows, or none of them but the columns where they are spooled.
        spool: the rows, where they are too many for memory.
        deleted_keys: of a merge, the keys of rows that go unless they are written again.
    """

    frame: pl.DataFrame
    spool: "SpooledRows | None" = None
    partitions: tuple[str, ...] | None = None
    guard: WriteGuard = field(default_factory=WriteGuard)
    replace_values: tuple[str, ...] = ()
    deleted_keys: pl.DataFrame | None = None
    commit_metadata: Mapping[str, str] | None = None

    @property
    def height(self) -> int:
        """The number of rows."""
        return self.frame.height if self.spool is None else self.spool.height

    def frames(self) -> Iterator[pl.DataFrame]:
        """Yield all rows, in frames of bounded size where they are spooled."""
        if self.spool is None:
            yield self.frame
        else:
            yield from self.spool.frames()

    def select(self, names: Sequence[str]) -> pl.DataFrame:
        """Return some columns of all rows, in memory."""
        if self.spool is None:
            return self.frame.select(names)
        return self.spool.lazy().select(names).collect(engine="streaming")
