"""An Arrow stream from a stranger as a frame: flat columns, so many rows and bytes, and nothing packed.

A few bytes of a stream can stand for as much memory as they like: packed buffers, a dictionary or a view that repeats
one long text, columns without a buffer. Each of these is measured before it is unfolded, or refused.
"""

import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING

import polars as pl

from platform_resources.errors import ResourceError

if TYPE_CHECKING:
    import pyarrow as pa

_DICTIONARY_BATCH, _RECORD_BATCH = 2, 3
"""Kinds of messages (`MessageHeader` of the format)."""


class ArrowRefused(ResourceError):
    """A stream that is none, or that is not taken in; the text says why and quotes nothing of it."""


def read_arrow_stream(data: bytes, *, most_rows: int, most_bytes: int) -> pl.DataFrame:
    """Read the rows of a stream; bytes become Base64, and what is from a dictionary a text.

    Args:
        data: The stream, as Arrow's IPC format has it.
        most_rows: How many it may have.
        most_bytes: How large its values may be, each text counted as often as it stands there.

    Raises:
        ArrowRefused: It is no stream, is packed, has nested columns, or is larger.
    """
    try:
        return _frame(data, most_rows, most_bytes)
    except ArrowRefused:
        raise
    except Exception as error:  # whatever the libraries make of foreign bytes
        raise ArrowRefused(f"the body is no Arrow stream that can be read ({type(error).__name__}).") from error


def _frame(data: bytes, most_rows: int, most_bytes: int) -> pl.DataFrame:
    import pyarrow as pa

    for metadata in _metadata(data):
        if _is_packed(metadata):
            raise ArrowRefused("its buffers are packed: write it without compression.")
    rows, unfolded, batches = 0, 0, list[pa.RecordBatch]()
    with pa.ipc.open_stream(data) as stream:
        _refuse_nested(stream.schema)
        for batch in stream:
            rows += batch.num_rows
            if rows > most_rows:
                raise ArrowRefused(f"it has more than {most_rows:,} rows.")
            batch.validate(full=True)
            unfolded += sum(_unfolded(column) for column in batch.columns if pa.types.is_dictionary(column.type))
            batches.append(batch)
    if unfolded > most_bytes:
        raise ArrowRefused(f"its values come to more than {most_bytes:,} bytes.")
    table = pa.Table.from_batches(batches, stream.schema)
    frame = pl.DataFrame(pl.from_arrow(table)).with_columns(pl.col(pl.Binary).bin.encode("base64"))
    if sum(_size_of(column) for column in frame) > most_bytes:
        raise ArrowRefused(f"its values come to more than {most_bytes:,} bytes.")
    categories = (pl.Categorical, pl.Enum)
    return frame.with_columns(pl.col(c.name).cast(pl.String) for c in frame if isinstance(c.dtype, categories))


def _unfolded(column: "pa.DictionaryArray") -> int:
    """Return how large a column is at most once each row has its value."""
    import pyarrow.compute as pc

    values = column.dictionary.cast("large_string")
    return (pc.max(pc.binary_length(values)).as_py() or 0) * len(column)


def _refuse_nested(schema: "pa.Schema") -> None:
    import pyarrow as pa

    for column in schema:
        kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        if pa.types.is_nested(kind) or pa.types.is_run_end_encoded(kind) or pa.types.is_dictionary(kind):
            raise ArrowRefused(f"column {column.name!r} is nested or run-end encoded: send such records as JSON.")


def _size_of(column: pl.Series) -> int:
    """Count the bytes of a column's values, without unfolding what repeats."""
    if column.dtype == pl.String:
        return int(column.str.len_bytes().sum())
    return 16 * len(column)


def _metadata(data: bytes) -> Iterator[bytes]:
    """Yield what each message says of itself."""
    import pyarrow as pa

    for message in pa.ipc.MessageReader.open_stream(data):
        yield message.metadata.to_pybytes()


def _is_packed(metadata: bytes) -> bool:
    """Tell whether a batch's buffers are compressed: the fourth field of `RecordBatch`, in FlatBuffers."""
    message = struct.unpack_from("<I", metadata)[0]
    kind = _field(metadata, message, 1)
    header = _follow(metadata, _field(metadata, message, 2))
    if kind is None or header is None:
        return False
    text = metadata[kind]
    if text == _DICTIONARY_BATCH:
        header = _follow(metadata, _field(metadata, header, 1))
    return text in (_DICTIONARY_BATCH, _RECORD_BATCH) and header is not None and _field(metadata, header, 3) is not None


def _field(data: bytes, table: int, number: int) -> int | None:
    """Return where a table's field lies; None where it is left out."""
    fields = table - struct.unpack_from("<i", data, table)[0]
    size = struct.unpack_from("<H", data, fields)[0]
    place = 4 + 2 * number
    offset = struct.unpack_from("<H", data, fields + place)[0] if place < size else 0
    return table + offset if offset else None


def _follow(data: bytes, place: int | None) -> int | None:
    return None if place is None else place + struct.unpack_from("<I", data, place)[0]
