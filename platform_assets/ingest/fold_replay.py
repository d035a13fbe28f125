"""A fold's stored history folded again, in the pieces in which it was folded, and held against its table.

What the live worker gave must come out again, bit for bit. Rows that the rules set aside are in the quarantine; a
window that late rows corrected stands as it was corrected last. Rows that the table lost can be written again.
"""

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from platform_assets.ingest.existing_rows import after_messages
from platform_assets.ingest.fold_state import Entry, FoldStore
from platform_assets.ingest.fold_worker import (
    folded_columns,
    identities,
    open_folding,
    place_of,
    row_offset,
    select_declared,
    stored_rows,
)
from platform_assets.ingest.references import load_references
from platform_assets.ingest.stored import as_declared
from platform_assets.ingest.stream import judge_folded
from platform_assets.ingest.tables import INGEST, INGESTED_AT, quarantine_spec, table_spec
from platform_core.contracts import Catalog, Dataset
from platform_core.errors import CoreError
from platform_resources.brokers import Batch
from platform_resources.brokers.base import build_rows
from platform_resources.brokers.decoding import Decoded
from platform_resources.storage import Lake

HISTORY_TAG = "platform/stream-replay"
"""A run with this tag folds history again: JSON with `since`, `until` and `restores`."""

_IDENTITY, _COPY = "_identity", "_copy"


class HistoryDiffers(CoreError):
    """What came out of a replay is not what the table has."""

    def __init__(self, dataset: str, replayed: "ReplayedFold") -> None:
        self.dataset, self.replayed = dataset, replayed
        problem = f"{replayed.missing:,} of {replayed.rows:,} rows that came out again are not in the table"
        if replayed.extra:
            problem += f", and {replayed.extra:,} rows of the table did not come out"
        super().__init__(
            f"{dataset}: {problem}. Fix: `platform stream replay {dataset} --restore` writes the missing rows; "
            "rows that did not come out were written by another, or come from messages that were mended later."
        )


@dataclass(frozen=True, kw_only=True)
class HistoryRequest:
    """What is folded again.

    Attributes:
        since: Only what came out at or after this instant, by the clock of whoever folded; None for all.
        until: Only what came out before this instant; None for all.
        restores: Whether rows that the table lacks are written.
        id: Tells the runs of this request from those of another.
    """

    since: datetime | None = None
    until: datetime | None = None
    restores: bool = False
    id: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def is_whole(self) -> bool:
        """Whether all of the history is asked for, so that extra rows of the table are a difference."""
        return self.since is None and self.until is None

    def holds(self, at: datetime) -> bool:
        """Tell whether what came out then is asked for."""
        return (self.since is None or at >= self.since) and (self.until is None or at < self.until)

    def tag(self) -> dict[str, str]:
        """Return the tag of a run that does this."""
        since, until = (None if at is None else at.isoformat() for at in (self.since, self.until))
        values = {"since": since, "until": until, "restores": self.restores, "id": self.id}
        return {HISTORY_TAG: json.dumps(values)}


def requested_history(tag: str) -> HistoryRequest:
    """Return what a run's tag asks for."""
    values = json.loads(tag)
    edges = {name: datetime.fromisoformat(values[name]) if values[name] else None for name in ("since", "until")}
    return HistoryRequest(**edges, restores=values["restores"], id=values["id"])


@dataclass(frozen=True)
class ReplayedFold:
    """What a replay gave, beside the table.

    Attributes:
        rows: That came out of the stored history, without those that wait in quarantine.
        missing: Of them, those that the table does not have, bit for bit.
        extra: Rows of the table that did not come out, where the whole history was asked for.
        restored: Of the missing ones, those that were written again.
    """

    rows: int
    missing: int
    extra: int
    restored: int = 0

    @property
    def holds(self) -> bool:
        """Whether the table now is what came out again."""
        return self.missing == self.restored and self.extra == 0


def replay_fold(lake: Lake, catalog: Catalog, dataset: Dataset, request: HistoryRequest | None = None) -> pl.DataFrame:
    """Fold the stored history again, in the pieces in which it was folded, and return what came out.

    Args:
        lake: The tables.
        catalog: All declared datasets.
        dataset: Whose source is a fold.
        request: What of it is returned; None for all.
    """
    return _replay(lake, catalog, dataset, request or HistoryRequest()).drop(_IDENTITY)


