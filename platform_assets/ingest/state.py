"""What a run finds before it begins: the quarantine and the log, each read once, and the position they stand at.

A commit names the position and is refused where another writer was there in between; what was decided on a state that
is no more is decided again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from platform_assets.ingest.ingest_log import StreamLog
from platform_assets.ingest.quarantine import INGESTS, QuarantineStore
from platform_assets.ingest.tables import ingests_spec, quarantine_spec, superseded_spec, table_spec
from platform_assets.ingest.wider_types import widen_stored_types
from platform_core.contracts import Dataset
from platform_core.quality.envelope import ENVELOPE
from platform_resources.storage import Lake

STREAM = "ingest"
"""The name under which a table remembers the number of the last ingest that it has."""


@dataclass(frozen=True)
class Position:
    """Where a dataset stands: the last ingest in each table, and the quarantine's version, which people move too."""

    table: int | None
    log: int | None
    quarantine: int | None
    quarantine_version: str | None
    superseded: int | None = None


@dataclass(frozen=True)
class IngestState(QuarantineStore):
    """A quarantine and a log as they were when a run began; a person's decision since then is not seen.

    Attributes:
        position: Where the dataset stands.
        frames: The quarantine and the log.
        stream: The name under which the tables remember the number of a commit.
        stream_log: The log of a worker, which is read again only where another writer was there.
        note: A name and a number that the table is to remember with the position.
    """

    position: Position
    frames: Mapping[str, pl.DataFrame]
    stream: str = STREAM
    stream_log: StreamLog | None = None
    note: tuple[str, int] | None = None

    @cached_property
    def logged(self) -> dict[str, tuple[str, int]]:
        """By source, the content that the log knows and the number of its arrival."""
        numbers = pl.coalesce("arrival", pl.col("ingested_at").dt.epoch("us"))
        return {source: (content, number) for source, content, number in
                self.ingests().select("source", "ingest_id", numbers).iter_rows()}  # fmt: skip

    @property
    def is_settled(self) -> bool:
        """Tell whether the log counts what the table has; it does not where a run died between the two."""
        return self.ingests()["commit"].max() == self.position.table

    @property
    def has_rows_twice(self) -> bool:
        """Tell whether rows may lie aside that stand in the table: a run died before its table, or before its log."""
        at = self.position
        return not self.is_settled or (at.superseded or 0) > max(at.table or 0, at.log or 0)

    @property
    def latest(self) -> int:
        """The highest number that any ingest had, 0 where there was none."""
        at = self.position
        return max(at.table or 0, at.log or 0, at.quarantine or 0, at.superseded or 0)

    def _read(
        self,
        which: str,
        schema: dict[str, pl.DataType | type[pl.DataType]],  # noqa: ARG002
        sources: Sequence[str] | None = None,
    ) -> pl.DataFrame:
        frame = self.frames[which]
        return frame if sources is None else frame.filter(pl.col("source").is_in(list(sources)))


def read_state(lake: Lake, dataset: Dataset) -> IngestState:
    """Read the position, then the quarantine and the log: what is committed meanwhile refuses the commit, not us."""
    store = QuarantineStore(lake, dataset)
    position = Position(
        table=lake.position(table_spec(dataset), STREAM),
        log=lake.position(ingests_spec(dataset), STREAM),
        quarantine=lake.position(quarantine_spec(dataset), STREAM) if dataset.quarantine else None,
        quarantine_version=lake.version(quarantine_spec(dataset)) if dataset.quarantine else None,
        superseded=lake.position(superseded_spec(dataset), STREAM) if dataset.key else None,
    )
    frames = {
        "quarantine": store.envelopes() if dataset.quarantine else pl.DataFrame(schema=ENVELOPE),
        "ingests": store.ingests() if position.log or lake.exists(ingests_spec(dataset)) else _no_log(),
    }
    return IngestState(lake, dataset, position, frames)


def read_stream_state(lake: Lake, dataset: Dataset, *, source: str, stream: str, log: StreamLog) -> IngestState:
    """Read where one partition of a topic stands; a worker does so when it is given the partition.

    Of the quarantine only those envelopes are read whose messages come again, because a worker died before their rows
    were in the table: so what people decided on them since then stays.
    """
    widen_stored_types(lake, dataset)
    table = lake.position(table_spec(dataset), stream)
    envelopes = pl.DataFrame(schema=ENVELOPE)
    if dataset.quarantine:
        set_aside, behind = lake.position(quarantine_spec(dataset), stream), 0 if table is None else table
        if set_aside is not None and set_aside > behind:
            mine = (pl.col("source") == source) & (pl.col("position") >= behind)
            envelopes = QuarantineStore(lake, dataset).envelopes().filter(mine)
    position = Position(table=table, log=None, quarantine=None, quarantine_version=None)
    frames = {"quarantine": envelopes, "ingests": _no_log()}
    return IngestState(lake, dataset, position, frames, stream, log)


def _no_log() -> pl.DataFrame:
    return pl.DataFrame(schema=INGESTS)
