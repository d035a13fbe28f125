"""Debezium's envelopes as changes of keys: what a message does to which row, and where in the database's history.

    {"before": …, "after": …, "source": {"lsn": …}, "op": "c" | "u" | "d" | "r" | "t" | "m", "ts_ms": …}

alone, or as the payload beside its schema. An update that changes the key is a deletion and an insertion. A tombstone
(a message without a value) and `m` say nothing about rows. What is neither is told with its reason.
"""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from platform_resources.brokers.base import Batch
from platform_resources.brokers.decoding import Decoded

MARKS: dict[str, pl.DataType | type[pl.DataType]] = {
    "offset": pl.Int64,
    "position": pl.String,
    "epoch": pl.Int64,
    "at": pl.Datetime("us", "UTC"),
    "is_read": pl.Boolean,
}
"""Of a change: its message, its place in the database's history, the snapshot it follows, when it was committed, and
whether it is a snapshot's: a row that was read, and did not change."""

_UNSENT = "__debezium_unavailable_value"
"""What Debezium writes for a large value of PostgreSQL that an update left as it was."""
_EPOCH, _DAY = datetime(1970, 1, 1, tzinfo=UTC), date(1970, 1, 1)
_PER_SECOND = {"ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


@dataclass(frozen=True)
class DecodedChanges:
    """A batch of changes as columns.

    Attributes:
        decoded: The rows as they are after inserts and updates, as texts; and what is no change.
        marks: For each change but the poison, where it lies: `MARKS`.
        deletes: The keys that went, as texts, with `offset`.
        truncates: The offsets at which all rows went.
    """

    decoded: Decoded
    marks: pl.DataFrame
    deletes: pl.DataFrame
    truncates: Sequence[int]


def decode_changes(
    batch: Batch, columns: Mapping[str, pl.DataType], *, key: Sequence[str], extra: str, times: str
) -> DecodedChanges:
    """Read each message as an envelope.

    Args:
        batch: The messages.
        columns: The names that become columns, with the types that they will have.
        key: Those that identify a row.
        extra: `refuse` tells a row with other names as poison; else these are dropped.
        times: What whole numbers of instants count where there is no schema.
    """
    rows: list[Mapping[str, str | None]] = []
    offsets: list[int] = []
    marks: list[tuple[int, str, int, datetime | None, bool]] = []
    deletes: list[tuple[Any, ...]] = []
    truncates: list[int] = []
    poison: dict[int, str] = {}
    epoch, was_snapshot = 0, False
    for message in batch.rows.select(["offset", "key", "value"]).to_pylist():
        offset = message["offset"]
        if message["value"] is None:
            continue
        try:
            change = _change(message["value"], message["key"], columns, key, extra, times)
        except _NoChange as error:
            poison[offset] = str(error)
            continue
        except (AttributeError, KeyError, TypeError, ValueError):  # a field of another type than Debezium sends
            poison[offset] = "it is no change: a part of its envelope has a wrong type"
            continue
        if change is None:
            continue
        epoch += change.is_snapshot and not was_snapshot
        was_snapshot = change.is_snapshot
        marks.append((offset, change.position, epoch, change.at, change.is_snapshot))
        if change.is_truncate:
            truncates.append(offset)
        if change.deleted is not None:
            deletes.append((*change.deleted, offset))
        if change.row is not None:
            rows.append(change.row)
            offsets.append(offset)
    frame = pl.DataFrame(
        {name: [row.get(name) for row in rows] for name in columns}, schema=dict.fromkeys(columns, pl.String)
    )
    return DecodedChanges(
        Decoded(frame, pl.Series("offset", offsets, pl.Int64), poison),
        pl.DataFrame(marks, schema=MARKS, orient="row"),
        pl.DataFrame(deletes, schema={**dict.fromkeys(key, pl.String), "offset": pl.Int64}, orient="row"),
        truncates,
    )


class _NoChange(Exception):
    """A message that is no change; the text says why and quotes nothing."""


@dataclass(frozen=True)
class _Change:
    position: str
    at: datetime | None
    is_snapshot: bool = False
    is_truncate: bool = False
    deleted: tuple[str | None, ...] | None = None
    row: Mapping[str, str | None] | None = None


def _change(
    value: bytes,
    message_key: bytes | None,
    columns: Mapping[str, pl.DataType],
    key: Sequence[str],
    extra: str,
    times: str,
) -> _Change | None:
    envelope, schema = _payload(value)
    op = envelope.get("op")
    source = envelope.get("source")
    place = source if isinstance(source, dict) else {}
    position, at = position_of(place, envelope), _committed(place, envelope)
    if op == "m":
        return None
    if op == "t":
        return _Change(position, at, is_truncate=True)
    if op not in {"c", "u", "d", "r"}:
        raise _NoChange("it is no change: its op is none of c, u, d, r, t and m")
    read = _reader(schema, columns, times)
    before, after = envelope.get("before"), envelope.get("after")
    if op == "d":
        deleted_row = before if isinstance(before, dict) else _key_of(message_key)
        return _Change(position, at, deleted=_key_values(deleted_row, key, read))
    if not isinstance(after, dict):
        raise _NoChange("it is no change: it has no row in after")
    if extra == "refuse" and not after.keys() <= columns.keys():
        names = ", ".join(sorted(after.keys() - columns.keys())[:5])
        raise _NoChange(f"it has fields that the contract does not name: {names}")
    row = {name: read(name, after.get(name)) for name in columns}
    if unsent := [name for name, value in row.items() if value == _UNSENT]:
        raise _NoChange(f"a large value that did not change was not sent, of {', '.join(unsent)}: set REPLICA IDENTITY "
                        "FULL for the table, and send a snapshot")  # fmt: skip
    old = before if isinstance(before, dict) and all(name in before for name in key) else None
    old_key = None if old is None or op == "r" else _key_values(old, key, read)
    moved = old_key is not None and old_key != tuple(row.get(name) for name in key)
    return _Change(position, at, is_snapshot=op == "r", deleted=old_key if moved else None, row=row)


def position_of(source: Mapping[str, Any], envelope: Mapping[str, Any]) -> str:
    """Return where in the database's history a change lies, as text that sorts by it; empty where nothing says so."""
    lsn = source.get("lsn")
    if isinstance(lsn, int):
        return f"{lsn:020d}"
    if isinstance(source.get("file"), str) and isinstance(source.get("pos"), int):
        return f"{source['file']}:{source['pos']:015d}:{int(source.get('row') or 0):06d}"
    for name in ("change_lsn", "scn"):
        if source.get(name):
            return str(source[name]).rjust(40, "0")
    stamp = source.get("ts_ms") or envelope.get("ts_ms")
    return f"{stamp:020d}" if isinstance(stamp, int) else ""


def _committed(source: Mapping[str, Any], envelope: Mapping[str, Any]) -> datetime | None:
    """Return when a change was committed, or else when it was noticed; None where nothing says so."""
    for place in (source, envelope):
        for unit in ("us", "ms"):
            stamp = place.get(f"ts_{unit}")
            if isinstance(stamp, int) and not isinstance(stamp, bool):
                try:
                    return _EPOCH + timedelta(microseconds=stamp * 1_000_000 // _PER_SECOND[unit])
                except OverflowError:
                    return None
    return None


def _payload(value: bytes) -> tuple[Mapping[str, Any], Mapping[str, Any] | None]:
    try:
        document = json.loads(value, parse_float=str)
    except (ValueError, RecursionError):
        raise _NoChange("it is no JSON") from None
    if b"\\ud" in value.lower():
        try:
            json.dumps(document, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise _NoChange("a text has half of a character (a lone surrogate)") from None
    if isinstance(document, dict) and isinstance(document.get("payload"), dict) and "schema" in document:
        return document["payload"], document["schema"]
    if not isinstance(document, dict):
        raise _NoChange("it is no JSON object")
    return document, None


def _key_of(message_key: bytes | None) -> Mapping[str, Any]:
    try:
        document = json.loads(message_key or b"")
    except (ValueError, RecursionError):
        document = None
    if isinstance(document, dict) and isinstance(document.get("payload"), dict):
        document = document["payload"]
    if not isinstance(document, dict):
        raise _NoChange("it is a deletion without the key of what went")
    return document


_Read = Callable[[str, Any], str | None]


def _key_values(row: Mapping[str, Any], key: Sequence[str], read: _Read) -> tuple[str | None, ...]:
    values = tuple(read(name, row.get(name)) for name in key)
    if any(value is None for value in values):
        raise _NoChange("it lacks a column of the key")
    return values


def _reader(schema: Mapping[str, Any] | None, columns: Mapping[str, pl.DataType], times: str) -> _Read:
    """Return what turns a value into the text that a contract reads, by the message's schema or by the contract."""
    named = _schemas(schema)

    def read(name: str, value: Any) -> str | None:
        if isinstance(value, str) and name not in named:
            return _without_zone(columns.get(name), value)
        if value is None:
            return value
        text = _by_schema(named[name], value) if name in named else None
        if text is None and isinstance(value, int) and not isinstance(value, bool):
            text = _by_contract(columns.get(name), value, times)
        if text is not None:
            return text
        if isinstance(value, bool):
            return "true" if value else "false"
        return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)

    return read


def _without_zone(kind: pl.DataType | None, value: str) -> str:
    """Take the Z from a day, a time, or an instant without a zone, as `time.precision.mode=isostring` writes them."""
    has_none = isinstance(kind, pl.Date | pl.Time) or (isinstance(kind, pl.Datetime) and kind.time_zone is None)
    return value.removesuffix("Z") if has_none else value


def _schemas(schema: Mapping[str, Any] | None) -> dict[str, Mapping[str, Any]]:
    """Return the schemas of the row's fields that have a name of their own: dates, instants, decimals."""
    fields = (schema or {}).get("fields") or ()
    rows = [field.get("fields") or () for field in fields if field.get("field") in {"after", "before"}]
    return {field["field"]: field for row in rows for field in row if field.get("name")}


def _by_schema(field: Mapping[str, Any], value: Any) -> str | None:
    name = str(field["name"]).rpartition(".")[2]
    if name == "Decimal" and isinstance(value, str):
        return _decimal(value, int((field.get("parameters") or {}).get("scale", 0)))
    if name == "VariableScaleDecimal" and isinstance(value, dict):
        return _decimal(value["value"], int(value["scale"]))
    if not isinstance(value, int):
        return None
    if name == "Date":
        return _day(value)
    unit = {"Timestamp": "ms", "MicroTimestamp": "us", "NanoTimestamp": "ns"}.get(name)
    return None if unit is None else _instant(value, unit)


def _by_contract(kind: pl.DataType | None, value: int, times: str) -> str | None:
    if isinstance(kind, pl.Datetime):
        return _instant(value, times)
    return _day(value) if isinstance(kind, pl.Date) else None


def _decimal(unscaled: str, scale: int) -> str:
    number = int.from_bytes(base64.b64decode(unscaled), "big", signed=True)
    return format(Decimal((number < 0, tuple(map(int, str(abs(number)))), -scale)), "f")


def _day(value: int) -> str:
    """Return a day as ISO 8601; one beyond the calendar, such as PostgreSQL's infinity, stays a number."""
    try:
        return (_DAY + timedelta(days=value)).isoformat()
    except OverflowError:
        return str(value)


def _instant(value: int, unit: str) -> str:
    """Return an instant as ISO 8601; one beyond the calendar stays a number."""
    micros = value * 1_000_000 // _PER_SECOND[unit]
    try:
        return (_EPOCH + timedelta(microseconds=micros)).isoformat()
    except OverflowError:
        return str(value)
