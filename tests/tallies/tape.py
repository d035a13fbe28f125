"""A fourth kind of source: a tape on which lines are only ever added, read from a position on, two lines a batch."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from platform_resources.sources import Batch, Cursor, SourceContext, Unit, digest


@dataclass(frozen=True)
class Tape:
    """The lines of one tape."""

    path: Path

    def describe(self) -> str:
        return f"line on the tape {self.path.name}"

    def pending(self, cursor: Cursor) -> Sequence[Unit]:
        """One unit from the cursor's position to the end."""
        end = len(self._lines())
        begin = int(cursor.position or 0)
        return [Unit(f"tape@{begin:06d}", position=f"{end:06d}")] if end > begin else []

    def identify(self, unit: Unit) -> Unit:
        return replace(unit, ingest_id=digest(unit.source, unit.position.encode()))

    def read(self, unit: Unit, columns: Sequence[str] | None = None) -> Iterator[Batch]:
        del columns
        begin, end = int(unit.source.partition("@")[2]), int(unit.position)
        lines = self._lines()[begin:end]
        for place in range(0, len(lines), 2):
            fields = [line.split() for line in lines[place : place + 2]]
            rows = pl.DataFrame(fields, schema={"tick": pl.String, "value": pl.String}, orient="row")
            yield Batch(rows, first_record=place + 1)

    def _lines(self) -> list[str]:
        return self.path.read_text().splitlines() if self.path.exists() else []


def open_source(options: Mapping[str, Any], context: SourceContext) -> Tape:
    return Tape(Path(context.settings.landing).parent / options["name"])
