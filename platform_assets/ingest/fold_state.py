"""The state of a fold, kept under the number of the commit that wrote its rows: both are there, or neither counts.

A snapshot is a part of a table of its own, named by the number, and written before the commit; the table says which
number stands. The entries say in which pieces rows were folded: a replay folds them in the same ones.

A commit writes what it changed of the state, so that keys which no row came for cost nothing. Once as many rows were
written so as the state has, or after many commits, the whole state is written, and what came before it goes.
"""

import io
import json
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl

from platform_core.contracts import Dataset
from platform_core.ingest import INGEST, SOURCE
from platform_core.streaming import Progress
from platform_resources.storage import Lake, TableSpec

_PART, _ENVELOPES = "part", "_envelopes"
PLACE = "_place"
"""The column of a folded row's number in its fold, by which a commit names the rows that left the state."""
_ADDED, _REMOVED, _CHANGE = "added:", "removed:", "_change"
_CHANGES = 200
"""So many commits are read beside the state that was written whole, at most."""
_BITS = 31
_BLOCK = 512
"""Entries that are kept in the snapshot before they are written apart, once."""


@dataclass(frozen=True)
class Entry:
    """One step of a fold.

    Attributes:
        input: The dataset's name.
        source: The partition of its topic; empty for a step without rows.
        end: The offset behind the rows that were folded.
        at: The present of the step.
        number: Of the commit that the step was part of; 0 while it is part of none.
    """

    input: str
    source: str
    end: int
    at: datetime
    number: int = 0


@dataclass(frozen=True)
class Snapshot:
    """Where a fold stands.

    Attributes:
        number: Of the commit; None before the first.
        positions: By input and partition, the offset behind the last row that was folded.
        state: The folding's own.
        entries: The latest steps, in order.
        blocks: The names of the parts with those before them.
        envelopes: What is set aside once the commit stands: rows that came too late, and those that rules refuse.
        places: How many rows were folded, so that the next one has this number.
        changes: The numbers of the commits whose parts make up the state: the first was written whole.
        changed_rows: How many rows those behind the first have.
    """

    number: int | None
    positions: Mapping[str, Mapping[str, int]]
    state: Any
    entries: Sequence[Entry] = ()
    blocks: Sequence[str] = ()
    envelopes: pl.DataFrame | None = None
    places: int = 0
    changes: Sequence[int] = ()
    changed_rows: int = 0

    def next_number(self) -> int:
        """Return a number above this one that nobody else takes."""
        last = 0 if self.number is None else self.number >> _BITS
        return ((last + 1) << _BITS) | secrets.randbits(_BITS)


