"""The quarantine of a dataset on one page: counts, which rule set rows aside when, and the rows, masked."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from platform_assets.factory.metadata import rows_by_run
from platform_assets.ingest.quarantine import QuarantineStore
from platform_assets.ingest.tables import table_spec
from platform_assets.location import CodeLocation
from platform_assets.operations.envelopes import OpenedEnvelope, open_envelope, quarantine_of
from platform_core.contracts import Dataset, Partitions, rules_of
from platform_core.quality.plot import stacked_bars, strip

_PARTS = 4
_PERIODS = 24
_PLACES = 120


@dataclass(frozen=True, kw_only=True)
class RuleHistory:
    """What one rule set aside.

    Attributes:
        label: What it asks for; None where the contract has no such rule any more.
        decisions: How many envelopes there are, by decision.
        first: When it set a row aside for the first time.
        last: And for the last.
    """

    id: str
    label: str | None
    decisions: Mapping[str, int]
    first: datetime
    last: datetime


@dataclass(frozen=True, kw_only=True)
class QuarantinePage:
    """All that is told of a quarantine.

    Attributes:
        decisions: How many envelopes there are, by decision.
        rules: The rule with the most open rows first.
        envelopes: The newest ones of the decision asked for, masked.
        omitted: How many more there are of that decision.
        pictures: SVG by title.
    """

    dataset: str
    decisions: Mapping[str, int]
    rules: Sequence[RuleHistory]
    envelopes: Sequence[OpenedEnvelope]
    omitted: int
    pictures: Mapping[str, str]


def describe_quarantine(
    location: CodeLocation, name: str, *, decision: str = "open", rule: str | None = None, rows: int = 50
) -> QuarantinePage:
    """Tell what a quarantine holds and how it came to.

    Args:
        location: The datasets and their lake.
        name: The dataset.
        decision: Of the envelopes that are shown: `open`, `replayed`, `discarded` or `all`.
        rule: Show only envelopes that break this rule.
        rows: How many at most.

    Raises:
        UnknownName: There is no such dataset.
        RequestError: The dataset declares no quarantine.
    """
    store = quarantine_of(location, name)
    envelopes = store.envelopes()
    shown = envelopes if decision == "all" else envelopes.filter(pl.col("decision") == decision)
    if rule is not None:
        shown = shown.filter(pl.col("rules").list.contains(rule))
    newest = shown.tail(rows).reverse()
    return QuarantinePage(
        dataset=name,
        decisions=_decisions(envelopes),
        rules=_rules(store.dataset, envelopes),
        envelopes=[open_envelope(store.dataset, row) for row in newest.to_dicts()],
        omitted=shown.height - newest.height,
        pictures=dict(_pictures(store, envelopes)),
    )


def _decisions(envelopes: pl.DataFrame) -> dict[str, int]:
    counts = dict(envelopes["decision"].value_counts().iter_rows())
    return {decision: counts.get(decision, 0) for decision in ("open", "replayed", "discarded")}


def _rules(dataset: Dataset, envelopes: pl.DataFrame) -> list[RuleHistory]:
    labels = {rule.id: rule.label for rule in rules_of(dataset)}
    broken = envelopes.explode("rules").drop_nulls("rules")
    histories = [
        RuleHistory(
            id=str(rule),
            label=labels.get(str(rule)),
            decisions=_decisions(part),
            first=instants[0],
            last=instants[-1],
        )
        for (rule,), part in broken.group_by("rules")
        if (instants := part["quarantined_at"].sort().to_list())
    ]
    return sorted(histories, key=lambda history: (-history.decisions["open"], history.id))


def _by_partition(store: QuarantineStore, envelopes: pl.DataFrame) -> dict[str, tuple[int, int]]:
    """Count the rows of the table and the open envelopes of the latest partitions, those without either included."""
    dataset, spec = store.dataset, table_spec(store.dataset)
    if dataset.partitions is None or not store.lake.exists(spec):
        return {}
    counted = store.lake.scan(spec).group_by(dataset.partitions.column).len().collect(engine="streaming")
    rows = dict(counted.drop_nulls().iter_rows())
    waiting = envelopes.filter(pl.col("decision") == "open")["partition"].drop_nulls().value_counts()
    aside = dict(waiting.iter_rows())
    keys = sorted(rows.keys() | aside.keys())
    if isinstance(dataset.partitions, Partitions) and keys:
        keys = _without_holes(dataset.partitions, keys[-_PLACES:])
    return {key: (rows.get(key, 0), aside.get(key, 0)) for key in keys[-_PLACES:]}


def _without_holes(partitions: Partitions, keys: Sequence[str]) -> list[str]:
    every: list[str] = []
    key = keys[0]
    while key < keys[-1] and len(every) < _PLACES * 10:
        every.append(key)
        key = partitions.key_at(partitions.ends_at(key))
    return [*every, keys[-1]]


def _pictures(store: QuarantineStore, envelopes: pl.DataFrame) -> Iterator[tuple[str, str]]:
    """Draw the rows of the latest runs, the partitions, and how many rows each rule set aside on each day."""
    ingests, places = store.ingests(), _by_partition(store, envelopes)
    if places:
        title = "Rows and open envelopes, by partition"
        yield title, strip(places, title=title, names=("rows", "set aside"))
    if not ingests.is_empty():
        yield "Rows in, by run", rows_by_run(ingests)
    broken = envelopes.explode("rules").drop_nulls("rules")
    if broken.is_empty():
        return
    ranked = broken["rules"].value_counts().sort(["count", "rules"], descending=[True, False])["rules"].to_list()
    names = ranked if len(ranked) <= _PARTS else [*ranked[: _PARTS - 1], "others"]
    counted = (
        broken.with_columns(
            pl.when(pl.col("rules").is_in(names)).then("rules").otherwise(pl.lit("others")).alias("rule"),
            pl.col("quarantined_at").dt.strftime("%Y-%m-%d").alias("day"),
        )
        .group_by("day", "rule")
        .len()
    )
    days = counted["day"].unique().sort().to_list()[-_PERIODS:]
    counts: dict[tuple[Any, Any], int] = {(day, rule): count for day, rule, count in counted.iter_rows()}
    values = {day: [counts.get((day, name), 0) for name in names] for day in days}
    yield "Rows set aside, by day and rule", stacked_bars(values, names, title="Rows set aside, by day and rule")
