"""What a column is called and typed: in the frame, in the table, and between the two.

Delta has no unsigned integers, times or durations and only microseconds; Iceberg no small integers either. Such a
column is stored as a number that keeps every bit, its own type is written beside it, and a scan gives it back.
Enumerations are stored as strings.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Literal

import polars as pl

from platform_resources.errors import SchemaMismatch, UnsupportedType

_UTC = ("Etc/UTC", "Etc/UCT", "Etc/Zulu", "Etc/Universal", "UCT", "Zulu", "Universal", "+00:00")  # DuckDB says Etc/UTC
Encoded = str | dict[str, Any]
SchemaEvolution = Literal["refuse", "add"]
"""Whether columns that a table lacks are refused or added as nullable ones."""
Widened = Mapping[type[pl.DataType], pl.DataType]
DELTA: Widened = {
    pl.UInt8: pl.Int16(),
    pl.UInt16: pl.Int32(),
    pl.UInt32: pl.Int64(),
    pl.UInt64: pl.Decimal(20, 0),
    pl.Time: pl.Int64(),
    pl.Duration: pl.Int64(),
}
"""What Delta lacks, and the type that keeps every bit of it."""
ICEBERG: Widened = {**DELTA, pl.Int8: pl.Int32(), pl.Int16: pl.Int32(), pl.UInt8: pl.Int32()}
"""The same for Iceberg."""
_PLAIN: dict[str, pl.DataType] = {
    kind.__name__: kind()
    for kind in (
        *(pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64),
        *(pl.Float32, pl.Float64, pl.Boolean, pl.String, pl.Binary, pl.Date, pl.Time),
    )
}


def logical(dtype: pl.DataType) -> pl.DataType:
    """Return the type that readers get: enumerations become strings, names of UTC become "UTC", the rest stays."""
    if isinstance(dtype, pl.Categorical | pl.Enum):
        return pl.String()
    if isinstance(dtype, pl.Datetime) and dtype.time_zone in _UTC:
        return pl.Datetime(dtype.time_unit, "UTC")
    return _rebuild(dtype, logical)


def physical(dtype: pl.DataType, widened: Widened = DELTA) -> pl.DataType:
    """Return the type in which a format keeps a logical type without loss (nanoseconds are checked apart)."""
    if isinstance(dtype, pl.Datetime):
        return pl.Datetime("us", "UTC" if dtype.time_zone else None)
    if isinstance(dtype, pl.Array):
        return pl.List(physical(_inner(dtype), widened))
    return widened.get(type(dtype)) or _rebuild(dtype, lambda inner: physical(inner, widened))


def encode(dtype: pl.DataType) -> Encoded | None:
    """Return a logical type as JSON can hold it, or None for one that no table keeps."""
    if type(dtype).__name__ in _PLAIN:
        return type(dtype).__name__
    if isinstance(dtype, pl.Datetime):
        return {"Datetime": [dtype.time_unit, dtype.time_zone]}
    if isinstance(dtype, pl.Duration):
        return {"Duration": dtype.time_unit}
    if isinstance(dtype, pl.Decimal):
        return {"Decimal": [dtype.precision, dtype.scale]}
    return _encode_nested(dtype)


def decode(encoded: Encoded) -> pl.DataType:
    """Return the type that `encode` was given."""
    if isinstance(encoded, str):
        return _PLAIN[encoded]
    ((kind, arguments),) = encoded.items()
    return _DECODERS[kind](arguments)


def marks(schema: pl.Schema, widened: Widened = DELTA) -> dict[str, str]:
    """Return, for each logical column that is stored as something else, its own type as text."""
    return {name: json.dumps(encode(dtype)) for name, dtype in schema.items() if physical(dtype, widened) != dtype}


def to_logical(table: str, frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame with enumerations as strings.

    Raises:
        UnsupportedType: a column has no type, or one that no table keeps.
    """
    for name, dtype in frame.schema.items():
        if not name or "\0" in name:  # a NUL aborts the whole process where Arrow leaves Polars
            raise UnsupportedType(table, repr(name), "without a proper name", fix="rename it")
        if dtype != pl.Null and encode(logical(dtype)) is None:
            raise UnsupportedType(table, name, str(dtype), fix="cast it to a number, text, time or a list of them")
    return cast(frame, {name: logical(dtype) for name, dtype in frame.schema.items()})


