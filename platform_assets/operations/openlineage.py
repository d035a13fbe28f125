"""OpenLineage: what Dagster's history says of runs becomes events, kept until an endpoint took them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platform_assets.factory.asset_keys import asset_key
from platform_assets.location import CodeLocation
from platform_assets.operations.event_log import EventCursor, EventLine, read_changes
from platform_assets.operations.lineage import location_lineage
from platform_core.contracts import rules_of
from platform_core.lineage.openlineage import AssertionResult, EndState, EventWriter, MadeDataset, RunReference
from platform_resources.outbox import Delivery, Outbox

if TYPE_CHECKING:
    import dagster as dg
    from dagster._core.execution.plan.objects import StepFailureData

_AT_ONCE = 1_000
_READER = "event log"
_MADE, _STARTED = "ASSET_MATERIALIZATION", "PIPELINE_START"
_ENDS: dict[str, EndState] = {"PIPELINE_SUCCESS": "COMPLETE", "PIPELINE_FAILURE": "FAIL", "PIPELINE_CANCELED": "ABORT"}


def outbox_of(location: CodeLocation) -> Outbox:
    """Return the outbox of an environment; it lies below the state folder."""
    return Outbox(Path(location.settings.state) / "lineage" / location.settings.environment / "openlineage.db")


def send_events(location: CodeLocation, instance: "dg.DagsterInstance") -> Delivery:
    """Make events of all that happened since the last time, keep them, and send what waits.

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
        """Send OpenLineage events of runs and what they made."""
        delivery = send_events(location, context.instance)
        return dg.SkipReason(
            f"{delivery.sent} sent, {delivery.refused} refused, {delivery.left} waiting {delivery.error}"
        )

    return openlineage


def collect_events(location: CodeLocation, instance: "dg.DagsterInstance", outbox: Outbox) -> int:
    """Put events of what happened since the last time into the outbox; return how many.

    What a run made is told when it ends, because only then it is known which partitions it wrote and what its checks
    said. Events are put into the outbox with the place up to which the log was read, both or neither.
    """
    from dagster import DagsterEventType  # noqa: PLC0415 - commands that need no instance do not pay for it

    writer = EventWriter(
        location_lineage(location), location.catalog.datasets, namespace=f"dagster://{location.settings.environment}"
    )
    types = [DagsterEventType(kind) for kind in (_MADE, _STARTED, *_ENDS)]
    count = 0
    while True:
        last, recent = outbox.place(_READER) or (0, ())
        lines, cursor = read_changes(instance, EventCursor(last, frozenset(recent)), types, limit=_AT_ONCE)
        if not lines:
            return count
        events = [event for line in lines for event in _events(location, instance, writer, line)]
        outbox.put(events, reader=_READER, place=(cursor.last, sorted(cursor.recent)))
        count += len(events)


def _events(
    location: CodeLocation, instance: "dg.DagsterInstance", writer: EventWriter, line: EventLine
) -> Iterator[dict[str, Any]]:
    if line.event_type == _MADE:
        if not line.run_id and line.asset is not None:
            yield from _reported(instance, writer, line.asset, line.number)
        return
    run = instance.get_run_by_id(line.run_id)
    if run is None:
        return  # deleted since
    log = _RunLog.read(instance, line)
    reference = RunReference(run_id=run.run_id, job=run.job_name, at=log.at)
    if line.event_type == _STARTED:
        yield from writer.started(reference, log.planned)
        return
    for name, events in log.made.items():
        yield from writer.made(_made_dataset(location, reference, name, events, log.verdicts))
    state = _ENDS[line.event_type]
    missing = [name for name in log.planned if name not in log.made]
    unmade = {name: log.errors.get(name, "") if state == "FAIL" else "" for name in missing}
    yield from writer.ended(reference, state, unmade, next(iter(log.errors.values()), "") if state == "FAIL" else "")


