"""The rows that a drift rule compares a partition with: its columns alone, of the earlier partitions it names."""

from collections.abc import Iterable, Sequence

import polars as pl

from platform_assets.ingest.stored import as_declared
from platform_assets.ingest.tables import table_spec
from platform_core.contracts import Dataset, DatasetRule, Partitions, Rule, rules_of
from platform_core.errors import RuleError
from platform_core.quality.drift import PLACE, partitions_compared, version_compared
from platform_resources.errors import VersionNotFound
from platform_resources.storage import Lake


def load_past(
    lake: Lake, dataset: Dataset, rules: Iterable[Rule], partitions: Sequence[str] | None
) -> dict[str, pl.DataFrame]:
    """Load, by id of a rule that compares partitions, the rows that those of the given keys are compared with."""
    column, spec = dataset.partitions.column if dataset.partitions else None, table_spec(dataset)
    compared = [rule for rule in rules if isinstance(rule, DatasetRule) and rule.compares_partitions]
    if not compared or column is None or not partitions or not lake.exists(spec):
        return {}
    known = lake.scan(spec, columns=[column]).unique().collect().to_series().drop_nulls().to_list()
    every = {*known, *partitions}
    time = dataset.partitions if isinstance(dataset.partitions, Partitions) else None
    past = {}
    for rule in compared:
        compared_keys = {other for key in partitions for other in partitions_compared(rule, key, every, time)}
        rows = as_declared(lake.scan(spec, partitions=sorted(compared_keys & {*known})), dataset, beside=[column])
        past[rule.id] = rows.select(*rule.columns, pl.col(column).alias(PLACE)).collect()
    return past


def load_versions(lake: Lake, dataset: Dataset) -> dict[str, pl.DataFrame]:
    """Load, by id of a rule that compares with a version of the table, the rule's columns as they were.

    Raises:
        RuleError: The table has no such version, or not any more.
    """
    spec, rows = table_spec(dataset), {}
    for rule in rules_of(dataset):
        version = version_compared(rule) if isinstance(rule, DatasetRule) else None
        if version is None or not lake.exists(spec):
            continue
        try:
            then = as_declared(lake.scan(spec, version=version), dataset)
            rows[rule.id] = then.select(rule.columns).collect()
        except VersionNotFound as error:
            reason = f"compares with version {version} of the table, which is not there."
            raise RuleError(dataset.name, rule.id, reason, "name a version that `platform table` lists.") from error
    return rows
