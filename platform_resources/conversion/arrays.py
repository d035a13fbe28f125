"""Frames to NumPy and back, with dtypes, nulls and shape: a structured masked array, a field a column.

NumPy has no null, no zone and no text of any length, so each column is masked where it is null, and its own type
travels in the dtype's metadata; a frame that comes back is the frame that went. Python's times end at microseconds:
a Time is a number of nanoseconds since midnight, and times within lists, arrays and structs are whole numbers too.
"""

import json
from typing import Any

import numpy as np
import polars as pl

from platform_resources.errors import ConversionError
from platform_resources.storage.columns import decode, encode

_KEY = "polars"
_NATIVE = (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64, pl.Float32, pl.Float64,
           pl.Boolean)  # fmt: skip
_UNITS = (("D", 1), ("ms", 1), ("us", 1), ("ns", 1))
_CALENDAR = ("Y", "M", "W", "D")
"""Units of days or more; a duration in months has no length."""

Masked = np.ma.MaskedArray[Any, Any]


def to_numpy(frame: pl.DataFrame) -> Masked:
    """Return a structured masked array of one dimension.

    Numbers, booleans, times in NumPy's own types, the rest as objects.

    Nulls are masked, NaN is not. An array column of numbers becomes a field of its shape. A Time becomes nanoseconds
    since midnight, and so do times within lists, arrays and structs: whole numbers in the unit of their type.

    Raises:
        ConversionError: A column has a type without a way back: Categorical, Enum, Null, Int128, Float16, objects.
    """
    fields, columns = [], []
    for name, dtype in frame.schema.items():
        values, mask = _column(frame[name], dtype)
        kind = np.dtype(values.dtype, metadata={_KEY: _encoded_type(name, dtype)})
        fields.append((name, kind, values.shape[1:]) if values.ndim > 1 else (name, kind))
        columns.append((values, mask))
    array: Any = np.ma.masked_all(frame.height, dtype=np.dtype(fields))  # type: ignore[no-untyped-call]  # NumPy's own
    for (name, *_), (values, mask) in zip(fields, columns, strict=True):
        array.data[name] = values
        array.mask[name] = mask if values.ndim == 1 else mask.reshape(-1, *[1] * (values.ndim - 1))
    masked: Masked = array
    return masked


def from_numpy(array: "Masked | np.ndarray[Any, Any]", names: list[str] | None = None) -> pl.DataFrame:
    """Return a frame of an array: a structured one by its fields, one of two dimensions by its columns.

    A masked value is null. Types are those that `to_numpy` was given, or NumPy's own for an array made elsewhere.

    Args:
        array: Structured, or of at most two dimensions.
        names: Of the columns of an array without fields; `column_1` and so on without.

    Raises:
        ConversionError: It has no fields and more than two dimensions, or a field of a type that no column has.
    """
    if array.dtype.names is None:
        return _plain(array, names)
    masks = np.ma.getmaskarray(array)
    data = np.ma.getdata(array)
    columns = {name: _series(name, data[name], masks[name], array.dtype[name]) for name in array.dtype.names}
    return pl.DataFrame(columns)


def _column(values: pl.Series, dtype: pl.DataType) -> "tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]":
    mask = values.is_null().to_numpy()
    if isinstance(dtype, _NATIVE):
        return values.fill_null(strategy="zero").to_numpy() if values.null_count() else values.to_numpy(), mask
    if isinstance(dtype, pl.Datetime | pl.Duration):
        kind = f"{'datetime64' if isinstance(dtype, pl.Datetime) else 'timedelta64'}[{dtype.time_unit}]"
        return values.to_physical().fill_null(0).to_numpy().view(kind), mask
    if dtype == pl.Date:
        return values.to_physical().fill_null(0).to_numpy().astype("datetime64[D]"), mask
    if dtype == pl.Time:
        return values.to_physical().fill_null(0).to_numpy(), mask
    if dtype.is_nested():
        values = values.cast(counted(dtype))
    if isinstance(dtype, pl.Array) and _shaped(dtype) and _filled(values.drop_nulls()):
        leaf = _leaf(dtype)
        filled = [np.zeros(dtype.shape) if value is None else value for value in values.to_list()]
        return np.array(filled, dtype=_numpy_of(leaf)).reshape(len(values), *dtype.shape), mask
    return np.array([*values.to_list(), None], dtype=object)[:-1], mask