class FoldStore:
    """Snapshots and entries of one dataset's fold.

    Args:
        lake: The tables.
        dataset: The contract.
        row_columns: Of the inputs; a state that is kept has others beside them, which may change from step to step.
    """

    def __init__(self, lake: Lake, dataset: Dataset, row_columns: Collection[str] = ()) -> None:
        self._lake, self._row_columns = lake, {*row_columns, SOURCE, INGEST, PLACE}
        path = f"{dataset.name}/v{dataset.major}__state"
        self.spec = TableSpec(path=path, format="parquet", partition_column=_PART, schema_evolution="refuse")

    def load(self, number: int | None, empty: Any) -> Snapshot:
        """Return the snapshot of a number.

        Args:
            number: What the dataset's table says; None for a fold that wrote nothing.
            empty: The folding's state before any row, which says what the kept one is made of.
        """
        if number is None:
            return Snapshot(None, {}, empty)
        described, frames = self._read(_part(number))
        envelopes, entries = frames.pop(_ENVELOPES, None), [_entry(values) for values in described["entries"]]
        before = described.get("before", [])
        if before:
            first, *parts = [self._read(_part(earlier)) for earlier in before]
            for part, _ in reversed([first, *parts]):
                entries = [*map(_entry, part["entries"]), *entries]
            first[1].pop(_ENVELOPES, None)
            frames = _with_changes(first[1], [*(changed for _, changed in parts), frames])
        places = described.get("places")
        if places is None:  # a release before this one numbered no rows
            places = max([0, *(frame.height for frame in frames.values())])
            frames = {name: number_rows(frame, 0) for name, frame in frames.items()}
        return Snapshot(
            number,
            described["positions"],
            _restored(empty, described["values"], frames),
            tuple(entries),
            tuple(described["blocks"]),
            envelopes,
            places,
            (*before, number),
            described.get("changed_rows", 0),
        )

    def positions(self, number: int) -> Mapping[str, Mapping[str, int]]:
        """Return by input and partition the offset behind the last row that was folded, without reading the state."""
        row = self._lake.read(self.spec, partitions=[_part(number)], columns=["description"]).row(0, named=True)
        positions: Mapping[str, Mapping[str, int]] = json.loads(row["description"])["positions"]
        return positions

    def keep(self, snapshot: Snapshot, before: Snapshot) -> Snapshot:
        """Write a snapshot, and return it as it was written: of many entries, the older ones go into a block.

        Args:
            snapshot: What is kept.
            before: The one whose commit stands.
        """
        number = _numbered(snapshot)
        values, frames = parts_of(snapshot.state)
        changes = self._changes(parts_of(before.state)[1], frames, before)
        if changes is None:
            if len(snapshot.entries) > _BLOCK:
                block = f"entries-{number}"
                self._write(block, {"entries": [_values(entry) for entry in snapshot.entries]}, {})
                snapshot = replace(snapshot, entries=(), blocks=(*snapshot.blocks, block))
            snapshot, entries = replace(snapshot, changes=(number,), changed_rows=0), snapshot.entries
        else:
            rows = sum(frame.height for frame in changes.values())
            snapshot = replace(
                snapshot, changes=(*before.changes, number), changed_rows=before.changed_rows + rows
            )  # fmt: skip
            frames, entries = dict(changes), snapshot.entries[len(before.entries) :]
        if snapshot.envelopes is not None and snapshot.envelopes.height:
            frames = {**frames, _ENVELOPES: snapshot.envelopes}
        described = {
            "positions": snapshot.positions,
            "values": values,
            "entries": [_values(entry) for entry in entries],
            "blocks": list(snapshot.blocks),
            "places": snapshot.places,
            "before": list(snapshot.changes[:-1]),
            "changed_rows": snapshot.changed_rows,
        }
        self.write_part(number, described, frames)
        return snapshot

    def forget(self, numbers: Collection[int]) -> None:
        """Remove the parts of commits that no snapshot that stands is made of."""
        if numbers:
            self._lake.delete(self.spec, _PART, [_part(number) for number in sorted(numbers)])

    def _changes(
        self, old: Mapping[str, pl.DataFrame], new: Mapping[str, pl.DataFrame], before: Snapshot
    ) -> Mapping[str, pl.DataFrame] | None:
        """Return what rows came and went since a snapshot; None where the whole state is to be written."""
        if before.number is None or len(before.changes) > _CHANGES or old.keys() != new.keys():
            return None
        if any(old[name].schema != frame.schema for name, frame in new.items()):
            return None
        most, changes = sum(frame.height for frame in new.values()) - before.changed_rows, dict[str, pl.DataFrame]()
        for name, frame in new.items():
            key = [PLACE, *(column for column in frame.columns if column not in self._row_columns)]
            is_new = pl.col(PLACE) >= before.places
            added, earlier, now = frame.filter(is_new), old[name].select(key), frame.filter(~is_new)
            removed, others = _differences(earlier, now, key)
            added = pl.concat([others, added])
            changes |= {f"{_ADDED}{name}": added, f"{_REMOVED}{name}": removed}
            most -= added.height + removed.height
        return changes if most > 0 else None

    def _read(self, part: str) -> tuple[dict[str, Any], dict[str, pl.DataFrame]]:
        row = self._lake.read(self.spec, partitions=[part]).row(0, named=True)
        return json.loads(row["description"]), _unpack(row["frames"])

    def entries(self, snapshot: Snapshot) -> list[Entry]:
        """Return all steps of a fold, in order."""
        entries: list[Entry] = []
        for block in snapshot.blocks:
            row = self._lake.read(self.spec, partitions=[block]).row(0, named=True)
            entries += [_entry(values) for values in json.loads(row["description"])["entries"]]
        return [*entries, *snapshot.entries]

    def write_part(self, number: int, described: Mapping[str, Any], frames: Mapping[str, pl.DataFrame]) -> None:
        """Write what one commit has of a state; of a number that was written before the later one counts."""
        self._write(_part(number), described, frames)

    def _write(self, part: str, described: Mapping[str, Any], frames: Mapping[str, pl.DataFrame]) -> None:
        row = pl.DataFrame(
            {_PART: [part], "description": [json.dumps(described)], "frames": [_pack(frames)]},
            schema={_PART: pl.String, "description": pl.String, "frames": pl.Binary},
        )
        self._lake.write(self.spec, row, partitions=[part])