def touched_partitions(lake: Lake, catalog: Catalog, dataset: Dataset, request: HistoryRequest) -> list[str]:
    """Return the partitions of what comes out and, of a whole history, of the table; none where none are declared."""
    if dataset.partitions is None:
        return []
    parts = [_replay(lake, catalog, dataset, request)]
    if request.is_whole:
        parts.append(_stored(lake, dataset))
    keys = [part.select(dataset.partitions.key()).to_series() for part in parts]
    return pl.concat(keys).drop_nulls().unique().sort().to_list()


def compare_history(
    lake: Lake,
    catalog: Catalog,
    dataset: Dataset,
    request: HistoryRequest,
    *,
    partitions: Sequence[str] | None,
    run_id: str,
    at: datetime,
) -> ReplayedFold:
    """Hold what comes out again against the table, and write what it lacks where that was asked for.

    Args:
        lake: The tables.
        catalog: All declared datasets.
        dataset: Whose source is a fold.
        request: What is folded again.
        partitions: Only rows of these; None for all.
        run_id: Of the run.
        at: The instant of the run, in UTC.
    """
    replayed = _within(dataset, _replay(lake, catalog, dataset, request), partitions)
    waiting = _set_aside(lake, dataset)
    stored = _within(dataset, _stored(lake, dataset), partitions)
    columns = [column.name for column in dataset.columns]
    numbered = [part.with_columns(pl.int_range(pl.len()).over(columns).alias(_COPY)) for part in (replayed, stored)]
    on = [*columns, _COPY]
    missing = numbered[0].join(numbered[1], on=on, how="anti", nulls_equal=True, maintain_order="left")
    aside = missing[_IDENTITY].is_in(waiting.implode())
    missing = missing.filter(~aside).drop(_COPY)
    extra = numbered[1].join(numbered[0], on=on, how="anti", nulls_equal=True) if request.is_whole else stored.clear()
    extra = extra.filter(~row_offset().is_in(waiting.implode()).fill_null(value=False))  # mended in quarantine
    restored = 0
    if request.restores and missing.height:
        restored = _restore(lake, catalog, dataset, missing, run_id=run_id, at=at)
        if dataset.store.mode == "merge":  # a row of the same key is overwritten, and not extra any more
            extra = extra.join(missing, on=list(dataset.key), how="anti", nulls_equal=True)
    return ReplayedFold(replayed.height - int(aside.sum()), missing.height, extra.height, restored)


def _replay(lake: Lake, catalog: Catalog, dataset: Dataset, request: HistoryRequest) -> pl.DataFrame:
    """Return the declared columns and the identity of each row that came out."""
    replay = _Replay(lake, catalog, dataset)
    parts, late = [_nothing(dataset)], []
    for entry, rows, came_late in replay.steps():
        if request.holds(entry.at) and rows.height:
            parts.append(replay.identified(rows))
        if came_late.height:
            late.append((entry, came_late))
    replayed = pl.concat(parts, how="vertical_relaxed")
    if not late or getattr(dataset.source, "late", None) != "correct":
        return replayed
    corrected = replay.corrected(pl.concat([rows for _, rows in late]))
    key = list(dataset.key)
    late_rows = [rows for entry, rows in late if request.holds(entry.at)]
    mine = corrected.join(replayed, on=key, how="semi", nulls_equal=True)
    if late_rows:
        mine = pl.concat([mine, replay.corrected(pl.concat(late_rows))]).unique(key, maintain_order=True)
    rest = replayed.join(corrected, on=key, how="anti", nulls_equal=True, maintain_order="left")
    return pl.concat([rest, mine], how="vertical_relaxed")


