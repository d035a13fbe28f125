"""The quarantine as a source: the rows that wait there, by the units from which they came."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import polars as pl

from platform_resources.sources.base import Batch, Cursor, SourceContext, Unit


@dataclass(frozen=True)
class QuarantinedRows:
    """Open envelopes, read once; a row's place is its envelope's id."""

    ids: Sequence[str] | None
    context: SourceContext

    def describe(self) -> str:
        """Say how many envelopes are replayed."""
        return "all open envelopes" if self.ids is None else f"{len(self.ids)} envelopes"

    def pending(self, cursor: Cursor) -> Sequence[Unit]:
        """List the units that brought the rows; what the log knows is no matter here."""
        del cursor
        return list(self._rows)

    def identify(self, unit: Unit) -> Unit:
        """Return the unit, which kept the id of the content that brought its rows."""
        return unit

    def read(self, unit: Unit, columns: Sequence[str] | None = None) -> Iterator[Batch]:
        """Yield the rows of one unit, fixes applied, as text."""
        del columns
        envelopes = self._rows[unit]
        yield Batch(envelopes.select("row").unnest("row"), places=envelopes["quarantine_id"])

    @cached_property
    def _rows(self) -> dict[Unit, pl.DataFrame]:
        parts = self.context.quarantined(self.ids).partition_by("source", "ingest_id", maintain_order=True)
        return {Unit(part["source"][0], ingest_id=part["ingest_id"][0]): part for part in parts}


def open_source(options: Mapping[str, Any], context: SourceContext) -> QuarantinedRows:
    """Open the quarantine of a dataset."""
    return QuarantinedRows(options["ids"], context)
