"""What is measured of each write and kept: rates by column and partition, the value of every rule, and a score.

Rates need no value, so that personal data has them like any other column.
"""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from platform_core.contracts import Dataset, rules_of
from platform_core.plugins import QUALITY_METRICS, PluginError, load_plugins
from platform_core.quality.baselines import Point, Tolerance, expected
from platform_core.quality.results import RuleResult
from platform_core.rules.completeness import Complete

METRICS: dict[str, pl.DataType | type[pl.DataType]] = {
    "at": pl.Datetime("us", "UTC"),
    "run_id": pl.String,
    "partition": pl.String,
    "column": pl.String,
    "metric": pl.String,
    "value": pl.Float64,
}
"""One row a measurement; `partition` and `column` are empty where the metric is of the whole."""

THRESHOLDS: Mapping[str, float] = {"null_rate": 0.05, "duplicate_rate": 0.01, "outlier_rate": 0.10}
"""Above these a rate is shown as high, where the contract says nothing else."""

FRESH_WITHIN = timedelta(hours=24)
"""A table older than this is shown as old, where the contract promises nothing."""

_FENCE = 1.5
_RULE = "rule:"


def threshold_of(dataset: Dataset, column: str, metric: str) -> float:
    """Return above what a rate is high: what a completeness rule lets be missing, else what all have.

    It is infinite for a metric without one.
    """
    if metric == "null_rate":
        shares = [
            rule.at_least for rule in rules_of(dataset)
            if isinstance(rule, Complete) and rule.columns == (column,) and rule.at_least is not None
        ]  # fmt: skip
        if shares:
            return 1 - max(shares)
    return THRESHOLDS.get(metric, float("inf"))


def with_expectations(measured: pl.DataFrame, marked: Collection[str] = ()) -> list[tuple[float, float] | None]:
    """Learn where its own past lets each measurement be, in the rows' order; None where too little is known.

    Of a partition the past is the newest measurement of each earlier partition, else each earlier run.

    Args:
        measured: Rows of `METRICS`, oldest first.
        marked: Partitions, or days of runs, that people left out; nothing is learned from them.
    """
    series: dict[tuple[str, str], dict[str, Point]] = {}
    bands: list[tuple[float, float] | None] = []
    for at, partition, column, metric, value in measured.select(
        "at", "partition", "column", "metric", "value"
    ).iter_rows():
        points = series.setdefault((column, metric), {})
        period = partition or f"{at:%Y-%m-%d %H:%M:%S.%f}"
        past = [points[before] for before in sorted(points) if before < period][-_PAST:]
        learned = expected(past, period, tolerance=_MOVES)
        bands.append((min(band.low for band in learned), max(band.high for band in learned)) if learned else None)
        if not any(period.startswith(mark) for mark in marked):
            points[period] = Point(period, value)
    return bands


_MOVES = Tolerance(relative=0.10, absolute=0.01)
_PAST = 60


def metrics_of(
    dataset: Dataset,
    rows: pl.DataFrame | pl.LazyFrame,
    results: Sequence[RuleResult],
    *,
    run_id: str,
    at: datetime,
) -> pl.DataFrame:
    """Measure what a run wrote.

    Args:
        dataset: The contract.
        rows: The rows written, with the partition column where there are partitions. Of a lazy frame, whose rows may
            be too many for memory, what needs them all at once is left out: `duplicate_rate` and `outlier_rate`.
        results: The verdicts of the run; a row rule's value is the share of rows that break it.
        run_id: Of the run.
        at: When.

    Returns:
        Rows of `METRICS`: `row_count`, `null_rate`, `outlier_rate` (beyond 1.5 times the distance of the quartiles) by
        partition and column, `duplicate_rate` (rows that repeat another's key) by partition, `rule:<id>`, and by
        partition what installed packages measure; these, too, need all rows at once.

    Raises:
        PluginError: A metric of another package raises, or gives no number.
    """
    long = [_by_partition(dataset, rows), _of_rules(results)]
    if isinstance(rows, pl.DataFrame):
        long.append(_long(list(_of_plugins(dataset, rows))))
    return (
        pl.concat(long)
        .with_columns(pl.lit(at).cast(METRICS["at"]).alias("at"), pl.lit(run_id).alias("run_id"))
        .select(pl.col(name).cast(dtype) for name, dtype in METRICS.items())
    )