@dataclass
class _Replay:
    """One pass over a fold's entries; keeps the rows that it read."""

    lake: Lake
    catalog: Catalog
    dataset: Dataset
    histories: dict[tuple[str, str], pl.DataFrame] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folding = open_folding(self.lake, self.catalog, self.dataset)

    def steps(self) -> Iterator[tuple[Entry, pl.DataFrame, pl.DataFrame]]:
        """Yield each step with the rows that came out of it, and those that came too late for it."""
        store, spec = FoldStore(self.lake, self.dataset), table_spec(self.dataset)
        number = self.lake.position(spec, f"fold:{self.dataset.name}") if self.lake.exists(spec) else None
        state = self.folding.begin()
        snapshot = store.load(number, state)
        positions: dict[tuple[str, str], int] = {}
        for entry in store.entries(snapshot):
            if not entry.input:
                state = self.folding.recall(state, entry.source)
                continue
            above, place, rows = self.catalog[entry.input], (entry.input, entry.source), None
            if entry.source:
                history = self._history(above, entry.source, snapshot.positions)
                is_mine = (row_offset() >= positions.get(place, 0)) & (row_offset() < entry.end)
                rows = history.filter(is_mine & (pl.col(INGESTED_AT) <= entry.at))
                positions[place] = entry.end
            step = self.folding.step(state, entry.input, folded_columns(above, rows), entry.at)
            state = step.state
            yield entry, step.rows, step.late

    def identified(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return the declared columns of rows, with the identity that they were committed under."""
        names = [column.name for column in self.dataset.columns]
        own = select_declared(rows, names)
        return own.select(*names, identities(own, self.dataset).alias(_IDENTITY))

    def corrected(self, late: pl.DataFrame) -> pl.DataFrame:
        """Return the windows of late rows from all rows that were folded."""
        above = self.catalog[self.folding.source.inputs[0]]
        folded = pl.concat([folded_columns(above, rows) for rows in self.histories.values()]).sort(row_offset())
        return self.identified(self.folding.correct(late, folded.lazy()))

    def _history(self, above: Dataset, source: str, positions: Mapping[str, Mapping[str, int]]) -> pl.DataFrame:
        place = (above.name, source)
        if place not in self.histories:
            self.histories[place] = stored_rows(self.lake, above, source, 0, positions[above.name][source])
        return self.histories[place]


def _nothing(dataset: Dataset) -> pl.DataFrame:
    types = {column.name: column.dtype for column in dataset.columns}
    return pl.DataFrame(schema={**types, _IDENTITY: pl.Int64()})


def _stored(lake: Lake, dataset: Dataset) -> pl.DataFrame:
    spec = table_spec(dataset)
    if not lake.exists(spec):
        return _nothing(dataset).with_columns(pl.col(_IDENTITY).cast(pl.String).alias(INGEST)).drop(_IDENTITY)
    return as_declared(lake.scan(spec), dataset, beside=[INGEST]).collect()


def _within(dataset: Dataset, rows: pl.DataFrame, partitions: Sequence[str] | None) -> pl.DataFrame:
    if partitions is None or dataset.partitions is None:
        return rows
    return rows.filter(dataset.partitions.key().is_in(list(partitions)))


def _set_aside(lake: Lake, dataset: Dataset) -> pl.Series:
    """Return the identities of rows that the rules set aside when they came out."""
    spec = quarantine_spec(dataset)
    if not lake.exists(spec):
        return pl.Series(dtype=pl.Int64)
    return lake.read(spec).filter(source=place_of(dataset))["position"].drop_nulls().cast(pl.Int64)


def _restore(
    lake: Lake, catalog: Catalog, dataset: Dataset, missing: pl.DataFrame, *, run_id: str, at: datetime
) -> int:
    """Write rows that the table lacks, judged as if they came out now; return how many of them passed."""
    name, _, number = place_of(dataset).rpartition("/")
    nothing, offsets = [None] * missing.height, missing[_IDENTITY].alias("offset")
    batch = Batch(name, int(number), build_rows(offsets.to_list(), [0] * missing.height, nothing, nothing), 0)
    decoded = Decoded(missing.drop(_IDENTITY), offsets, {})
    references, beside = load_references(lake, catalog, dataset), after_messages(lake, dataset)
    judged = judge_folded(dataset, batch, decoded, references, beside, run_id=run_id, at=at)
    if judged.rows.height:
        lake.write(table_spec(dataset), judged.rows)
    return judged.rows.height
