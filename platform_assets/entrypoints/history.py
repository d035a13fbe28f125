"""What Dagster's history says of an asset: its last materialisation, and the last verdict of each check."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

import dagster as dg

from platform_assets.entrypoints.dataset_facts import Materialisation, RuleFacts


def with_verdicts(rules: Iterable[RuleFacts], key: dg.AssetKey, instance: dg.DagsterInstance) -> tuple[RuleFacts, ...]:
    """The rules with what their checks last said."""
    checks = {rule: dg.AssetCheckKey(key, rule.id) for rule in rules}
    records = instance.event_log_storage.get_latest_asset_check_execution_by_key(list(checks.values()))
    events = {check: record.event for check, record in records.items()}
    return tuple(_judged(rule, events.get(check)) for rule, check in checks.items())


def _judged(rule: RuleFacts, event: dg.EventLogEntry | None) -> RuleFacts:
    """The rule as its last check left it; a check that was only planned said nothing."""
    told = event.dagster_event if event else None
    if event is None or told is None or told.event_type_value != "ASSET_CHECK_EVALUATION":
        return rule
    verdict = told.asset_check_evaluation_data
    return replace(
        rule,
        status=_status(verdict),
        told=verdict.description or "",
        judged_at=datetime.fromtimestamp(event.timestamp, UTC),
        run_id=event.run_id,
    )


def _status(verdict: dg.AssetCheckEvaluation) -> str:
    if verdict.passed:
        return "passed"
    return "warned" if verdict.severity is dg.AssetCheckSeverity.WARN else "failed"


def last_materialisation(key: dg.AssetKey, instance: dg.DagsterInstance) -> Materialisation | None:
    """The last materialisation, or None."""
    event = instance.get_latest_materialization_event(key)
    if event is None or event.asset_materialization is None:
        return None
    said = event.asset_materialization.metadata
    return Materialisation(
        at=datetime.fromtimestamp(event.timestamp, UTC),
        run_id=event.run_id,
        partition=event.asset_materialization.partition,
        rows_in=_count(said, "rows_in"),
        rows_valid=_count(said, "rows_valid"),
    )


def _count(said: Mapping[str, dg.MetadataValue], name: str) -> int | None:
    value = said[name].value if name in said else None
    return value if isinstance(value, int) else None
