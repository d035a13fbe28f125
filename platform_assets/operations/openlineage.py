"""OpenLineage: what Dagster's history says was made becomes events, kept until an endpoint took them."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platform_assets.factory.asset_keys import asset_key
from platform_assets.location import CodeLocation
from platform_assets.operations.lineage import location_lineage
from platform_core.contracts import rules_of
from platform_core.lineage.openlineage import AssertionResult, MadeDataset, events_of
from platform_resources.outbox import Delivery, Outbox

if TYPE_CHECKING:
    import dagster as dg

_AT_ONCE = 1_000


def outbox_of(location: CodeLocation) -> Outbox:
    """Return the outbox of an environment; it lies below the state folder."""
    return Outbox(Path(location.settings.state) / "lineage" / location.settings.environment / "openlineage.db")


def send_events(location: CodeLocation, instance: "dg.DagsterInstance") -> Delivery:
    """Make events of all that was materialised since the last time, keep them, and send what waits.

    Without an endpoint they are kept.
    """
    outbox = outbox_of(location)
    collect_events(location, instance, outbox)
    url = location.settings.openlineage
    return outbox.deliver(url) if url else Delivery(sent=0, refused=0, left=outbox.waiting())


def openlineage_sensor(location: CodeLocation) -> "dg.SensorDefinition":
    """Return the sensor that sends events every minute; what an endpoint does not take waits for the next tick."""
    import dagster as dg  # noqa: PLC0415 - as above

    @dg.sensor(
        name="openlineage",
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        asset_selection="*",
    )
    def openlineage(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        """Sends OpenLineage events of what was materialised."""
        delivery = send_events(location, context.instance)
        return dg.SkipReason(
            f"{delivery.sent} sent, {delivery.refused} refused, {delivery.left} waiting {delivery.error}"
        )

    return openlineage


def collect_events(location: CodeLocation, instance: "dg.DagsterInstance", outbox: Outbox) -> int:
    """Put events of what was materialised since the last time into the outbox; return how many."""
    from dagster import AssetRecordsFilter  # noqa: PLC0415 - commands that need no instance do not pay for it

    lineage = location_lineage(location)
    made = 0
    for name, node in sorted(lineage.nodes.items()):
        if node.kind == "source":
            continue
        place = outbox.place(name)
        while True:
            chosen = AssetRecordsFilter(asset_key(name), after_storage_id=place)
            records = instance.fetch_materializations(chosen, limit=_AT_ONCE, ascending=True).records
            if not records:
                break
            place = max(record.storage_id for record in records)
            events = [
                event
                for record in records
                for event in events_of(
                    _made(location, instance, name, record), lineage, location.catalog.datasets,
                    namespace=f"dagster://{location.settings.environment}",
                )
            ]  # fmt: skip
            outbox.put(events, reader=name, place=place)
            made += len(events)
    return made


def _made(location: CodeLocation, instance: "dg.DagsterInstance", name: str, record: Any) -> MadeDataset:
    run = instance.get_run_by_id(record.run_id)
    metadata = record.asset_materialization.metadata if record.asset_materialization else {}
    return MadeDataset(
        name=name,
        run_id=record.run_id,
        job=run.job_name if run else "materialise",
        at=datetime.fromtimestamp(record.timestamp, UTC),
        partition=record.partition_key,
        rows=_number(metadata, "dagster/row_count"),
        size_bytes=_number(metadata, "size_bytes"),
        assertions=tuple(_assertions(location, instance, name, record.run_id)),
    )


def _assertions(
    location: CodeLocation, instance: "dg.DagsterInstance", name: str, run_id: str
) -> Iterator[AssertionResult]:
    """Yield what the checks of a run said; the rule stands for its message, which may quote values."""
    from dagster import AssetCheckKey  # noqa: PLC0415 - as above

    dataset = location.catalog.datasets.get(name)
    rules = {rule.id: rule for rule in rules_of(dataset)} if dataset else {}
    keys = {AssetCheckKey(asset_key(name), rule): rule for rule in rules}
    found = instance.event_log_storage.get_latest_asset_check_execution_by_key(list(keys)) if keys else {}
    for key, record in found.items():
        event = record.event.dagster_event if record.event else None
        if record.run_id != run_id or event is None or event.event_type_value != "ASSET_CHECK_EVALUATION":
            continue
        rule = rules[keys[key]]
        yield AssertionResult(
            rule=rule.id,
            passed=event.asset_check_evaluation_data.passed,
            severity=rule.severity,
            column=rule.columns[0] if len(rule.columns) == 1 else None,
            description=rule.label,
        )


def _number(metadata: Any, name: str) -> int | None:
    value = metadata[name].value if name in metadata else None
    return value if isinstance(value, int) else None
