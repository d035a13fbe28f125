"""The kinds of table that people annotate, and how each becomes a Polars frame and back.

Kinds are recognised by name, so that a step imports only the libraries its own assets use.
"""

from collections.abc import Callable, Mapping
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin

import polars as pl

from platform_resources.errors import UnsupportedType

if TYPE_CHECKING:
    import pandas as pd
    from duckdb import DuckDBPyRelation

_NAMES = {
    ("polars", "LazyFrame"): "polars.LazyFrame",
    ("polars", "DataFrame"): "polars.DataFrame",
    ("pandas", "DataFrame"): "pandas.DataFrame",
    ("pyarrow", "Table"): "pyarrow.Table",
    ("pyarrow", "RecordBatchReader"): "pyarrow.RecordBatchReader",
    ("duckdb", "DuckDBPyRelation"): "duckdb.DuckDBPyRelation",
    ("_duckdb", "DuckDBPyRelation"): "duckdb.DuckDBPyRelation",
}

KINDS = tuple(dict.fromkeys(_NAMES.values()))


def kind_of(annotation: Any) -> str | None:
    """Return the kind of table that a type is, or None; an optional or generic table counts as its own kind."""
    options = [arg for arg in get_args(annotation) if arg is not NoneType]
    if get_origin(annotation) in (Union, UnionType) and len(options) == 1:
        return kind_of(options[0])
    for base in getattr(get_origin(annotation) or annotation, "__mro__", ()):
        kind = _NAMES.get((base.__module__.partition(".")[0], base.__name__))
        if kind:
            return kind
    return None


def to_polars(value: Any, *, table: str = "DuckDB relation") -> "pl.DataFrame | pl.LazyFrame | None":
    """Return a table of any kind as a Polars frame, or None for a value that is not a table.

    The index of a pandas frame is left behind; reset it to keep it.

    Args:
        value: what an asset returned.
        table: the dataset, for the message.

    Raises:
        UnsupportedType: DuckDB brings an interval, at which Polars panics.
    """
    if isinstance(value, pl.DataFrame | pl.LazyFrame):
        return value
    kind = kind_of(type(value))
    if kind is None:
        return None
    if kind == "duckdb.DuckDBPyRelation":
        _refuse_intervals(value, table)
        return _from_duckdb(value)
    frame: pl.DataFrame = pl.from_pandas(value) if kind == "pandas.DataFrame" else pl.DataFrame(value)
    return frame


def from_polars(frame: pl.DataFrame | pl.LazyFrame, kind: str) -> Any:
    """Return the frame as the kind that was asked for; only "polars.LazyFrame" leaves a lazy one unread."""
    if kind == "polars.LazyFrame":
        return frame.lazy()
    return _CONVERTERS[kind](frame.collect() if isinstance(frame, pl.LazyFrame) else frame)


def _from_duckdb(relation: "DuckDBPyRelation") -> pl.DataFrame:
    """Return its rows through Arrow; what Polars itself takes of a relation is never freed, and told at the exit."""
    frame: pl.DataFrame = relation.pl()
    return frame


def _refuse_intervals(relation: "DuckDBPyRelation", table: str) -> None:
    for name, dtype in zip(relation.columns, relation.types, strict=True):
        if "INTERVAL" in str(dtype):
            raise UnsupportedType(table, name, str(dtype), fix="select epoch(…) or a difference in days of it")


def _pandas(frame: pl.DataFrame) -> "pd.DataFrame":
    """Return the frame; whole numbers with nulls in pandas' own nullable types: floats change those beyond 2**53."""
    import pandas as pd  # noqa: PLC0415 - most steps need no pandas

    pandas_frame = frame.to_pandas()
    for column in frame.select(pl.selectors.integer()):
        if column.null_count():
            values, nulls = column.fill_null(0), column.is_null()
            pandas_frame[column.name] = pd.arrays.IntegerArray(
                values.to_numpy(writable=True), nulls.to_numpy(writable=True)
            )
    return pandas_frame


def _duckdb(frame: pl.DataFrame) -> "DuckDBPyRelation":
    """Return a relation over Arrow, on a connection of its own that lives as long as the relation."""
    import duckdb

    return duckdb.connect().from_arrow(frame.to_arrow())


_CONVERTERS: Mapping[str, Callable[[pl.DataFrame], Any]] = {
    "polars.DataFrame": lambda frame: frame,
    "pandas.DataFrame": _pandas,
    "pyarrow.Table": lambda frame: frame.to_arrow(),
    "pyarrow.RecordBatchReader": lambda frame: frame.to_arrow().to_reader(),
    "duckdb.DuckDBPyRelation": _duckdb,
}
