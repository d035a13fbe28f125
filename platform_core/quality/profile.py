"""What a table holds, measured in one pass: per column, between columns, and per partition.

Values of personal data never enter a profile: it is made to be shown. Counts, lengths and shares of such columns do.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import polars as pl

QUANTILES: Mapping[str, float] = {
    "p01": 0.01,
    "p05": 0.05,
    "p25": 0.25,
    "p50": 0.5,
    "p75": 0.75,
    "p95": 0.95,
    "p99": 0.99,
}
"""Measured by the nearest rank, so that a quantile is a value that occurs."""

BINS = 20
TOP = 30
"""So many of the most frequent values are counted; a set of allowed values is suggested from no more."""

PATTERNS = 5
CORRELATED_COLUMNS = 20
"""Correlations are measured between so many numeric columns at most, the first of the table."""

KEY_COLUMNS = 6
"""Keys of two and three columns are looked for among so many columns, those with the most values."""

_FIRST_ROWS = 20_000
"""What repeats among so many rows identifies none, and need not be counted in the others."""

COLUMNS_A_SCAN = 50
"""So many columns are measured in one scan: what a scan costs to plan grows with the square of its columns."""

_PATTERN_CHARACTERS = 64
_OTHER_NESTED = (pl.List, pl.Array, pl.Struct, pl.Object)


@dataclass(frozen=True, kw_only=True)
class Bin:
    """A bar of a histogram: `count` values in (low, high]; the first bar includes `low`."""

    low: float
    high: float
    count: int


@dataclass(frozen=True, kw_only=True)
class ColumnProfile:
    """One column as measured.

    Attributes:
        name: Of the column.
        type: Its Polars type.
        rows: Of the table.
        nulls: Rows without a value; NaN counts as null.
        distinct: Different values, null not counted; None for nested columns.
        exact: Whether `distinct` was counted rather than estimated.
        pii: The class of personal data; its values are not in the profile.
        minimum: The least value; None for personal data and where there is no order.
        maximum: The greatest value.
        mean: Of numbers.
        deviation: Their standard deviation.
        quantiles: By name, such as `p50`.
        histogram: Of numbers, and of instants in seconds since 1970.
        top: The most frequent values and their counts.
        shortest: Characters of the shortest text, bytes of binary values, elements of a list.
        longest: Of the longest.
        patterns: The most frequent shapes of texts and their counts: `A` a capital, `a` another letter, `9` a digit.
        zeros: Numbers that are 0.
        negatives: Numbers below 0.
    """

    name: str
    type: str
    rows: int
    nulls: int
    distinct: int | None = None
    exact: bool = True
    pii: str | None = None
    minimum: Any = None
    maximum: Any = None
    mean: float | None = None
    deviation: float | None = None
    quantiles: Mapping[str, Any] = field(default_factory=dict)
    histogram: Sequence[Bin] = ()
    top: Sequence[tuple[Any, int]] = ()
    shortest: int | None = None
    longest: int | None = None
    patterns: Sequence[tuple[str, int]] = ()
    zeros: int | None = None
    negatives: int | None = None

    @property
    def null_share(self) -> float:
        """The share of rows without a value, 0 to 1; 0 for an empty table."""
        return self.nulls / self.rows if self.rows else 0.0

    @property
    def filled(self) -> int:
        """Rows with a value."""
        return self.rows - self.nulls


@dataclass(frozen=True, kw_only=True)
class PartitionProfile:
    """A partition as measured.

    Attributes:
        rows: In it.
        null_shares: By column, 0 to 1.
        means: Of numeric columns that hold no personal data.
        ends: Their least and greatest values.
        distinct: Different values by column, null not counted.
    """

    rows: int
    null_shares: Mapping[str, float]
    means: Mapping[str, float | None]
    ends: Mapping[str, tuple[float | None, float | None]]
    distinct: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Profile:
    """A table as measured.

    Attributes:
        name: Of the dataset or file.
        rows: In all.
        columns: In the table's order.
        correlations: Pearson's coefficient of pairs of numeric columns, those farthest from 0 first.
        keys: Sets of columns that identify a row here: no nulls, no two rows alike; the shortest first.
        duplicates: Rows that repeat an earlier row in every column.
        partitions: By key, in order; empty where the table has none.
    """

    name: str
    rows: int
    columns: Sequence[ColumnProfile]
    correlations: Sequence[tuple[str, str, float]] = ()
    keys: Sequence[tuple[str, ...]] = ()
    duplicates: int = 0
    partitions: Mapping[str, PartitionProfile] = field(default_factory=dict)

    def column(self, name: str) -> ColumnProfile:
        """Return the profile of the column of that name.

        Raises:
            KeyError: There is no such column.
        """
        return next(column for column in self.columns if column.name == name)


def profile(
    name: str,
    frame: pl.LazyFrame | pl.DataFrame,
    *,
    personal: Mapping[str, str] | None = None,
    partition: pl.Expr | None = None,
    approximate: bool = False,
) -> Profile:
    """Measure a table.

    Args:
        name: What the table is called in the profile.
        frame: Its rows; a lazy frame is scanned once for every `COLUMNS_A_SCAN` columns.
        personal: The class of personal data by column; values of these columns are left out.
        partition: The key of each row's partition, as text; None measures no partitions.
        approximate: Whether different values are estimated (HyperLogLog, about 2 %) instead of counted. Keys are
            looked for among exact counts alone.
    """
    lazy = frame.lazy()
    schema = lazy.collect_schema()
    lazy = _without_nan(lazy)
    classes = personal or {}
    blocks = [list(schema)[place : place + COLUMNS_A_SCAN] for place in range(0, len(schema), COLUMNS_A_SCAN)]

    def measures(block: Sequence[str]) -> list[pl.Expr]:
        return [
            expression
            for column in block
            for expression in _measures(column, schema[column], personal=column in classes, approximate=approximate)
        ]

    pairs = list(combinations([column for column in schema if schema[column].is_numeric()][:CORRELATED_COLUMNS], 2))
    correlations = [
        pl.corr(pl.col(one).cast(pl.Float64), pl.col(other).cast(pl.Float64)).alias(f"{place}:corr")
        for place, (one, other) in enumerate(pairs)
    ]
    queries = [lazy.select(pl.len().alias(":rows"), *measures(next(iter(blocks), ())), *correlations)]
    if partition is not None:
        queries.append(_by_partition(lazy, schema, partition, classes))
    measured = pl.collect_all(queries)
    values = measured[0].row(0, named=True)
    for block in blocks[1:]:
        values |= _without_nan(frame.lazy().select(block)).select(measures(block)).collect().row(0, named=True)
    rows = values[":rows"]
    columns = tuple(
        _column(column, schema[column], values, rows, classes.get(column), exact=not approximate) for column in schema
    )
    keys = () if approximate else _keys(lazy, columns, schema, rows)
    return Profile(
        name=name,
        rows=rows,
        columns=columns,
        correlations=_strongest(pairs, values),
        keys=keys,
        duplicates=0 if keys else _repeated(lazy, columns, schema, rows),
        partitions=_partitions(measured[1], schema) if partition is not None else {},
    )


def _repeated(lazy: pl.LazyFrame, columns: Sequence[ColumnProfile], schema: pl.Schema, rows: int) -> int:
    """Count the rows that repeat an earlier one.

    There are none where a key is known, or where no two rows are alike in the columns with the most values; nor where
    their hashes differ. Only else whole rows are compared, which costs as much as all the rest.
    """
    hashable = [name for name in schema if schema[name] != pl.Object]
    if not hashable or not rows:
        return 0
    by_values = sorted(
        (column for column in columns if column.distinct), key=lambda profiled: -(profiled.distinct or 0)
    )
    for names in ([by_value.name for by_value in by_values[:KEY_COLUMNS]], hashable):
        if names and lazy.select(pl.struct(names).hash().n_unique()).collect().item() == rows:
            return 0
    return rows - int(lazy.select(pl.struct(hashable).n_unique()).collect().item())


def _without_nan(lazy: pl.LazyFrame) -> pl.LazyFrame:
    return lazy.with_columns(pl.col(pl.Float32, pl.Float64).fill_nan(None))


def _measures(name: str, dtype: pl.DataType, *, personal: bool, approximate: bool) -> Iterator[pl.Expr]:
    """Yield what is measured of a column, each under an alias of the column and the measure."""
    value = pl.col(name)
    present = value.drop_nulls()
    yield value.null_count().alias(f"{name}:nulls")
    if isinstance(dtype, (pl.List, pl.Array)):
        length = value.list.len() if isinstance(dtype, pl.List) else value.arr.len()
        yield length.min().alias(f"{name}:shortest")
        yield length.max().alias(f"{name}:longest")
    if isinstance(dtype, _OTHER_NESTED) or dtype == pl.Null:
        return
    yield (present.approx_n_unique() if approximate and not _is_text(dtype) else present.n_unique()).alias(
        f"{name}:distinct"
    )
    if _is_text(dtype) or dtype == pl.Binary:
        length = value.bin.size() if dtype == pl.Binary else value.cast(pl.String).str.len_chars()
        yield length.min().alias(f"{name}:shortest")
        yield length.max().alias(f"{name}:longest")
    if personal or dtype == pl.Binary:
        return
    counts = present.cast(pl.String) if isinstance(dtype, (pl.Categorical, pl.Enum)) else present
    counted = counts.alias(":value").value_counts(sort=True, name=":rows")
    yield counted.head(TOP).implode().alias(f"{name}:top")
    if _is_text(dtype):
        yield value.cast(pl.String).min().alias(f"{name}:minimum")
        yield value.cast(pl.String).max().alias(f"{name}:maximum")
        yield counted.map_batches(_shapes, return_dtype=_COUNTED).implode().alias(f"{name}:patterns")
        return
    yield value.min().alias(f"{name}:minimum")
    yield value.max().alias(f"{name}:maximum")
    if dtype == pl.Boolean:
        yield value.mean().alias(f"{name}:mean")
        return
    last = present.len().cast(pl.Float64) - 1
    ranks = (last * pl.lit(pl.Series(QUANTILES.values(), dtype=pl.Float64))).round().clip(lower_bound=0).cast(pl.UInt32)
    yield present.sort().gather(ranks, null_on_oob=True).implode().alias(f"{name}:quantiles")
    yield (
        _scaled(value, dtype)
        .drop_nulls()
        .hist(bin_count=BINS, include_breakpoint=True)
        .implode()
        .alias(f"{name}:histogram")
    )
    if dtype.is_numeric():
        yield value.cast(pl.Float64).mean().alias(f"{name}:mean")
        yield value.cast(pl.Float64).std().alias(f"{name}:deviation")
        yield (value == 0).sum().alias(f"{name}:zeros")
        yield (value < 0).sum().alias(f"{name}:negatives")


def _is_text(dtype: pl.DataType) -> bool:
    return isinstance(dtype, (pl.String, pl.Categorical, pl.Enum))


def _scaled(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Give the number by which a value stands in a histogram: instants and times in seconds, days since 1970."""
    if isinstance(dtype, (pl.Datetime, pl.Duration)):
        per_second = {"ms": 1e3, "us": 1e6, "ns": 1e9}[dtype.time_unit or "us"]
        return value.to_physical().cast(pl.Float64) / per_second
    if dtype == pl.Date:
        return value.to_physical().cast(pl.Float64) * 86_400
    if dtype == pl.Time:
        return value.to_physical().cast(pl.Float64) / 1e9
    return value.cast(pl.Float64)


