"""The source port: units of work with an identity, read in batches; each kind of source has an adapter module.

An adapter knows no contract and no Dagster: it gets the declaration as plain values (`options`) and what it may need of
its surroundings (`SourceContext`). Its module has one function, `open_source(options, context)`.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib import import_module
from typing import Any, Protocol, runtime_checkable

import polars as pl

from platform_resources.errors import ResourceError
from platform_resources.readers import Malformed
from platform_resources.settings import Settings

LOG_SCHEMA = {"source": pl.String, "stamp": pl.String, "ingest_id": pl.String, "unreadable_id": pl.String}
"""What a cursor needs of an ingest log."""


class UnreadableUnit(ResourceError):
    """A unit whose content cannot be read; `source` names it, `reason` says why."""

    def __init__(self, source: str, reason: str) -> None:
        self.source, self.reason = source, reason
        super().__init__(f"{source}: {reason} Fix: send it again under the same name.")


class SourceUnreachable(ResourceError):
    """A source that cannot be asked what it has: a database that is down, an address that does not answer."""


@dataclass(frozen=True)
class Unit:
    """What is taken in as one: a file, a month of generated rows, the rows of a table since a position.

    Attributes:
        source: Its identity, which stays when its content changes: `flights/flights-2013-01.parquet`.
        stamp: Changes whenever the content may have changed; cheap to know.
        size_bytes: Its size, 0 where nobody knows it.
        modified: When it was last written, in UTC; None where nobody writes it.
        arrived: When it came to be there as it is now, in nanoseconds since the epoch; 0 where nobody knows.
        ingest_id: Of its present content under its name; empty until `identify` filled it in.
        position: Where `pending` goes on once this unit is in the log; empty where units have stamps instead.
    """

    source: str
    stamp: str = ""
    size_bytes: int = 0
    modified: datetime | None = None
    arrived: int = 0
    ingest_id: str = ""
    position: str = ""


@dataclass(frozen=True)
class Batch:
    """Some of a unit's rows, as they came, in the unit's order.

    Attributes:
        rows: The rows, uncast: text where the source has text.
        first_record: The number of the first row among the unit's rows, from 1; the others follow.
        lines: The line of the file on which each row begins, as an editor counts them; None where there are no lines.
        line_word: What such a line is called: of a workbook, a row.
        places: What else a person calls each row's place: an offset, an envelope's id; None where there is nothing.
        wheres: What a person calls each row's place: a page and a record; None where it has only its number.
        malformed: The records between them that could be no row: line, reason and text.
    """

    rows: pl.DataFrame
    first_record: int = 1
    lines: pl.Series | None = None
    line_word: str = "line"
    places: pl.Series | None = None
    wheres: pl.Series | None = None
    malformed: Sequence[Malformed] = ()


@dataclass(frozen=True)
class ColumnTally:
    """What the values of a column come to, whatever their order.

    Attributes:
        filled: Values that are not null.
        kind: What is added up: `number`, `flag` (those that are true), `day` and `instant` (days and microseconds since
            1970), `text` (the first eight digits of each MD5); empty where nothing is.
        total: The sum; None where there is none.
    """

    filled: int
    kind: str = ""
    total: Any = None


@dataclass(frozen=True)
class Tally:
    """What a source counts of a unit's rows by itself, beside sending them; what was stored is compared with it."""

    rows: int
    columns: Mapping[str, ColumnTally]


@dataclass(frozen=True)
class SchemaChange:
    """What a source changed of a column: `added`, `dropped`, perhaps `renamed`, or its `type`."""

    kind: str
    column: str
    words: str


@dataclass(frozen=True)
class Cursor:
    """What was taken in before, as the ingest log says.

    Attributes:
        log: A row for each unit that is known, with the columns of `LOG_SCHEMA`.
        position: That of the last unit that was taken in; empty at the beginning.
    """

    log: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=LOG_SCHEMA))
    position: str = ""

    def changed(self, units: Sequence[Unit]) -> list[Unit]:
        """Leave out the units that the log knows by their stamp, in one join; those that are left keep their order."""
        sources = pl.DataFrame(
            {"source": [unit.source for unit in units], "stamp": [unit.stamp for unit in units]},
            schema={"source": pl.String, "stamp": pl.String},
        )
        news = sources.with_row_index("place").join(self.log, on=["source", "stamp"], how="anti", maintain_order="left")
        return [units[place] for place in news["place"]]

    def contents(self, sources: Sequence[str]) -> dict[str, set[str]]:
        """Look up the ids of the contents that the log has dealt with, readable or not, of the given units."""
        rows = self.log.filter(pl.col("source").is_in(list(sources))).select("source", "ingest_id", "unreadable_id")
        return {source: {known for known in ids if known} for source, *ids in rows.iter_rows()}


