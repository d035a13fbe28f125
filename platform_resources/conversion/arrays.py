"""Frames to NumPy and back, with dtypes, nulls and shape: a structured masked array, a field a column.

NumPy has no null, no zone and no text of any length, so each column is masked where it is null, and its own type
travels in the dtype's metadata; a frame that comes back is the frame that went.
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

Masked = np.ma.MaskedArray[Any, Any]


def to_numpy(frame: pl.DataFrame) -> Masked:
    """A structured masked array of one dimension: numbers, booleans, times in NumPy's own types, the rest as objects.

    Nulls are masked, NaN is not. An array column of numbers becomes a field of its shape.

    Raises:
        ConversionError: A column has a type that cannot be given back, such as Python objects.
    """
    fields, columns = [], []
    for name, dtype in frame.schema.items():
        values, mask = _column(frame[name], dtype)
        kind = np.dtype(values.dtype, metadata={_KEY: _told(name, dtype)})
        fields.append((name, kind, values.shape[1:]) if values.ndim > 1 else (name, kind))
        columns.append((values, mask))
    made: Any = np.ma.masked_all(frame.height, dtype=np.dtype(fields))  # type: ignore[no-untyped-call]  # NumPy's own
    for (name, *_), (values, mask) in zip(fields, columns, strict=True):
        made.data[name] = values
        made.mask[name] = mask if values.ndim == 1 else mask.reshape(-1, *[1] * (values.ndim - 1))
    found: Masked = made
    return found


def from_numpy(array: "Masked | np.ndarray[Any, Any]", names: list[str] | None = None) -> pl.DataFrame:
    """A frame of an array: a structured one by its fields, one of two dimensions by its columns.

    A masked value is null. Types are those that `to_numpy` was given, or NumPy's own for an array made elsewhere.

    Args:
        array: Structured, or of at most two dimensions.
        names: Of the columns of an array without fields; `column_1` and so on without.

    Raises:
        ConversionError: It has no fields and more than two dimensions.
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
    if isinstance(dtype, pl.Array) and isinstance(leaf := _leaf(dtype), _NATIVE) and _filled(values.drop_nulls()):
        filled = [np.zeros(dtype.shape) if each is None else each for each in values.to_list()]
        return np.array(filled, dtype=_numpy_of(leaf)).reshape(len(values), *dtype.shape), mask
    return np.array([*values.to_list(), None], dtype=object)[:-1], mask


def _leaf(dtype: Any) -> Any:
    """The type of an array's numbers, however many dimensions it has."""
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
    wanted = decode(json.loads(base.metadata[_KEY])) if base.metadata and _KEY in base.metadata else None
    null: Any = mask.all(axis=tuple(range(1, mask.ndim))) if mask.ndim > 1 else mask
    if data.dtype == object or data.ndim > 1:
        values = [None if none else (each.tolist() if isinstance(each, np.ndarray) else each)
                  for each, none in zip(data, null, strict=True)]  # fmt: skip
        return pl.Series(name, values, dtype=wanted)
    if data.dtype.kind in "mM" and wanted is not None:
        numbers = pl.Series(name, data.astype("int64"))
        made = numbers.cast(pl.Int32).cast(pl.Date) if wanted == pl.Date else _times(numbers, wanted)
    else:
        made = pl.Series(name, np.ascontiguousarray(data))
        made = made.cast(wanted) if wanted is not None and made.dtype != wanted else made
    return pl.select(pl.when(pl.Series(~null)).then(made).alias(name)).to_series() if null.any() else made


def _times(numbers: pl.Series, wanted: pl.DataType) -> pl.Series:
    """Numbers as the times they count; a zone is put on, for they count from the epoch in UTC."""
    if isinstance(wanted, pl.Datetime) and wanted.time_zone:
        utc = numbers.cast(pl.Datetime(wanted.time_unit, "UTC"))
        return utc.dt.convert_time_zone(wanted.time_zone)
    return numbers.cast(wanted)


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


def _told(name: str, dtype: pl.DataType) -> str:
    encoded = encode(dtype)
    if encoded is None:
        raise ConversionError(name, f"{dtype} cannot be given back by NumPy", fix="cast it to text or a number")
    return json.dumps(encoded)
