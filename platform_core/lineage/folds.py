"""Column lineage of folds: each is written as a lazy plan over whole histories that gives the same columns.

Such a plan is only read, never run; it need not give the same rows, but each of its columns is made of the same ones.
"""

from collections.abc import Callable, Iterator, Sequence

import polars as pl

from platform_core.contracts import Catalog, Dataset
from platform_core.contracts.folds import (
    AsOf,
    Counted,
    Featured,
    Fold,
    Hopping,
    Lookup,
    Near,
    Pattern,
    Scored,
    Sessions,
    Sliding,
    Tumbling,
)
from platform_core.features import Feature
from platform_core.lineage.graph import WHOLE, ColumnEdge
from platform_core.lineage.plans import UnreadablePlan, plan_columns

_Plan = Callable[..., pl.LazyFrame]


def fold_edges(catalog: Catalog, dataset: Dataset, fold: Fold) -> Iterator[ColumnEdge]:
    """Yield the column edges of a fold from its inputs to the columns that its dataset declares.

    Raises:
        UnreadablePlan: An expression in it cannot be traced, an input is not declared, or the kind of fold is unknown.
    """
    inputs = {f"input_{place}": name for place, name in enumerate(fold.upstream)}
    missing = [name for name in inputs.values() if name not in catalog.datasets]
    if missing:
        raise UnreadablePlan(f"its input {missing[0]} is not declared")
    schemas = {place: {column.name: column.dtype for column in catalog[name].columns} for place, name in inputs.items()}
    try:
        found = plan_columns(_plan_of(catalog, fold), schemas)
    except pl.exceptions.PolarsError as error:
        raise UnreadablePlan(f"it cannot be written as a plan: {type(error).__name__}") from error
    declared = {column.name for column in dataset.columns} | {WHOLE}
    for column, origins in found.origins.items():
        for place, own, how in origins if column in declared else ():
            yield ColumnEdge(inputs[place], own, dataset.name, column, how)


def _plan_of(catalog: Catalog, fold: Fold) -> _Plan:
    times = [_time(catalog[name]) for name in fold.inputs]
    if isinstance(fold, Tumbling | Hopping | Sessions | Sliding | Counted):
        return lambda input_0: _windows(fold, input_0, times[0])
    if isinstance(fold, Pattern):
        return lambda input_0: _pattern(fold, input_0, times[0])
    if isinstance(fold, Lookup):
        return lambda input_0, input_1: _looked_up(fold, input_0, input_1, times[0])
    if isinstance(fold, Near):
        return lambda input_0, input_1: _pairs(fold, input_0, input_1, times)
    if isinstance(fold, Featured):
        return lambda input_0: input_0.with_columns(_feature(each, times[0]) for each in fold.features)
    if isinstance(fold, Scored):
        score = pl.sum_horizontal(fold.reads_columns)
        return lambda input_0: input_0.with_columns(anomaly_score=score, anomaly_column=score.cast(pl.String))
    raise UnreadablePlan(f"{type(fold).__name__} is no fold that is known")


def _time(dataset: Dataset) -> str:
    topic = dataset.source.stream if dataset.source is not None else None
    if topic is None or topic.event_time is None:
        raise UnreadablePlan(f"its input {dataset.name} has no event time")
    return topic.event_time


def _windows(fold: Tumbling | Hopping | Sessions | Sliding | Counted, rows: pl.LazyFrame, time: str) -> pl.LazyFrame:
    at = pl.col(time)
    window = rows.with_columns(at.alias("window_start"), at.alias("window_end"))
    return window.group_by(*fold.key, "window_start", "window_end").agg(**fold.measures)


def _pattern(fold: Pattern, rows: pl.LazyFrame, time: str) -> pl.LazyFrame:
    conditions = [fold.then, *([] if fold.without is None else [fold.without])]
    over = pl.any_horizontal(*conditions).over(_key(fold.by))
    outcome = pl.when(over).then(pl.lit("matched")).otherwise(pl.col(time).cast(pl.String))
    ended = pl.when(over).then(pl.col(time)).otherwise(pl.col(time))
    return rows.with_columns(outcome=outcome, ended_at=ended).filter(fold.first)


def _looked_up(fold: Lookup, rows: pl.LazyFrame, table: pl.LazyFrame, time: str) -> pl.LazyFrame:
    """Join by the key; which row of a history is taken depends on both times."""
    history = (fold.valid_from,) if isinstance(fold, AsOf) else ()
    joined = rows.join(table.select(*_key(fold.by), *history, *fold.take), on=_key(fold.by), how="left")
    return joined.filter(pl.col(name) <= pl.col(time) for name in history) if history else joined


def _pairs(fold: Near, left: pl.LazyFrame, right: pl.LazyFrame, times: list[str]) -> pl.LazyFrame:
    pairs = left.join(right, on=_key(fold.by), suffix="_right")
    right_time = f"{times[1]}_right" if times[1] in left.collect_schema().names() else times[1]
    return pairs.filter(pl.col(right_time) >= pl.col(times[0]))


def _feature(feature: Feature, time: str) -> pl.Expr:
    measured = [feature.measure.column] if feature.measure.column else []
    return pl.struct(*measured, time).hash().over(feature.by).alias(feature.name)


def _key(by: Sequence[str] | str) -> list[str]:
    return [by] if isinstance(by, str) else list(by)