def number_rows(rows: pl.DataFrame, first: int) -> pl.DataFrame:
    """Return the rows with their numbers in a fold, behind the columns of the input."""
    numbers = pl.int_range(first, first + rows.height, eager=True).alias(PLACE)
    return rows.select(pl.all()).insert_column(rows.columns.index(INGEST) + 1, numbers)


def _numbered(snapshot: Snapshot) -> int:
    if snapshot.number is None:
        raise ValueError("a snapshot is kept under the number of its commit, and has none")
    return snapshot.number


def _part(number: int) -> str:
    return f"state-{number}"


def _with_changes(
    whole: Mapping[str, pl.DataFrame], changes: Sequence[Mapping[str, pl.DataFrame]]
) -> dict[str, pl.DataFrame]:
    """Return the frames of a state behind changes; of a row that came and went several times the last one counts."""
    frames = {}
    for name, frame in whole.items():
        rows, gone = [frame.with_columns(pl.lit(0).alias(_CHANGE))], []
        for place, change in enumerate(changes, start=1):
            rows.append(change[f"{_ADDED}{name}"].with_columns(pl.lit(place).alias(_CHANGE)))
            gone.append(change[f"{_REMOVED}{name}"].with_columns(pl.lit(place).alias(_CHANGE)))
        removed = pl.concat(gone)
        key = [column for column in removed.columns if column != _CHANGE]
        last = removed.group_by(key).agg(pl.col(_CHANGE).max().alias("_last"))
        all_rows = pl.concat(rows).join(last, on=key, how="left", nulls_equal=True, maintain_order="left")
        present = all_rows.filter((pl.col(_CHANGE) >= pl.col("_last")).fill_null(value=True))
        frames[name] = present.select(frame.columns).sort(PLACE, maintain_order=True)
    return frames


def _differences(earlier: pl.DataFrame, now: pl.DataFrame, key: Sequence[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the keys of rows that are there no more, and the rows that are there otherwise; most are as they were."""
    stays = pl.Series(np.isin(earlier[PLACE].to_numpy(), now[PLACE].to_numpy()))
    gone, earlier = earlier.filter(~stays), earlier.filter(stays)
    if earlier.height == now.height and earlier[PLACE].equals(now[PLACE]):
        differs = pl.Series([False]).new_from_index(0, now.height)
        for name in key:
            differs |= earlier[name].ne_missing(now[name])
        return pl.concat([gone, earlier.filter(differs)]), now.filter(differs)
    removed = earlier.join(now, on=key, how="anti", nulls_equal=True)
    added = now.join(earlier, on=key, how="anti", nulls_equal=True, maintain_order="left")
    return pl.concat([gone, removed]), added


def _values(entry: Entry) -> list[Any]:
    return [entry.input, entry.source, entry.end, int(entry.at.timestamp() * 1_000_000), entry.number]


def _entry(values: Sequence[Any]) -> Entry:
    name, source, end, micros, number = values
    at = datetime.fromtimestamp(micros // 1_000_000, UTC).replace(microsecond=micros % 1_000_000)
    return Entry(name, source, end, at, number)


def parts_of(state: Any) -> tuple[dict[str, Any], dict[str, pl.DataFrame]]:
    """Return the plain values and the frames of a state; one that is None is in neither."""
    values: dict[str, Any] = {}
    frames: dict[str, pl.DataFrame] = {}
    for part in fields(state):
        value = getattr(state, part.name)
        if isinstance(value, pl.DataFrame):
            frames[part.name] = value
        elif isinstance(value, Progress):
            values[part.name] = {"reached": value.reached, "latest": dict(value.latest), "seen": dict(value.seen)}
        elif value is not None:
            values[part.name] = value
    return values, frames


def _restored(empty: Any, values: Mapping[str, Any], frames: Mapping[str, pl.DataFrame]) -> Any:
    plain = {
        name: Progress(**value) if isinstance(getattr(empty, name), Progress) else value
        for name, value in values.items()
    }
    return replace(empty, **plain, **frames)


def _pack(frames: Mapping[str, pl.DataFrame]) -> bytes:
    """Return frames as bytes: for each its name and length, then Arrow's stream, which keeps every bit and type."""
    packed = io.BytesIO()
    for name, frame in frames.items():
        body = io.BytesIO()
        frame.write_ipc_stream(body)
        content = body.getvalue()
        packed.write(f"{name} {len(content)}\n".encode() + content)
    return packed.getvalue()


def _unpack(packed: bytes) -> dict[str, pl.DataFrame]:
    stream, frames = io.BytesIO(packed), {}
    while line := stream.readline():
        name, size = line.decode().split()
        frames[name] = pl.read_ipc_stream(io.BytesIO(stream.read(int(size))))
    return frames
