"""The kinds of folds: a record that declares one, and the class that computes it; another kind is one line."""

from collections.abc import Mapping
from typing import Any

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
from platform_core.folding.base import Folding, Stores
from platform_core.folding.features import FeaturedFolding
from platform_core.folding.joins import AsOfFolding, LookupFolding, NearFolding
from platform_core.folding.patterns import PatternFolding
from platform_core.folding.scores import ScoredFolding
from platform_core.folding.windows import (
    CountedFolding,
    HoppingFolding,
    SessionsFolding,
    SlidingFolding,
    TumblingFolding,
)
from platform_core.ingest import INGEST, SOURCE
from platform_core.streaming import Clock

KINDS: Mapping[type[Fold], type[Folding[Any]]] = {
    AsOf: AsOfFolding,
    Counted: CountedFolding,
    Featured: FeaturedFolding,
    Hopping: HoppingFolding,
    Lookup: LookupFolding,
    Near: NearFolding,
    Pattern: PatternFolding,
    Scored: ScoredFolding,
    Sessions: SessionsFolding,
    Sliding: SlidingFolding,
    Tumbling: TumblingFolding,
}


def folding_of(catalog: Catalog, dataset: Dataset, stores: Stores | None = None) -> Folding[Any]:
    """Return the folding that a dataset declares.

    Args:
        catalog: All declared datasets.
        dataset: Whose source is a fold.
        stores: What it reads beside its inputs; None where nothing is to be computed.

    Raises:
        TypeError: Its source is no fold of a known kind, or an input has no event time.
    """
    source = dataset.source
    if not isinstance(source, Fold) or type(source) not in KINDS:
        raise TypeError(f"{dataset.name}: {type(source).__name__} is no fold that anything computes")
    clocks = {name: _clock(catalog[name], source) for name in source.inputs}
    empty = {name: _no_rows(catalog[name]) for name in source.inputs}
    return KINDS[type(source)](source, clocks, empty, stores or Stores())


def _clock(above: Dataset, source: Fold) -> Clock:
    topic = above.source.stream if above.source is not None else None
    if topic is None or topic.event_time is None:
        raise TypeError(f"{above.name} is no stream with event time")
    return Clock(time=topic.event_time, lateness=topic.lateness, partition=SOURCE, idle=source.idle)


def _no_rows(dataset: Dataset) -> pl.DataFrame:
    types = {column.name: column.dtype for column in dataset.columns}
    return pl.DataFrame(schema={**types, SOURCE: pl.String(), INGEST: pl.String()})
