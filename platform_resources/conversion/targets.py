"""What a target format can hold, and what a value becomes that it cannot: said before, done in one place, reported.

JSON has no binary, no duration, no NaN; CSV has no nesting. Such a column is written as a text that loses nothing
(Base64, ISO 8601, JSON), except that NaN and infinity become null in JSON, and are counted.
"""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Literal, get_args

import polars as pl

from platform_resources.errors import ConversionError
from platform_resources.storage.columns import logical
from platform_resources.storage.compression import Compression

TargetFormat = Literal["csv", "json", "jsonl", "parquet", "arrow", "delta"]
TARGETS: tuple[TargetFormat, ...] = get_args(TargetFormat)
_SUFFIXES: Mapping[str, TargetFormat] = {
    "csv": "csv", "tsv": "csv", "txt": "csv", "json": "json", "jsonl": "jsonl", "ndjson": "jsonl",
    "parquet": "parquet", "pq": "parquet", "arrow": "arrow", "feather": "arrow", "ipc": "arrow", "delta": "delta",
}  # fmt: skip
_PACKED: Mapping[str, Compression] = {"gz": "gz", "zst": "zst", "bz2": "bz2", "sz": "snappy", "snappy": "snappy"}
PAGES = ("zstd", "snappy", "gzip", "lz4", "none")
"""How Parquet and Arrow compress within."""

