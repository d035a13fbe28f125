"""A table as it was known at one version: its columns and its data files, without any of their rows.

Data files are never changed, so what is cached of one holds as long as a version names it, and a new version reads
only the files it added. A snapshot says how one request can tell that it is still the latest.
"""

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from platform_resources.storage import columns

FILES = pl.Schema({"uri": pl.String(), "size_bytes": pl.Int64(), "stamp": pl.String(), "rows": pl.Int64()})
PATH = "__platform_path"
"""The column in which a format's reader of files says which one a row is from."""
_FORM = 3
_PLAIN = ("version", "proof", "mutable", "said")


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """What is needed to read a table's files one by one.

    Attributes:
        version: the table's version, for messages.
        proof: what was seen in the table's log or folder; seen again, the snapshot is the latest.
        schema: the table's columns in order, as readers get them.
        stored: the types that the columns have in the files; partition columns are not in them.
        files: a row a data file in reading order: FILES, then each partition column with its value. A null in `rows`
            is not known.
        mutable: whether a file may be replaced under its name, so that its stamp is looked at again after reading it.
        kept_as: what the cache calls columns that a table may give up and make anew under the same name.
        said: what the format's reader of files needs besides, in its own words.
    """

    version: str
    proof: str
    schema: pl.Schema
    stored: pl.Schema
    files: pl.DataFrame
    mutable: bool = False
    kept_as: Mapping[str, str] = field(default_factory=dict)
    said: str = ""

    @property
    def partition_columns(self) -> tuple[str, ...]:
        """The columns whose values belong to the files, not to their rows."""
        return tuple(name for name in self.schema if name not in self.stored)

    def only(self, column: str, values: list[str]) -> "Snapshot":
        """Return the snapshot of some partitions."""
        return replace(self, files=self.files.filter(pl.col(column).is_in(values)))

    def kept(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the frame with its columns called as the cache calls them."""
        return _renamed(frame, self.kept_as)

    def named(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the frame with its columns called as the table calls them."""
        return _renamed(frame, {kept_name: name for name, kept_name in self.kept_as.items()})


@dataclass(frozen=True)
class Source:
    """A snapshot, and how its format reads it from S3.

    Attributes:
        snapshot: the latest at the time it was asked for.
        native: the rows as without a cache.
        files: some columns of some files by their addresses, with a column PATH that says each row's file; None where
            the files are plain Parquet with the table's own column names.
    """

    snapshot: Snapshot
    native: Callable[[], pl.LazyFrame]
    files: Callable[[Sequence[str], Sequence[str]], pl.LazyFrame] | None = None


def key_of(uri: str, size_bytes: int, stamp: str) -> str:
    """Return what tells the content of one data file from every other."""
    return f"{uri}\n{size_bytes}\n{stamp}"


def dumped(snapshot: Snapshot) -> bytes | None:
    """Return the snapshot as bytes; None when it has columns that no table of ours keeps."""
    schema = {name: columns.encode(kind) for name, kind in snapshot.schema.items()}
    stored = {name: columns.encode(kind) for name, kind in snapshot.stored.items()}
    if None in schema.values() or None in stored.values():
        return None
    stored_columns = [name if kind == schema.get(name) else [name, kind] for name, kind in stored.items()]
    head = {"form": _FORM, **{name: getattr(snapshot, name) for name in _PLAIN}, "kept_as": dict(snapshot.kept_as)}
    buffer = io.BytesIO()
    snapshot.files.write_ipc_stream(buffer, compression="uncompressed")
    return (
        json.dumps({**head, "schema": list(schema.items()), "stored": stored_columns}).encode()
        + b"\n"
        + buffer.getvalue()
    )


def loaded(content: bytes) -> Snapshot | None:
    """Return the snapshot of the bytes; None for those of another release."""
    header, _, files = content.partition(b"\n")
    head = json.loads(header)
    if head.pop("form") != _FORM:
        return None
    schema = {name: columns.decode(kind) for name, kind in head["schema"]}
    stored = (column if isinstance(column, list) else (column, None) for column in head["stored"])
    return Snapshot(
        **{name: head[name] for name in (*_PLAIN, "kept_as")},
        schema=pl.Schema(schema, check_dtypes=False),
        stored=pl.Schema(
            {name: columns.decode(kind) if kind else schema[name] for name, kind in stored}, check_dtypes=False
        ),
        files=pl.read_ipc_stream(files),  # as a file it would be a query of Polars, which takes 15 times as long
    )


def _renamed(frame: pl.DataFrame, names: Mapping[str, str]) -> pl.DataFrame:
    """Return the frame with other names, as `rename` does by a query."""
    other = frame.clone()
    other.columns = [names.get(column, column) for column in frame.columns]
    return other