@dataclass
class _RunLog:
    """What the log says of a run: the datasets it was to make, what it made, verdicts, and errors by dataset."""

    at: datetime
    planned: list[str] = field(default_factory=list)
    made: dict[str, list["dg.EventLogEntry"]] = field(default_factory=dict)
    verdicts: list["dg.AssetCheckEvaluation"] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)

    @staticmethod
    def read(instance: "dg.DagsterInstance", line: EventLine) -> "_RunLog":
        from dagster import DagsterEventType  # noqa: PLC0415 - as above

        types = (_MADE, "ASSET_MATERIALIZATION_PLANNED", "ASSET_CHECK_EVALUATION", "STEP_FAILURE", line.event_type)
        log = _RunLog(datetime.now(UTC))
        planned: dict[str, None] = {}
        for entry in instance.all_logs(line.run_id, of_type={DagsterEventType(type_) for type_ in types}):
            event = entry.dagster_event
            if event is None:
                continue
            name = event.asset_key.to_user_string() if event.asset_key else None
            if event.event_type_value == line.event_type:
                log.at = datetime.fromtimestamp(entry.timestamp, UTC)
            elif event.event_type_value == _MADE and name is not None:
                log.made.setdefault(name, []).append(entry)
            elif event.event_type_value == "ASSET_CHECK_EVALUATION":
                log.verdicts.append(event.asset_check_evaluation_data)
            elif event.event_type_value == "STEP_FAILURE":
                log.errors[(event.step_key or "").replace("__", "/")] = _error_class(event.step_failure_data)
            elif name is not None:
                planned[name] = None
        log.planned = list(planned)
        return log


def _error_class(failure: "StepFailureData") -> str:
    """Name the class of the error that a step ended with, the innermost; its words may quote values."""
    error = failure.error
    while error is not None and error.cause is not None:
        error = error.cause
    return (error.cls_name if error else None) or "Failure"


def _reported(instance: "dg.DagsterInstance", writer: EventWriter, name: str, number: int) -> Iterator[dict[str, Any]]:
    """Yield the events of a materialisation outside of runs."""
    from dagster import AssetRecordsFilter  # noqa: PLC0415 - as above

    chosen = AssetRecordsFilter(asset_key(name), storage_ids=[number])
    for record in instance.fetch_materializations(chosen, limit=1).records:
        yield from writer.made(_of_entries(name, None, f"event {number}", [record.event_log_entry]))


def _made_dataset(
    location: CodeLocation, run: RunReference, name: str, entries: Sequence["dg.EventLogEntry"], verdicts: Any
) -> MadeDataset:
    made_dataset = _of_entries(name, run, run.run_id, entries)
    return replace(made_dataset, assertions=tuple(_assertions(location, name, verdicts)))


def _of_entries(
    name: str, run: RunReference | None, occasion: str, entries: Sequence["dg.EventLogEntry"]
) -> MadeDataset:
    written = [entry.asset_materialization for entry in entries if entry.asset_materialization is not None]
    metadata = written[-1].metadata
    return MadeDataset(
        name=name,
        run=run,
        occasion=occasion,
        at=datetime.fromtimestamp(entries[-1].timestamp, UTC),
        partitions=sorted(
            {materialisation.partition for materialisation in written if materialisation.partition is not None}
        ),
        rows=_number(metadata, "dagster/row_count"),
        size_bytes=_number(metadata, "size_bytes"),
    )


def _assertions(
    location: CodeLocation, name: str, verdicts: Sequence["dg.AssetCheckEvaluation"]
) -> Iterator[AssertionResult]:
    """Yield what the checks of a run said; the rule stands for its message, which may quote values."""
    dataset = location.catalog.datasets.get(name)
    rules = {rule.id: rule for rule in rules_of(dataset)} if dataset else {}
    for verdict in verdicts:
        if verdict.asset_key == asset_key(name) and verdict.check_name in rules:
            rule = rules[verdict.check_name]
            yield AssertionResult(
                rule=rule.id,
                passed=verdict.passed,
                severity=verdict.severity.value.lower(),
                column=rule.columns[0] if len(rule.columns) == 1 else None,
                description=rule.label,
            )


def _number(metadata: Any, name: str) -> int | None:
    value = metadata[name].value if name in metadata else None
    return value if isinstance(value, int) else None
