"""From the bytes of messages to columns; a message that is no JSON object is told with its reason, never guessed."""

import io
import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from platform_resources.brokers.base import Batch

_SEPARATOR = secrets.token_hex(16)
"""Stands between messages that are parsed as one; no sender can guess it, so none can pass for two."""


@dataclass(frozen=True)
class Decoded:
    """A batch as columns.

    Attributes:
        rows: A column for each name asked for, as JSON typed it; nulls where a message does not have it.
        offsets: The offset of each row.
        poison: By offset, why a message is no row.
    """

    rows: pl.DataFrame
    offsets: pl.Series
    poison: Mapping[int, str]


def decode_json(batch: Batch, columns: Sequence[str] | None, *, extra: str) -> Decoded:
    """Read each message as a JSON object.

    Args:
        batch: the messages.
        columns: the names that become columns; None for all that the messages have.
        extra: `refuse` tells a message with other names as poison, `ignore` drops these names.
    """
    offsets: list[int] = batch.rows["offset"].to_pylist()
    values: list[bytes | None] = batch.rows["value"].to_pylist()
    documents = _parse_together(values) or [parse_message(value) for value in values]
    poison = {
        offset: document for offset, document in zip(offsets, documents, strict=True) if isinstance(document, str)
    }
    if columns is None:
        columns = list(dict.fromkeys(name for document in documents if isinstance(document, dict) for name in document))
    names = set(columns)
    if extra == "refuse":
        poison |= {
            offset: f"it has fields that the contract does not name: {', '.join(sorted(document.keys() - names)[:5])}"
            for offset, document in zip(offsets, documents, strict=True)
            if isinstance(document, dict) and not document.keys() <= names
        }
    is_sound = [offset not in poison for offset in offsets] if poison else None
    sound: list[dict[str, Any]] = [
        document  # type: ignore[misc] # the others are poison
        for index, document in enumerate(documents)
        if is_sound is None or is_sound[index]
    ]
    series = [_column(name, [document.get(name) for document in sound]) for name in columns]
    all_offsets = pl.Series("offset", offsets, pl.Int64)
    return Decoded(
        pl.DataFrame(series), all_offsets if is_sound is None else all_offsets.filter(pl.Series(is_sound)), poison
    )


def decode(batch: Batch, columns: Sequence[str] | None, *, extra: str, form: str) -> Decoded:
    """Read each message as a row: a JSON object, or an Arrow stream or Avro file of one row, which bring their types.

    Args:
        batch: the messages.
        columns: the names that become columns; None for all that the messages have.
        extra: `refuse` tells a message with other names as poison, `ignore` drops these names.
        form: `json`, `arrow` or `avro`.
    """
    if form == "json":
        return decode_json(batch, columns, extra=extra)
    offsets: list[int] = batch.rows["offset"].to_pylist()
    rows: dict[int, pl.DataFrame] = {}
    poison: dict[int, str] = {}
    for offset, value in zip(offsets, batch.values(), strict=True):
        row = _read_row(value, form)
        if isinstance(row, str):
            poison[offset] = row
        elif extra == "refuse" and columns is not None and not set(row.columns) <= set(columns):
            others = ", ".join(sorted(set(row.columns) - set(columns))[:5])
            poison[offset] = f"it has fields that the contract does not name: {others}"
        else:
            rows[offset] = row
    frame = pl.concat(rows.values(), how="diagonal_relaxed") if rows else pl.DataFrame()
    names = frame.columns if columns is None else list(columns)
    missing = [pl.lit(None, pl.String).alias(name) for name in names if name not in frame.columns]
    if not rows:
        frame = pl.DataFrame(schema=dict.fromkeys(names, pl.String))
    else:
        frame = frame.with_columns(missing).select(names)
    return Decoded(frame, pl.Series("offset", list(rows), pl.Int64), poison)


def _read_row(value: bytes | None, form: str) -> pl.DataFrame | str:
    """Return the one row of a message, or why it has none; the reason quotes nothing of it."""
    if value is None:
        return "it is a tombstone: it has a key and no value"
    try:
        frame = pl.read_ipc_stream(io.BytesIO(value)) if form == "arrow" else pl.read_avro(io.BytesIO(value))
    except Exception as error:  # noqa: BLE001 - whatever a library makes of foreign bytes
        return f"it is no {'Arrow stream' if form == 'arrow' else 'Avro file'}: {type(error).__name__}"
    if form == "avro":  # by its specification a timestamp is an instant in UTC; Polars leaves the zone out
        naive = [name for name, dtype in frame.schema.items() if isinstance(dtype, pl.Datetime) and not dtype.time_zone]
        frame = frame.with_columns(pl.col(name).dt.replace_time_zone("UTC") for name in naive)
    return frame if frame.height == 1 else f"it has {frame.height} rows, and a message is one"


def _parse_together(values: Sequence[bytes | None]) -> list[dict[str, Any] | str] | None:
    """Parse all messages in one call, or return None where one of them is no object."""
    if any(value is None for value in values):
        return None
    try:
        text = f',"{_SEPARATOR}",'.join(bytes(value or b"").decode() for value in values)
        if _may_be_split(text):  # then each is looked at
            return None
        parsed = _DECODER.decode(f"[{text}]")
    except (ValueError, RecursionError):
        return None
    documents = parsed[::2]
    fits = len(parsed) == 2 * len(values) - 1 and all(between == _SEPARATOR for between in parsed[1::2])
    return documents if fits and all(type(document) is dict for document in documents) else None


def _may_be_split(text: str) -> bool:
    """Return whether there is an escape of half a character, whose other half may be missing."""
    return "\\ud" in text or "\\uD" in text


def parse_message(value: bytes | None) -> dict[str, Any] | str:
    """Return the object, or why it is none; the reason never quotes the message, which may hold personal data."""
    if value is None:
        return "it is a tombstone: it has a key and no value"
    try:
        text = value.decode()
        document = _DECODER.decode(text)
        if _may_be_split(text):
            json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return "a text has half of a character (a lone surrogate)"
    except UnicodeDecodeError as error:
        return f"it is not UTF-8 at byte {error.start}"
    except json.JSONDecodeError as error:
        return f"it is no JSON: {error.msg} at character {error.pos}"
    except ValueError:
        return "it is no JSON: it has NaN or Infinity"
    except RecursionError:
        return "it is nested too deeply"
    return document if isinstance(document, dict) else f"it is a JSON {_kind(document)}, not an object"


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


def _kind(document: object) -> str:
    return {list: "array", str: "text", bool: "boolean", type(None): "null"}.get(type(document), "number")


def _column(name: str, values: Sequence[Any]) -> pl.Series:
    """Return the values in the type they share; where they share none, as text."""
    kinds = {type(value) for value in values} - {type(None)}
    dtype = _DTYPES.get(frozenset(kinds))
    if dtype is pl.Int64 and not _fits(values):
        dtype = None
    if dtype is not None:
        return pl.Series(name, values, dtype)
    return pl.Series(name, [_as_text(value) for value in values], pl.String)


_DTYPES: Mapping[frozenset[type], type[pl.DataType]] = {
    frozenset(): pl.String,
    frozenset({str}): pl.String,
    frozenset({int}): pl.Int64,
    frozenset({float}): pl.Float64,
    frozenset({bool}): pl.Boolean,
}


def _fits(values: Iterable[Any]) -> bool:
    whole = [value for value in values if value is not None]
    return bool(min(whole) >= -(1 << 63) and max(whole) < 1 << 63)


def _as_text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)