def shape(value: pl.Expr) -> pl.Expr:
    """Give a text's shape: `A` for a capital, `a` for any other letter, `9` for a digit, the rest as it is.

    >>> pl.select(shape(pl.lit("C-104 née"))).item()
    'A-999 aaa'
    """
    text = value.cast(pl.String).str.slice(0, _PATTERN_CHARACTERS)
    return text.str.replace_all(r"\p{Nd}", "9").str.replace_all(r"\p{Lu}", "A").str.replace_all(r"[\p{L}--\p{Lu}]", "a")


_COUNTED = pl.Struct({":value": pl.String, ":rows": pl.UInt32})


def _shapes(counted: pl.Series) -> pl.Series:
    """Count the most frequent shapes by the texts' own counts, so that a text that comes again is looked at once."""
    shapes = counted.struct.unnest().group_by(shape(pl.col(":value")).alias(":value")).agg(pl.col(":rows").sum())
    return shapes.sort(":rows", descending=True).head(PATTERNS).to_struct().cast(_COUNTED)


def _column(
    name: str, dtype: pl.DataType, values: Mapping[str, Any], rows: int, pii: str | None, *, exact: bool
) -> ColumnProfile:
    def measure(of: str) -> Any:
        return values.get(f"{name}:{of}")

    return ColumnProfile(
        name=name,
        type=str(dtype),
        rows=rows,
        nulls=measure("nulls"),
        distinct=measure("distinct"),
        exact=exact or _is_text(dtype),
        pii=pii,
        minimum=measure("minimum"),
        maximum=measure("maximum"),
        mean=measure("mean"),
        deviation=measure("deviation"),
        quantiles=_quantiles(measure("quantiles") or ()),
        histogram=_bins(measure("histogram") or (), measure("minimum"), measure("maximum"), dtype),
        top=_counts(measure("top") or ()),
        shortest=measure("shortest"),
        longest=measure("longest"),
        patterns=_counts(measure("patterns") or ()),
        zeros=measure("zeros"),
        negatives=measure("negatives"),
    )


