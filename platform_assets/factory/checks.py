"""Rules as asset checks: specs before the run and results after it, from the same rules."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import polars as pl
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from platform_assets.factory.asset_keys import asset_key
from platform_assets.ingest.receipts import RECEIPT, Receipt
from platform_core.contracts import DataFrameModel, Dataset, DatasetRule, ReferenceRule, Rule, rules_of
from platform_core.quality import RuleResult, conform, judge
from platform_core.quality.judge import beyond_bounds
from platform_core.quality.policy import stops

SOURCE_SCHEMA = "source_schema"
_SHOWN_IDS = 5

STOPS = "stops_readers"
"""In a check's specification: whether its failure stops what reads the asset."""

RED_PARTITIONS = "red_partitions"
"""In a check's metadata: the partitions that its failure is about; without it, all."""


def check_specs(dataset: Dataset) -> list[dg.AssetCheckSpec]:
    """One spec for each rule of the dataset. A failing rule of severity `error` stops what is downstream of it.

    Of a dataset with partitions it stops what reads the red ones, which Dagster's own blocking cannot tell from others:
    it would stop the rest of a run because of another month.
    """
    key = asset_key(dataset.name)
    specs = [
        dg.AssetCheckSpec(
            rule.id,
            asset=key,
            description=rule.label,
            blocking=_blocks(rule, dataset) and dataset.partitions is None,
            metadata={"severity": rule.severity, "dimension": rule.dimension, STOPS: _blocks(rule, dataset)},
        )
        for rule in rules_of(dataset)
    ]
    if has_receipts(dataset):
        about = "each load's rows and values at the source are in the table or in quarantine"
        specs.append(dg.AssetCheckSpec(RECEIPT, asset=key, description=about))
        about = "no column of the source was added, dropped, renamed or given another type since the load before"
        specs.append(dg.AssetCheckSpec(SOURCE_SCHEMA, asset=key, description=about))
    return specs


def has_receipts(dataset: Dataset) -> bool:
    """Tell whether the source counts by itself what it sends, and each row that is sent must stand in the table."""
    return dataset.source is not None and dataset.source.is_comparable and dataset.newest_column is None


def _blocks(rule: Rule, dataset: Dataset) -> bool:
    if rule.blocking is not None:
        return rule.blocking
    return stops(dataset, rule)


def check_results(
    dataset: Dataset,
    results: Sequence[RuleResult],
    waiting: pl.DataFrame | None = None,
    *,
    judged: Sequence[str] | None = None,
) -> Iterator[dg.AssetCheckResult]:
    """One result for each judged rule.

    Args:
        dataset: The contract.
        results: The verdicts.
        waiting: The open envelopes, of which each result names the first of its own.
        judged: The partitions whose rows were judged, where it is these alone that a verdict is about.
    """
    for result in results:
        yield dg.AssetCheckResult(
            asset_key=asset_key(dataset.name),
            check_name=result.rule.id,
            passed=result.passed,
            severity=severity(dataset, result.rule),
            description=describe(result),
            metadata={
                **dict(_metadata(result)),
                **_red_partitions(dataset, result, judged),
                **_quarantine_command(dataset, result, waiting),
            },
        )


def receipt_results(
    dataset: Dataset, receipts: Sequence[Receipt], last: dg.AssetCheckEvaluation | None
) -> dg.AssetCheckResult:
    """Give the result for the receipts of a run's loads.

    One that does not hold is told until a load brings everything, or `platform reconcile` finds nothing missing.

    Args:
        dataset: The contract.
        receipts: Of the run's loads; none where nothing was loaded.
        last: What the check said before.
    """
    broken = [receipt.words for receipt in receipts if not receipt.holds]
    is_renewed = bool(receipts) and dataset.source is not None and dataset.source.reads_all
    if last is not None and not last.passed and not is_renewed:
        broken.insert(0, str(last.metadata["broken"].value))
    words = broken or [receipt.words for receipt in receipts] or ["nothing was loaded"]
    sums = list(dict.fromkeys(name for receipt in receipts for name in receipt.summed))
    return dg.AssetCheckResult(
        asset_key=asset_key(dataset.name),
        check_name=RECEIPT,
        passed=not broken,
        severity=dg.AssetCheckSeverity.ERROR,
        description=" ".join(words) + (_receipt_fix(dataset) if broken else ""),
        metadata={
            "rows_sent": sum(receipt.sent for receipt in receipts),
            "rows_stored": sum(receipt.stored for receipt in receipts),
            "rows_in_quarantine": sum(receipt.waiting for receipt in receipts),
            "columns_compared": ", ".join(sums),
            "broken": " ".join(broken),
        },
    )


def _receipt_fix(dataset: Dataset) -> str:
    command = f"platform reconcile {dataset.name}"
    return f" Fix: {command} says which; {command} --reload has the next load read all rows again."


def source_schema_result(dataset: Dataset, changes: Sequence[str]) -> dg.AssetCheckResult:
    """Give the result for what a source changed of its columns; the load that first met it warns."""
    return dg.AssetCheckResult(
        asset_key=asset_key(dataset.name),
        check_name=SOURCE_SCHEMA,
        passed=not changes,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{'; '.join(changes)}. Fix: declare it in a new version of the contract, or undo it there."
        if changes
        else "its columns are as they were",
        metadata={"changes": "; ".join(changes)},
    )


