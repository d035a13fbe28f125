"""The state of a fold, kept under the number of the commit that wrote its rows: both are there, or neither counts.

A snapshot is a part of a table of its own, named by the number, and written before the commit; the table says which
number stands. The entries say in which pieces rows were folded: a replay folds them in the same ones.
"""

import io
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any

import polars as pl

from platform_core.contracts import Dataset
from platform_core.streaming import Progress
from platform_resources.storage import Lake, TableSpec

_PART, _ENVELOPES = "part", "_envelopes"
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
    """

    number: int | None
    positions: Mapping[str, Mapping[str, int]]
    state: Any
    entries: Sequence[Entry] = ()
    blocks: Sequence[str] = ()
    envelopes: pl.DataFrame | None = None

    def next_number(self) -> int:
        """Return a number above this one that nobody else takes."""
        last = 0 if self.number is None else self.number >> _BITS
        return ((last + 1) << _BITS) | secrets.randbits(_BITS)


class FoldStore:
    """Snapshots and entries of one dataset's fold."""

    def __init__(self, lake: Lake, dataset: Dataset) -> None:
        self._lake = lake
        path = f"{dataset.name}/v{dataset.major}__state"
        self._spec = TableSpec(path=path, format="parquet", partition_column=_PART, schema_evolution="refuse")

    def load(self, number: int | None, empty: Any) -> Snapshot:
        """Return the snapshot of a number.

        Args:
            number: What the dataset's table says; None for a fold that wrote nothing.
            empty: The folding's state before any row, which says what the kept one is made of.
        """
        if number is None:
            return Snapshot(None, {}, empty)
        row = self._lake.read(self._spec, partitions=[f"state-{number}"]).row(0, named=True)
        described = json.loads(row["description"])
        frames = _unpack(row["frames"])
        envelopes = frames.pop(_ENVELOPES, None)
        return Snapshot(
            number,
            described["positions"],
            _restored(empty, described["values"], frames),
            tuple(_entry(values) for values in described["entries"]),
            tuple(described["blocks"]),
            envelopes,
        )

    def keep(self, snapshot: Snapshot) -> Snapshot:
        """Write a snapshot, and return it as it was written: of many entries, the older ones go into a block."""
        if len(snapshot.entries) > _BLOCK:
            block = f"entries-{snapshot.number}"
            self._write(block, {"entries": [_values(entry) for entry in snapshot.entries]}, {})
            snapshot = replace(snapshot, entries=(), blocks=(*snapshot.blocks, block))
        values, frames = _parts(snapshot.state)
        if snapshot.envelopes is not None and snapshot.envelopes.height:
            frames[_ENVELOPES] = snapshot.envelopes
        described = {
            "positions": snapshot.positions,
            "values": values,
            "entries": [_values(entry) for entry in snapshot.entries],
            "blocks": list(snapshot.blocks),
        }
        self._write(f"state-{snapshot.number}", described, frames)
        return snapshot

    def forget(self, number: int | None) -> None:
        """Remove the snapshot of a number that stands no more."""
        if number is not None:
            self._lake.delete(self._spec, _PART, [f"state-{number}"])

    def entries(self, snapshot: Snapshot) -> list[Entry]:
        """Return all steps of a fold, in order."""
        entries: list[Entry] = []
        for block in snapshot.blocks:
            row = self._lake.read(self._spec, partitions=[block]).row(0, named=True)
            entries += [_entry(values) for values in json.loads(row["description"])["entries"]]
        return [*entries, *snapshot.entries]

    def _write(self, part: str, described: Mapping[str, Any], frames: Mapping[str, pl.DataFrame]) -> None:
        row = pl.DataFrame(
            {_PART: [part], "description": [json.dumps(described)], "frames": [_pack(frames)]},
            schema={_PART: pl.String, "description": pl.String, "frames": pl.Binary},
        )
        self._lake.write(self._spec, row, partitions=[part])


def _values(entry: Entry) -> list[Any]:
    return [entry.input, entry.source, entry.end, int(entry.at.timestamp() * 1_000_000), entry.number]


def _entry(values: Sequence[Any]) -> Entry:
    name, source, end, micros, number = values
    at = datetime.fromtimestamp(micros // 1_000_000, UTC).replace(microsecond=micros % 1_000_000)
    return Entry(name, source, end, at, number)


def _parts(state: Any) -> tuple[dict[str, Any], dict[str, pl.DataFrame]]:
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
