"""Rows of a Parquet file that was written for a trial run: one unit, read as any other source is."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from platform_resources.sources.base import Batch, Cursor, SourceContext, Unit, digest


@dataclass(frozen=True)
class StoredRows:
    """The rows of one file."""

    path: Path

    def describe(self) -> str:
        """Name the file."""
        return f"file {self.path}"

    def pending(self, cursor: Cursor) -> Sequence[Unit]:
        """List the file, unless the log knows it."""
        unit = self.identify(Unit(self.path.stem, str(self.path)))
        return [] if unit.stamp in cursor.log["stamp"] else [unit]

    def identify(self, unit: Unit) -> Unit:
        """Return the unit with the id of its place; nobody writes the file again."""
        return Unit(unit.source, unit.stamp, ingest_id=digest(unit.source, unit.stamp.encode()))

    def read(self, unit: Unit, columns: Sequence[str] | None = None) -> Iterator[Batch]:
        """Yield the rows."""
        del unit, columns
        yield Batch(pl.read_parquet(self.path))


def open_source(options: Mapping[str, Any], context: SourceContext) -> StoredRows:
    """Open the file that the options name."""
    del context
    return StoredRows(Path(options["path"]))
