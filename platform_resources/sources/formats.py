"""File formats of the landing folder: bytes to rows, or the reason why not.

CSV and JSON lines are read as text, so that the contract decides types and a bad value costs one row, not the file.
"""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Callable, Mapping

import polars as pl
from polars.exceptions import PanicException, PolarsError

from platform_resources.readers.detection import SAMPLE_BYTES, container_of, encoding_of
from platform_resources.readers.dialect import dialect_of
from platform_resources.readers.numerals import survives
from platform_resources.storage.compression import compression_in

_UNREADABLE = (PolarsError, PanicException, OSError, EOFError, ValueError, RecursionError,
               csv.Error, zlib.error)  # fmt: skip
"""What readers raise at a broken file; Polars panics at some damaged Parquet and Arrow files."""

_SEVERAL = 2
"""Columns from which on a blank line is no row; in a single column it is a null."""

_DIVIDERS = (";", "\t", "|")

Parsed = tuple[pl.DataFrame | None, str]


def parse(name: str, content: bytes) -> Parsed:
    """The rows of a file and an empty reason, or None and the reason why it cannot be read.

    A reason never quotes the content, which may hold personal data.
    """
    if not content:
        return None, "the file is empty."
    try:
        content = _unpacked(content)
        reader = _READERS.get(container_of(content) or _ending(name))
        if reader is None:
            return None, f"its format is not known by its name; use one of {', '.join(sorted(_READERS))}."
        frame = reader(content)
    except UnicodeDecodeError as error:
        return (
            None,
            f"it is not {error.encoding.upper()}: byte {error.object[error.start]:#04x} at position {error.start}.",
        )
    except _UNREADABLE as error:
        return None, f"it cannot be parsed ({_first_line(error)})."
    if not frame.width or not frame.height:
        return None, "it holds no rows."
    return frame, ""


def _unpacked(content: bytes) -> bytes:
    """What an archive holds, whatever the file is called."""
    return gzip.decompress(content) if compression_in(content) == "gz" else content


def _ending(name: str) -> str:
    """The ending that tells a text's format: of `a.csv.gz` it is `csv`."""
    return name.lower().removesuffix(".gz").rpartition(".")[2]


def _in_utf8(content: bytes) -> bytes:
    """A text in UTF-8. Only an encoding that is certain, by its byte order mark, is decoded; none is guessed.

    Raises:
        UnicodeDecodeError: It is another one.
    """
    encoding, certain = encoding_of([content])
    return content.decode(encoding if certain else "utf-8").encode()


def _csv(content: bytes) -> pl.DataFrame:
    content = _in_utf8(content)  # polars would put replacement characters into the rows
    delimiter = _delimiter(content)
    try:
        frame = pl.read_csv(io.BytesIO(content), infer_schema=False, separator=delimiter)
    except PolarsError:
        raise ValueError("a quote is left open, or a row has more fields than the header") from None
    if frame.width < _SEVERAL or not frame.to_series(-1).null_count():
        return frame
    blank = _blank_lines(content, frame.width, delimiter)
    return frame.with_row_index("\0").filter(~pl.col("\0").is_in(blank)).drop("\0") if blank else frame


def _delimiter(content: bytes) -> str:
    """A comma, or what divides the file where its header has none."""
    text = content[:SAMPLE_BYTES].decode("utf-8", "ignore")
    if "," in text.partition("\n")[0]:
        return ","
    found = dialect_of(text, whole=len(content) <= SAMPLE_BYTES)
    return found.delimiter if found and found.delimiter in _DIVIDERS else ","


def _blank_lines(content: bytes, fields: int, delimiter: str) -> list[int]:
    """The places of blank lines among the rows, from 0; Polars takes them, and missing fields, for nulls.

    Raises:
        ValueError: A row has fewer fields than the header, as the last one of a file that was cut off has.
    """
    csv.field_size_limit(len(content))  # of the process; its own limit is 128 KiB a field
    blank = []
    with io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", newline="") as text:
        for place, row in enumerate(csv.reader(text, delimiter=delimiter)):
            if not row:
                blank.append(place - 1)
            elif len(row) < fields:
                raise ValueError(f"row {place} has {len(row)} fields, the header has {fields}; was it cut off?")
    return blank


def _json(content: bytes) -> pl.DataFrame:
    """One JSON value, or one a line: what it is does not hang on the file's name."""
    text = _in_utf8(content).decode("utf-8-sig")
    try:
        records = _value(text) if text.strip() else []
    except json.JSONDecodeError as error:
        if error.msg != "Extra data":
            raise
        return _from_records(_lines(text))
    return _from_records(records if isinstance(records, list) else [records])


def _lines(text: str) -> list[object]:
    found = []
    for number, line in enumerate(text.split("\n"), 1):  # splitlines() would also cut texts that hold U+2028
        try:
            found += [_value(line)] if line.strip() else []
        except json.JSONDecodeError as error:
            raise ValueError(f"line {number}: {error.msg} at character {error.colno}") from None
    return found


def _value(text: str) -> object:
    """A JSON value; a number of which a float would lose digits stays the text it was."""
    return json.loads(
        text, parse_float=lambda digits: float(digits) if survives(digits) else digits, object_pairs_hook=_record
    )


def _record(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a record has a name twice")
    return found


def _from_records(records: list[object]) -> pl.DataFrame:
    """Records as text columns; nested values stay JSON."""
    if not all(isinstance(record, dict) for record in records):
        raise ValueError("a record is not a JSON object")
    names = dict.fromkeys(name for record in records for name in record)  # type: ignore[attr-defined]
    rows = {name: [_json_text(record.get(name)) for record in records] for name in names}  # type: ignore[attr-defined]
    return pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String))


def _json_text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value)


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", maxsplit=1)[0][:200]


_READERS: Mapping[str, Callable[[bytes], pl.DataFrame]] = {
    "parquet": lambda content: pl.read_parquet(io.BytesIO(content)),
    "arrow": lambda content: pl.read_ipc(io.BytesIO(content)),
    "csv": _csv,
    "jsonl": _json,
    "ndjson": _json,
    "json": _json,
}