def last_receipt(instance: dg.DagsterInstance, name: str) -> dg.AssetCheckEvaluation | None:
    """Read what a dataset's check of receipts said last; None where it never ran."""
    key = dg.AssetCheckKey(asset_key(name), RECEIPT)
    status = {AssetCheckExecutionRecordStatus.SUCCEEDED, AssetCheckExecutionRecordStatus.FAILED}
    records = instance.event_log_storage.get_asset_check_execution_history(key, limit=1, status=status)
    event = records[0].event.dagster_event if records and records[0].event is not None else None
    data = event.event_specific_data if event is not None else None
    return data if isinstance(data, dg.AssetCheckEvaluation) else None


def _red_partitions(
    dataset: Dataset, result: RuleResult, judged: Sequence[str] | None
) -> dict[str, dg.JsonMetadataValue]:
    """Return the partitions that a failed verdict is about; nothing where it is about all of the table."""
    if result.passed or dataset.partitions is None:
        return {}
    is_measured = bool(bounds(result.rule) and result.partitions)
    outside = list(beyond_bounds(result.rule, result.partitions) if is_measured else judged or result.refused_in)
    return {RED_PARTITIONS: dg.MetadataValue.json(outside)} if outside else {}


def _quarantine_command(
    dataset: Dataset, result: RuleResult, waiting: pl.DataFrame | None
) -> dict[str, dg.TextMetadataValue]:
    """Name the command that lists the rows that a rule set aside, where it set any aside, and the first of them."""
    if dataset.quarantine is None or not result.failed or isinstance(result.rule, DatasetRule):
        return {}
    command = f"platform quarantine list {dataset.name} --rule {result.rule.id}"
    metadata = {"quarantine": dg.MetadataValue.text(command)}  # Markdown is shown behind a click
    if waiting is not None:
        ids: list[str] = (
            waiting.filter(pl.col("rules").list.contains(result.rule.id))["quarantine_id"].head(_SHOWN_IDS).to_list()
        )
        metadata |= {"envelopes": dg.MetadataValue.text(", ".join(ids))} if ids else {}
    return metadata


def severity(dataset: Dataset, rule: Rule) -> dg.AssetCheckSeverity:
    """How a failure is shown: a row that went to quarantine warns, for nothing wrong was written."""
    return dg.AssetCheckSeverity.ERROR if stops(dataset, rule) else dg.AssetCheckSeverity.WARN


def describe(result: RuleResult) -> str:
    """Return the verdict in words."""
    if result.passed:
        return f"{result.rule.label}; {result.reason}" if result.reason else result.rule.label
    if result.failed:
        return f"{result.rule.label}: {result.failed:,} of {result.total:,} rows do not ({result.rate:.3%})" + (
            f"; {result.reason}" if result.reason else ""
        )
    return f"{result.rule.label}: {result.reason or 'it does not hold'}"


def _metadata(result: RuleResult) -> Iterator[tuple[str, Any]]:
    rule = result.rule
    yield "rows_judged", result.total
    yield "severity", rule.severity
    if result.value is not None:
        yield "value", result.value
    else:
        yield "rows_failed", result.failed
        yield "percent_failed", round(100 * result.rate, 3)
    yield from bounds(rule).items()
    if len(result.partitions) > 1:
        yield "by_partition", dg.MetadataValue.json(dict(result.partitions))
    if result.sample:
        yield "sample", dg.MetadataValue.md(markdown_table(result.sample))


def bounds(rule: Rule) -> dict[str, float]:
    """Return the thresholds of a dataset rule, both closed; empty for a row rule."""
    if isinstance(rule, ReferenceRule) and not rule.judges_rows:
        return {"at_least": rule.coverage}
    if not isinstance(rule, DatasetRule):
        return {}
    thresholds = {"at_least": rule.at_least, "at_most": rule.at_most}
    return {name: bound for name, bound in thresholds.items() if bound is not None}


def markdown_table(records: Sequence[Mapping[str, Any]]) -> str:
    """Record as a Markdown table; the columns are the first record's."""
    if not records:
        return "(no rows)"
    names = list(records[0])
    lines = [f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]
    lines += [f"| {' | '.join(_cell(record[name]) for name in names)} |" for record in records]
    return "\n".join(lines)


def _cell(value: Any) -> str:
    return "" if value is None else str(value).replace("|", "\\|").replace("\n", " ")[:80]


def checks_for(model: type[DataFrameModel], *, asset: str | Sequence[str]) -> dg.AssetChecksDefinition:
    """Yield the checks of a model for an asset written by hand, judged on the stored table in one scan.

    Rules that look into other datasets are left out: without a declaration there is no graph to order them by.
    """
    key = dg.AssetKey.from_coercible(asset)
    dataset = Dataset("/".join(key.path), model, owner="team:unknown", version="1.0.0")
    referring = [rule for rule in rules_of(dataset) if isinstance(rule, ReferenceRule)]
    rules = [rule for rule in rules_of(dataset) if rule not in referring]
    specs = [dg.AssetCheckSpec(rule.id, asset=key, description=rule.label) for rule in rules]

    @dg.multi_asset_check(specs=specs, name=f"{'__'.join(key.path)}__checks", ins={"rows": dg.AssetIn(key)})
    def checks(rows: pl.LazyFrame) -> Iterator[dg.AssetCheckResult]:
        conformed = conform(rows.collect(), dataset)
        own = {rule.id: conformed.frame.select(rule.columns) for rule in referring}  # what is left out must be found
        judged = judge(conformed.frame, dataset, own, unreadable=conformed.unreadable, now=datetime.now(UTC))
        yield from check_results(dataset, [result for result in judged.results if result.rule in rules])

    return checks