class RecentUnits:
    """What was read of units as they were noticed, for the run that takes them in; each is handed on once.

    It holds no more than `most_bytes`: of a larger unit nothing is kept, and the oldest ones give way.
    """

    def __init__(self, most_bytes: int = 64 << 20) -> None:
        self.most_bytes = most_bytes
        self._batches: dict[tuple[str, str], list[Batch]] = {}

    def keep(self, dataset: str, ingest_id: str, batches: Sequence[Batch]) -> None:
        """Keep the batches of one content, read for one dataset."""
        self._batches[dataset, ingest_id] = list(batches)
        while sum(map(_size_of, self._batches.values())) > self.most_bytes:
            del self._batches[next(iter(self._batches))]

    def take(self, dataset: str, ingest_id: str) -> list[Batch]:
        """Hand the batches on, which are then kept no more; empty where there are none."""
        return self._batches.pop((dataset, ingest_id), [])


def _size_of(batches: Sequence[Batch]) -> int:
    return sum(int(batch.rows.estimated_size()) for batch in batches)


@dataclass(frozen=True, kw_only=True)
class SourceContext:
    """What an adapter may need of its surroundings.

    Attributes:
        dataset: The dataset's name, `domain/dataset`.
        version: The contract's version.
        settings: Where things lie, and the credentials for it.
        partitions: Those that the run is about; None for all, and for a dataset that has none.
        partition_keys: Given rows as they came, the partition of each; null where it cannot be told.
        generate: Given a number of rows and a seed, rows made from the contract.
        quarantined: Given ids, or None for all, the open envelopes of the run's partitions: `quarantine_id`, `source`,
            `ingest_id`, and `row`, a struct of the contract's columns as text.
        types: By column, under the source's name of it, the type that the contract gives it.
        shared: What the adapters of one run or one look around have in common.
        recent: Where a look around leaves what it read for a run in the same process; None where there is no such run.
    """

    dataset: str
    version: str
    settings: Settings
    partitions: Sequence[str] | None
    partition_keys: Callable[[pl.DataFrame], pl.Series]
    generate: Callable[[int, int], pl.DataFrame]
    quarantined: Callable[[Sequence[str] | None], pl.DataFrame]
    types: Mapping[str, pl.DataType] = field(default_factory=dict)
    shared: MutableMapping[Any, Any] = field(default_factory=dict)
    recent: RecentUnits | None = None

    @property
    def domain(self) -> str:
        """The first part of the dataset's name."""
        return self.dataset.partition("/")[0]


class SourceAdapter(Protocol):
    """One kind of source, opened for one dataset."""

    def describe(self) -> str:
        """Say what is read and where, in words that follow "there is no"."""

    def pending(self, cursor: Cursor) -> Sequence[Unit]:
        """List the units that the cursor does not know, in the order in which later ones win; all for an empty one."""

    def identify(self, unit: Unit) -> Unit:
        """Return the unit with the id of its present content; where that cannot be opened, an id of its stamp."""

    def read(self, unit: Unit, columns: Sequence[str] | None = None) -> Iterator[Batch]:
        """Yield the unit's rows in bounded memory.

        Args:
            unit: One that `pending` gave.
            columns: Those that are needed, where not all are; others may come with them.

        Raises:
            UnreadableUnit: Nothing of it can be used.
        """


@runtime_checkable
class TalliedSource(SourceAdapter, Protocol):
    """An adapter of a kind that counts its rows by itself, and knows its columns."""

    def tally(self, unit: Unit) -> Tally | None:
        """Give what was counted of a unit that was read to its end; None before that."""

    def schema_changes(self, unit: Unit) -> Sequence[SchemaChange]:
        """Say what changed of the columns since the unit before."""


@runtime_checkable
class RepeatedSource(SourceAdapter, Protocol):
    """An adapter of a kind that goes on behind a position, and can be told to read everything once more."""

    def begin_anew(self, cursor: Cursor) -> Unit:
        """Return a unit without rows whose position has the next load read everything."""


class PolledSource(SourceAdapter, Protocol):
    """An adapter of a kind that a sensor asks now and then whether anything changed."""

    def probe(self) -> str:
        """Return a text that is another once anything changed; empty where that cannot be told cheaply."""


def open_source(kind: str, options: Mapping[str, Any], context: SourceContext) -> SourceAdapter:
    """Open the adapter of a kind: a module of this package, or, with a dot in it, the module of that full name."""
    module = import_module(kind if "." in kind else f"platform_resources.sources.{kind}")
    adapter: SourceAdapter = module.open_source(options, context)
    return adapter


def digest(source: str, content: bytes) -> str:
    """Compute the id of an ingest: the same for the same bytes under the same name, and for nothing else."""
    return hashlib.blake2b(source.encode() + b"\0" + content, digest_size=16).hexdigest()
