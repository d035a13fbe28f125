"""The values a rule looks up in another dataset: only the columns it names are loaded, and each value once."""

import polars as pl

from platform_assets.ingest.past_rows import load_versions
from platform_assets.ingest.stored import as_declared
from platform_assets.ingest.tables import table_spec
from platform_core.contracts import Balance, Catalog, Dataset, ReferenceRule
from platform_core.errors import CoreError
from platform_resources.storage import Lake


class ReferenceNotReady(CoreError):
    """A dataset that is referred to has never been materialised, so the rule cannot be judged."""

    def __init__(self, dataset: str, rule: ReferenceRule | Balance) -> None:
        self.dataset, self.rule, self.missing = dataset, rule.id, rule.dataset
        super().__init__(
            f"{dataset}: rule {rule.id!r} looks into {rule.dataset}, which has never been materialised. "
            f"Fix: materialise {rule.dataset} first, or both together."
        )


def load_references(lake: Lake, catalog: Catalog, dataset: Dataset) -> dict[str, pl.DataFrame]:
    """For each reference rule of the dataset, by its id, the values that are there, under the rule's own names.

    Of a rule on balance, what the other dataset adds up to; of one that compares with a version of the dataset's own
    table, the rows of that version.

    Raises:
        ReferenceNotReady: A dataset that is referred to has no table yet.
        RuleError: The table has no such version.
    """
    values = {rule.id: _values(lake, catalog, dataset, rule) for rule in catalog.references_of(dataset)}
    values |= {rule.id: _side(lake, catalog, dataset, rule) for rule in catalog.balances_of(dataset)}
    return values | load_versions(lake, dataset)


def _side(lake: Lake, catalog: Catalog, dataset: Dataset, rule: Balance) -> pl.DataFrame:
    target = catalog[rule.dataset]
    if not lake.exists(table_spec(target)):
        raise ReferenceNotReady(dataset.name, rule)
    return rule.side_of(as_declared(lake.scan(table_spec(target)), target)).collect(engine="streaming")


def _values(lake: Lake, catalog: Catalog, dataset: Dataset, rule: ReferenceRule) -> pl.DataFrame:
    target = catalog[rule.dataset]
    spec = table_spec(target)
    if not lake.exists(spec):
        if rule.dataset == dataset.name:
            own = {name: column.dtype for name in rule.columns if (column := dataset.column(name))}
            return pl.DataFrame(schema=own)
        raise ReferenceNotReady(dataset.name, rule)
    values = as_declared(lake.scan(spec), target)
    return (
        values.select(pl.col(name).alias(own) for own, name in zip(rule.columns, rule.to, strict=True))
        .unique()
        .collect()
    )
