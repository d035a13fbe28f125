"""What the rows of a partition look like, in numbers that say nothing of a single row.

A fingerprint is what incidents are judged by: each number has a noise, the standard error that chance alone gives it.
Values of personal data are never named; columns of few values have the share of each.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

import polars as pl

from platform_core.contracts import Column, Dataset
from platform_core.contracts.partitions import Partitions

FINGERPRINT: dict[str, pl.DataType | type[pl.DataType]] = {
    "period": pl.String,
    "column": pl.String,
    "metric": pl.String,
    "value": pl.Float64,
    "noise": pl.Float64,
}
"""One row a number; `column` is empty where it is of the rows as such."""

SHARE = "share:"
"""Begins the metric that is the share of one value: `share:JFK`."""

REFUSED = "refused:"
"""Begins the metric that is the share of rows that a rule refused: `refused:price_ge`."""

NONE: Mapping[str, int] = {}

_VALUES = 20
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS_A_DAY = 86_400.0

Window = tuple[datetime, datetime]
"""From the first instant of a period (closed) to the first after it (open)."""

Measure = tuple[str, pl.Expr, pl.Expr]
"""The name of a number, the number and its noise."""


def fingerprint(
    dataset: Dataset, rows: pl.DataFrame, period: str, *, refused: int | None = None, by_rule: Mapping[str, int] = NONE
) -> pl.DataFrame:
    """Measure the rows of one partition, or of a whole table.

    Args:
        dataset: The contract; columns that the rows lack are left out.
        rows: The rows, in the contract's types.
        period: The partition's key; any name of a version for a whole table.
        refused: How many of the rows rules refused; None where none can be.
        by_rule: How many of them each rule refused.

    Returns:
        Rows of `FINGERPRINT`: `row_count` and `duplicate_rate` of the rows, `null_rate` of each column; of numbers
        `mean`, `deviation` and how round they are; of texts how many have capitals or small letters, their
        length, and the share of each value where there are at most 20; of instants where they lie in the period (days)
        and in the day (hours).
    """
    columns = [column for column in dataset.columns if column.name in rows.columns]
    lines: list[Line] = [("", "row_count", float(rows.height), 0.0), *_duplicates(dataset, rows)]
    if refused is not None and rows.height:
        lines.append(("", "refused_rate", refused / rows.height, 1 / rows.height))
        lines += [("", f"{REFUSED}{rule}", count / rows.height, 1 / rows.height) for rule, count in by_rule.items()]
    if rows.height:
        lines += _measured(columns, rows, _window_of(dataset, period))
        lines += [line for column in columns for line in _shares(column, rows)]
    frame = pl.DataFrame([(period, *line) for line in lines if line[2] is not None], schema=FINGERPRINT, orient="row")
    return frame.with_columns(pl.col("noise").fill_null(0.0).fill_nan(0.0))


def _window_of(dataset: Dataset, period: str) -> Window:
    parts = dataset.partitions
    if not isinstance(parts, Partitions):
        return _EPOCH, _EPOCH
    return parts.begins_at(period), parts.ends_at(period)


Line = tuple[str, str, float, float]


def _duplicates(dataset: Dataset, rows: pl.DataFrame) -> Iterator[Line]:
    """Yield the share of rows that repeat another's key, or the whole of another row where there is no key."""
    names = [name for name in dataset.key if name in rows.columns] or [
        column.name for column in dataset.columns if column.name in rows.columns and not column.dtype.is_nested()
    ]
    keyed = rows.select(names).drop_nulls() if dataset.key else rows.select(names)
    if keyed.height and names:
        yield "", "duplicate_rate", 1 - keyed.n_unique() / keyed.height, 0.0


def _measured(columns: Sequence[Column], rows: pl.DataFrame, window: Window) -> Iterator[Line]:
    measures = [(column.name, *measure) for column in columns for measure in _measures(column, rows, window)]
    values = rows.select(value.alias(str(place)) for place, (_, _, value, _) in enumerate(measures)).row(0)
    noises = rows.select(noise.alias(str(place)) for place, (*_, noise) in enumerate(measures)).row(0)
    for (column, metric, _, _), value, noise in zip(measures, values, noises, strict=True):
        if value is not None and value == value:  # noqa: PLR0124 - NaN is no measurement
            yield column, metric, float(value), float(noise or 0.0)


def _measures(column: Column, rows: pl.DataFrame, window: Window) -> Iterator[Measure]:
    value, dtype = pl.col(column.name), rows.schema[column.name]
    yield _share("null_rate", value.is_null())
    if dtype.is_numeric():
        yield from _of_numbers(value.cast(pl.Float64).fill_nan(None).drop_nulls())
    elif dtype == pl.String:
        texts = value.drop_nulls()
        yield _share("capitals", texts != texts.str.to_lowercase())
        yield _share("small_letters", texts != texts.str.to_uppercase())
        yield _mean("length", texts.str.len_chars().cast(pl.Float64))
    elif isinstance(dtype, pl.Datetime | pl.Date):
        yield from _of_instants(value.drop_nulls(), dtype, window)


def _of_numbers(value: pl.Expr) -> Iterator[Measure]:
    error = value.std() / value.len().sqrt()
    yield "mean", value.mean(), error
    # The error of a deviation grows with the fourth moment; twice that of a normal distribution covers the usual ones.
    yield "deviation", value.std(), 1.5 * error
    for name, step in (("tens", 10.0), ("whole", 1.0), ("tenths", 0.1), ("hundredths", 0.01)):
        parts = value / step
        yield _share(name, (parts - parts.round()).abs() < 1e-6)  # noqa: PLR2004 - a part of a step


def _of_instants(value: pl.Expr, dtype: pl.DataType, window: Window) -> Iterator[Measure]:
    instants = value.cast(pl.Datetime("us"))
    days = (instants.dt.epoch("us") / 1e6 - window[0].timestamp()) / _SECONDS_A_DAY
    length = (window[1] - window[0]).total_seconds() / _SECONDS_A_DAY
    edge_noise = days.std() / days.len() * 6
    yield "first_day", days.min(), edge_noise
    yield "last_day", days.max() - length, edge_noise
    yield _mean("mean_day", days)
    if isinstance(dtype, pl.Datetime):
        yield _mean("mean_hour", instants.dt.hour() + instants.dt.minute() / 60)


def _share(name: str, holds: pl.Expr) -> Measure:
    share = holds.mean()
    return name, share, (pl.max_horizontal(share * (1 - share), 0.4 / holds.len()) / holds.len()).sqrt()


def _mean(name: str, value: pl.Expr) -> Measure:
    return name, value.mean(), value.std() / value.len().sqrt()


def _shares(column: Column, rows: pl.DataFrame) -> Iterator[Line]:
    """Yield the share of each value of a column of few, which is no personal data."""
    dtype = rows.schema[column.name]
    if column.pii or not (dtype == pl.String or isinstance(dtype, pl.Enum | pl.Categorical | pl.Boolean)):
        return
    counts = rows[column.name].cast(pl.String).drop_nulls().value_counts(sort=True)
    total = int(counts["count"].sum())
    if 0 < counts.height <= min(_VALUES, max(total // 5, 1)):
        for value, count in counts.iter_rows():
            share = count / total
            yield column.name, f"{SHARE}{value}", share, (max(share * (1 - share), 0.4 / total) / total) ** 0.5