def _by_partition(dataset: Dataset, rows: pl.DataFrame | pl.LazyFrame) -> pl.DataFrame:
    schema, is_whole = rows.collect_schema(), isinstance(rows, pl.DataFrame)
    partition = dataset.partitions.column if dataset.partitions else None
    key = pl.col(partition) if partition is not None and partition in schema else pl.lit("")
    names = [column.name for column in dataset.columns if column.name in schema]
    keyed = [name for name in dataset.key if is_whole and name in schema]
    aggregated = (
        rows.lazy()
        .group_by(key.alias("partition"))
        .agg(
            pl.len().cast(pl.Float64).alias(":row_count"),
            *([(1 - pl.struct(keyed).hash().n_unique() / pl.len()).alias(":duplicate_rate")] if keyed else []),
            *((pl.col(name).null_count() / pl.len()).alias(f"{name}:null_rate") for name in names),
        )
    )
    rates = (
        aggregated.collect(engine="auto" if is_whole else "streaming")
        .unpivot(index="partition", variable_name="name", value_name="value")
        .with_columns(
            pl.col("name").str.replace(r":[^:]*$", "").alias("column"),
            pl.col("name").str.extract(r":([^:]*)$").alias("metric"),
        )
        .filter(pl.col("value").is_not_null())
        .select("partition", "column", "metric", "value")
    )
    if not isinstance(rows, pl.DataFrame):
        return rates
    numbers = rows.select(key.alias("partition"), *(pl.col(name) for name in names if schema[name].is_numeric()))
    return pl.concat([rates, _long(list(_outlier_rates(numbers)))])


def _outlier_rates(rows: pl.DataFrame) -> Iterator[tuple[str, str, str, float]]:
    """Yield the share of each column's values beyond its fences, by partition; nothing for a column without numbers.

    The quartiles are values of the column, as `Expr.quantile` gives them, found without sorting it. NaN is beyond.
    """
    for (partition,), part in rows.group_by("partition"):
        for column in part.drop("partition").iter_columns():
            values = column.cast(pl.Float64).drop_nulls().to_numpy()
            numbers = values[~np.isnan(values)]
            if not numbers.size:
                continue
            first, third = (int(share * (numbers.size - 1) + 0.5) for share in (0.25, 0.75))
            with np.errstate(invalid="ignore"):  # infinite quartiles have no distance: no number lies beyond them
                ordered = np.partition(numbers, (first, third))
                low, high = ordered[first], ordered[third]
                reach = _FENCE * (high - low)
                beyond = np.count_nonzero((numbers < low - reach) | (numbers > high + reach))
            yield str(partition), column.name, "outlier_rate", (beyond + values.size - numbers.size) / values.size


def _of_plugins(dataset: Dataset, rows: pl.DataFrame) -> Iterator[tuple[str, str, str, float]]:
    """Yield what metrics of other packages say of the rows of each partition."""
    metrics = load_plugins(QUALITY_METRICS)
    if not metrics:
        return
    partition = dataset.partitions.column if dataset.partitions else None
    keyed = partition is not None and partition in rows.columns
    parts = {str(key): part for (key,), part in rows.group_by(partition)} if keyed else {"": rows}
    names = [column.name for column in dataset.columns if column.name in rows.columns]
    for name, measure in metrics.items():
        for key, part in parts.items():
            try:
                value = measure(part.select(names), dataset.name)
                number = None if value is None else float(value)
            except Exception as error:
                raise PluginError(QUALITY_METRICS, name, f"fails on rows of {dataset.name}: {error!r}.",
                                  "mend its package, or uninstall it.") from error  # fmt: skip
            if number is not None and math.isfinite(number):
                yield key, "", name, number


def _of_rules(results: Sequence[RuleResult]) -> pl.DataFrame:
    return _long([
        (partition, "", f"{_RULE}{result.rule.id}", float(value))
        for result in results
        for partition, value in (result.partitions or {"": _whole(result)}).items()
    ])  # fmt: skip


def _long(rows: list[tuple[str, str, str, float]]) -> pl.DataFrame:
    schema = {"partition": pl.String, "column": pl.String, "metric": pl.String, "value": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _whole(result: RuleResult) -> float:
    return result.rate if result.value is None else result.value


@dataclass(frozen=True, kw_only=True)
class Score:
    """How good a dataset is, 0 to 100.

    Attributes:
        total: The mean of the dimensions; None where no rule was judged.
        dimensions: For each, 100 times the mean over its rules of the share of rows that keep the rule; a rule on the
            whole counts 1 where it holds and 0 where it does not. A rule that warns counts half.
    """

    total: float | None
    dimensions: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class JudgedRule:
    """A rule's dimension and severity, and how much of the rows keeps it."""

    dimension: str
    severity: str
    kept: float


def score(rules: Sequence[JudgedRule]) -> Score:
    """Score a dataset by its rules."""
    sums: dict[str, tuple[float, float]] = {}
    for rule in rules:
        weight = 0.5 if rule.severity == "warn" else 1.0
        kept_weight, weights = sums.get(rule.dimension, (0.0, 0.0))
        sums[rule.dimension] = kept_weight + weight * rule.kept, weights + weight
    dimensions = {name: 100 * kept_total / weights for name, (kept_total, weights) in sorted(sums.items())}
    total = sum(dimensions.values()) / len(dimensions) if dimensions else None
    return Score(total=total, dimensions=dimensions)
