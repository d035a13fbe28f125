"""Quality over time and for others: history and score of a dataset, backtests, and what to tell a supplier."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl

from platform_assets.ingest import table_spec
from platform_assets.ingest.metrics import read_metrics
from platform_assets.ingest.quarantine import QuarantineStore
from platform_assets.ingest.references import load_references
from platform_assets.location import CodeLocation
from platform_assets.operations.envelopes import unreadable_columns
from platform_assets.operations.errors import UnknownName
from platform_assets.operations.history import open_history
from platform_assets.operations.incidents import marked_periods
from platform_assets.operations.overview import state_of
from platform_core.contracts import Dataset, Rule, rules_of
from platform_core.privacy.masking import masked_record
from platform_core.quality.backtest import Verdict, backtest
from platform_core.quality.envelope import RECORD
from platform_core.quality.metrics import FRESH_WITHIN, JudgedRule, Score, score, threshold_of, with_expectations
from platform_core.rules import Types

_RULE = "rule:"


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One measurement.

    Attributes:
        high: Whether it is beyond its threshold.
        low_expected: The least that its own past lets expect; None where too little is known.
        high_expected: The most.
        odd: Whether it lies outside of what is expected.
        left_out: Whether somebody left its period out, so that nothing is learned from it.
    """

    at: datetime
    run_id: str
    partition: str
    column: str
    metric: str
    value: float
    high: bool
    low_expected: float | None = None
    high_expected: float | None = None
    odd: bool = False
    left_out: bool = False


@dataclass(frozen=True, kw_only=True)
class QualityHistory:
    """What was measured of a dataset, oldest first, and its score now.

    Attributes:
        age_hours: Since it was materialised; None where it never was.
        age_limit_hours: From here on it is old: as promised, or 24.
    """

    name: str
    age_hours: float | None
    age_limit_hours: float
    score: Score
    measurements: Sequence[Measurement]


def quality_history(
    location: CodeLocation, dataset: Dataset, *, column: str | None = None, metric: str | None = None
) -> QualityHistory:
    """Tell what was measured of a dataset, run after run."""
    measured = read_metrics(location.lake, dataset)
    chosen_metrics = measured.filter(
        pl.lit(value=True) if column is None else pl.col("column") == column,
        pl.lit(value=True) if metric is None else pl.col("metric") == metric,
    )
    marks = marked_periods(location.lake, dataset, sorted({*chosen_metrics["partition"], *_days(chosen_metrics)}))
    bands = with_expectations(chosen_metrics, marks)
    rows = [
        _measurement(dataset, row, band, marks)
        for row, band in zip(chosen_metrics.iter_rows(named=True), bands, strict=True)
    ]
    limit = dataset.freshness or FRESH_WITHIN
    with open_history(location.settings) as history:
        filled_at = state_of(dataset, location.lake, history).materialised_at
    return QualityHistory(
        name=dataset.name,
        score=score_of(dataset, measured),
        measurements=tuple(rows),
        age_hours=None if filled_at is None else (datetime.now(UTC).timestamp() - filled_at) / 3600,
        age_limit_hours=limit.total_seconds() / 3600,
    )


def quality_score(location: CodeLocation, dataset: Dataset) -> Score:
    """Score a dataset by what was measured of its rules last."""
    return score_of(dataset, read_metrics(location.lake, dataset))


def _days(measured: pl.DataFrame) -> list[str]:
    return measured["at"].dt.strftime("%Y-%m-%d").to_list()


def _measurement(
    dataset: Dataset, row: Mapping[str, Any], band: tuple[float, float] | None, marks: Collection[str]
) -> Measurement:
    period = row["partition"] or f"{row['at']:%Y-%m-%d}"
    return Measurement(
        **row,
        high=row["value"] > threshold_of(dataset, row["column"], row["metric"]),
        low_expected=band[0] if band else None,
        high_expected=band[1] if band else None,
        odd=band is not None and not band[0] <= row["value"] <= band[1],
        left_out=period in marks,
    )


def score_of(dataset: Dataset, measured: pl.DataFrame) -> Score:
    """Score a dataset by the newest value of each rule, the worst of its partitions."""
    rules = {rule.id: rule for rule in rules_of(dataset)}
    latest = (
        measured.filter(pl.col("metric").str.starts_with(_RULE))
        .sort("at")
        .group_by("metric", "partition", maintain_order=True)
        .agg(pl.col("value").last())
    )
    worst: dict[str, float] = {}
    for name, _, value in latest.iter_rows():
        rule = rules.get(name.removeprefix(_RULE))
        if rule is not None:
            worst[rule.id] = min(worst.get(rule.id, 1.0), _share_kept(rule, value))
    judged = [
        JudgedRule(dimension=rules[rule_id].dimension, severity=rules[rule_id].severity, kept=kept_share)
        for rule_id, kept_share in worst.items()
    ]
    return score(judged)


