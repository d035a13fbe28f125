"""What a frame breaks, taken as the only rows of its table."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import polars as pl

from platform_core.contracts.dataset import Dataset
from platform_core.contracts.ruleset import rules_of
from platform_core.quality import judge
from platform_core.rules import DatasetRule

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def latest(frame: pl.DataFrame, dataset: Dataset) -> datetime:
    """Return the latest instant in the columns whose rules read the clock.

    At it rows are fresh, and none is in the future.
    """
    names = {name for rule in rules_of(dataset) if rule.reads_clock for name in rule.columns}
    instants = [frame[name].cast(pl.Datetime("us")).max() for name in sorted(names)]
    known = [instant for instant in instants if isinstance(instant, datetime)]
    return max(known, default=_EPOCH.replace(tzinfo=None)).replace(tzinfo=UTC)


def red_rules(
    frame: pl.DataFrame, dataset: Dataset, references: Mapping[str, pl.DataFrame], *, now: datetime | None = None
) -> tuple[str, ...]:
    """Return the ids of all rules that a frame breaks, taken as the only rows of its table.

    `now` is its latest instant.
    """
    now = now or latest(frame, dataset)
    red = [result.rule.id for result in judge(frame, dataset, references, now=now).results if not result.passed]
    whole = [replace(rule, over="partition") for rule in dataset.rules
             if isinstance(rule, DatasetRule) and rule.over == "table"]  # fmt: skip
    if whole:
        table = replace(dataset, partitions=None, rules=whole)
        results = judge(frame, table, references, now=now).results
        red += [result.rule.id for result in results if not result.passed and result.rule in whole]
    return tuple(dict.fromkeys(red))
