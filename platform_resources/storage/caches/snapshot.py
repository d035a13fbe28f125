"""A table as it was known at one version: its columns and its data files, without any of their rows.

Data files are never changed, so what is cached of one holds as long as a version names it, and a new version reads
only the files it added. A snapshot says how one request can tell that it is still the latest.
"""

import io
import json
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from platform_resources.storage import columns

FILES = pl.Schema({"uri": pl.String(), "size_bytes": pl.Int64(), "stamp": pl.String(), "rows": pl.Int64()})
_FORM = 1


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
    """

    version: str
    proof: str
    schema: pl.Schema
    stored: pl.Schema
    files: pl.DataFrame
    mutable: bool = False

    @property
    def partition_columns(self) -> tuple[str, ...]:
        """The columns whose values belong to the files, not to their rows."""
        return tuple(name for name in self.schema if name not in self.stored)

    def only(self, column: str, values: list[str]) -> "Snapshot":
        """Returns the snapshot of some partitions."""
        return replace(self, files=self.files.filter(pl.col(column).is_in(values)))


def key_of(uri: str, size_bytes: int, stamp: str) -> str:
    """Returns what tells the content of one data file from every other."""
    return f"{uri}\n{size_bytes}\n{stamp}"


def dumped(snapshot: Snapshot) -> bytes | None:
    """Returns the snapshot as bytes; None when it has columns that no table of ours keeps."""
    schema, stored = _told(snapshot.schema), _told(snapshot.stored)
    if any(kind is None for _, kind in [*schema, *stored]):
        return None
    head = {"form": _FORM, "version": snapshot.version, "proof": snapshot.proof, "mutable": snapshot.mutable}
    buffer = io.BytesIO()
    snapshot.files.write_ipc(buffer, compression="uncompressed")
    return json.dumps({**head, "schema": schema, "stored": stored}).encode() + b"\n" + buffer.getvalue()


def loaded(content: bytes) -> Snapshot | None:
    """Returns the snapshot of the bytes; None for those of another release."""
    told, _, files = content.partition(b"\n")
    head = json.loads(told)
    if head.pop("form") != _FORM:
        return None
    return Snapshot(
        version=head["version"],
        proof=head["proof"],
        mutable=head["mutable"],
        schema=_schema(head["schema"]),
        stored=_schema(head["stored"]),
        files=pl.read_ipc(io.BytesIO(files)),
    )


def _told(schema: pl.Schema) -> list[tuple[str, columns.Encoded | None]]:
    return [(name, columns.encode(kind)) for name, kind in schema.items()]


def _schema(told: list[list[Any]]) -> pl.Schema:
    return pl.Schema({name: columns.decode(kind) for name, kind in told})
