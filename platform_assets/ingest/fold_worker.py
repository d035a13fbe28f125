"""A fold kept up to date: rows that its inputs took in are folded, and what comes out is committed with the state.

The rows come from the inputs' tables, or straight from a worker in the same process that has just committed them. A
commit has a number of its own, under which the state was kept before: a worker that dies takes up where the table is.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any

import polars as pl

from platform_assets.ingest.commit import commit
from platform_assets.ingest.detectors import Detectors
from platform_assets.ingest.existing_rows import after_messages
from platform_assets.ingest.fold_state import PLACE, Entry, FoldStore, Snapshot, number_rows
from platform_assets.ingest.ingest_log import StreamLog
from platform_assets.ingest.lookups import LookupTable
from platform_assets.ingest.publishing import Publisher
from platform_assets.ingest.quarantine import QuarantinePlan, QuarantineStore
from platform_assets.ingest.references import load_references
from platform_assets.ingest.state import read_stream_state
from platform_assets.ingest.stored import as_declared
from platform_assets.ingest.stream import (
    MicroBatch,
    Piece,
    Tally,
    judge_folded,
    plan_micro_batch,
)
from platform_assets.ingest.tables import INGEST, INGESTED_AT, SOURCE, table_spec
from platform_assets.ingest.topic_history import history_name, read_positions, topic_name, topic_of
from platform_assets.ingest.verdicts import WARNED, TableVerdicts
from platform_core.contracts import Catalog, Dataset
from platform_core.contracts.folds import Lookup, Scored
from platform_core.folding import Folding, Stores, folding_of
from platform_core.quality import envelopes
from platform_resources.brokers import Batch
from platform_resources.brokers.base import build_rows
from platform_resources.brokers.decoding import Decoded
from platform_resources.errors import PositionMoved
from platform_resources.sources import digest
from platform_resources.storage import Lake

_LOOK_EVERY = timedelta(seconds=1)
_KEEP_EVERY = timedelta(seconds=5)
_ROWS_AT_ONCE = 1_000_000
_RENEW_EVERY = timedelta(seconds=10)
_LATE = "late"


@dataclass(frozen=True)
class _LateRows:
    """Rows of one input's partition that came too late."""

    dataset: str
    source: str
    rows: pl.DataFrame


