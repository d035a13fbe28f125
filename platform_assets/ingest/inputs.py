"""What a run takes in: the roof between a source's declaration and its adapter, and what it gives in one piece."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import polars as pl

from platform_assets.ingest.collisions import judged_together
from platform_assets.ingest.quarantine import QuarantineStore, homes
from platform_core.contracts import Dataset
from platform_core.contracts.sources import Source
from platform_core.errors import ShapeError
from platform_core.quality.conform import conform_column
from platform_core.quality.envelope import MALFORMED, as_text, payloads
from platform_core.quality.source_texts import stray_values, with_contract_names
from platform_resources.settings import Settings
from platform_resources.sources import (
    Batch,
    Cursor,
    Malformed,
    SourceAdapter,
    SourceContext,
    TalliedSource,
    Tally,
    Unit,
    UnreadableUnit,
    open_source,
)
from platform_resources.sources.base import RecentUnits
from platform_resources.sources.spool import SpooledBatches

_RECORD = "\0record"
_LEAST_ROW_BYTES = 256
"""A row of a few numbers counts as so much: where it came from and its verdict take more than itself."""


@dataclass(frozen=True)
class Input:
    """One source of rows.

    Attributes:
        source: Its identity: a file's name, or `generated`.
        ingest_id: Of this content under this name.
        stamp: From the source; empty where it has none.
        raw: The rows as they came; None where they cannot be read.
        reason: Why not.
        ids: Of the envelopes that the rows were replayed from, in the rows' order.
        position: Where the source goes on behind it; empty where it has no positions.
        where: Gives what a person calls a row's place, by its number from 1; empty where it has no other name.
        malformed: The records that could be no row, by the number, from 1, of the row of nulls that stands for them.
        first: The number of the first of the rows among those of the input, from 1.
        batches: Reads the rows piece by piece, where they are too many for memory; then `raw` is None.
        tally: Gives what the source counts of the rows by itself, once they are read; None where it does not.
        is_fixed: Whether people's fixes are in the rows.
        schema_changes: What the source changed of its columns since the input before, in words.
    """

    source: str
    ingest_id: str
    stamp: str = ""
    raw: pl.DataFrame | None = None
    reason: str = ""
    ids: tuple[str, ...] = ()
    position: str = ""
    where: Callable[[int], str] = lambda _: ""
    malformed: Mapping[int, Malformed] = field(default_factory=dict)
    first: int = 1
    batches: Callable[[], Iterator[Batch]] | None = None
    tally: Callable[[], Tally | None] = lambda: None
    is_fixed: bool = False
    schema_changes: tuple[str, ...] = ()


def adapter_for(
    dataset: Dataset,
    settings: Settings,
    *,
    source: Source | None = None,
    partitions: Sequence[str] | None = None,
    references: Callable[[], Mapping[str, pl.DataFrame]] = dict,
    store: QuarantineStore | None = None,
    recent: RecentUnits | None = None,
) -> SourceAdapter:
    """Open the source of a dataset.

    Args:
        dataset: The contract.
        settings: Where things lie.
        source: The source, where it is another than the declared one.
        partitions: The run's partitions.
        references: Gives the values that generated rows refer to.
        store: The quarantine, for a source that reads from it.
        recent: What was read of units as they were noticed.
    """
    declared = source or dataset.source
    if declared is None:
        raise TypeError(f"{dataset.name} is made by a transform and has no source")

    def generate(rows: int, seed: int) -> pl.DataFrame:
        from platform_core.synthetic import synthesize  # noqa: PLC0415 - only generated datasets pay for it
        from platform_core.synthetic.worlds import world_rows  # noqa: PLC0415 - as above

        if declared.of_world is not None:
            return world_rows(dataset)
        # A table gives its rows in the order of its files; sorted, a seed refers to the same ones after compaction.
        reference_rows = {rule: rows_there.sort(rows_there.columns) for rule, rows_there in references().items()}
        return synthesize(dataset, rows, seed, references=reference_rows)

    context = SourceContext(
        dataset=dataset.name,
        version=dataset.version,
        settings=settings,
        partitions=partitions,
        partition_keys=lambda rows: partition_keys(rows, dataset),
        types={column.terms.source_name or column.name: column.dtype for column in dataset.columns},
        generate=generate,
        quarantined=lambda ids: _quarantined(store, ids, partitions) if store else pl.DataFrame(),
        recent=recent,
    )
    return open_source(declared.kind, _options(declared, dataset), context)


def _options(source: Source, dataset: Dataset) -> Mapping[str, Any]:
    """Return the source as plain values; null texts by column under the source's name of the column as well."""
    nulls = source.options.get("null_values")
    if not isinstance(nulls, Mapping):
        return source.options
    by_source = {column.terms.source_name: nulls[column.name] for column in dataset.columns
                 if column.terms.source_name and column.name in nulls}  # fmt: skip
    return {**source.options, "null_values": {**nulls, **by_source}}


