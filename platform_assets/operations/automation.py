"""What starts runs by itself: landing sensors, schedules, conditions for what is downstream."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import dagster as dg

from platform_assets.factory.asset_keys import asset_key
from platform_assets.factory.partitioning import keys_of_period, partitions_definition
from platform_assets.location import OPERATION
from platform_assets.operations.awaited_rows import awaited_rows
from platform_assets.operations.dead_runs import fail_dead_runs
from platform_assets.operations.landing import landing_sensor
from platform_assets.operations.polled_sources import source_sensor
from platform_core.contracts import Catalog, Dataset

_SECONDS = 10


@dataclass(frozen=True)
class Automation:
    """What a code location brings to start runs."""

    sensors: Sequence[dg.SensorDefinition]
    schedules: Sequence[dg.ScheduleDefinition]


def follow_inputs() -> dg.AutomationCondition[Any]:
    """Build the condition of a derived dataset: an input was updated, and none is being updated.

    Dagster's `eager()` looks at the latest time partition only and waits for all months, so it would never fire below
    an open-ended partition set of which some months have no file. A detector is no news: it scores the rows that come.
    """
    operations = dg.AssetSelection.tag(OPERATION, "")
    handled = dg.AutomationCondition.newly_requested() | dg.AutomationCondition.newly_updated()
    return (
        dg.AutomationCondition.any_deps_updated().ignore(operations).since(handled)
        & ~dg.AutomationCondition.any_deps_in_progress().ignore(operations)
        & ~dg.AutomationCondition.in_progress()
    ).with_label("follow_inputs")


def automation_for(catalog: Catalog) -> Automation:
    """Build sensors and schedules: a domain has one sensor of files and one of polled sources."""
    datasets = catalog.datasets.values()
    landing = dict.fromkeys(dataset.domain for dataset in datasets if dataset.source and dataset.source.is_watched)
    polled = dict.fromkeys(dataset.domain for dataset in datasets if dataset.source and dataset.source.polled_every)
    sensors = [
        *(landing_sensor(catalog, domain) for domain in landing),
        *(source_sensor(catalog, domain) for domain in polled),
        dg.AutomationConditionSensorDefinition(
            "derived_datasets",
            target=dg.AssetSelection.all(),
            default_status=dg.DefaultSensorStatus.RUNNING,
            minimum_interval_seconds=_SECONDS,
        ),
        dead_runs(),
    ]
    if any(dataset.quarantine and dataset.quarantine.awaits_future for dataset in datasets):
        sensors.append(awaited_rows(catalog))
    return Automation(sensors, [_schedule(dataset) for dataset in datasets if dataset.schedule])


def _schedule(dataset: Dataset) -> dg.ScheduleDefinition:
    """Build the schedule of a dataset; of a partitioned one it asks for the last partition that ended by the tick.

    Of categories it asks for each that there is, of pairs with a period for each that the period has.
    """
    partitions = dataset.partitions
    time = partitions.time if partitions else None
    period = partitions_definition(time)

    @dg.schedule(
        name=f"{dataset.name.replace('/', '_')}_schedule",
        cron_schedule=str(dataset.schedule),
        target=dg.AssetSelection.assets(asset_key(dataset.name)),
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
    def due(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        if partitions is None:
            yield dg.RunRequest()
            return
        ended = None
        if isinstance(period, dg.TimeWindowPartitionsDefinition):
            ended = ended_partition(period, context.scheduled_execution_time)
            if ended is None:
                yield dg.SkipReason("the first partition has not ended, or the last one was asked for")
                return
        with dg.partition_loading_context(dynamic_partitions_store=context.instance):
            keys = keys_of_period(partitions, ended)
        if not keys:
            yield dg.SkipReason("no partition is there yet")
        tick = context.scheduled_execution_time.isoformat()
        for key in keys:
            yield dg.RunRequest(run_key=f"{tick} {key}", partition_key=key)  # without it Dagster refuses a second one

    return due


def ended_partition(definition: dg.TimeWindowPartitionsDefinition, at: datetime) -> str | None:
    """Find the last partition that ended at that instant or before it, by the time a tick was due and not by the clock.

    None where none has: a tick that comes late, or is made up for, asks for the same partition.
    """
    if at.timestamp() < definition.start.timestamp():
        return None
    running = definition.time_window_for_partition_key(definition.get_partition_key_for_timestamp(at.timestamp()))
    if running.start.timestamp() <= definition.start.timestamp():
        return None
    return definition.get_partition_key_for_timestamp(running.start.timestamp(), end_closed=True)


def dead_runs() -> dg.SensorDefinition:
    """Build the sensor that fails runs whose process is gone, so that Dagster tries them again."""

    @dg.sensor(name="dead_runs", minimum_interval_seconds=_SECONDS, default_status=dg.DefaultSensorStatus.RUNNING)
    def fail_them(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        """Fail runs whose process is gone, so that they are tried again and their pools are free."""
        failed_ids = fail_dead_runs(context.instance)
        return dg.SkipReason(
            f"failed {', '.join(failed_ids)}" if failed_ids else "every run that works has its process"
        )

    return fail_them