def _quantiles(values: Sequence[Any]) -> dict[str, Any]:
    return {label: value for label, value in zip(QUANTILES, values, strict=False) if value is not None}


def _bins(histogram: Sequence[Mapping[str, Any]], minimum: Any, maximum: Any, dtype: pl.DataType) -> tuple[Bin, ...]:
    """Give the bars of a histogram, from Polars' upper breakpoints."""
    if not histogram or minimum is None:
        return ()
    low = float(pl.select(_scaled(pl.lit(minimum, dtype=dtype), dtype)).item())
    if minimum == maximum:
        return (Bin(low=low, high=low, count=sum(int(row["count"]) for row in histogram)),)
    bars = []
    for row in histogram:
        bars.append(Bin(low=low, high=float(row["breakpoint"]), count=int(row["count"])))
        low = float(row["breakpoint"])
    return tuple(bars)


def _counts(counted_values: Sequence[Mapping[str, Any]]) -> tuple[tuple[Any, int], ...]:
    """Give values with their counts, the most frequent first and equal counts by value."""
    pairs = [(row[":value"], int(row[":rows"])) for row in counted_values]
    return tuple(sorted(pairs, key=lambda pair: (-pair[1], str(pair[0]))))


def _strongest(pairs: Sequence[tuple[str, str]], values: Mapping[str, Any]) -> tuple[tuple[str, str, float], ...]:
    """Give the correlations that are numbers, the strongest first; a constant column correlates with nothing."""
    known = [(*pair, values[f"{place}:corr"]) for place, pair in enumerate(pairs)]
    numbers = [(one, other, float(value)) for one, other, value in known if value is not None and value == value]  # noqa: PLR0124 - NaN
    return tuple(sorted(numbers, key=lambda number: -abs(number[2])))