def cast(frame: pl.DataFrame, dtypes: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """Return the frame with columns in the types wanted; the others are not copied, as `DataFrame.cast` does."""
    changed = {name: kind for name, kind in dtypes.items() if kind != frame.schema[name]}
    return frame.with_columns(frame[name].cast(kind) for name, kind in changed.items())


def fit(table: str, frame: pl.DataFrame, columns: pl.Schema | None, policy: SchemaEvolution) -> pl.DataFrame:
    """Return the frame in the table's column order, new columns last; an untyped null column takes the table's type.

    Under "add", columns that the frame lacks are null. `columns` is None for a table that is not there yet.

    Raises:
        SchemaMismatch: names and types differ more than the policy allows.
        UnsupportedType: a column without type is new.
    """
    known = columns if columns is not None else pl.Schema({})
    frame = cast(frame, {n: known[n] for n, d in frame.schema.items() if d == pl.Null and n in known})
    untyped = next((name for name, dtype in frame.schema.items() if dtype == pl.Null), None)
    if untyped is not None:
        raise UnsupportedType(table, untyped, "Null", fix="cast it to the type it will have")
    if columns is None:
        return frame
    _refuse_differences(table, frame.schema, columns, policy)
    lacking = [pl.lit(None, dtype=kind).alias(name) for name, kind in known.items() if name not in frame.columns]
    ordered_names = [*known, *(name for name in frame.columns if name not in known)]
    return frame if frame.columns == ordered_names else frame.with_columns(lacking).select(ordered_names)


def _refuse_differences(table: str, ours: pl.Schema, theirs: pl.Schema, policy: SchemaEvolution) -> None:
    changed = {n: (str(d), str(theirs[n])) for n, d in ours.items() if n in theirs and theirs[n] != d}
    added = {n: str(d) for n, d in ours.items() if n not in theirs}
    missing = {n: str(d) for n, d in theirs.items() if n not in ours}
    if policy == "add":
        added, missing = {}, {}
    if changed or added or missing:
        raise SchemaMismatch(table, added=added, missing=missing, changed=changed)


def _encode_nested(dtype: pl.DataType) -> Encoded | None:
    if isinstance(dtype, pl.Struct):
        parts = {field.name: encode(_instance(field.dtype)) for field in dtype.fields}
        return None if None in parts.values() else {"Struct": parts}
    if not isinstance(dtype, pl.List | pl.Array):
        return None
    inner = encode(_inner(dtype))
    if inner is None:
        return None
    return {"Array": [inner, dtype.size]} if isinstance(dtype, pl.Array) else {"List": inner}


_DECODERS: dict[str, Callable[[Any], pl.DataType]] = {
    "Datetime": lambda a: pl.Datetime(a[0], a[1]),
    "Duration": pl.Duration,
    "Decimal": lambda a: pl.Decimal(a[0], a[1]),
    "List": lambda a: pl.List(decode(a)),
    "Array": lambda a: pl.Array(decode(a[0]), a[1]),
    "Struct": lambda a: pl.Struct({name: decode(inner) for name, inner in a.items()}),
}


def _rebuild(dtype: pl.DataType, change: Callable[[pl.DataType], pl.DataType]) -> pl.DataType:
    if isinstance(dtype, pl.Struct):
        return pl.Struct({field.name: change(_instance(field.dtype)) for field in dtype.fields})
    if isinstance(dtype, pl.Array):
        return pl.Array(change(_inner(dtype)), dtype.size)
    return pl.List(change(_inner(dtype))) if isinstance(dtype, pl.List) else dtype


def _inner(dtype: pl.List | pl.Array) -> pl.DataType:
    return _instance(dtype.inner)


def _instance(dtype: Any) -> pl.DataType:
    """Return an instance where Polars also admits a class."""
    instance: pl.DataType = dtype() if isinstance(dtype, type) else dtype
    return instance


def loses_nanoseconds(column: pl.Series) -> bool:
    """Return whether microseconds, which are all that Delta and Iceberg keep, would change a value, nested or not."""
    coarse = _in_microseconds(column.dtype)
    return coarse != column.dtype and not column.cast(coarse).cast(column.dtype).equals(column)


def _in_microseconds(dtype: Any) -> pl.DataType:
    if isinstance(dtype, pl.Struct):
        return pl.Struct({field.name: _in_microseconds(field.dtype) for field in dtype.fields})
    if isinstance(dtype, pl.Array):
        return pl.Array(_in_microseconds(dtype.inner), dtype.size)
    if isinstance(dtype, pl.List):
        return pl.List(_in_microseconds(dtype.inner))
    is_fine = isinstance(dtype, pl.Datetime) and dtype.time_unit == "ns"
    stored_dtype: pl.DataType = pl.Datetime("us", dtype.time_zone) if is_fine else dtype
    return stored_dtype