def partition_keys(raw: pl.DataFrame, dataset: Dataset) -> pl.Series:
    """Compute the partition of each row as it came; null where it cannot be told, and for a dataset without any."""
    raw = with_contract_names(raw, dataset)
    nothing = pl.repeat(None, raw.height, dtype=pl.String, eager=True)
    if dataset.partitions is None or not set(dataset.partitions.columns) <= set(raw.columns):
        return nothing
    try:
        values = [conform_column(raw, dataset, name) for name in dataset.partitions.columns]
    except ShapeError:
        return nothing
    return pl.DataFrame(values).select(dataset.partitions.key()).to_series()


def _quarantined(store: QuarantineStore, ids: Sequence[str] | None, partitions: Sequence[str] | None) -> pl.DataFrame:
    """Return the open envelopes that the ids and partitions select.

    A row belongs to the partition of what it says now, its fix included. One that lies in no partition of the graph
    belongs to every run, for it must be judged in one.
    """
    chosen = store.envelopes(ids=ids, decision="open").filter(pl.col("position").is_not_null())
    if partitions is not None:
        home = homes(store.dataset, chosen)
        chosen = chosen.filter(home.is_null() | home.is_in(list(partitions)))
    rows = payloads(chosen, [column.name for column in store.dataset.columns])
    return chosen.select("quarantine_id", "source", "ingest_id").with_columns(rows.to_struct("row"))


def cursor_of(store: QuarantineStore) -> Cursor:
    """Read from the ingest log what was taken in before; behind a unit that could not be read nothing goes on."""
    log = store.ingests()
    positions = log.filter(pl.col("unreadable_id").is_null())["position"].drop_nulls()
    return Cursor(log, str(positions.max()) if len(positions) else "")


def take_inputs(
    adapter: SourceAdapter,
    store: QuarantineStore,
    *,
    again: bool,
    names: Sequence[str],
    partitions: Sequence[str] | None,
    large_bytes: float = float("inf"),
) -> list[Input]:
    """Read the units a run is to take in, in the order in which later ones win, and those that share keys with them.

    Args:
        adapter: The source.
        store: The dataset's quarantine and log.
        again: Whether units that the log knows are taken in again; without, a run takes what was added since.
        names: Units asked for; empty for all there are.
        partitions: The run's partitions; a unit that the log knows to touch none of them is passed over.
        large_bytes: The size from which on a unit is not read yet, but given as batches.
    """
    log = store.ingests().to_dicts()
    known = {row["source"]: row for row in log}
    units = adapter.pending(Cursor() if again else cursor_of(store))
    asked_sources = {
        unit.source
        for unit in units
        if (unit.source in names if names else not _elsewhere(unit, known.get(unit.source), partitions))
    }
    chosen = judged_together(store.dataset, asked_sources, log)
    return list(_read(adapter, store, [unit for unit in units if unit.source in chosen], large_bytes))


def _elsewhere(unit: Unit, logged: Mapping[str, object] | None, partitions: Sequence[str] | None) -> bool:
    """Whether the log knows this version of the unit, and that it has no row in the partitions."""
    if partitions is None or logged is None or logged["stamp"] != unit.stamp:
        return False
    touched = logged["partitions"]
    return isinstance(touched, list) and bool(touched) and not set(touched) & set(partitions)


def _read(adapter: SourceAdapter, store: QuarantineStore, units: Sequence[Unit], large_bytes: float) -> Iterator[Input]:
    for listed_unit in units:
        unit = adapter.identify(listed_unit)
        try:
            batches = _batches(adapter, unit, large_bytes)
        except UnreadableUnit as error:
            input_ = Input(unit.source, unit.ingest_id, unit.stamp, None, error.reason, position=unit.position)
            yield replace(input_, schema_changes=_schema_changes(adapter, unit))
            continue
        if not isinstance(batches, list):
            input_ = Input(unit.source, unit.ingest_id, unit.stamp, position=unit.position, batches=batches)
            yield replace(input_, tally=_tally_of(adapter, unit), schema_changes=_schema_changes(adapter, unit))
            continue
        raw = pl.concat([records_of(batch, store.dataset) for batch in batches])
        ids = [place for batch in batches if batch.places is not None for place in batch.places]
        unfixed = raw
        if not ids:
            raw = store.with_fixes(unfixed, unit.source, unit.ingest_id)
        is_fixed = raw is not unfixed
        malformed = {record.record: record for batch in batches for record in batch.malformed}
        malformed |= _unmended(store, ids) if ids else {}
        raw, malformed = with_stray_rows(raw, malformed, store.dataset)
        where = place_names(batches)
        yield Input(
            unit.source, unit.ingest_id, unit.stamp, raw, "", tuple(ids), unit.position, where, malformed,
            tally=_tally_of(adapter, unit), is_fixed=is_fixed, schema_changes=_schema_changes(adapter, unit),
        )  # fmt: skip


