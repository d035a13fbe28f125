"""The rows of a table that stay when a run's rows are written, as far as they bear on the verdict on those.

Which ones stay is known by what the run replaces: an ingest replaces what its sources brought before, a replay adds to
all that is there, a transform replaces the partitions of its run, or, where it merges or appends, nothing.
"""

from collections.abc import Callable, Sequence

import polars as pl

from platform_assets.ingest.past_rows import load_past
from platform_assets.ingest.stored import as_declared
from platform_assets.ingest.tables import HASH, SOURCE, table_spec
from platform_assets.ingest.verdicts import stopping_rules
from platform_core.contracts import Dataset
from platform_core.ingest import row_hash
from platform_core.quality import Beside, beyond_key
from platform_core.rules import WITHIN
from platform_resources.storage import Lake

Residents = Callable[[pl.DataFrame, Sequence[str]], Beside]
"""Given a run's typed rows and the sources they replace, what stays beside them."""

Others = Callable[[Sequence[str]], pl.LazyFrame | None]
"""Given the sources that are replaced, the table's rows that stay; None where there are none."""


def after_ingest(lake: Lake, dataset: Dataset) -> Residents:
    """Return the rows that other sources brought."""
    others = _from_others(lake, dataset)
    return lambda frame, sources: Beside(
        rows=_staying(lake, dataset, frame, sources),
        held=_rows_by_unique_rule(dataset, frame, lambda: others(sources)),
        past=_past(lake, dataset, frame),
    )


def after_replay(lake: Lake, dataset: Dataset) -> Residents:
    """All rows, for a replay adds to what its sources brought; an appended row takes no other one's key.

    A row of another file takes no key away: the order of arrival says which of the two stands. Only of one file no two
    rows may have the same, unless the dataset says which of them is the newest.
    """
    return lambda frame, _: Beside(
        rows=_staying(lake, dataset, frame, ()),
        taken=_keys_of_other_rows(lake, dataset, frame)
        if dataset.store.mode != "append" and dataset.newest is None
        else None,
        held=_rows_by_unique_rule(dataset, frame, lambda: _stored(lake, dataset)),
        past=_past(lake, dataset, frame),
    )


def after_messages(lake: Lake, dataset: Dataset) -> Residents:
    """All rows, as far as uniqueness beyond the key looks at them; whatever is measured is measured on the table."""
    return lambda frame, _: Beside(held=_rows_by_unique_rule(dataset, frame, lambda: _stored(lake, dataset)))


def after_transform(lake: Lake, dataset: Dataset, partitions: Sequence[str] | None) -> Residents:
    """Return the rows of other partitions than the run's; all rows where the transform merges or appends."""

    def others() -> pl.LazyFrame | None:
        if dataset.store.mode != "overwrite":
            return _stored(lake, dataset)
        if partitions is None or dataset.partitions is None:
            return None
        column = dataset.partitions.column
        stored = _stored(lake, dataset, beside=[column])
        return None if stored is None else stored.filter(~pl.col(column).is_in(list(partitions)))

    return lambda frame, _: Beside(held=_rows_by_unique_rule(dataset, frame, others), past=_past(lake, dataset, frame))


def _stored(
    lake: Lake, dataset: Dataset, *, beside: Sequence[str] = (), partitions: Sequence[str] | None = None
) -> pl.LazyFrame | None:
    spec = table_spec(dataset)
    if not lake.exists(spec):
        return None
    return as_declared(lake.scan(spec, partitions=partitions), dataset, beside=beside)


def _from_others(lake: Lake, dataset: Dataset) -> Others:
    def others(sources: Sequence[str]) -> pl.LazyFrame | None:
        stored = _stored(lake, dataset, beside=[SOURCE])
        return None if stored is None else stored.filter(~pl.col(SOURCE).is_in(list(sources)))

    return others


def _past(lake: Lake, dataset: Dataset, frame: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Return what the rules that may stop the write compare the frame's partitions with."""
    rules = stopping_rules(dataset)
    keys = dataset.partitions
    touched = frame.select(keys.key()).to_series().drop_nulls().unique().to_list() if keys and rules else []
    return load_past(lake, dataset, rules, touched)


def _staying(lake: Lake, dataset: Dataset, frame: pl.DataFrame, replaced: Sequence[str]) -> pl.DataFrame | None:
    """Return the rows in the partitions that the given rows touch.

    Neither replaced with their source nor by their key.
    """
    if not dataset.key:
        return None
    keys = dataset.partitions
    touched = frame.select(keys.key()).to_series().drop_nulls().unique().to_list() if keys else None
    stored = _stored(lake, dataset, beside=[SOURCE], partitions=touched)
    if stored is None:
        return None
    others = stored.filter(~pl.col(SOURCE).is_in(list(replaced)))
    return others.drop(SOURCE).collect().join(frame.select(dataset.key), on=list(dataset.key), how="anti")


def _keys_of_other_rows(lake: Lake, dataset: Dataset, frame: pl.DataFrame) -> pl.DataFrame | None:
    """Return the keys of the given rows under which the table has another row.

    With its source where a file brought it.
    """
    is_stream = dataset.source is not None and dataset.source.is_stream
    source = [] if is_stream else [pl.col(SOURCE).alias(WITHIN)]
    stored = _stored(lake, dataset, beside=[HASH, *([] if is_stream else [SOURCE])])
    if stored is None:
        return None
    ours = frame.select(*dataset.key, row_hash([column.name for column in dataset.columns]).alias("_ours"))
    return (
        stored.select(*dataset.key, HASH, *source)
        .join(ours.lazy(), on=list(dataset.key))
        .filter(pl.col(HASH) != pl.col("_ours"))
        .drop(HASH, "_ours")
        .collect()
    )


def _rows_by_unique_rule(
    dataset: Dataset, frame: pl.DataFrame, staying: Callable[[], pl.LazyFrame | None]
) -> dict[str, pl.DataFrame]:
    """For each uniqueness rule beyond the key, the rows with a value of the given ones: its columns and the key."""
    rules = beyond_key(dataset)
    others = staying() if rules else None
    if others is None:
        return {}
    return {
        rule.id: others.select(list(dict.fromkeys([*rule.columns, *dataset.key])))
        .join(frame.lazy().select(rule.columns), on=list(rule.columns), how="semi")
        .collect()
        for rule in rules
    }