def counted(dtype: Any) -> pl.DataType:
    """Return a type with whole numbers for the times within, for Python's own lose nanoseconds."""
    if isinstance(dtype, pl.Datetime | pl.Duration) or dtype == pl.Time:
        return pl.Int64()
    if isinstance(dtype, pl.Struct):
        return pl.Struct({field.name: counted(field.dtype) for field in dtype.fields})
    if isinstance(dtype, pl.Array):
        return pl.Array(counted(dtype.inner), dtype.size)
    return pl.List(counted(dtype.inner)) if isinstance(dtype, pl.List) else dtype


def _shaped(dtype: pl.Array) -> bool:
    """Whether an array is a field of its shape: numbers, and at least one of them."""
    return isinstance(_leaf(dtype), _NATIVE) and 0 not in dtype.shape


def _leaf(dtype: Any) -> Any:
    """Return the type of an array's numbers, however many dimensions it has."""
    return _leaf(dtype.inner) if isinstance(dtype, pl.Array) else dtype


def _filled(values: pl.Series) -> bool:
    """Whether no number within the arrays is null."""
    while isinstance(values.dtype, pl.Array):
        values = values.explode() if len(values) else pl.Series([], dtype=values.dtype.inner)
        if values.null_count():
            return False
    return True


def _numpy_of(inner: Any) -> Any:
    return pl.Series([0], dtype=inner, strict=False).to_numpy().dtype


def _series(name: str, data: "np.ndarray[Any, Any]", mask: "np.ndarray[Any, Any]", kind: "np.dtype[Any]") -> pl.Series:
    base = kind.subdtype[0] if kind.subdtype else kind
    dtype = decode(json.loads(base.metadata[_KEY])) if base.metadata and _KEY in base.metadata else None
    null: Any = mask.all(axis=tuple(range(1, mask.ndim))) & bool(mask.size) if mask.ndim > 1 else mask
    try:
        if data.ndim == 1 and data.dtype != object:
            return _flat(name, data, null, dtype)
        return _objects(name, data, null, dtype if dtype is not None else _shape_of(kind))
    except ConversionError:
        raise
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError) as problem:
        raise ConversionError(
            f"field {name}", f"{kind} cannot be a column: {str(problem).splitlines()[0]}",
            fix="give it values of one type: numbers, texts, booleans, or times no coarser than Polars holds",
        ) from None  # fmt: skip


def _flat(name: str, data: "np.ndarray[Any, Any]", null: Any, dtype: pl.DataType | None) -> pl.Series:
    """Return a column of what NumPy has a type for.

    Times in a unit that Polars lacks are counted in one that it has.
    """
    if data.dtype.names or data.dtype.kind in "cV":
        raise ConversionError(
            f"field {name}", f"{data.dtype} is no column", fix="make each of its parts a field of the array"
        )
    if data.dtype.kind in "mM" and dtype is not None:
        numbers = pl.Series(name, data.astype("int64"))
        series = numbers.cast(pl.Int32).cast(pl.Date) if dtype == pl.Date else _times(numbers, dtype)
    else:
        series = pl.Series(name, np.ascontiguousarray(_finer(name, data)))
        series = series.cast(dtype) if dtype is not None and series.dtype != dtype else series
    return pl.select(pl.when(pl.Series(~null)).then(series).alias(name)).to_series() if null.any() else series