class FoldWorker:
    """Folds what the inputs of one dataset take in; works like a `StreamWorker`, and beside those of its inputs."""

    def __init__(
        self,
        lake: Lake,
        catalog: Catalog,
        dataset: Dataset,
        *,
        run_id: str,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Take up where the dataset's table is."""
        self._lake, self._catalog, self._dataset = lake, catalog, dataset
        self._run_id, self._clock = run_id, clock
        self.tally = Tally()
        self._inputs = [catalog[name] for name in (dataset.source.inputs if dataset.source else ())]
        row_columns = {column.name for above in self._inputs for column in above.columns}
        self._store = FoldStore(lake, dataset, row_columns)
        self._log = StreamLog(lake, dataset, least_pause_seconds=10.0)
        self._folding = open_folding(lake, catalog, dataset)
        self._publisher = Publisher(lake, dataset)
        self._offers: list[Piece] = []
        self._looked: datetime | None = None
        self._touched: set[str] | None = None
        self._warned = [pl.DataFrame(schema=WARNED)]
        self._is_astray = False
        self._take_up()

    @property
    def inputs(self) -> Sequence[str]:
        """The names of the streams that are folded."""
        return [above.name for above in self._inputs]

    def offer(self, piece: Piece) -> None:
        """Take a piece that an input's worker has just committed, to be folded by the next step."""
        self._offers.append(piece)

    def step(self, *, max_messages: int | None = None, timeout: timedelta = timedelta(0)) -> int:
        """Fold what is there, commit what came out, and return how many rows were folded."""
        del max_messages, timeout
        with self.tally.timed():
            if self._is_astray:  # what was asked of a lake that did not answer may have been done
                self._take_up()
            self._is_astray = True
            folded = self._fold_all()
            self._is_astray = False
            return folded

    def _fold_all(self) -> int:
        folded = 0
        for piece in self._pieces():
            self._renew()
            self._fold(piece.dataset, piece.source, piece.end, piece.rows)
            folded += piece.rows.height
        self._pass_time()
        if self._has_rows() or (self._pending and self._clock() - self._kept_at >= _KEEP_EVERY):
            self._commit()
            self._publisher.catch_up()
        return folded

    def is_drained(self) -> bool:
        """Tell whether all that the inputs' tables have was folded and committed."""
        return not self._offers and not self._behind() and not self._has_rows()

    def owns_all(self) -> bool:
        """Tell that nobody else folds parts of the inputs."""
        return True

    def take_tally(self) -> Tally:
        """Return what was done since this was last called."""
        tally, self.tally = self.tally, Tally()
        return tally

    def renew_verdicts(self) -> None:
        """Measure what was written since this was last called; the first time, all of the table."""
        self._log.flush()
        partitions = None
        if self._dataset.partitions is not None:
            partitions = sorted(self._touched or ())
        warned = pl.concat(self._warned)
        references = load_references(self._lake, self._catalog, self._dataset)
        TableVerdicts(self._lake, self._dataset).add_warnings(references, partitions=partitions, warned=warned)
        self._touched, self._warned = set(), [pl.DataFrame(schema=WARNED)]
        self._publisher.save()

    def close(self) -> None:
        """Commit the state behind the last row."""
        if self._pending and not self._is_astray:
            self._commit()
        self._log.flush()
        self._publisher.close()

    @property
    def _stream(self) -> str:
        return f"fold:{self._dataset.name}"

    def _take_up(self) -> None:
        """Read the state that the table stands at; what was folded since is folded again."""
        dataset = self._dataset
        source = place_of(dataset)
        self._ingest = read_stream_state(self._lake, dataset, source=source, stream=self._stream, log=self._log)
        self._snapshot = self._store.load(self._ingest.position.table, self._folding.begin())
        self._set_aside(self._snapshot)
        self._state: Any = self._snapshot.state
        self._places = self._snapshot.places
        self._positions = {name: dict(parts) for name, parts in self._snapshot.positions.items()}
        self._pending: list[Entry] = []
        self._rows: list[pl.DataFrame] = []
        self._late: list[_LateRows] = []
        self._kept_at = self._clock()
        self._offers.clear()
        self._looked = None
        self._renewed: datetime | None = None

    def _renew(self) -> None:
        """Read what is beside the inputs as it is now; the step is noted, so that a replay does the same."""
        now = self._clock()
        if self._renewed is not None and now - self._renewed < _RENEW_EVERY:
            return
        self._renewed, note = now, self._folding.renew(self._state)
        if note is not None:
            self._state = self._folding.recall(self._state, note)
            self._pending.append(Entry("", note, 0, now))

    def _pieces(self) -> Iterator[Piece]:
        offers, self._offers = self._offers, []
        for piece in offers:
            position = self._position(piece.dataset, piece.source)
            if piece.end <= position:
                continue
            if piece.start > position:
                yield from self._stored(self._catalog[piece.dataset], piece.source, position, piece.end)
            elif piece.start < position:
                yield replace(piece, start=position, rows=piece.rows.filter(row_offset() >= position))
            else:
                yield piece
        now = self._clock()
        if self._looked is None or now - self._looked >= _LOOK_EVERY:
            self._looked = now
            for above, source, start, end in self._behind():
                yield from self._stored(above, source, start, end)

    def _behind(self) -> list[tuple[Dataset, str, int, int]]:
        """List the partitions whose rows the inputs' tables have, and the fold has not."""
        behind = []
        for above in self._inputs:
            numbers = range(topic_of(above).topic_partitions)
            for history in dict.fromkeys([topic_name(self._lake, above), history_name(self._lake, above)]):
                for number, end in read_positions(self._lake, above, numbers, history).items():
                    source = f"{history}/{number}"
                    start = self._position(above.name, source)
                    if end is not None and end > start:
                        behind.append((above, source, start, end))
        return behind

    def _position(self, name: str, source: str) -> int:
        return self._positions.get(name, {}).get(source, 0)

    def _stored(self, above: Dataset, source: str, start: int, end: int) -> Iterator[Piece]:
        for stop in piece_ends(self._lake, above, source, start, end):
            yield Piece(above.name, source, start, stop, stored_rows(self._lake, above, source, start, stop))
            start = stop

    def _fold(self, name: str, source: str, end: int, rows: pl.DataFrame) -> None:
        at = latest_instant(self._clock(), rows)
        step = self._folding.step(self._state, name, folded_columns(self._catalog[name], rows, self._places), at)
        self._state = step.state
        self._places += rows.height
        self._positions.setdefault(name, {})[source] = end
        self._pending.append(Entry(name, source, end, at))
        self._gather(name, source, step.rows, step.late)

    def _pass_time(self) -> None:
        """Let time pass for partitions that are silent, where the declaration says for how long they may be."""
        source, at = self._dataset.source, self._clock()
        if source is None or getattr(source, "idle", None) is None:
            return
        for above in self._inputs:
            empty = folded_columns(above, None)
            step = self._folding.step(self._state, above.name, empty, at)
            if step.rows.height:
                self._state = step.state
                self._pending.append(Entry(above.name, "", 0, at))
                self._gather(above.name, "", step.rows, step.late)

    def _gather(self, name: str, source: str, rows: pl.DataFrame, late: pl.DataFrame) -> None:
        if rows.height:
            self._rows.append(rows)
        if late.height:
            self._late.append(_LateRows(name, source, late))

    def _has_rows(self) -> bool:
        return bool(self._rows or self._late)

    def _commit(self) -> None:
        at = self._clock()
        number = self._snapshot.next_number()
        steps = [replace(entry, number=number) for entry in self._pending]
        batch, micro = self._judge(number, at)
        snapshot = Snapshot(
            number,
            self._positions,
            self._state,
            (*self._snapshot.entries, *steps),
            self._snapshot.blocks,
            micro.refused,
            self._places,
        )
        kept_snapshot = self._store.keep(snapshot, self._snapshot)
        outcome = plan_micro_batch(self._ingest, batch, micro, run_id=self._run_id, at=at)
        try:
            written = commit(self._ingest, replace(outcome, quarantine=QuarantinePlan(micro.refused.clear())))
        except PositionMoved:  # another worker folded the same rows
            self._store.forget([number])
            self._take_up()
            return
        self._set_aside(kept_snapshot)
        self._store.forget(set(self._snapshot.changes) - set(kept_snapshot.changes))
        self._snapshot, self._pending, self._rows, self._late, self._kept_at = kept_snapshot, [], [], [], at
        self._ingest = replace(self._ingest, position=replace(self._ingest.position, table=number))
        self.tally.add(micro, outcome.table, written)
        self._warned.append(micro.warned)
        self._touched = (self._touched or set()) | outcome.table.partitions

    def _set_aside(self, snapshot: Snapshot) -> None:
        """Write the envelopes of a commit that stands; of one that does not, the same rows may be in time another time.

        A worker that died in between is made up for by the next one.
        """
        if snapshot.envelopes is not None and snapshot.envelopes.height:
            store = QuarantineStore(self._lake, self._dataset)
            store.add(store.plan_messages(snapshot.envelopes), transaction=(self._stream, snapshot.number))

    def _judge(self, number: int, at: datetime) -> tuple[Batch, MicroBatch]:
        dataset = self._dataset
        columns = [column.name for column in dataset.columns]
        parts = [select_declared(part, columns) for part in [*self._rows, *self._corrected()]]
        types = {column.name: column.dtype for column in dataset.columns}
        rows = pl.concat(parts) if parts else pl.DataFrame(schema=types)
        offsets = identities(rows, dataset).alias("offset")
        nothing = [None] * rows.height
        name = place_of(dataset).rpartition("/")[0]
        batch = Batch(name, 0, build_rows(offsets.to_list(), [0] * rows.height, nothing, nothing), number)
        references = load_references(self._lake, self._catalog, dataset)
        beside = after_messages(self._lake, dataset)
        micro = judge_folded(dataset, batch, Decoded(rows, offsets, {}), references, beside, run_id=self._run_id, at=at)
        late = [self._envelopes(part, at) for part in self._late] if not self._corrects else []
        refused = pl.concat([micro.refused, *late])
        return batch, replace(micro, refused=refused, read=micro.read + refused.height - micro.refused.height)

    @property
    def _corrects(self) -> bool:
        return getattr(self._dataset.source, "late", None) == "correct"

    def _corrected(self) -> Iterator[pl.DataFrame]:
        """Compute what late rows change anew, from all rows of the input that were folded."""
        if not self._corrects or not self._late:
            return
        above = self._inputs[0]
        rows = as_declared(self._lake.scan(table_spec(above)), above, beside=[SOURCE, INGEST])
        ends = pl.DataFrame(
            [(name, end) for name, end in self._positions[above.name].items()],
            schema={SOURCE: pl.String, "_end": pl.Int64}, orient="row",
        )  # fmt: skip
        folded = rows.join(ends.lazy(), on=SOURCE).filter(row_offset() < pl.col("_end")).drop("_end")
        late = pl.concat([part.rows for part in self._late])
        yield self._folding.correct(late, folded.sort(row_offset()))

    def _envelopes(self, late: _LateRows, at: datetime) -> pl.DataFrame:
        hidden = [column.name for column in self._catalog[late.dataset].columns if column.pii]
        offsets = late.rows.select(row_offset()).to_series().to_list()
        return envelopes(
            late.rows.drop(SOURCE, INGEST, PLACE, *hidden, strict=False),
            [[_LATE]] * late.rows.height,
            [f"it came behind the watermark and the grace, at offset {offset} of {late.source}" for offset in offsets],
            source=f"{late.dataset} {_LATE}",
            ingest_id=digest(f"{self._dataset.name} {late.source}", b"late"),
            positions=offsets,
            run_id=self._run_id,
            at=at,
            partitions=[None] * late.rows.height,
        )


def open_folding(lake: Lake, catalog: Catalog, dataset: Dataset) -> Folding[Any]:
    """Return the folding of a dataset, with its detectors or its table where it has any."""
    source = dataset.source
    detectors = Detectors(lake, dataset) if isinstance(source, Scored) else None
    table = LookupTable(lake, catalog[source.table], dataset.name, source) if isinstance(source, Lookup) else None
    return folding_of(catalog, dataset, Stores(detectors, table))


def fold_positions(lake: Lake, catalog: Catalog, dataset: Dataset) -> list[tuple[str, int, int]]:
    """List the partitions of a fold's inputs with the offset behind what it folded, and behind what the table has."""
    spec = table_spec(dataset)
    number = lake.position(spec, f"fold:{dataset.name}") if lake.exists(spec) else None
    folded = {} if number is None else FoldStore(lake, dataset).positions(number)
    positions = []
    for name in dataset.source.inputs if dataset.source else ():
        above = catalog[name]
        for number_, end in read_positions(lake, above, range(topic_of(above).topic_partitions)).items():
            place = f"{history_name(lake, above)}/{number_}"
            positions.append((place, folded.get(name, {}).get(place, 0), end or 0))
    return positions


def piece_ends(
    lake: Lake, above: Dataset, source: str, start: int, end: int, *, rows_at_once: int = _ROWS_AT_ONCE
) -> list[int]:
    """Return where to cut the rows between two offsets, so that no piece has more rows; the last end is `end`.

    Offsets may be far apart, as those of Redis and Pulsar are: where they could be more than a piece, they are counted.
    """
    if end - start <= rows_at_once:
        return [end]
    mine = lake.scan(table_spec(above), columns=[SOURCE, INGEST]).filter(is_between(source, start, end))
    offsets = mine.select(row_offset()).collect().to_series().sort()
    return [*offsets.gather_every(rows_at_once, rows_at_once), end]


def stored_rows(lake: Lake, above: Dataset, source: str, start: int, end: int) -> pl.DataFrame:
    """Return the rows of a partition of a stream's topic from an offset up to another, which is not among them."""
    mine = lake.scan(table_spec(above)).filter(is_between(source, start, end))
    rows = as_declared(mine, above, beside=[SOURCE, INGEST, INGESTED_AT])
    return rows.sort(row_offset(), maintain_order=True).collect()


def is_between(source: str, start: int, end: int) -> pl.Expr:
    """Return what is true of a partition's rows from an offset up to another, which is not among them.

    Offsets are kept as text. Among texts of as many digits the order is that of the numbers, so that a reader passes
    over files and groups of rows by the least and greatest text that they hold.
    """
    ranges = []
    while start < end:
        digits = len(str(start))
        last = min(end, 10**digits) - 1
        text = pl.col(INGEST)
        ranges.append((text.str.len_bytes() == digits) & (text >= str(start)) & (text <= str(last)))
        start = last + 1
    is_numbered = row_offset().is_not_null()  # mended messages are named otherwise
    return (pl.col(SOURCE) == source) & reduce(or_, ranges, pl.lit(value=False)) & is_numbered


def folded_columns(above: Dataset, rows: pl.DataFrame | None, first: int = 0) -> pl.DataFrame:
    """Return what a fold sees of an input's rows: the contract's columns, the partition and the offset, a number."""
    types = {column.name: column.dtype for column in above.columns}
    if rows is None:
        return number_rows(pl.DataFrame(schema={**types, SOURCE: pl.String(), INGEST: pl.String()}), first)
    return number_rows(rows.select(*(pl.col(name).cast(dtype) for name, dtype in types.items()), SOURCE, INGEST), first)


def select_declared(rows: pl.DataFrame, columns: Mapping[str, Any] | list[str]) -> pl.DataFrame:
    """Return the declared ones of the columns that came out."""
    return rows.select(name for name in columns if name in rows.columns)


def latest_instant(now: datetime, rows: pl.DataFrame) -> datetime:
    """Return the present, or when the latest of the rows was taken in, by a clock that is ahead of this one.

    A replay knows by it which rows were there; a clock may have been set back in between.
    """
    last_ingested = rows[INGESTED_AT].max() if INGESTED_AT in rows.columns else None
    return max(now, last_ingested) if isinstance(last_ingested, datetime) else now


def place_of(dataset: Dataset) -> str:
    """Return the source under which a fold's rows are kept, as those of a topic's partition are."""
    return f"{dataset.source.inputs[0] if dataset.source else dataset.name}/0"


def identities(rows: pl.DataFrame, dataset: Dataset) -> pl.Series:
    """Return a number for each row that is its key's, whatever step gave it out."""
    key = list(dataset.key) or rows.columns
    return rows.select((pl.struct(key).hash(seed=0) // 4).cast(pl.Int64)).to_series()


def row_offset() -> pl.Expr:
    """Return the offset of each row of a stream; null for rows from mended messages."""
    return pl.col(INGEST).cast(pl.Int64, strict=False)