def _unmended(store: QuarantineStore, ids: Sequence[str]) -> dict[int, Malformed]:
    """Return those of the envelopes that hold a record which is none, and that nobody mended, by their place."""
    is_unmended = pl.col("reason").str.starts_with(MALFORMED) & pl.col("fix").is_null()
    unmended = store.envelopes(ids=ids).filter(is_unmended)
    reasons = dict(unmended.select("quarantine_id", pl.col("reason").str.strip_prefix(MALFORMED)).iter_rows())
    return {
        place: Malformed(0, reasons[quarantine_id], "", place)
        for place, quarantine_id in enumerate(ids, start=1)
        if quarantine_id in reasons
    }


def _batches(adapter: SourceAdapter, unit: Unit, large_bytes: float) -> list[Batch] | Callable[[], Iterator[Batch]]:
    """Read a unit, or give what reads it, where it is more than may be judged whole.

    A source whose units have no known size is read until it has sent too much.
    """
    if unit.size_bytes >= large_bytes:
        return partial(adapter.read, unit)
    most = large_bytes if isinstance(adapter, TalliedSource) else float("inf")
    batches: list[Batch] = []
    size = 0
    reading = adapter.read(unit)
    for batch in reading:
        batches.append(batch)
        size += max(int(batch.rows.estimated_size()), batch.rows.height * _LEAST_ROW_BYTES)
        if size >= most:
            return SpooledBatches(batches, reading)
    return batches


def _schema_changes(adapter: SourceAdapter, unit: Unit) -> tuple[str, ...]:
    changes = adapter.schema_changes(unit) if isinstance(adapter, TalliedSource) else ()
    return tuple(change.words for change in changes)


def _tally_of(adapter: SourceAdapter, unit: Unit) -> Callable[[], Tally | None]:
    return partial(adapter.tally, unit) if isinstance(adapter, TalliedSource) else lambda: None


def place_names(batches: Sequence[Batch]) -> Callable[[int], str]:
    """Return what tells how a person calls the place of a row, by its number in the unit: a line, a page's record."""
    places = [(batch, sorted(record.record for record in batch.malformed)) for batch in batches]
    firsts = [batch.first_record for batch in batches]

    def name(number: int) -> str:
        batch, malformed = places[max(bisect_right(firsts, number) - 1, 0)]
        row = number - batch.first_record - bisect_left(malformed, number)
        if batch.wheres is not None:
            return str(batch.wheres[row])
        return "" if batch.lines is None else f"{batch.line_word} {batch.lines[row]:,}"

    return name


def with_stray_rows(
    raw: pl.DataFrame, malformed: Mapping[int, Malformed], dataset: Dataset, *, first: int = 1
) -> tuple[pl.DataFrame, dict[int, Malformed]]:
    """Give rows without the columns that few of them alone have, and what is malformed with those rows.

    A malformed record that a person fixed is none any more.

    Args:
        raw: Rows under the contract's names, a person's fixes in them.
        malformed: By the number of its record.
        dataset: The contract.
        first: The number of the first row among those of the input.
    """
    remaining = dict(malformed)
    if malformed:
        is_fixed = raw.select(~pl.all_horizontal(pl.all().is_null())).to_series()
        reach = range(first, first + raw.height)
        remaining = {place: record for place, record in malformed.items()
                     if place not in reach or not is_fixed[place - first]}  # fmt: skip
    stray = stray_values(raw, dataset)
    for place, name in stray.items():
        number = place + first - 1
        remaining[number] = Malformed(0, f"the contract lacks {name!r}", _as_json(raw, place), number)
    return raw.select(name for name in raw.columns if name not in stray.values()), remaining


def _as_json(raw: pl.DataFrame, place: int) -> str:
    return str(raw[place - 1 : place].select(as_text(raw)).item())


def records_of(batch: Batch, dataset: Dataset) -> pl.DataFrame:
    """Give the rows of a batch under the contract's names, with a row of nulls for each record that is malformed.

    So each record of a unit has a row, and a person's fix of a malformed one finds its place.
    """
    rows = with_contract_names(batch.rows, dataset)
    if not batch.malformed:
        return rows
    malformed = pl.Series([record.record - batch.first_record for record in batch.malformed], dtype=pl.UInt32)
    every = pl.int_range(rows.height + len(malformed), dtype=pl.UInt32, eager=True)
    numbered = rows.with_columns(every.filter(~every.is_in(malformed.implode())).alias(_RECORD))
    return every.alias(_RECORD).to_frame().join(numbered, on=_RECORD, how="left", maintain_order="left").drop(_RECORD)