def _keys(
    lazy: pl.LazyFrame, columns: Sequence[ColumnProfile], schema: pl.Schema, rows: int
) -> tuple[tuple[str, ...], ...]:
    """Find columns that identify a row: single ones, else pairs, and so on to four of those with the most values."""
    if rows == 0:
        return ()
    able = [
        column for column in columns if column.nulls == 0 and column.distinct and not schema[column.name].is_float()
    ]
    single = tuple((column.name,) for column in able if column.distinct == rows)
    if single:
        return single
    many = sorted(able, key=lambda column: -(column.distinct or 0))[:KEY_COLUMNS]
    distinct = {column.name: column.distinct or 0 for column in many}
    first = lazy.select(*distinct).head(_FIRST_ROWS).collect().lazy()
    for size in (2, 3, 4):
        sets = [names for names in combinations(distinct, size) if _product(distinct[name] for name in names) >= rows]
        keys = _identifying(lazy, _identifying(first, sets, min(rows, _FIRST_ROWS)), rows)
        if keys:
            return tuple(keys)
    return ()


def _identifying(lazy: pl.LazyFrame, sets: Sequence[tuple[str, ...]], rows: int) -> list[tuple[str, ...]]:
    """Leave the sets of columns in which no two of the rows are alike."""
    if not sets:
        return []
    counted = lazy.select(pl.struct(names).n_unique().alias(str(place)) for place, names in enumerate(sets)).collect()
    return [names for names, count in zip(sets, counted.row(0), strict=True) if count == rows]


def _product(numbers: Iterator[int]) -> int:
    product = 1
    for number in numbers:
        product *= number
    return product


def _by_partition(
    lazy: pl.LazyFrame, schema: pl.Schema, partition: pl.Expr, personal: Mapping[str, str]
) -> pl.LazyFrame:
    """Measure each partition; the mean of one row is its value, so that personal data has none."""
    numeric = [name for name in schema if schema[name].is_numeric() and name not in personal]
    countable = [name for name in schema if not isinstance(schema[name], _OTHER_NESTED)]
    return (
        lazy.group_by(partition.alias(":partition"))
        .agg(
            pl.len().alias(":rows"),
            *(pl.col(name).is_null().mean().alias(f"{name}:null_share") for name in schema),
            *(pl.col(name).cast(pl.Float64).mean().alias(f"{name}:mean") for name in numeric),
            *(pl.col(name).cast(pl.Float64).min().alias(f"{name}:least") for name in numeric),
            *(pl.col(name).cast(pl.Float64).max().alias(f"{name}:greatest") for name in numeric),
            *(pl.col(name).drop_nulls().n_unique().alias(f"{name}:distinct") for name in countable),
        )
        .sort(":partition", nulls_last=True)
    )


def _partitions(measured: pl.DataFrame, schema: pl.Schema) -> dict[str, PartitionProfile]:
    return {
        str(row[":partition"]): PartitionProfile(
            rows=row[":rows"],
            null_shares={name: row[f"{name}:null_share"] for name in schema},
            means={name: row[f"{name}:mean"] for name in schema if f"{name}:mean" in row},
            ends={name: (row[f"{name}:least"], row[f"{name}:greatest"]) for name in schema if f"{name}:least" in row},
            distinct={name: row[f"{name}:distinct"] for name in schema if f"{name}:distinct" in row},
        )
        for row in measured.iter_rows(named=True)
    }