TEXTS: tuple[TargetFormat, ...] = ("csv", "json", "jsonl")
_SAME = (pl.String, pl.Boolean, pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64,
         pl.Float32, pl.Float64, pl.Date)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where rows go, and how they lie there.

    Attributes:
        location: A path or s3:// address.
        format: One of `TARGETS`.
        packed: The compression around a text file; None for none.
        pages: How Parquet and Arrow compress within.
        delimiter: Of CSV.
    """

    location: str
    format: TargetFormat
    packed: Compression | None = None
    pages: str = "zstd"
    delimiter: str = ","


@dataclass(frozen=True)
class Prepared:
    """How columns are made fit for a format.

    Attributes:
        schema: Of what is written.
        expressions: That make it, a column each.
        changes: In words, of each column that becomes another type.
        floats: Columns whose NaN and infinities the format lacks.
    """

    schema: pl.Schema
    expressions: Sequence[pl.Expr]
    changes: Mapping[str, str] = field(default_factory=dict)
    floats: Sequence[str] = ()


def target_of(location: str, *, format_: str | None, compression: str | None) -> Target:
    """Return the target that a name and options describe; options win over the name.

    Raises:
        ConversionError: The name tells no format, or the compression is none that the format has.
    """
    name = PurePosixPath(location.rstrip("/")).name.lower()
    stem, _, last = name.rpartition(".")
    packed = _PACKED.get(last) if stem else None
    suffix = stem.rpartition(".")[2] if packed else last
    named = format_ or _SUFFIXES.get(suffix) or ("delta" if location.endswith("/") else "")
    chosen = next((candidate for candidate in TARGETS if candidate == named), None)
    if chosen is None:
        raise ConversionError(location, "its name tells no format to write", fix=f"add --to {'|'.join(TARGETS)}")
    if chosen in TEXTS:
        return Target(
            location=location, format=chosen, packed=_text_compression(location, compression, packed),
            delimiter="\t" if suffix == "tsv" else ",",
        )  # fmt: skip
    if packed:
        raise ConversionError(location, f"{chosen} is compressed within, not around", fix=f"drop .{last} from its name")
    pages = compression or "zstd"
    allowed = PAGES if chosen == "parquet" else ("zstd", "lz4", "none") if chosen == "arrow" else ("zstd",)
    if pages not in allowed:
        raise ConversionError(
            location, f"{chosen} is not compressed by {pages}", fix=f"use one of {', '.join(allowed)}"
        )
    return Target(location=location, format=chosen, pages=pages)


def _text_compression(location: str, option: str | None, named: Compression | None) -> Compression | None:
    if option is None:
        return named
    compression = {"zstd": "zst", "gzip": "gz", "none": None}.get(option, option)
    if compression not in (*_PACKED.values(), None):
        raise ConversionError(location, f"{option!r} is no compression", fix="use gz, zst, bz2, snappy or none")
    return compression  # type: ignore[return-value]  # one of them


def prepared(schema: pl.Schema, target: Target) -> Prepared:
    """How to make rows of a schema fit for a target.

    Raises:
        ConversionError: A column holds Python objects.
    """
    expressions, changes, floats, dtypes = [], {}, [], {}
    for name, dtype in schema.items():
        if isinstance(dtype, pl.Object):
            raise ConversionError(target.location, f"column {name} holds Python objects", fix="cast it first")
        expression, kind, change = _fitted(name, dtype, target.format)
        if target.format in ("json", "jsonl") and kind.is_float():
            floats.append(name)
        expressions.append(expression)
        dtypes[name] = kind
        if change:
            changes[name] = change
    return Prepared(pl.Schema(dtypes), expressions, changes, floats)


def _fitted(name: str, dtype: pl.DataType, format_: TargetFormat) -> tuple[pl.Expr, pl.DataType, str]:
    column = pl.col(name)
    if format_ in ("parquet", "arrow"):
        fits = not has_leaf(dtype, _is_wide) and dtype != pl.Null
        return (column, dtype, "") if fits else _texted(column, dtype)
    if format_ == "delta":
        delta_type = logical(dtype)
        return (
            _texted(column, dtype)
            if dtype == pl.Null or has_leaf(dtype, _is_wide)
            else (column.cast(delta_type), delta_type, "")
        )
    if isinstance(dtype, _SAME):
        return column, dtype, ""
    if isinstance(dtype, pl.Categorical | pl.Enum) or dtype == pl.Null:
        return column.cast(pl.String), pl.String(), ""
    if isinstance(dtype, pl.Datetime) and not (dtype.time_unit == "ns" and dtype.time_zone):
        return column, dtype, ""
    if isinstance(dtype, pl.Decimal) and format_ == "csv":
        return column, dtype, ""
    if isinstance(dtype, pl.List | pl.Struct) and format_ != "csv" and _plain(dtype):
        return column, dtype, ""
    return _texted(column, dtype)


def _is_wide(leaf: Any) -> bool:
    """Whether a type is an integer of more than 64 bits, which Polars has and Arrow lacks."""
    return isinstance(leaf, pl.Int128 | pl.UInt128)


def _plain(dtype: Any) -> bool:
    """Whether a nested type holds only what JSON has."""
    if isinstance(dtype, pl.List):
        return _plain(dtype.inner)
    if isinstance(dtype, pl.Struct):
        names = [each.name.lower() for each in dtype.fields]
        return (
            bool(names)
            and len(set(names)) == len(names)
            and "" not in names
            and all(_plain(f.dtype) for f in dtype.fields)
        )
    return isinstance(dtype, _SAME) and not dtype.is_float()


def _texted(column: pl.Expr, dtype: pl.DataType) -> tuple[pl.Expr, pl.DataType, str]:
    """Return a column as text, and what to say of it."""
    if dtype == pl.Null:
        return column.cast(pl.String), pl.String(), ""
    if isinstance(dtype, pl.Binary):
        return column.bin.encode("base64"), pl.String(), "Binary is written as Base64"
    if isinstance(dtype, pl.Duration):
        return column.dt.to_string("iso"), pl.String(), "Duration is written as ISO 8601"
    if dtype == pl.Time:
        return _spelled(column, dtype), pl.String(), "Time is written as text"
    if dtype.is_nested():
        encoded = _spelled(column, dtype).map_batches(_as_json, return_dtype=pl.String)
        return encoded, pl.String(), f"{dtype.base_type().__name__} is written as JSON text"
    return column.cast(pl.String), pl.String(), f"{dtype} is written as text"


def _spelled(value: pl.Expr, dtype: Any) -> pl.Expr:
    """Return a value whose times, however deep, are ISO 8601 texts.

    Python's own times end at microseconds, and at years.
    """
    if isinstance(dtype, pl.Datetime):
        return value.dt.to_string("%Y-%m-%dT%H:%M:%S%.f%:z" if dtype.time_zone else "%Y-%m-%dT%H:%M:%S%.f")
    if dtype == pl.Time:
        return value.dt.to_string("%H:%M:%S%.f")
    if isinstance(dtype, pl.Duration) or dtype == pl.Date:
        return value.dt.to_string("iso")
    if not has_leaf(dtype, lambda leaf: leaf.is_temporal()):
        return value
    if isinstance(dtype, pl.Struct):
        return value.struct.with_fields(
            _spelled(pl.field(each.name), each.dtype).alias(each.name) for each in dtype.fields
        )
    values = value.arr.to_list() if isinstance(dtype, pl.Array) else value
    return values.list.eval(_spelled(pl.element(), dtype.inner))


def has_leaf(dtype: Any, holds: Callable[[Any], bool]) -> bool:
    """Whether a type is, or holds within, one that is wanted."""
    if isinstance(dtype, pl.Struct):
        return any(has_leaf(each.dtype, holds) for each in dtype.fields)
    return has_leaf(dtype.inner, holds) if isinstance(dtype, pl.List | pl.Array) else holds(dtype)


def _as_json(values: pl.Series) -> pl.Series:
    texts = [
        None if value is None else json.dumps(_plain_value(value), ensure_ascii=False) for value in values.to_list()
    ]
    return pl.Series(values.name, texts, dtype=pl.String)


def _plain_value(value: object) -> object:
    """Return a nested value of things that JSON has."""
    if isinstance(value, dict):
        return {str(name): _plain_value(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_plain_value(part) for part in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if value is None or isinstance(value, str | bool | int | float):
        return value
    return str(value)