def _finer(name: str, data: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """Return times in a unit of Polars that says the same, the coarsest of them; others are given back as they are."""
    if data.dtype.kind not in "mM":
        return data
    if np.datetime_data(data.dtype) in _UNITS[data.dtype.kind == "m" :]:
        return _times_within_dates(name, data)
    unit = np.datetime_data(data.dtype)[0]
    if unit != "generic" and not (data.dtype.kind == "m" and unit in _CALENDAR):
        for each in ("D", "ms", "us", "ns") if data.dtype.kind == "M" and unit in _CALENDAR else ("ms", "us", "ns"):
            finer = data.astype(f"{data.dtype.kind}8[{each}]")
            if np.array_equal(finer.astype(data.dtype), data, equal_nan=True):  # not by !=, which overflows as well
                return _times_within_dates(name, finer)
    raise ConversionError(
        f"field {name}", f"{data.dtype} is not exact in milliseconds, nor finer", fix="store it as a number"
    )


def _times_within_dates(name: str, data: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """Return the times, where they are no days further off than a date can be."""
    if np.datetime_data(data.dtype)[0] == "D" and np.any((np.abs(data.astype("int64")) >= 1 << 31) & ~np.isnat(data)):
        raise ConversionError(f"field {name}", "has days further off than a date can be", fix="store it as a number")
    return data


def _objects(name: str, data: "np.ndarray[Any, Any]", null: Any, dtype: pl.DataType | None) -> pl.Series:
    """Return a column of Python's values, or of rows that are arrays themselves."""
    values = [None if none else (value.tolist() if isinstance(value, np.ndarray) else value)
              for value, none in zip(data, null, strict=True)]  # fmt: skip
    series = pl.Series(name, values, dtype=None if dtype is None else counted(dtype) if dtype.is_nested() else dtype)
    if series.dtype == pl.Object:
        raise TypeError("its values are objects")
    return series if dtype is None or series.dtype == dtype else series.cast(dtype)


def _shape_of(kind: "np.dtype[Any]") -> pl.DataType | None:
    """Return the type of a field of arrays that was made elsewhere; None where it has no shape, or holds no numbers."""
    if kind.subdtype is None or kind.subdtype[0].kind not in "biuf":
        return None
    return pl.Array(pl.Series(np.zeros(1, dtype=kind.subdtype[0])).dtype, kind.shape)


def _times(numbers: pl.Series, dtype: pl.DataType) -> pl.Series:
    """Numbers as the times they count; a zone is put on, for they count from the epoch in UTC."""
    if isinstance(dtype, pl.Datetime) and dtype.time_zone:
        utc = numbers.cast(pl.Datetime(dtype.time_unit, "UTC"))
        return utc.dt.convert_time_zone(dtype.time_zone)
    return numbers.cast(dtype)


def _plain(array: "Masked | np.ndarray[Any, Any]", names: list[str] | None) -> pl.DataFrame:
    if array.ndim > 2:  # noqa: PLR2004 - rows and columns
        raise ConversionError("array", f"has {array.ndim} dimensions and no fields", fix="reshape it to two")
    table = array.reshape(-1, 1) if array.ndim < 2 else array  # noqa: PLR2004 - a column
    data, masks = np.ma.getdata(table), np.ma.getmaskarray(table)
    called = names or [f"column_{place}" for place in range(1, table.shape[1] + 1)]
    if len(called) != table.shape[1]:
        raise ConversionError(
            "array", f"has {table.shape[1]} columns, and {len(called)} names", fix="name each of them"
        )
    return pl.DataFrame(
        [_series(name, data[:, place], masks[:, place], table.dtype) for place, name in enumerate(called)]
    )


def _encoded_type(name: str, dtype: pl.DataType) -> str:
    encoded = encode(dtype)
    if encoded is None:
        raise ConversionError(name, f"{dtype} cannot be given back by NumPy", fix="cast it to text or a number")
    return json.dumps(encoded)
