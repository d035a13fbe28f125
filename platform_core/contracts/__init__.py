"""What a domain imports: the words in which a dataset is declared."""

import polars as pl
from pandera.polars import check, dataframe_check

from platform_core.contracts.addresses import (
    Auth,
    Pages,
    Rest,
    api_key,
    basic,
    bearer,
    cursor,
    link,
    oauth2,
    offset,
    page,
)
from platform_core.contracts.catalog import Catalog, catalog_of
from platform_core.contracts.columns import Column
from platform_core.contracts.dataset import Dataset, Transform
from platform_core.contracts.folds import (
    AsOf,
    Counted,
    Featured,
    Hopping,
    Lookup,
    Near,
    Pattern,
    Scored,
    Sessions,
    Sliding,
    Tumbling,
)
from platform_core.contracts.glossary import Term
from platform_core.contracts.model import DataFrameModel, Field
from platform_core.contracts.partitions import (
    Categories,
    Pairs,
    Partitions,
    by,
    daily,
    hourly,
    monthly,
    pairs,
    quarterly,
    weekly,
    yearly,
)
from platform_core.contracts.publications import ToAlert, ToDatabase, ToRedis, ToSearch, ToStore, ToTopic, ToWebhook
from platform_core.contracts.retention import Retention
from platform_core.contracts.ruleset import rules_of
from platform_core.contracts.sla import Sla
from platform_core.contracts.sources import Changes, Database, DbtModel, Files, Generated, Topic, minutes
from platform_core.contracts.stores import Delta, Iceberg, Parquet, Quarantine, within
from platform_core.contracts.thresholds import Threshold
from platform_core.contracts.types import Day, UtcTimestamp
from platform_core.rules import (
    Balance,
    CheckRule,
    DatasetRule,
    ReferenceRule,
    RowRule,
    Rule,
    balance,
    compare,
    complete,
    deviation,
    distinct,
    drift,
    expression,
    fresh,
    mean,
    measure,
    mostly,
    no_gaps,
    not_future,
    only_where,
    quantile,
    references,
    rules_from,
    share_of,
    unique,
    volume,
)

col = pl.col

__all__ = [
    "AsOf", "Auth", "Balance", "Catalog", "Categories", "Changes", "CheckRule", "Column", "Counted", "DataFrameModel",
    "Database", "Dataset",
    "DatasetRule", "Day", "DbtModel", "Delta", "Featured", "Field", "Files", "Generated", "Hopping", "Iceberg",
    "Lookup", "Near", "Pages",
    "Pairs", "Parquet", "Partitions", "Pattern", "Quarantine", "ReferenceRule", "Rest", "Retention", "RowRule", "Rule",
    "Scored", "Sessions", "Sla", "Sliding", "Term", "Threshold", "ToAlert", "ToDatabase", "ToRedis", "ToSearch",
    "ToStore", "ToTopic", "ToWebhook", "Topic", "Transform", "Tumbling", "UtcTimestamp", "api_key", "balance", "basic",
    "bearer", "by", "catalog_of", "check", "col",
    "compare", "complete", "cursor", "daily", "dataframe_check", "deviation", "distinct", "drift", "expression",
    "fresh",
    "hourly", "link", "mean", "measure", "minutes", "monthly", "mostly", "no_gaps", "not_future", "oauth2", "offset",
    "only_where", "page", "pairs", "quantile", "quarterly", "references", "rules_from", "rules_of", "share_of",
    "unique", "volume", "weekly", "within", "yearly",
]  # fmt: skip
