"""Column lineage of folds: each kind says by a lazy plan over whole histories which columns it is made of."""

from collections.abc import Iterator

import polars as pl

from platform_core.contracts import Catalog, Dataset
from platform_core.contracts.folds import Fold
from platform_core.folding import folding_of
from platform_core.lineage.graph import WHOLE, ColumnEdge
from platform_core.lineage.plans import UnreadablePlan, plan_columns


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
        folding = folding_of(catalog, dataset)
        planned = plan_columns(lambda **frames: folding.plan(*(frames[place] for place in inputs)), schemas)
    except TypeError as error:
        raise UnreadablePlan(str(error)) from error
    except pl.exceptions.PolarsError as error:
        raise UnreadablePlan(f"it cannot be written as a plan: {type(error).__name__}") from error
    declared = {column.name for column in dataset.columns} | {WHOLE}
    for column, origins in planned.origins.items():
        for place, own, how in origins if column in declared else ():
            yield ColumnEdge(inputs[place], own, dataset.name, column, how)