def _share_kept(rule: Rule, value: float) -> float:
    """Return the share of rows that keep a rule; of a rule on the whole, whether it holds."""
    least, most = getattr(rule, "at_least", None), getattr(rule, "at_most", None)
    coverage = getattr(rule, "coverage", None)
    if coverage is not None and coverage < 1:
        return float(value >= coverage)
    if least is None and most is None:
        return 1 - value
    return float((least is None or value >= least) and (most is None or value <= most))


def backtest_of(
    location: CodeLocation, dataset: Dataset, rule_id: str, *, versions: bool = False, proposed: Sequence[Rule] = ()
) -> list[Verdict]:
    """Judge what is stored by one rule: each partition, or each version of the table that can still be read.

    Args:
        location: The datasets and their lake.
        dataset: The one to judge.
        rule_id: Of a rule of the dataset, or of one proposed.
        versions: Versions instead of partitions.
        proposed: Rules that the dataset does not have yet.

    Raises:
        UnknownName: There is no such rule.
        TableNotFound: The dataset was never filled.
    """
    known = {rule.id: rule for rule in (*rules_of(dataset), *proposed)}
    if rule_id not in known:
        raise UnknownName("rule", rule_id, known, where=f"{dataset.name}: ")
    frames = _versions(location, dataset) if versions else _partitions(location, dataset)
    references = load_references(location.lake, location.catalog, dataset)
    return list(backtest(known[rule_id], dataset, frames, references))


def _partitions(location: CodeLocation, dataset: Dataset) -> Iterator[tuple[str, pl.DataFrame]]:
    spec = table_spec(dataset)
    names = [column.name for column in dataset.columns]
    if dataset.partitions is None:
        yield "all", location.lake.read(spec, columns=names)
        return
    stored = dataset.partitions.column
    keys = location.lake.read(spec, columns=[stored])[stored].unique().sort()
    for key in keys:
        yield key, location.lake.read(spec, partitions=[key], columns=names)


def _versions(location: CodeLocation, dataset: Dataset) -> Iterator[tuple[str, pl.DataFrame]]:
    spec = table_spec(dataset)
    names = [column.name for column in dataset.columns]
    for version in reversed(location.lake.operations(spec).history()):
        yield f"version {version.version}", location.lake.read(spec, version=version.version, columns=names)


@dataclass(frozen=True, kw_only=True)
class Failure:
    """One rule that one row of a supplier's file breaks; columns are named as in his file, personal data is masked."""

    source: str
    row: int | None
    rule: str
    sentence: str
    columns: Sequence[str]
    values: Mapping[str, Any]


def supplier_failures(location: CodeLocation, dataset: Dataset, *, source: str | None = None) -> list[Failure]:
    """List the rows that are set aside as whoever sent them knows them: his file, his row, the rule in a sentence.

    Raises:
        UnknownName: No row of such a file is set aside.
    """
    envelopes = QuarantineStore(location.lake, dataset).envelopes(decision="open")
    names = envelopes["source"].unique().sort().to_list()
    if source is not None and source not in names:
        raise UnknownName("file with rows set aside", source, names, where=f"{dataset.name}: ")
    rows = envelopes.sort("source", "position").filter(
        pl.lit(value=True) if source is None else pl.col("source") == source
    )
    return [failure for row in rows.iter_rows(named=True) for failure in _failures(dataset, row)]


def _failures(dataset: Dataset, row: Mapping[str, Any]) -> Iterator[Failure]:
    rules = {rule.id: rule for rule in rules_of(dataset)}
    payload = masked_record(json.loads(row["payload"]), dataset.columns) if row["payload"] else {}
    malformed = RECORD in payload
    his_names = {column.name: column.terms.source_name or column.name for column in dataset.columns}
    for rule_id in row["rules"]:
        rule = rules.get(rule_id)
        columns = tuple(rule.columns) if rule else ()
        if isinstance(rule, Types):
            columns = tuple(unreadable_columns(dataset, row))
        yield Failure(
            source=row["source"],
            row=row["position"],
            rule=rule_id,
            sentence=rule.label if rule and not malformed else row["reason"],
            columns=tuple(his_names.get(name, name) for name in columns),
            values={his_names.get(name, name): payload.get(name) for name in columns},
        )
